//! Loops compiled for the vector instructions of the processor at hand, chosen when the program runs.
//!
//! Nothing is reordered: a loop gives the same bits whatever instructions it runs on.

/// Runs `work`, compiled anew for each set of vector instructions.
#[inline]
pub(super) fn vectorised<T>(work: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(work)
}

/// Partial sums that run side by side. Their number decides the order of a sum, so it is fixed.
const LANES: usize = 16;

/// The sum over i of `term(i)`, in [`LANES`] interleaved partial sums.
#[inline(always)]
pub(super) fn sum_of(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let whole = n - n % LANES;
    for first in (0..whole).step_by(LANES) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum += term(first + i);
        }
    }
    for i in whole..n {
        sums[i - whole] += term(i);
    }
    sums.iter().sum()
}

/// The sums over i of both numbers of `terms(i)`, each as [`sum_of`] adds it.
#[inline(always)]
pub(super) fn sums_of(n: usize, terms: impl Fn(usize) -> (f64, f64)) -> (f64, f64) {
    let (mut ones, mut twos) = ([0.0; LANES], [0.0; LANES]);
    let whole = n - n % LANES;
    for first in (0..whole).step_by(LANES) {
        for (i, (one, two)) in ones.iter_mut().zip(&mut twos).enumerate() {
            let terms = terms(first + i);
            *one += terms.0;
            *two += terms.1;
        }
    }
    for i in whole..n {
        let terms = terms(i);
        ones[i - whole] += terms.0;
        twos[i - whole] += terms.1;
    }
    (ones.iter().sum(), twos.iter().sum())
}
