//! A chain of layers: forward, with or without tape, and vjp.
//!
//! Parameters and running statistics are slices that the caller owns; a chain knows only shapes and places.

use std::ops::Range;

use crate::kernels::Moments;
use crate::ode::{Real, copied, zeros};

use super::layer::{Layer, Statistics};

/// Layers one after the other, with their place in the parameters and running statistics of the network.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The layers of each step of an ODE block, which differ in their batch norms; one list where all steps share them.
    steps: Vec<Vec<Layer>>,
    /// Numbers of one input image.
    pub input_len: usize,
    /// Numbers of one output image.
    pub output_len: usize,
    /// Place of the chain's parameters in the network's.
    pub parameters: Range<usize>,
}

/// What a forward pass leaves for the vjp: the input of each layer, and the moments of each batch norm.
///
/// An input that is the output of a batch norm or ReLU is not kept: one pass over memory makes it again, same bits.
pub struct ChainTape<R> {
    step: usize,
    inputs: Vec<Option<Vec<R>>>,
    moments: Vec<Option<Moments>>,
}

impl<R: Real> ChainTape<R> {
    /// Bytes that the tape keeps alive.
    pub fn bytes(&self) -> usize {
        self.inputs.iter().flatten().map(|x| x.len() * size_of::<R>()).sum()
    }
}

impl Chain {
    /// A chain of `layers` from one shape to another.
    pub fn new(layers: Vec<Layer>, input: [usize; 3], output: [usize; 3], parameters: Range<usize>) -> Self {
        Self { steps: vec![layers], input_len: input.iter().product(), output_len: output.iter().product(), parameters }
    }

    /// The layers (of the first step).
    pub fn layers(&self) -> &[Layer] {
        self.of(0)
    }

    /// The layers of a step; steps beyond the last one with layers of its own share that one's.
    fn of(&self, step: usize) -> &[Layer] {
        &self.steps[step.min(self.steps.len() - 1)]
    }

    /// Adds the layers of the next step, whose parameters end at `end` in the network's.
    pub(super) fn add_step(&mut self, layers: Vec<Layer>, end: usize) {
        self.steps.push(layers);
        self.parameters.end = end;
    }

    /// Multiply-adds of one image.
    pub fn macs(&self) -> usize {
        self.layers().iter().map(Layer::macs).sum()
    }

    /// The chain's output for a batch in step `step` of an ODE block, 0 elsewhere; `theta` are the chain's own parameters,
    /// `running` the network's statistics.
    pub fn forward<R: Real>(
        &self,
        step: usize,
        x: &[R],
        theta: &[R],
        statistics: Statistics,
        running: &mut [f64],
    ) -> Vec<R> {
        let Some((first, rest)) = self.of(step).split_first() else { return copied(x) };
        let mut current = first.forward(x, theta, statistics, running).0;
        for layer in rest {
            current = layer.forward_owned(current, theta, statistics, running);
        }
        current
    }

    /// As [`Self::forward`], same bits, with the tape.
    pub fn forward_taped<R: Real>(
        &self,
        step: usize,
        x: &[R],
        theta: &[R],
        statistics: Statistics,
        running: &mut [f64],
    ) -> (Vec<R>, ChainTape<R>) {
        let mut tape = ChainTape { step, inputs: vec![], moments: vec![] };
        let mut current = copied(x);
        let mut remade = false;
        for layer in self.of(step) {
            let (y, moments) = layer.forward(&current, theta, statistics, running);
            let input = std::mem::replace(&mut current, y);
            // Two cheap layers in a row: the second keeps its input, so that one pass is always enough.
            tape.inputs.push((!remade).then_some(input));
            remade = !remade && layer.is_cheap();
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
        let mut bar: Option<Vec<R>> = None;
        for (i, layer) in self.of(tape.step).iter().enumerate().rev() {
            let remade = tape.inputs[i].is_none().then(|| self.remake(tape, theta, i));
            let x = tape.inputs[i].as_deref().or(remade.as_deref()).unwrap_or_default();
            let y_bar = bar.as_deref().unwrap_or(y_bar);
            let moments = tape.moments[i].as_ref();
            bar = Some(layer.vjp(x, theta, moments, y_bar, theta_bar, i > 0 || want_input));
        }
        want_input.then(|| bar.unwrap_or_else(|| copied(y_bar)))
    }

    /// The input of layer `i`, from that of the layer before.
    fn remake<R: Real>(&self, tape: &ChainTape<R>, theta: &[R], i: usize) -> Vec<R> {
        let before = i - 1;
        let x = tape.inputs[before].as_deref().unwrap_or_default();
        let mut y = zeros(x.len());
        self.of(tape.step)[before].apply(x, theta, tape.moments[before].as_ref(), &mut y);
        y
    }
}
