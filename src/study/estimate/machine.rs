//! The memory and the speed of this machine, and bytes in words.

use std::time::Instant;

use crate::kernels::{ConvShape, Cpu, Device, Part};

/// Bytes of memory that this process may use: those of the machine, of its control group, and of its limit on
/// addresses, whichever is least. `None` where the system does not tell.
pub fn memory_of_this_machine() -> Option<f64> {
    [physical(), control_group(), address_limit()].into_iter().flatten().reduce(f64::min)
}

#[cfg(unix)]
fn physical() -> Option<f64> {
    // SAFETY: `sysconf` has no preconditions.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    (pages > 0 && page > 0).then_some(pages as f64 * page as f64)
}

#[cfg(not(unix))]
fn physical() -> Option<f64> {
    None
}

/// The limit of the control group of a container, version 2 or 1.
fn control_group() -> Option<f64> {
    let read = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
    read("/sys/fs/cgroup/memory.max").or_else(|| read("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
}

#[cfg(unix)]
fn address_limit() -> Option<f64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a valid place for the answer.
    let told = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
    (told && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as f64)
}

#[cfg(not(unix))]
fn address_limit() -> Option<f64> {
    None
}

/// Multiply-adds per second of this machine in the convolutions of a small network: the fastest of a few repetitions,
/// which take some milliseconds.
pub fn multiply_adds_per_second() -> f64 {
    const CHANNELS: usize = 16;
    const SIZE: usize = 16;
    const REPETITIONS: usize = 5;
    let shape = ConvShape::same([CHANNELS, SIZE, SIZE], CHANNELS, [3, 3]);
    let (input, weights) = (vec![0.5f32; shape.input_len()], vec![0.25f32; shape.weight_len()]);
    let mut output = vec![0.0f32; shape.input_len()];
    let macs = (shape.weight_len() * SIZE * SIZE) as f64;
    let mut time = || {
        let begun = Instant::now();
        Cpu.conv(&shape, &input, Part::all(&weights), None, &mut output);
        begun.elapsed().as_secs_f64()
    };
    let fastest = (0..REPETITIONS).map(|_| time()).fold(f64::INFINITY, f64::min);
    // A training step reaches about half of it: normalisation and activations take the rest.
    0.5 * macs / fastest.max(1e-9)
}

/// Bytes with a decimal unit and two digits or more: `8.0 TB`, `24 GB`.
pub fn in_words(bytes: f64) -> String {
    const UNITS: [&str; 9] = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    let (mut size, mut unit) = (bytes, 0);
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    match size {
        _ if unit == 0 => format!("{size:.0} {}", UNITS[unit]),
        size if size < 9.95 => format!("{size:.1} {}", UNITS[unit]),
        size if size < 1e6 => format!("{size:.0} {}", UNITS[unit]),
        size => format!("{size:.1e} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_words() {
        for (bytes, words) in [
            (0.0, "0 bytes"),
            (999.0, "999 bytes"),
            (8e12, "8.0 TB"),
            (24e9, "24 GB"),
            (999.6e6, "1.0 GB"),
            (3.6e22, "36 ZB"),
            (1e40, "1.0e16 YB"),
        ] {
            assert_eq!(in_words(bytes), words);
        }
    }

    #[test]
    fn the_speed_of_this_machine_is_that_of_some_machine() {
        let speed = multiply_adds_per_second();
        assert!((1e6..1e14).contains(&speed), "{speed}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_memory_of_this_machine_is_known() {
        let here = memory_of_this_machine().expect("a number");
        assert!((64e6..1e15).contains(&here), "{here}");
    }
}
