//! A residual block on a device: relu(main(x) + shortcut(x)).

use crate::kernels::{Device, Part, PartMut};
use crate::net::layer::Statistics;
use crate::net::residual::Residual;
use crate::ode::{Real, Vector};

use super::chain::{DeviceTape, OnDevice};
use super::running::Running;

/// What a forward pass leaves for the vjp.
pub(super) struct ResidualTape<D: Device, R: Real> {
    main: DeviceTape<D, R>,
    shortcut: DeviceTape<D, R>,
    live: D::Mask<R>,
}

impl<D: Device, R: Real> ResidualTape<D, R> {
    pub fn bytes(&self) -> usize {
        self.main.bytes() + self.shortcut.bytes() + D::mask_bytes(&self.live)
    }
}

/// Both paths of a block with their parameters.
fn paths<'a, D: Device, R: Real>(
    device: &'a D,
    block: &'a Residual,
    theta: Part<'a, D::Buffer<R>>,
) -> [OnDevice<'a, D, R>; 2] {
    let (main, shortcut) = theta.split(block.main.parameters.len());
    [OnDevice::new(device, &block.main, (0, 0), main), OnDevice::new(device, &block.shortcut, (0, 0), shortcut)]
}

/// The block's output for a batch; `theta` are the block's own parameters.
pub(super) fn forward<D: Device, R: Real>(
    device: &D,
    block: &Residual,
    theta: Part<D::Buffer<R>>,
    x: &D::Buffer<R>,
    statistics: Statistics,
    running: &mut Running<D>,
) -> D::Buffer<R> {
    let [main, shortcut] = paths(device, block, theta);
    let mut y = main.forward(x, statistics, running);
    match block.shortcut.layers().is_empty() {
        true => device.add_relu(&mut y, x),
        false => device.add_relu(&mut y, &shortcut.forward(x, statistics, running)),
    }
    y
}

/// As [`forward`], same bits, with the tape.
pub(super) fn forward_taped<D: Device, R: Real>(
    device: &D,
    block: &Residual,
    theta: Part<D::Buffer<R>>,
    x: &D::Buffer<R>,
    running: &mut Running<D>,
) -> (D::Buffer<R>, ResidualTape<D, R>) {
    let [main, shortcut] = paths(device, block, theta);
    let (mut y, main) = main.forward_taped(0, x, Statistics::BatchUpdating, running);
    let (skipped, shortcut) = shortcut.forward_taped(0, x, Statistics::BatchUpdating, running);
    device.add_relu(&mut y, &skipped);
    let live = device.mask(&y);
    (y, ResidualTape { main, shortcut, live })
}

/// From the cotangent of the output: adds to `theta_bar` and returns the cotangent of the input.
pub(super) fn vjp<D: Device, R: Real>(
    device: &D,
    block: &Residual,
    theta: Part<D::Buffer<R>>,
    tape: &ResidualTape<D, R>,
    y_bar: &D::Buffer<R>,
    theta_bar: &mut PartMut<D::Buffer<R>>,
) -> D::Buffer<R> {
    let (cut, all) = (block.main.parameters.len(), theta_bar.len());
    let [main, shortcut] = paths(device, block, theta);
    let bar = device.masked(&tape.live, y_bar);
    let x_bar = main.vjp(&tape.main, &bar, &mut theta_bar.part(0..cut), true);
    let other = shortcut.vjp(&tape.shortcut, &bar, &mut theta_bar.part(cut..all), true);
    let mut x_bar = x_bar.unwrap_or_else(|| bar.zeros_like());
    if let Some(other) = other {
        x_bar.axpy(R::one(), &other);
    }
    x_bar
}
