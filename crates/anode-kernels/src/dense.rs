//! Products of one matrix with one vector, and their vjp.

use anode_core::ode::Real;

/// `y = W x`, W of `[y, x]` row by row.
///
/// # Panics
/// If slices do not fit.
pub fn dense<R: Real>(w: &[R], x: &[R], y: &mut [R]) {
    assert_eq!(w.len(), x.len() * y.len(), "a matrix that does not fit");
    if x.is_empty() {
        y.fill(R::zero());
    }
    for (y, row) in y.iter_mut().zip(w.chunks_exact(x.len().max(1))) {
        *y = dot(row, x);
    }
}

/// `x_bar += W^T y_bar` and `w_bar += y_bar x^T`.
///
/// # Panics
/// If slices do not fit.
pub fn dense_vjp<R: Real>(w: &[R], x: &[R], y_bar: &[R], x_bar: &mut [R], w_bar: &mut [R]) {
    assert_eq!(w.len(), x.len() * y_bar.len(), "a matrix that does not fit");
    assert!(x_bar.len() == x.len() && w_bar.len() == w.len(), "a cotangent that does not fit");
    let rows = w.chunks_exact(x.len().max(1)).zip(w_bar.chunks_exact_mut(x.len().max(1)));
    for (&y_bar, (row, row_bar)) in y_bar.iter().zip(rows) {
        for ((&w, w_bar), (&x, x_bar)) in row.iter().zip(row_bar).zip(x.iter().zip(x_bar.iter_mut())) {
            *x_bar = *x_bar + w * y_bar;
            *w_bar = *w_bar + x * y_bar;
        }
    }
}

/// Inner product in eight interleaved partial sums: a fixed order that the compiler can vectorise.
fn dot<R: Real>(a: &[R], b: &[R]) -> R {
    const LANES: usize = 8;
    let mut sums = [R::zero(); LANES];
    let (whole_a, whole_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: R = whole_a.remainder().iter().zip(whole_b.remainder()).map(|(&a, &b)| a * b).sum();
    for (a, b) in whole_a.zip(whole_b) {
        for i in 0..LANES {
            sums[i] = sums[i] + a[i] * b[i];
        }
    }
    sums.iter().copied().sum::<R>() + rest
}
