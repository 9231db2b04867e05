//! A chain of layers: forward, with or without tape, and vjp.
//!
//! Parameters and running statistics are buffers that the caller owns; a chain knows only shapes and places.

use std::borrow::Cow;
use std::ops::Range;

use crate::kernels::{Cotangent, Device, Part, PartMut};
use crate::ode::{Real, Vector};

use super::layer::{Kind, Layer, Statistics};
use super::running::Running;
use super::unit::{Unit, units};

/// Layers one after the other, with their place in the parameters and running statistics of the network.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The layers of each evaluation of an ODE block, step by step and stage by stage. They differ in their batch
    /// norms, or only in the running statistics of these. One list if all evaluations share them.
    evaluations: Vec<Vec<Layer>>,
    /// Lists per step; 1 if the stages of a step share one.
    stages: usize,
    /// Numbers of one input image.
    pub input_len: usize,
    /// Channels, height and width of one output image.
    pub output: [usize; 3],
    /// Numbers of one output image.
    pub output_len: usize,
    /// Place of the chain's parameters in the network's.
    pub parameters: Range<usize>,
}

impl Chain {
    /// A chain of `layers` from one shape to another.
    pub fn new(layers: Vec<Layer>, input: [usize; 3], output: [usize; 3], parameters: Range<usize>) -> Self {
        Self {
            evaluations: vec![layers],
            stages: 1,
            input_len: input.iter().product(),
            output,
            output_len: output.iter().product(),
            parameters,
        }
    }

    /// The layers (of the first evaluation).
    pub fn layers(&self) -> &[Layer] {
        self.of((0, 0))
    }

    /// The layers of a step and stage. Steps and stages beyond the last one with its own layers use those of the last
    /// one.
    pub(super) fn of(&self, (step, stage): (usize, usize)) -> &[Layer] {
        let last = self.evaluations.len() / self.stages - 1;
        &self.evaluations[step.min(last) * self.stages + stage.min(self.stages - 1)]
    }

    /// Whether steps or stages have separate batch norms, or separate running statistics of them.
    pub(super) fn depends_on_steps(&self) -> bool {
        self.evaluations.len() > 1
    }

    /// Adds the layers of the next step, whose parameters end at `end` in the network's.
    pub(super) fn add_step(&mut self, layers: Vec<Layer>, end: usize) {
        self.evaluations.push(layers);
        self.parameters.end = end;
    }

    /// The same chain with running statistics for each of `stages` stages of each of `steps` steps. Parameters stay
    /// where they are, and so do the statistics of the first stage of each step with its own norms. The others start at
    /// `end`, which is moved behind them.
    pub(super) fn with_statistics_per_evaluation(&self, (steps, stages): (usize, usize), end: &mut usize) -> Self {
        let shared = self.with_shared_statistics();
        let own = shared.evaluations.len();
        let mut evaluations = vec![];
        for (step, stage) in (0..steps.max(own)).flat_map(|step| (0..stages).map(move |stage| (step, stage))) {
            let mut layers = shared.of((step, 0)).to_vec();
            if step >= own || stage > 0 {
                for layer in &mut layers {
                    let Kind::Norm { channels, ref mut running, .. } = layer.kind else { continue };
                    *running = *end;
                    *end += 2 * channels;
                }
            }
            evaluations.push(layers);
        }
        Self { evaluations, stages, ..shared }
    }

    /// The same chain with one set of running statistics for each batch norm with its own parameters.
    pub(super) fn with_shared_statistics(&self) -> Self {
        let mut evaluations: Vec<Vec<Layer>> = vec![];
        for layers in self.evaluations.iter().step_by(self.stages) {
            let ranges = |layers: &[Layer]| layers.iter().map(|layer| layer.range.clone()).collect::<Vec<_>>();
            if evaluations.last().is_none_or(|last| ranges(last) != ranges(layers)) {
                evaluations.push(layers.clone());
            }
        }
        Self { evaluations, stages: 1, ..self.clone() }
    }

    /// Where the running statistics of its norms start in the network's, and their channels, in the order of
    /// evaluations.
    pub(super) fn statistics_places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.evaluations.iter().flatten().filter_map(|layer| match layer.kind {
            Kind::Norm { channels, running, .. } => Some((running, channels)),
            _ => None,
        })
    }

    /// The end of its running statistics in the network's; 0 without batch norms.
    pub(super) fn statistics_end(&self) -> usize {
        self.statistics_places().map(|(place, channels)| place + 2 * channels).max().unwrap_or(0)
    }

    /// Multiply-adds of one image.
    pub fn macs(&self) -> usize {
        self.layers().iter().map(Layer::macs).sum()
    }
}

/// The tape of a chain's forward pass: the input of each unit, and the moments of its batch norm.
///
/// The output of a batch norm or ReLU is not kept. Its readers compute it again, bit-identically.
pub struct ChainTape<D: Device, R: Real> {
    /// The step, which decides where the norms' parameters are; stages of a step share them.
    pub(super) step: usize,
    inputs: Vec<D::Buffer<R>>,
    moments: Vec<Option<D::Moments>>,
}

/// The tape that the vjp of a chain reads: owned if the vjp may consume it, else borrowed.
struct TapeInputs<'t, D: Device, R: Real> {
    inputs: Vec<Cow<'t, D::Buffer<R>>>,
    moments: &'t [Option<D::Moments>],
}

impl<D: Device, R: Real> ChainTape<D, R> {
    fn new(step: usize) -> Self {
        Self { step, inputs: vec![], moments: vec![] }
    }

    /// Bytes that the tape keeps alive.
    pub fn bytes(&self) -> usize {
        self.inputs.iter().map(Vector::bytes).sum()
    }
}

/// A chain on a device, in a step and stage of an ODE block, with its parameters.
pub(super) struct Sweep<'a, D: Device, R: Real> {
    device: &'a D,
    step: usize,
    units: Vec<Unit<'a, D, R>>,
}

impl<'a, D: Device, R: Real> Sweep<'a, D, R> {
    /// `chain` at a step and stage, `(0, 0)` outside ODE blocks; `theta` are the chain's own parameters.
    pub fn new(device: &'a D, chain: &'a Chain, at: (usize, usize), theta: Part<'a, D::Buffer<R>>) -> Self {
        Self { device, step: at.0, units: units(device, chain.of(at), theta) }
    }

    /// The output for a batch; `running` are the network's statistics.
    pub fn forward(&self, x: &D::Buffer<R>, statistics: Statistics, running: &mut Running<D>) -> D::Buffer<R> {
        match walk(&self.units, false, Cow::Borrowed(x), (statistics, running), None).0 {
            Cow::Borrowed(x) => x.duplicate(),
            Cow::Owned(y) => y,
        }
    }

    /// `z += a f(z)` for the chain's function f, and whether `z` is finite then: the bits of [`Self::forward`] and an
    /// axpy, in fewer passes over memory. `None` where the chain does not end in a batch norm.
    pub fn advance(
        &self,
        z: &mut D::Buffer<R>,
        a: R,
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> Option<bool> {
        let (last, before) = self.units.split_last().filter(|(last, _)| last.is_norm())?;
        let (x, sums) = walk(before, true, Cow::Borrowed(z), (statistics, running), None);
        let x = x.into_owned();
        let moments = last.moments(&x, &sums, statistics, running)?;
        Some(self.device.add_norm(last.norm(Some(&moments))?, a, x, z))
    }

    /// Like [`Self::advance`], and returns the tape.
    pub fn advance_taped(
        &self,
        z: &mut D::Buffer<R>,
        a: R,
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> Option<(ChainTape<D, R>, bool)> {
        let (last, before) = self.units.split_last().filter(|(last, before)| last.is_norm() && !before.is_empty())?;
        let mut tape = ChainTape::new(self.step);
        let start = Cow::Owned(std::mem::replace(z, self.device.alloc_uninit(0)));
        let (x, sums) = walk(before, true, start, (statistics, running), Some(&mut tape));
        let x = x.into_owned();
        let moments = last.moments(&x, &sums, statistics, running)?;
        let (end, finite) = self.device.sum_with_norm(last.norm(Some(&moments))?, a, &x, &tape.inputs[0]);
        *z = end;
        tape.inputs.push(x);
        tape.moments.push(Some(moments));
        Some((tape, finite))
    }

    /// Like [`Self::forward`], bit-identical, and returns the tape, which keeps `x`.
    pub fn forward_taped(
        &self,
        x: D::Buffer<R>,
        statistics: Statistics,
        running: &mut Running<D>,
    ) -> (D::Buffer<R>, ChainTape<D, R>) {
        let mut tape = ChainTape::new(self.step);
        let (y, _) = walk(&self.units, false, Cow::Owned(x), (statistics, running), Some(&mut tape));
        (y.into_owned(), tape)
    }

    /// From the cotangent of the output: adds to `theta_bar` and returns the cotangent of the input, `None` where
    /// `want_input` is false. Valid for tapes made with batch statistics.
    pub fn vjp(
        &self,
        tape: &ChainTape<D, R>,
        y_bar: &D::Buffer<R>,
        theta_bar: &mut PartMut<D::Buffer<R>>,
        want_input: bool,
    ) -> Option<D::Buffer<R>> {
        let tape = TapeInputs { inputs: tape.inputs.iter().map(Cow::Borrowed).collect(), moments: &tape.moments };
        self.vjp_of(tape, Cow::Borrowed(y_bar), theta_bar, want_input)
    }

    /// Like [`Self::vjp`], bit-identical, in less memory: frees each input once it has been read, and computes in its
    /// memory and in that of the cotangent.
    pub fn vjp_consuming(
        &self,
        tape: ChainTape<D, R>,
        y_bar: D::Buffer<R>,
        theta_bar: &mut PartMut<D::Buffer<R>>,
        want_input: bool,
    ) -> Option<D::Buffer<R>> {
        let ChainTape { inputs, moments, .. } = tape;
        let tape = TapeInputs { inputs: inputs.into_iter().map(Cow::Owned).collect(), moments: &moments };
        self.vjp_of(tape, Cow::Owned(y_bar), theta_bar, want_input)
    }

    fn vjp_of<'t>(
        &'t self,
        tape: TapeInputs<'t, D, R>,
        y_bar: Cow<'t, D::Buffer<R>>,
        theta_bar: &mut PartMut<D::Buffer<R>>,
        want_input: bool,
    ) -> Option<D::Buffer<R>> {
        let mut bar = Cotangent { numbers: y_bar, norm: None };
        let units = self.units.iter().zip(tape.inputs).zip(tape.moments).enumerate();
        for (i, ((unit, x), moments)) in units.rev() {
            bar = unit.vjp(x, moments.as_ref(), bar, theta_bar, i > 0 || want_input)?;
        }
        want_input.then(|| self.device.written(bar).into_owned())
    }
}

/// Runs units from `x`, and puts their inputs and moments on the tape where there is one. Returns the output and, where
/// `wants_sums`, what the last unit gives to a batch norm behind it.
fn walk<'x, D: Device, R: Real>(
    units: &[Unit<D, R>],
    wants_sums: bool,
    x: Cow<'x, D::Buffer<R>>,
    (statistics, running): (Statistics, &mut Running<D>),
    mut tape: Option<&mut ChainTape<D, R>>,
) -> (Cow<'x, D::Buffer<R>>, Vec<f64>) {
    let (mut current, mut sums) = (x, vec![]);
    for (i, unit) in units.iter().enumerate() {
        let wants_sums = units.get(i + 1).map_or(wants_sums, Unit::has_norm);
        let run =
            |x: Cow<D::Buffer<R>>, running: &mut Running<D>| unit.forward(x, &sums, (statistics, running), wants_sums);
        let output = match &mut tape {
            None => run(current, running),
            Some(tape) => {
                let mut output = run(Cow::Borrowed(&current), running);
                tape.inputs.push(current.into_owned());
                tape.moments.push(output.moments.take());
                output
            }
        };
        (current, sums) = (Cow::Owned(output.y), output.sums);
    }
    (current, sums)
}
