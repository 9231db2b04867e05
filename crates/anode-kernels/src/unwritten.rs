//! Vectors that a kernel writes completely before they are read, so they need not be set to zero first.

use std::mem::MaybeUninit;

/// Returns a vector of `n` numbers that `write` sets, and the result of `write`.
///
/// # Safety
/// `write` must write every number.
pub(super) unsafe fn made<R, T>(n: usize, write: impl FnOnce(&mut [MaybeUninit<R>]) -> T) -> (Vec<R>, T) {
    let mut numbers = Vec::with_capacity(n);
    let result = write(&mut numbers.spare_capacity_mut()[..n]);
    // SAFETY: the slice above shows that the capacity is `n` or more, and the caller ensures that all of it is written.
    unsafe { numbers.set_len(n) };
    (numbers, result)
}

/// Casts `numbers` to the type that kernels take which write without reading.
///
/// # Safety
/// The caller must write only initialized numbers to the result, never `MaybeUninit::uninit()`.
pub(super) unsafe fn to_write<R>(numbers: &mut [R]) -> &mut [MaybeUninit<R>] {
    // SAFETY: `MaybeUninit<R>` has the layout of `R`; the borrow is exclusive and passes to the result, through which,
    // as the caller ensures, the numbers stay initialised.
    unsafe { &mut *(std::ptr::from_mut(numbers) as *mut [MaybeUninit<R>]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_holds_what_was_written() {
        // SAFETY: every number is written.
        let (mut made, count) = unsafe {
            made(3, |to: &mut [MaybeUninit<f32>]| {
                to.iter_mut().enumerate().for_each(|(i, to)| _ = to.write(i as f32));
                to.len()
            })
        };
        assert_eq!((&made[..], count), (&[0.0, 1.0, 2.0][..], 3));
        // SAFETY: a number is written.
        unsafe { to_write(&mut made)[1].write(7.0) };
        assert_eq!(made, [0.0, 7.0, 2.0]);
    }
}
