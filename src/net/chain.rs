//! A chain of layers: forward, with or without tape, and vjp.
//!
//! Parameters and running statistics are slices that the caller owns; a chain knows only shapes and places.

use std::borrow::Cow;
use std::ops::Range;

use crate::kernels::{Cotangent, Moments};
use crate::ode::{Real, copied};

use super::layer::{Layer, Statistics};
use super::unit::{Unit, units};

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

/// What a forward pass leaves for the vjp: the input of each unit, and the moments of its batch norm.
///
/// The output of a batch norm or ReLU is not kept: whoever reads it makes it again on the way, same bits.
pub struct ChainTape<R> {
    step: usize,
    inputs: Vec<Vec<R>>,
    moments: Vec<Option<Moments>>,
}

impl<R: Real> ChainTape<R> {
    /// Bytes that the tape keeps alive.
    pub fn bytes(&self) -> usize {
        self.inputs.iter().map(|x| x.len() * size_of::<R>()).sum()
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
    pub(super) fn of(&self, step: usize) -> &[Layer] {
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
        let units = units(self.of(step));
        let (mut current, mut sums) = (Cow::Borrowed(x), vec![]);
        for (i, unit) in units.iter().enumerate() {
            let wants_sums = units.get(i + 1).is_some_and(Unit::has_norm);
            let output = unit.forward(current, &sums, theta, (statistics, running), wants_sums);
            (current, sums) = (Cow::Owned(output.y), output.sums);
        }
        match current {
            Cow::Borrowed(x) => copied(x),
            Cow::Owned(y) => y,
        }
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
        let units = units(self.of(step));
        let (mut current, mut sums) = (copied(x), vec![]);
        for (i, unit) in units.iter().enumerate() {
            let wants_sums = units.get(i + 1).is_some_and(Unit::has_norm);
            let output = unit.forward(Cow::Borrowed(&current), &sums, theta, (statistics, running), wants_sums);
            tape.inputs.push(std::mem::replace(&mut current, output.y));
            tape.moments.push(output.moments);
            sums = output.sums;
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
        let mut bar = Cotangent { numbers: Cow::Borrowed(y_bar), norm: None };
        let units = units(self.of(tape.step));
        for (i, unit) in units.iter().enumerate().rev() {
            let (x, moments) = (&tape.inputs[i][..], tape.moments[i].as_ref());
            bar = unit.vjp(x, moments, theta, bar, theta_bar, i > 0 || want_input)?;
        }
        want_input.then(|| match bar.written() {
            Cow::Borrowed(bar) => copied(bar),
            Cow::Owned(bar) => bar,
        })
    }
}
