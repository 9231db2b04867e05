//! From a list of parts to layers with shapes and places.

use std::ops::Range;

use crate::kernels::{ConvShape, PoolShape};

use super::LayerSpec;
use super::chain::Chain;
use super::layer::{Kind, Layer};

/// A parameter of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name: segment, layer, role.
    pub name: String,
    /// Axes.
    pub shape: Vec<usize>,
    /// Place in the flat vector.
    pub range: Range<usize>,
    /// The initial value.
    pub start: StartValue,
}

/// Initial value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StartValue {
    /// U(-bound, bound).
    Uniform(f64),
    /// A constant.
    Constant(f64),
}

/// The shape at a point of a network while it is built, with the next free places.
pub struct Builder {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Parameters so far.
    pub parameters: Vec<Parameter>,
    /// Initial running statistics so far: for each batch norm its means, 0, then its variances, 1.
    pub statistics: Vec<f64>,
    /// Each batch norm so far: its name, and the place of its running means and, behind them, variances.
    pub norms: Vec<(String, Range<usize>)>,
}

impl Builder {
    /// The next free place of a parameter.
    pub fn place(&self) -> usize {
        self.parameters.last().map_or(0, |p| p.range.end)
    }

    fn add(&mut self, name: String, shape: &[usize], start: StartValue) {
        let from = self.place();
        let range = from..from + shape.iter().product::<usize>();
        self.parameters.push(Parameter { name, shape: shape.to_vec(), range, start });
    }

    /// Builds a chain of `parts` from the current shape; its parameters are named `NAME.layerI.ROLE`.
    pub fn chain(&mut self, name: &str, parts: &[LayerSpec]) -> Chain {
        let (first, input) = (self.place(), self.shape);
        let mut layers = vec![];
        for (i, part) in parts.iter().enumerate() {
            let (from, input) = (self.place(), self.shape);
            let kind = self.kind(&format!("{name}.layer{i}"), *part);
            layers.push(Layer { kind, input, output: self.shape, range: from - first..self.place() - first });
        }
        Chain::new(layers, input, self.shape, first..self.place())
    }

    /// Gives each of `steps` steps of an ODE block separate batch norms, with running statistics; the convolutions
    /// stay shared. Their parameters follow the chain's and are named `NAME.stepN.layerI.ROLE`.
    pub fn norms_for_each_step(&mut self, name: &str, chain: &mut Chain, steps: usize) {
        for step in 1..steps {
            let mut layers = chain.layers().to_vec();
            for (i, layer) in layers.iter_mut().enumerate() {
                let Kind::Norm { relu, .. } = layer.kind else { continue };
                let from = self.place();
                self.shape = layer.input;
                let part = if relu { LayerSpec::NormRelu } else { LayerSpec::Norm };
                layer.kind = self.kind(&format!("{name}.step{step}.layer{i}"), part);
                layer.range = from - chain.parameters.start..self.place() - chain.parameters.start;
            }
            chain.add_step(layers, self.place());
        }
    }

    /// Initial values are those of the released code: Xavier's uniform with gain sqrt 2 and bias 0 for a convolution
    /// with bias, PyTorch's U(+-1 / sqrt(fan in)) for one without and for linear layers; batch norm starts with weight
    /// 1 and bias 0.
    fn kind(&mut self, name: &str, part: LayerSpec) -> Kind {
        let [channels, height, width] = self.shape;
        let named = |role: &str| format!("{name}.{role}");
        match part {
            LayerSpec::Conv { channels: out, kernel, stride, bias } => {
                let padding = [kernel[0] / 2, kernel[1] / 2];
                let shape = ConvShape { input: self.shape, channels: out, kernel, stride, padding };
                let [fan_in, fan_out] = [channels, out].map(|c| (c * kernel[0] * kernel[1]) as f64);
                let bound = if bias { (12.0 / (fan_in + fan_out)).sqrt() } else { 1.0 / fan_in.sqrt() };
                self.add(named("weight"), &[out, channels, kernel[0], kernel[1]], StartValue::Uniform(bound));
                if bias {
                    self.add(named("bias"), &[out], StartValue::Constant(0.0));
                }
                self.shape = shape.output();
                Kind::Conv { shape, bias }
            }
            LayerSpec::Norm | LayerSpec::NormRelu => {
                self.add(named("weight"), &[channels], StartValue::Constant(1.0));
                self.add(named("bias"), &[channels], StartValue::Constant(0.0));
                let running = self.statistics.len();
                self.statistics.resize(running + channels, 0.0);
                self.statistics.resize(running + 2 * channels, 1.0);
                self.norms.push((name.to_owned(), running..running + 2 * channels));
                Kind::Norm { channels, pixels: height * width, running, relu: part == LayerSpec::NormRelu }
            }
            LayerSpec::Relu => Kind::Relu,
            LayerSpec::AveragePool(window) | LayerSpec::MaxPool(window) => {
                let shape = PoolShape { input: self.shape, window };
                self.shape = shape.output();
                if part == LayerSpec::MaxPool(window) { Kind::MaxPool(shape) } else { Kind::AveragePool(shape) }
            }
            LayerSpec::Linear(outputs) => {
                let inputs = channels * height * width;
                let start = StartValue::Uniform(1.0 / (inputs as f64).sqrt());
                self.add(named("weight"), &[outputs, inputs], start);
                self.add(named("bias"), &[outputs], start);
                self.shape = [outputs, 1, 1];
                Kind::Linear { inputs, outputs }
            }
        }
    }
}
