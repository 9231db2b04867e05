//! Launches of activation functions.

use anode_core::ode::{Real, Vector};
use anode_kernels::Activation;

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::driver::Driver;

#[repr(C)]
struct ActivationArguments {
    y: Target,
    x: Source,
    count: i64,
    a: f64,
    activation: i32,
}

/// `y = a activation(y)`, or `y = a activation'(x) y` where there is an `x`.
pub(super) fn activate<R: Real, L: Driver>(
    activation: Activation,
    a: f64,
    x: Option<&Buffer<R, L>>,
    y: &mut Buffer<R, L>,
) {
    assert!(x.is_none_or(|x| x.len() == y.len()), "an activation of vectors of different length");
    let count = y.len();
    let arguments = ActivationArguments {
        y: y.target(),
        x: x.map_or(Source::NULL, Buffer::source),
        count: count as i64,
        a,
        activation: activation as i32,
    };
    let kernel = if x.is_some() { "activate_vjp" } else { "activate" };
    // SAFETY: both vectors have this length.
    unsafe { y.gpu().launch_for::<R, _>(kernel, count, &arguments) };
}
