//! A chain of layers: forward, with or without tape, and vjp.
//!
//! Parameters and running statistics are slices that the caller owns; a chain knows only shapes and places.

use std::ops::Range;

use crate::kernels::{
    ConvShape, Moments, PoolShape, average_pool, average_pool_vjp, conv, conv_vjp_input, conv_vjp_weights, linear,
    linear_vjp, moments, norm_relu, norm_relu_vjp,
};
use crate::ode::{Real, copied, zeros};

use super::Part;

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

#[derive(Clone, Copy, Debug)]
enum Layer {
    Conv(ConvShape),
    NormRelu { channels: usize, pixels: usize, running: usize },
    Pool(PoolShape),
    Linear { inputs: usize, outputs: usize },
}

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name: segment, layer, role.
    pub name: String,
    /// Axes.
    pub shape: Vec<usize>,
    /// Place in the flat vector.
    pub range: Range<usize>,
    /// What its initial value is.
    pub start: StartValue,
}

/// Initial value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StartValue {
    /// U(-bound, bound).
    Uniform(f64),
    /// A constant.
    Constant(f64),
}

/// Layers one after the other, with their place in the parameters and running statistics of the network.
#[derive(Clone, Debug)]
pub struct Chain {
    layers: Vec<(Layer, Range<usize>)>,
    /// Numbers of one input image.
    pub input_len: usize,
    /// Numbers of one output image.
    pub output_len: usize,
    /// Place of the chain's parameters in the network's.
    pub parameters: Range<usize>,
}

/// What a forward pass leaves for the vjp: each layer's input, and the moments of each batch norm.
pub struct ChainTape<R> {
    inputs: Vec<Vec<R>>,
    moments: Vec<Option<Moments>>,
}

impl<R: Real> ChainTape<R> {
    /// Bytes that the tape keeps alive.
    pub fn bytes(&self) -> usize {
        self.inputs.iter().map(|x| x.len() * size_of::<R>()).sum()
    }
}

/// The shape at a point of a network while it is built, with the next free places.
pub struct Builder {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Parameters so far.
    pub parameters: Vec<Parameter>,
    /// Initial running statistics so far: for each batch norm its means, 0, then its variances, 1.
    pub statistics: Vec<f64>,
}

impl Builder {
    fn place(&self) -> usize {
        self.parameters.last().map_or(0, |p| p.range.end)
    }

    fn add(&mut self, name: String, shape: &[usize], start: StartValue) {
        let from = self.place();
        let range = from..from + shape.iter().product::<usize>();
        self.parameters.push(Parameter { name, shape: shape.to_vec(), range, start });
    }

    /// Builds a chain of `parts` from the current shape. Convolutions and linear layers start as in PyTorch, U(+-1 /
    /// sqrt(fan in)); batch norm with weight 1 and bias 0.
    pub fn chain(&mut self, segment: usize, parts: &[Part]) -> Chain {
        let (first, input) = (self.place(), self.shape);
        let mut layers = vec![];
        for (i, part) in parts.iter().enumerate() {
            let (from, [channels, height, width]) = (self.place(), self.shape);
            let named = |role: &str| format!("segment{segment}.layer{i}.{role}");
            let layer = match *part {
                Part::Conv { channels: out, kernel, stride } => {
                    let padding = [kernel[0] / 2, kernel[1] / 2];
                    let shape = ConvShape { input: self.shape, channels: out, kernel, stride, padding };
                    let bound = 1.0 / ((channels * kernel[0] * kernel[1]) as f64).sqrt();
                    self.add(named("weight"), &[out, channels, kernel[0], kernel[1]], StartValue::Uniform(bound));
                    self.shape = shape.output();
                    Layer::Conv(shape)
                }
                Part::NormRelu => {
                    self.add(named("weight"), &[channels], StartValue::Constant(1.0));
                    self.add(named("bias"), &[channels], StartValue::Constant(0.0));
                    let running = self.statistics.len();
                    self.statistics.resize(running + channels, 0.0);
                    self.statistics.resize(running + 2 * channels, 1.0);
                    Layer::NormRelu { channels, pixels: height * width, running }
                }
                Part::AveragePool(window) => {
                    let shape = PoolShape { input: self.shape, window };
                    self.shape = shape.output();
                    Layer::Pool(shape)
                }
                Part::Linear(outputs) => {
                    let inputs = channels * height * width;
                    let start = StartValue::Uniform(1.0 / (inputs as f64).sqrt());
                    self.add(named("weight"), &[outputs, inputs], start);
                    self.add(named("bias"), &[outputs], start);
                    self.shape = [outputs, 1, 1];
                    Layer::Linear { inputs, outputs }
                }
            };
            layers.push((layer, from - first..self.place() - first));
        }
        let (input_len, output_len) = (input.iter().product(), self.shape.iter().product());
        Chain { layers, input_len, output_len, parameters: first..self.place() }
    }
}

impl Chain {
    /// Multiply-adds of one image.
    pub fn macs(&self) -> usize {
        let of = |layer: &Layer| match layer {
            Layer::Conv(shape) => shape.macs(),
            Layer::Linear { inputs, outputs } => inputs * outputs,
            Layer::NormRelu { .. } | Layer::Pool(_) => 0,
        };
        self.layers.iter().map(|(layer, _)| of(layer)).sum()
    }

    /// The chain's output for a batch; `theta` are the chain's own parameters, `running` the network's statistics.
    pub fn forward<R: Real>(&self, x: &[R], theta: &[R], statistics: Statistics, running: &mut [f64]) -> Vec<R> {
        let mut current: Option<Vec<R>> = None;
        for layer in &self.layers {
            let (y, _) = layer_forward(layer, current.as_deref().unwrap_or(x), theta, statistics, running);
            current = Some(y);
        }
        current.unwrap_or_else(|| copied(x))
    }

    /// As [`Self::forward`], same bits, with the tape.
    pub fn forward_taped<R: Real>(
        &self,
        x: &[R],
        theta: &[R],
        statistics: Statistics,
        running: &mut [f64],
    ) -> (Vec<R>, ChainTape<R>) {
        let mut tape = ChainTape { inputs: vec![], moments: vec![] };
        let mut current = copied(x);
        for layer in &self.layers {
            let (y, moments) = layer_forward(layer, &current, theta, statistics, running);
            tape.inputs.push(std::mem::replace(&mut current, y));
            tape.moments.push(moments);
        }
        (current, tape)
    }

    /// From the cotangent of the output: adds to `theta_bar` and returns the cotangent of the input, `None` where
    /// `want_input` is false. Valid for tapes made with batch statistics.
    pub fn vjp<R: Real>(
        &self,
        tape: &ChainTape<R>,
        theta: &[R],
        y_bar: &[R],
        theta_bar: &mut [R],
        want_input: bool,
    ) -> Option<Vec<R>> {
        let mut bar = copied(y_bar);
        for (i, (layer, range)) in self.layers.iter().enumerate().rev() {
            let (x, w, w_bar) = (&tape.inputs[i], &theta[range.clone()], &mut theta_bar[range.clone()]);
            let mut x_bar = zeros(if i == 0 && !want_input { 0 } else { x.len() });
            match layer {
                Layer::Conv(shape) => {
                    conv_vjp_weights(shape, x, &bar, w_bar, None);
                    if !x_bar.is_empty() {
                        conv_vjp_input(shape, w, &bar, &mut x_bar);
                    }
                }
                Layer::NormRelu { channels, pixels, .. } => {
                    let (weight, bias) = w.split_at(*channels);
                    let (weight_bar, bias_bar) = w_bar.split_at_mut(*channels);
                    if let Some(moments) = &tape.moments[i] {
                        x_bar.resize(x.len(), R::zero());
                        norm_relu_vjp(x, *pixels, moments, weight, bias, &bar, &mut x_bar, weight_bar, bias_bar);
                    }
                }
                Layer::Pool(shape) => {
                    x_bar.resize(x.len(), R::zero());
                    average_pool_vjp(shape, &bar, &mut x_bar);
                }
                Layer::Linear { inputs, outputs } => {
                    x_bar.resize(x.len(), R::zero());
                    let cut = inputs * outputs;
                    let (weight_bar, bias_bar) = w_bar.split_at_mut(cut);
                    linear_vjp(*inputs, *outputs, x, &w[..cut], &bar, &mut x_bar, weight_bar, bias_bar);
                }
            }
            bar = x_bar;
        }
        want_input.then_some(bar)
    }
}

fn layer_forward<R: Real>(
    (layer, range): &(Layer, Range<usize>),
    x: &[R],
    theta: &[R],
    statistics: Statistics,
    running: &mut [f64],
) -> (Vec<R>, Option<Moments>) {
    let w = &theta[range.clone()];
    let output = |input: usize, output: usize| zeros(x.len() / input * output);
    match layer {
        Layer::Conv(shape) => {
            let mut y = output(shape.input_len(), shape.output_len());
            conv(shape, x, w, None, &mut y);
            (y, None)
        }
        Layer::NormRelu { channels, pixels, running: place } => {
            let kept = &mut running[*place..place + 2 * channels];
            let m = if statistics == Statistics::Running {
                let (mean, variance) = kept.split_at(*channels);
                Moments { mean: mean.to_vec(), variance: variance.to_vec(), count: 0 }
            } else {
                moments(x, *channels, *pixels)
            };
            if statistics == Statistics::BatchUpdating {
                update(kept, &m);
            }
            let (weight, bias) = w.split_at(*channels);
            let mut y = zeros(x.len());
            norm_relu(x, *pixels, &m, weight, bias, &mut y);
            (y, Some(m))
        }
        Layer::Pool(shape) => {
            let mut y = output(shape.input.iter().product(), shape.output().iter().product());
            average_pool(shape, x, &mut y);
            (y, None)
        }
        Layer::Linear { inputs, outputs } => {
            let mut y = output(*inputs, *outputs);
            linear(*inputs, *outputs, x, &w[..inputs * outputs], &w[inputs * outputs..], &mut y);
            (y, None)
        }
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
