//! A range of a buffer, such as a layer's parameters among those of the network. Used instead of slices, because
//! memory of a device cannot be a slice.

use std::ops::Range;

use anode_core::ode::Vector;

/// Some of the numbers of a buffer.
#[derive(Debug)]
pub struct Part<'a, B> {
    whole: &'a B,
    start: usize,
    len: usize,
}

impl<B> Clone for Part<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Part<'_, B> {}

/// The length of `range`.
///
/// # Panics
/// If it does not lie within `len` numbers. Kernels on a device read and write memory without any other check.
fn length(range: &Range<usize>, len: usize) -> usize {
    assert!(range.start <= range.end && range.end <= len, "a part that is not in the whole");
    range.len()
}

impl<'a, B> Part<'a, B> {
    /// Returns the numbers of this part in `range`, whose indices count from the start of this part.
    ///
    /// # Panics
    /// If `range` does not lie within this part.
    pub fn part(self, range: Range<usize>) -> Self {
        Self { whole: self.whole, start: self.start + range.start, len: length(&range, self.len) }
    }

    /// Splits the part in its first `at` numbers and the others.
    pub fn split(self, at: usize) -> (Self, Self) {
        (self.part(0..at), self.part(at..self.len))
    }

    /// Number of numbers.
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether the part has no numbers.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The whole buffer, and the index in it of this part's first number.
    pub fn place(self) -> (&'a B, usize) {
        (self.whole, self.start)
    }
}

impl<'a, B: Vector> Part<'a, B> {
    /// The numbers of `whole` at `range`.
    ///
    /// # Panics
    /// If `range` does not lie within `whole`.
    pub fn new(whole: &'a B, range: Range<usize>) -> Self {
        Self { whole, start: range.start, len: length(&range, whole.len()) }
    }

    /// All numbers of `whole`.
    pub fn all(whole: &'a B) -> Self {
        Self::new(whole, 0..whole.len())
    }
}

impl<'a, R> Part<'a, Vec<R>> {
    /// The numbers, in host memory.
    pub fn slice(self) -> &'a [R] {
        &self.whole[self.start..][..self.len]
    }
}

/// Some of the numbers of a buffer, to be changed.
#[derive(Debug)]
pub struct PartMut<'a, B> {
    whole: &'a mut B,
    start: usize,
    len: usize,
}

impl<'a, B> PartMut<'a, B> {
    /// Returns the numbers of this part in `range`, whose indices count from the start of this part.
    ///
    /// # Panics
    /// If `range` does not lie within this part.
    pub fn part(&mut self, range: Range<usize>) -> PartMut<'_, B> {
        let len = length(&range, self.len);
        PartMut { whole: &mut *self.whole, start: self.start + range.start, len }
    }

    /// Number of numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the part has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The whole buffer, and the index in it of this part's first number.
    pub fn place(&mut self) -> (&mut B, usize) {
        (&mut *self.whole, self.start)
    }
}

impl<'a, B: Vector> PartMut<'a, B> {
    /// The numbers of `whole` at `range`.
    ///
    /// # Panics
    /// If `range` does not lie within `whole`.
    pub fn new(whole: &'a mut B, range: Range<usize>) -> Self {
        let len = length(&range, whole.len());
        Self { whole, start: range.start, len }
    }

    /// All numbers of `whole`.
    pub fn all(whole: &'a mut B) -> Self {
        let len = whole.len();
        Self::new(whole, 0..len)
    }
}

impl<R> PartMut<'_, Vec<R>> {
    /// The numbers, in host memory.
    pub fn slice(&mut self) -> &mut [R] {
        &mut self.whole[self.start..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    // Reversed ranges are what is tested.
    #[allow(clippy::reversed_empty_ranges)]
    fn a_range_outside_of_the_buffer_is_refused() {
        for range in [0..4, 3..4, 4..4, 2..1, usize::MAX - 1..usize::MAX] {
            let (there, back) = (range.clone(), range.clone());
            assert!(catch_unwind(|| Part::new(&vec![1.0; 3], there).len()).is_err(), "{range:?}");
            assert!(catch_unwind(|| PartMut::new(&mut vec![1.0; 3], back).len()).is_err(), "{range:?}");
        }
        let mut numbers = vec![1.0, 2.0, 3.0];
        assert_eq!(Part::new(&numbers, 1..3).part(1..2).slice(), [3.0]);
        assert_eq!(PartMut::new(&mut numbers, 1..3).part(0..1).slice(), [2.0]);
        assert!(Part::new(&numbers, 3..3).is_empty());
    }
}
