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

/// The lanes of P sums, each added up from its first to its last: P sums at a time instead of one waiting for another.
#[inline(always)]
fn totals<const P: usize>(sums: [[f64; LANES]; P]) -> [f64; P] {
    let mut totals = sums.map(|sums| sums[0]);
    for i in 1..LANES {
        for (total, sums) in totals.iter_mut().zip(&sums) {
            *total += sums[i];
        }
    }
    totals
}

/// The sums of `term(x)` over P slices of one length, in [`LANES`] interleaved partial sums each.
#[inline(always)]
pub(super) fn sum_of<R: Copy, const P: usize>(x: [&[R]; P], term: impl Fn(R) -> f64) -> [f64; P] {
    let mut sums = [[0.0; LANES]; P];
    let parts = x.map(|x| x.as_chunks::<LANES>());
    for at in 0..parts[0].0.len() {
        for ((parts, _), sums) in parts.iter().zip(&mut sums) {
            let x = &parts[at];
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum += term(x);
            }
        }
    }
    for ((_, rest), sums) in parts.iter().zip(&mut sums) {
        sums.iter_mut().zip(*rest).for_each(|(sum, &x)| *sum += term(x));
    }
    totals(sums)
}

/// The sums of both numbers of `terms(slice, x, g)` over P slices and P others, each as [`sum_of`] adds it.
#[inline(always)]
pub(super) fn sums_of<R: Copy, const P: usize>(
    x: [&[R]; P],
    g: [&[R]; P],
    terms: impl Fn(usize, R, R) -> (f64, f64),
) -> [(f64, f64); P] {
    let (mut ones, mut twos) = ([[0.0; LANES]; P], [[0.0; LANES]; P]);
    let (x, g) = (x.map(|x| x.as_chunks::<LANES>()), g.map(|g| g.as_chunks::<LANES>()));
    for at in 0..x[0].0.len() {
        for p in 0..P {
            let (x, g) = (&x[p].0[at], &g[p].0[at]);
            for i in 0..LANES {
                let terms = terms(p, x[i], g[i]);
                ones[p][i] += terms.0;
                twos[p][i] += terms.1;
            }
        }
    }
    for p in 0..P {
        for (i, (&x, &g)) in x[p].1.iter().zip(g[p].1).enumerate() {
            let terms = terms(p, x, g);
            ones[p][i] += terms.0;
            twos[p][i] += terms.1;
        }
    }
    let (ones, twos) = (totals(ones), totals(twos));
    std::array::from_fn(|p| (ones[p], twos[p]))
}

/// `work` on P items at a time, the last ones filled up with themselves: a result for each, in order.
#[inline(always)]
pub(super) fn together<I: Copy, T, const P: usize>(
    items: impl Iterator<Item = I>,
    work: impl Fn([I; P]) -> [T; P],
) -> Vec<T> {
    let mut results = Vec::with_capacity(items.size_hint().0);
    let mut items = items;
    while let Some(first) = items.next() {
        let (mut taken, mut n) = ([first; P], 1);
        for place in &mut taken[1..] {
            let Some(item) = items.next() else { break };
            *place = item;
            n += 1;
        }
        results.extend(work(taken).into_iter().take(n));
    }
    results
}
