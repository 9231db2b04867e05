//! A residual block that is no ODE block: relu(main(x) + shortcut(x)).

use std::ops::Range;

use crate::kernels::{Device, Part, PartMut};
use crate::ode::{Real, Vector};

use super::chain::{Chain, ChainTape, Sweep};
use super::layer::Statistics;
use super::running::Running;

/// Two chains from one input; an empty shortcut is the identity.
#[derive(Clone, Debug)]
pub struct Residual {
    /// The main path.
    pub main: Chain,
    /// The shortcut. Its parameters follow those of the main path.
    pub shortcut: Chain,
}

impl Residual {
    /// Place of the block's parameters in the network's.
    pub fn parameters(&self) -> Range<usize> {
        self.main.parameters.start..self.shortcut.parameters.end
    }

    /// Multiply-adds of one image.
    pub fn macs(&self) -> usize {
        self.main.macs() + self.shortcut.macs()
    }
}

/// The tape of a residual block's forward pass, which its vjp needs.
pub struct ResidualTape<D: Device, R: Real> {
    main: ChainTape<D, R>,
    /// Nothing where the shortcut is the identity.
    shortcut: Option<ChainTape<D, R>>,
    /// For each number of the output, whether the sum of both paths was above zero.
    live: D::Mask<R>,
}

impl<D: Device, R: Real> ResidualTape<D, R> {
    /// Bytes that the tape keeps alive.
    pub fn bytes(&self) -> usize {
        self.main.bytes() + self.shortcut.as_ref().map_or(0, ChainTape::bytes) + D::mask_bytes(&self.live)
    }
}

/// A residual block on a device, with its parameters.
pub(super) struct ResidualSweep<'a, D: Device, R: Real> {
    device: &'a D,
    main: Sweep<'a, D, R>,
    /// Nothing where it is the identity.
    shortcut: Option<Sweep<'a, D, R>>,
    /// Number of the main path's parameters.
    cut: usize,
}

impl<'a, D: Device, R: Real> ResidualSweep<'a, D, R> {
    /// `theta` are the block's own parameters.
    pub fn new(device: &'a D, block: &'a Residual, theta: Part<'a, D::Buffer<R>>) -> Self {
        let cut = block.main.parameters.len();
        let (main, shortcut) = theta.split(cut);
        let sweep = |chain, theta| Sweep::new(device, chain, (0, 0), theta);
        let is_identity = block.shortcut.layers().is_empty();
        let shortcut = (!is_identity).then(|| sweep(&block.shortcut, shortcut));
        Self { device, main: sweep(&block.main, main), shortcut, cut }
    }

    /// The block's output for a batch.
    pub fn forward(&self, x: &D::Buffer<R>, statistics: Statistics, running: &mut Running<D>) -> D::Buffer<R> {
        let mut y = self.main.forward(x, statistics, running);
        match &self.shortcut {
            None => self.device.add_relu(&mut y, x),
            Some(shortcut) => self.device.add_relu(&mut y, &shortcut.forward(x, statistics, running)),
        }
        y
    }

    /// Like [`Self::forward`], bit-identical, and returns the tape, which keeps `x`.
    pub fn forward_taped(
        &self,
        x: D::Buffer<R>,
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> (D::Buffer<R>, ResidualTape<D, R>) {
        let (mut y, main) = self.main.forward_taped(x.share(), statistics, running);
        let shortcut = match &self.shortcut {
            None => {
                self.device.add_relu(&mut y, &x);
                None
            }
            Some(shortcut) => {
                let (skipped, tape) = shortcut.forward_taped(x, statistics, running);
                self.device.add_relu(&mut y, &skipped);
                Some(tape)
            }
        };
        let live = self.device.mask(&y);
        (y, ResidualTape { main, shortcut, live })
    }

    /// From the cotangent of the output: adds to `theta_bar` and returns the cotangent of the input.
    pub fn vjp(
        &self,
        tape: ResidualTape<D, R>,
        y_bar: D::Buffer<R>,
        theta_bar: &mut PartMut<D::Buffer<R>>,
    ) -> Option<D::Buffer<R>> {
        let ResidualTape { main, shortcut, live } = tape;
        let (cut, end) = (self.cut, theta_bar.len());
        let bar = self.device.masked(&live, y_bar);
        drop(live);
        let mut x_bar = self.main.vjp_consuming(main, bar.share(), &mut theta_bar.part(0..cut), true)?;
        let other = match self.shortcut.as_ref().zip(shortcut) {
            None => bar,
            Some((shortcut, tape)) => shortcut.vjp_consuming(tape, bar, &mut theta_bar.part(cut..end), true)?,
        };
        x_bar.axpy(R::one(), &other);
        Some(x_bar)
    }
}
