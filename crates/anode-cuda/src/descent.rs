//! The launch of a step of gradient descent.

use anode_core::ode::{Real, Vector};
use anode_kernels::Descent;

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::driver::Driver;

#[repr(C)]
struct DescentArguments {
    theta: Target,
    velocity: Target,
    gradient: Source,
    count: i64,
    decaying: i64,
    learning_rate: f64,
    momentum: f64,
    weight_decay: f64,
}

/// Takes one step in place.
pub(super) fn descend<R: Real, L: Driver>(
    descent: Descent,
    theta: &mut Buffer<R, L>,
    velocity: &mut Buffer<R, L>,
    gradient: &Buffer<R, L>,
) {
    let count = theta.len();
    assert!(velocity.len() == count && gradient.len() == count, "descent of vectors of different length");
    let Descent { learning_rate, momentum, weight_decay, decaying } = descent;
    let decaying = if weight_decay == 0.0 { 0 } else { decaying.min(count) };
    let arguments = DescentArguments {
        theta: theta.target(),
        velocity: velocity.target(),
        gradient: gradient.source(),
        count: count as i64,
        decaying: decaying as i64,
        learning_rate,
        momentum,
        weight_decay,
    };
    // SAFETY: all three vectors have this length.
    unsafe { theta.gpu().launch_for::<R, _>("descend", count.div_ceil(4), &arguments) };
}
