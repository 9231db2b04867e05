//! Launches of the products of one matrix with one vector.

use anode_core::ode::{Real, Vector};

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::driver::Driver;
use super::gpu::THREADS;

#[repr(C)]
#[derive(Clone, Copy)]
struct DenseArguments {
    w: Source,
    x: Source,
    y: Target,
    y_bar: Source,
    x_bar: Target,
    w_bar: Target,
    rows: i64,
    columns: i64,
}

impl DenseArguments {
    /// The arguments for a matrix `w` and a vector `x`. Panics if their lengths do not fit.
    fn of<R: Real, L: Driver>(w: &Buffer<R, L>, x: &Buffer<R, L>, rows: usize) -> Self {
        let columns = x.len();
        assert_eq!(w.len(), rows * columns, "a matrix that does not fit");
        let (w, x, rows, columns) = (w.source(), x.source(), rows as i64, columns as i64);
        let (y, y_bar, x_bar, w_bar) = (Target::NULL, Source::NULL, Target::NULL, Target::NULL);
        Self { w, x, y, y_bar, x_bar, w_bar, rows, columns }
    }
}

/// `y = w x`.
pub(super) fn dense<R: Real, L: Driver>(w: &Buffer<R, L>, x: &Buffer<R, L>, y: &mut Buffer<R, L>) {
    let arguments = DenseArguments { y: y.target(), ..DenseArguments::of(w, x, y.len()) };
    if !y.is_empty() {
        // SAFETY: matrix and vectors fit, as was checked.
        unsafe { x.gpu().launch::<R, _>("dense", [y.len(), 1, 1], THREADS, &arguments) };
    }
}

/// `x_bar += w^T y_bar` and `w_bar += y_bar x^T`.
pub(super) fn dense_vjp<R: Real, L: Driver>(
    w: &Buffer<R, L>,
    x: &Buffer<R, L>,
    y_bar: &Buffer<R, L>,
    x_bar: &mut Buffer<R, L>,
    w_bar: &mut Buffer<R, L>,
) {
    assert!(x_bar.len() == x.len() && w_bar.len() == w.len(), "a cotangent that does not fit");
    let (y_bar_at, x_bar_at, w_bar_at) = (y_bar.source(), x_bar.target(), w_bar.target());
    let arguments =
        DenseArguments { y_bar: y_bar_at, x_bar: x_bar_at, w_bar: w_bar_at, ..DenseArguments::of(w, x, y_bar.len()) };
    // SAFETY: matrix and vectors fit, as was checked.
    unsafe {
        x.gpu().launch_for::<R, _>("dense_vjp_input", x.len(), &arguments);
        x.gpu().launch_for::<R, _>("dense_vjp_weights", w.len(), &arguments);
    }
}
