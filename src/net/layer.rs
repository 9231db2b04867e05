//! One layer: forward and vjp.

use std::ops::Range;

use crate::kernels::{
    ConvShape, Moments, Norm, PoolShape, average_pool, average_pool_vjp, conv, conv_vjp_input, conv_vjp_weights,
    linear, linear_vjp, max_pool, max_pool_vjp, moments,
};
use crate::ode::{Real, zeros};

/// Momentum of the running statistics (PyTorch's default).
const MOMENTUM: f64 = 0.1;

/// Where batch norm takes its statistics from, and whether it updates the running ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// From the batch; the running ones are updated.
    BatchUpdating,
    /// From the batch; the running ones stay.
    Batch,
    /// The running ones.
    Running,
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

    /// The output for a batch; `theta` are the chain's parameters, `running` the network's statistics. Batch norm gives its
    /// moments.
    pub fn forward<R: Real>(
        &self,
        x: &[R],
        theta: &[R],
        statistics: Statistics,
        running: &mut [f64],
    ) -> (Vec<R>, Option<Moments>) {
        let moments = self.moments(x, statistics, running);
        let mut y = zeros(x.len() / self.input.iter().product::<usize>() * self.output.iter().product::<usize>());
        self.apply(x, theta, moments.as_ref(), &mut y);
        (y, moments)
    }

    /// As [`Self::forward`], same bits, in the place of its input where that can be.
    pub fn forward_owned<R: Real>(
        &self,
        mut x: Vec<R>,
        theta: &[R],
        statistics: Statistics,
        running: &mut [f64],
    ) -> Vec<R> {
        match (self.kind, self.moments(&x, statistics, running)) {
            (Kind::Norm { pixels, relu, .. }, Some(moments)) => {
                self.norm(theta, pixels, relu, &moments).apply_in_place(&mut x);
                x
            }
            _ => self.forward(&x, theta, statistics, running).0,
        }
    }

    fn norm<'a, R: Real>(&self, theta: &'a [R], pixels: usize, relu: bool, moments: &'a Moments) -> Norm<'a, R> {
        let (weight, bias) = theta[self.range.clone()].split_at(moments.mean.len());
        Norm { pixels, moments, weight, bias, relu }
    }

    /// The moments that a batch norm uses, with the update of the running ones.
    fn moments<R: Real>(&self, x: &[R], statistics: Statistics, running: &mut [f64]) -> Option<Moments> {
        let Kind::Norm { channels, pixels, running: place, .. } = self.kind else { return None };
        let kept = &mut running[place..place + 2 * channels];
        if statistics == Statistics::Running {
            let (mean, variance) = kept.split_at(channels);
            return Some(Moments { mean: mean.to_vec(), variance: variance.to_vec(), count: 0 });
        }
        let moments = moments(x, channels, pixels);
        if statistics == Statistics::BatchUpdating {
            update(kept, &moments);
        }
        Some(moments)
    }

    /// Writes the output for given moments to `y`.
    pub fn apply<R: Real>(&self, x: &[R], theta: &[R], moments: Option<&Moments>, y: &mut [R]) {
        let w = &theta[self.range.clone()];
        match (self.kind, moments) {
            (Kind::Conv { shape, bias }, _) => {
                let (w, b) = w.split_at(shape.weight_len());
                conv(&shape, x, w, bias.then_some(b), y);
            }
            (Kind::Norm { pixels, relu, .. }, Some(moments)) => self.norm(theta, pixels, relu, moments).apply(x, y),
            (Kind::Norm { .. } | Kind::Relu, _) => {
                // Written so that NaN stays NaN.
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x <= R::zero() { R::zero() } else { x });
            }
            (Kind::AveragePool(shape), _) => average_pool(&shape, x, y),
            (Kind::MaxPool(shape), _) => max_pool(&shape, x, y),
            (Kind::Linear { inputs, outputs }, _) => {
                let (w, b) = w.split_at(inputs * outputs);
                linear(inputs, outputs, x, w, b, y);
            }
        }
    }

    /// From the cotangent `bar` of the output: adds to the chain's `theta_bar` and returns the cotangent of the input `x`; empty
    /// where `want_input` is false and the layer can spare it. `moments` are those of `x`.
    pub fn vjp<R: Real>(
        &self,
        x: &[R],
        theta: &[R],
        moments: Option<&Moments>,
        bar: &[R],
        theta_bar: &mut [R],
        want_input: bool,
    ) -> Vec<R> {
        let (w, w_bar) = (&theta[self.range.clone()], &mut theta_bar[self.range.clone()]);
        let mut x_bar = zeros(if want_input { x.len() } else { 0 });
        match (self.kind, moments) {
            (Kind::Conv { shape, bias }, _) => {
                let cut = shape.weight_len();
                let (w_bar, b_bar) = w_bar.split_at_mut(cut);
                conv_vjp_weights(&shape, x, bar, w_bar, bias.then_some(b_bar));
                if want_input {
                    conv_vjp_input(&shape, &w[..cut], bar, &mut x_bar);
                }
            }
            (Kind::Norm { pixels, relu, channels, .. }, Some(moments)) => {
                let (weight_bar, bias_bar) = w_bar.split_at_mut(channels);
                x_bar.resize(x.len(), R::zero());
                self.norm(theta, pixels, relu, moments).vjp(x, bar, &mut x_bar, weight_bar, bias_bar);
            }
            (Kind::Norm { .. } | Kind::Relu, _) => {
                x_bar.resize(x.len(), R::zero());
                for ((x_bar, &x), &bar) in x_bar.iter_mut().zip(x).zip(bar) {
                    *x_bar = if x > R::zero() { bar } else { R::zero() };
                }
            }
            (Kind::AveragePool(shape), _) => {
                x_bar.resize(x.len(), R::zero());
                average_pool_vjp(&shape, bar, &mut x_bar);
            }
            (Kind::MaxPool(shape), _) => {
                x_bar.resize(x.len(), R::zero());
                max_pool_vjp(&shape, x, bar, &mut x_bar);
            }
            (Kind::Linear { inputs, outputs }, _) => {
                x_bar.resize(x.len(), R::zero());
                let (w_bar, b_bar) = w_bar.split_at_mut(inputs * outputs);
                linear_vjp(inputs, outputs, x, &w[..inputs * outputs], bar, &mut x_bar, w_bar, b_bar);
            }
        }
        x_bar
    }
}

/// PyTorch's rule: running = 0.9 running + 0.1 batch, with the unbiased variance.
fn update(kept: &mut [f64], m: &Moments) {
    let (mean, variance) = kept.split_at_mut(m.mean.len());
    let unbiased = m.count as f64 / (m.count as f64 - 1.0).max(1.0);
    for (kept, new) in mean.iter_mut().zip(&m.mean) {
        *kept += MOMENTUM * (new - *kept);
    }
    for (kept, new) in variance.iter_mut().zip(&m.variance) {
        *kept += MOMENTUM * (new * unbiased - *kept);
    }
}
