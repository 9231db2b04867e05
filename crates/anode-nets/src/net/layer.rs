//! One layer: what it does, and where its parameters stand.

use std::ops::Range;

use crate::kernels::{
    ConvShape, Moments, Norm, PoolShape, average_pool, average_pool_vjp, linear, linear_vjp, max_pool, max_pool_vjp,
    moments,
};
use crate::ode::Real;

/// Momentum of the running statistics (PyTorch's default).
pub(super) const MOMENTUM: f64 = 0.1;

/// Where batch norm takes its statistics from, and whether it updates the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// From the batch; the running ones are updated.
    BatchUpdating,
    /// From the batch; the running ones stay.
    Batch,
    /// The running ones.
    Running,
    /// From the batch; the running ones become the average over all updates since they were counted from 0. The
    /// statistics given are twice as long then: the number of updates of each norm is kept in the second half.
    Averaging,
}

/// What a layer does, with its shapes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Convolution.
    Conv {
        /// Its shape.
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
        /// Place of its running statistics in the network's.
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

/// A layer in its place.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it does.
    pub kind: Kind,
    /// Channels, height and width of its input.
    pub input: [usize; 3],
    /// Channels, height and width of its output.
    pub output: [usize; 3],
    /// Place of its parameters in its chain's.
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

    /// Numbers of the output for `len` numbers of input.
    pub(super) fn output_len(&self, len: usize) -> usize {
        len / self.input.iter().product::<usize>() * self.output.iter().product::<usize>()
    }

    /// The batch norm with these moments; `None` for any other layer.
    pub(super) fn norm<'a, R: Real>(&self, theta: &'a [R], moments: &'a Moments) -> Option<Norm<'a, R>> {
        let Kind::Norm { pixels, relu, .. } = self.kind else { return None };
        let (weight, bias) = theta[self.range.clone()].split_at(moments.mean.len());
        Some(Norm { pixels, moments, weight, bias, relu })
    }

    /// How many of the layer's own parameters are weights; those behind them are biases.
    fn cut(&self) -> usize {
        match self.kind {
            Kind::Conv { shape, .. } => shape.weight_len(),
            Kind::Linear { inputs, outputs } => inputs * outputs,
            _ => 0,
        }
    }

    /// Its weights and, where it has one, its bias.
    pub(super) fn weights<'a, R>(&self, theta: &'a [R]) -> (&'a [R], Option<&'a [R]>) {
        let (weights, bias) = theta[self.range.clone()].split_at(self.cut());
        (weights, (!bias.is_empty()).then_some(bias))
    }

    /// As [`Self::weights`], of a cotangent.
    pub(super) fn weights_mut<'a, R>(&self, theta_bar: &'a mut [R]) -> (&'a mut [R], Option<&'a mut [R]>) {
        let (weights, bias) = theta_bar[self.range.clone()].split_at_mut(self.cut());
        (weights, if bias.is_empty() { None } else { Some(bias) })
    }

    /// The moments that a batch norm uses, with the update of the running ones; `None` for any other layer. `sums` as
    /// [`moments`] takes them.
    pub(super) fn moments<R: Real>(
        &self,
        x: &[R],
        sums: &[f64],
        statistics: Statistics,
        running: &mut [f64],
    ) -> Option<Moments> {
        let Kind::Norm { channels, pixels, running: place, .. } = self.kind else { return None };
        let (running, counts) = match statistics {
            Statistics::Averaging => running.split_at_mut(running.len() / 2),
            _ => (running, &mut [][..]),
        };
        let kept = &mut running[place..place + 2 * channels];
        if statistics == Statistics::Running {
            let (mean, variance) = kept.split_at(channels);
            return Some(Moments { mean: mean.to_vec(), variance: variance.to_vec(), count: 0 });
        }
        let moments = moments(x, channels, pixels, sums);
        match statistics {
            Statistics::BatchUpdating => moments.move_running(kept, MOMENTUM),
            Statistics::Averaging => {
                counts[place] += 1.0;
                moments.move_running(kept, 1.0 / counts[place]);
            }
            Statistics::Batch | Statistics::Running => {}
        }
        Some(moments)
    }

    /// Writes the output of a pooling or linear layer.
    pub(super) fn apply<R: Real>(&self, x: &[R], theta: &[R], y: &mut [R]) {
        match self.kind {
            Kind::AveragePool(shape) => average_pool(&shape, x, y),
            Kind::MaxPool(shape) => max_pool(&shape, x, y),
            Kind::Linear { inputs, outputs } => {
                let (w, b) = theta[self.range.clone()].split_at(self.cut());
                linear(inputs, outputs, x, w, b, y);
            }
            Kind::Conv { .. } | Kind::Norm { .. } | Kind::Relu => unreachable!("units do these themselves"),
        }
    }

    /// Whether its vjp needs the numbers of its input.
    pub(super) fn vjp_reads(&self) -> bool {
        !matches!(self.kind, Kind::AveragePool(_))
    }

    /// From the cotangent `bar` of the output of a pooling or linear layer: adds to the chain's `theta_bar` and to
    /// `x_bar`.
    pub(super) fn vjp<R: Real>(&self, x: &[R], theta: &[R], bar: &[R], theta_bar: &mut [R], x_bar: &mut [R]) {
        match self.kind {
            Kind::AveragePool(shape) => average_pool_vjp(&shape, bar, x_bar),
            Kind::MaxPool(shape) => max_pool_vjp(&shape, x, bar, x_bar),
            Kind::Linear { inputs, outputs } => {
                let w = &theta[self.range.clone()][..self.cut()];
                let (w_bar, b_bar) = theta_bar[self.range.clone()].split_at_mut(self.cut());
                linear_vjp(inputs, outputs, x, w, bar, x_bar, w_bar, b_bar);
            }
            Kind::Conv { .. } | Kind::Norm { .. } | Kind::Relu => unreachable!("units do these themselves"),
        }
    }
}
