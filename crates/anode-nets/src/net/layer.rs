//! One layer: what it does, and where its parameters stand.

use std::ops::Range;

use crate::kernels::{ConvShape, Device, DeviceNorm, Part, PartMut, PoolShape};
use crate::ode::{Real, Vector};

use super::running::Running;

/// Momentum of the running statistics (PyTorch's default).
pub(super) const MOMENTUM: f64 = 0.1;

/// Where batch norm takes its statistics from, and whether it updates the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statistics {
    /// From the batch; the running ones are updated.
    BatchUpdating,
    /// From the batch; the running ones stay.
    Batch,
    /// The running ones.
    Running,
    /// From the batch; the running ones become the average over all updates, which [`Running`] counts.
    Averaging,
}

/// The operation of a layer, with its shapes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Convolution.
    Conv {
        /// Shape of the convolution.
        shape: ConvShape,
        /// Whether a bias follows the weights.
        bias: bool,
    },
    /// Batch norm.
    Norm {
        /// Channels.
        channels: usize,
        /// Numbers of a channel of an image.
        pixels: usize,
        /// Index of the first of its running statistics among those of the network.
        running: usize,
        /// Whether ReLU follows.
        relu: bool,
    },
    /// ReLU.
    Relu,
    /// Average pooling.
    AveragePool(PoolShape),
    /// Maximum pooling.
    MaxPool(PoolShape),
    /// Fully connected.
    Linear {
        /// Numbers in.
        inputs: usize,
        /// Numbers out.
        outputs: usize,
    },
}

/// A layer of a chain, with its shapes and the place of its parameters.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The operation.
    pub kind: Kind,
    /// Channels, height and width of its input.
    pub input: [usize; 3],
    /// Channels, height and width of its output.
    pub output: [usize; 3],
    /// Range of its parameters within those of its chain.
    pub range: Range<usize>,
}

impl Layer {
    /// Multiply-adds of one image.
    pub fn macs(&self) -> usize {
        match self.kind {
            Kind::Conv { shape, .. } => shape.macs(),
            Kind::Linear { inputs, outputs } => inputs * outputs,
            _ => 0,
        }
    }

    /// Whether its output costs one pass over memory, so that a tape need not keep it.
    pub fn is_cheap(&self) -> bool {
        matches!(self.kind, Kind::Norm { .. } | Kind::Relu)
    }

    /// The batch norm with these moments; `None` for any other layer. `theta` are the chain's parameters.
    pub(super) fn norm<'a, D: Device, R: Real>(
        &self,
        theta: Part<'a, D::Buffer<R>>,
        moments: &'a D::Moments,
    ) -> Option<DeviceNorm<'a, D, R>> {
        let Kind::Norm { pixels, relu, .. } = self.kind else { return None };
        Some(DeviceNorm { pixels, relu, moments, parameters: theta.part(self.range.clone()) })
    }

    /// The moments that a batch norm uses, with the update of the running ones; `None` for any other layer. `sums` as
    /// [`Device::moments`] takes them.
    pub(super) fn moments<D: Device, R: Real>(
        &self,
        device: &D,
        x: &D::Buffer<R>,
        sums: &[f64],
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> Option<D::Moments> {
        let Kind::Norm { channels, pixels, running: place, .. } = self.kind else { return None };
        let range = place..place + 2 * channels;
        let momentum = match statistics {
            Statistics::Running => return Some(device.given_moments(Part::new(&running.kept, range))),
            Statistics::Batch => None,
            Statistics::BatchUpdating => Some(MOMENTUM),
            Statistics::Averaging => Some(running.next_average(place)),
        };
        let updated = momentum.map(|momentum| (PartMut::new(&mut running.kept, range), momentum));
        Some(device.moments(x, sums, [channels, pixels], updated))
    }

    /// The output of a pooling or linear layer; `theta` are the chain's parameters.
    pub(super) fn apply<D: Device, R: Real>(
        &self,
        device: &D,
        x: &D::Buffer<R>,
        theta: Part<D::Buffer<R>>,
    ) -> D::Buffer<R> {
        let images = x.len() / self.input.iter().product::<usize>();
        let mut y = device.alloc_uninit(images * self.output.iter().product::<usize>());
        match self.kind {
            Kind::AveragePool(shape) => device.average_pool(&shape, x, &mut y),
            Kind::MaxPool(shape) => device.max_pool(&shape, x, &mut y),
            Kind::Linear { inputs, outputs } => {
                device.linear(inputs, outputs, x, theta.part(self.range.clone()), &mut y);
            }
            Kind::Conv { .. } | Kind::Norm { .. } | Kind::Relu => unreachable!("units do these themselves"),
        }
        y
    }

    /// Whether its vjp needs the numbers of its input.
    pub(super) fn vjp_reads(&self) -> bool {
        !matches!(self.kind, Kind::AveragePool(_))
    }

    /// From the cotangent `bar` of the output of a pooling or linear layer: adds to its own part of `theta_bar` and to
    /// `x_bar`. `theta` are the chain's parameters.
    pub(super) fn vjp<D: Device, R: Real>(
        &self,
        device: &D,
        x: &D::Buffer<R>,
        theta: Part<D::Buffer<R>>,
        bar: &D::Buffer<R>,
        (theta_bar, x_bar): (PartMut<D::Buffer<R>>, &mut D::Buffer<R>),
    ) {
        match self.kind {
            Kind::AveragePool(shape) => device.average_pool_vjp(&shape, bar, x_bar),
            Kind::MaxPool(shape) => device.max_pool_vjp(&shape, x, bar, x_bar),
            Kind::Linear { inputs, outputs } => {
                device.linear_vjp((inputs, outputs), x, theta.part(self.range.clone()), bar, x_bar, theta_bar);
            }
            Kind::Conv { .. } | Kind::Norm { .. } | Kind::Relu => unreachable!("units do these themselves"),
        }
    }
}
