//! Gives up a transfer that is too slow to end: a server that sends a byte now and then is never silent, and never
//! done.

use std::io::{Error, ErrorKind, Read, Result};
use std::time::{Duration, Instant};

/// The time over which the rate is measured.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Fewest bytes in a [`WINDOW`]: 1 kB per second on average.
pub const LEAST: u64 = 60_000;

/// A stream that fails once a window of time brought fewer than [`LEAST`] bytes.
pub struct Paced<R, C> {
    inner: R,
    /// Time since any fixed moment.
    clock: C,
    /// When the window began, and what it brought.
    window: (Duration, u64),
    slow: bool,
}

impl<R: Read> Paced<R, Box<dyn Fn() -> Duration>> {
    /// A stream that is timed by the clock of the machine.
    pub fn new(inner: R) -> Self {
        let start = Instant::now();
        Self::timed(inner, Box::new(move || start.elapsed()))
    }
}

impl<R: Read, C: Fn() -> Duration> Paced<R, C> {
    /// A stream that is timed by `clock`.
    fn timed(inner: R, clock: C) -> Self {
        Self { inner, window: (clock(), 0), clock, slow: false }
    }

    /// Whether it failed because it was too slow.
    pub fn is_slow(&self) -> bool {
        self.slow
    }
}

impl<R: Read, C: Fn() -> Duration> Read for Paced<R, C> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        let (begun, bytes) = self.window;
        let now = (self.clock)();
        self.window.1 = bytes.saturating_add(count as u64);
        if count > 0 && now.saturating_sub(begun) >= WINDOW {
            self.slow = self.window.1 < LEAST;
            self.window = (now, 0);
        }
        if self.slow { Err(Error::new(ErrorKind::TimedOut, "too slow")) } else { Ok(count) }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::copy;

    use super::*;

    /// Sends `piece` bytes at a time, `pause` apart, `pieces` times.
    struct Dripping<'a> {
        piece: usize,
        pieces: usize,
        pause: Duration,
        now: &'a Cell<Duration>,
    }

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.now.set(self.now.get() + self.pause);
            let count = if self.pieces == 0 { 0 } else { self.piece.min(buffer.len()) };
            self.pieces = self.pieces.saturating_sub(1);
            Ok(count)
        }
    }

    fn transfer(piece: usize, pieces: usize, seconds: u64) -> (Result<u64>, Duration) {
        let now = Cell::new(Duration::ZERO);
        let inner = Dripping { piece, pieces, pause: Duration::from_secs(seconds), now: &now };
        let mut paced = Paced::timed(inner, || now.get());
        let copied = copy(&mut paced, &mut std::io::sink());
        assert_eq!(copied.is_err(), paced.is_slow());
        (copied, now.get())
    }

    #[test]
    fn a_transfer_that_drips_is_given_up_and_a_slow_one_is_not() {
        let (dripped, after) = transfer(1, 1_000_000, 30);
        assert_eq!(dripped.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(after, WINDOW);
        assert_eq!(transfer(1_000, 600, 1).0.unwrap(), 600_000, "1 kB per second");
        assert!(transfer(999, 600, 1).0.is_err());
        assert_eq!(transfer(10, 5, 10).0.unwrap(), 50, "a short file that ends within a window");
    }
}
