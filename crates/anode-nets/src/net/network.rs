//! A network from images to logits: forward sweep and vjp.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng;

use crate::evolution::{CoupledBlock, CoupledTrajectory, EvolutionError};
use crate::gradient::Ledger;
use crate::kernels::Cpu;
use crate::ode::{FieldError, Real, SolveError, Vector, expect_shape};
use crate::random::{Stream, stream};

use super::NetSpec;
use super::builder::{Builder, Parameter, StartValue};
use super::chain::{Chain, ChainTape};
use super::evolving::{Evolution, Evolving};
use super::layer::Statistics;
use super::ode_field::{Mode, OdeField, Updates};
use super::residual::{Residual, ResidualTape};
use super::segment::{Segment, build};
use super::solve::{Solve, Solved};

/// A network: chains with their parameters in one flat vector. Running statistics are the network's own state.
pub struct Network {
    pub(super) segments: Vec<Segment>,
    pub(super) weights: usize,
    pub(super) parameters: Vec<Parameter>,
    pub(super) norms: Vec<(String, Range<usize>)>,
    pub(super) running: Arc<Mutex<Vec<f64>>>,
    pub(super) updates: Updates,
    pub(super) classes: usize,
}

/// What the forward sweep keeps for the backward sweep, and the number of its logits.
pub struct Kept<R: Real>(Vec<KeptSegment<R>>, usize);

enum KeptSegment<R: Real> {
    Plain(Arc<Chain>, ChainTape<R>),
    Residual(Arc<Residual>, ResidualTape<R>),
    Ode { field: OdeField<R>, solved: Solved<OdeField<R>> },
    Coupled { block: CoupledBlock<OdeField<R>, R>, theta: Vec<R>, trajectory: CoupledTrajectory<OdeField<R>, R> },
}

impl Network {
    /// Builds a network; running means start at 0, variances at 1.
    pub fn new(spec: &NetSpec) -> Self {
        Self::with_norms(spec, 1)
    }

    /// The same with batch norms, and running statistics, for each of the first `norms` steps of every ODE block. Later
    /// steps use the last ones; 1 is the released code's single one for all steps.
    pub fn with_norms(spec: &NetSpec, norms: usize) -> Self {
        let mut builder = Builder { shape: spec.input, parameters: vec![], statistics: vec![], norms: vec![] };
        let segments: Vec<Segment> = spec
            .segments
            .iter()
            .enumerate()
            .map(|(i, segment)| build(&mut builder, &format!("segment{i}"), segment, norms))
            .collect();
        let weights = builder.place();
        Self {
            segments,
            weights,
            parameters: builder.parameters,
            norms: builder.norms,
            running: Arc::new(Mutex::new(builder.statistics)),
            updates: Updates::default(),
            classes: builder.shape.iter().product(),
        }
    }

    /// The same with weights that evolve in every ODE block. The unknowns of the evolution stand behind all weights and
    /// start at 0, as a neural ODE.
    ///
    /// # Errors
    /// See [`EvolutionError`].
    pub fn evolving(spec: &NetSpec, evolution: Evolution, solve: Solve) -> Result<Self, EvolutionError> {
        Self::new(spec).with_evolution(evolution, solve)
    }

    /// This network with weights that evolve, as [`Self::evolving`].
    ///
    /// # Errors
    /// See [`EvolutionError`].
    pub fn with_evolution(self, evolution: Evolution, solve: Solve) -> Result<Self, EvolutionError> {
        let mut network = self;
        let mut place = network.weights;
        for (i, segment) in network.segments.iter_mut().enumerate() {
            let Segment::Ode(chain, evolving) = segment else { continue };
            let made = Evolving::new(evolution, chain, place)?;
            let field = OdeField::<f64>::new(chain.clone(), network.running.clone(), Mode::Evaluation);
            made.block(&Cpu, field, solve)?;
            place = made.unknowns.end;
            let (name, range) = (format!("segment{i}.evolution"), made.unknowns.clone());
            let start = StartValue::Constant(0.0);
            network.parameters.push(Parameter { name, shape: vec![range.len()], range, start });
            *evolving = Some(made);
        }
        Ok(network)
    }

    /// Lets the replay of a backward sweep update the running statistics once more, as the authors' code does.
    pub fn update_in_replay(&mut self) {
        self.updates.replay = true;
    }

    /// Lets a backward sweep that evaluates f again (reverse-time and the other continuous adjoints, reversible
    /// solvers) update the running statistics as well. With statistics per evaluation, the backward evaluation of step
    /// n and stage i updates those of step n and stage i of the forward sweep.
    pub fn update_in_reverse(&mut self) {
        self.updates.reverse = true;
    }

    /// What batch norm does in training.
    pub(super) fn mode(&self) -> Mode {
        Mode::Training(self.updates)
    }

    /// The stretches, from the image to the logits.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The parameters and their places.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The batch norms: their names, and the places of their running means and, behind them, variances in
    /// [`Self::statistics`].
    pub fn norms(&self) -> &[(String, Range<usize>)] {
        &self.norms
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters.last().map_or(0, |p| p.range.end)
    }

    /// Number of weights: all parameters but the unknowns of a weight evolution, which stand behind them.
    pub fn weight_count(&self) -> usize {
        self.weights
    }

    /// The coefficients of every evolving block in force for the parameters `theta`: `segment1.conv0.diffusion`, value.
    pub fn coefficients(&self, theta: &[f32]) -> Vec<(String, f64)> {
        let blocks = self.segments.iter().enumerate().filter_map(|(i, segment)| match segment {
            Segment::Ode(_, Some(evolving)) => Some((i, evolving.coefficients(&theta[evolving.unknowns.clone()]))),
            _ => None,
        });
        blocks.flat_map(|(i, found)| found.into_iter().map(move |(n, v)| (format!("segment{i}.{n}"), v))).collect()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Multiply-adds of one image for solvers of `stages` stages and `steps` steps.
    pub fn macs(&self, stages: usize, steps: usize) -> usize {
        let of = |segment: &Segment| match segment {
            Segment::Plain(chain) => chain.macs(),
            Segment::Residual(block) => block.macs(),
            Segment::Ode(chain, _) => chain.macs() * stages * steps,
        };
        self.segments.iter().map(of).sum()
    }

    /// Initial parameters from a seed.
    pub fn initial<R: Real>(&self, seed: u64) -> Vec<R> {
        let mut rng = stream(seed, Stream::Weights);
        let draw = |p: &Parameter| -> Vec<R> {
            p.range
                .clone()
                .map(|_| match p.start {
                    StartValue::Constant(c) => R::of(c),
                    StartValue::Uniform(bound) => R::of(rng.gen_range(-bound..bound)),
                })
                .collect()
        };
        self.parameters.iter().flat_map(draw).collect()
    }

    /// The running statistics of batch norm: for each, means then variances.
    pub fn statistics(&self) -> Vec<f64> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the running statistics, as [`Self::statistics`] gave them.
    ///
    /// # Errors
    /// Another number of statistics.
    pub fn set_statistics(&self, statistics: &[f64]) -> Result<(), SolveError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        expect_shape("statistics", &[statistics.len()], "the network", &[running.len()])?;
        running.copy_from_slice(statistics);
        Ok(())
    }

    /// Refuses images or parameters of another network.
    pub(super) fn expect_lengths(&self, images: usize, theta: usize) -> Result<(), SolveError> {
        expect_shape("theta", &[theta], "the network", &[self.parameter_count()])?;
        let input = self.segments.first().map_or(0, Segment::input_len);
        if input > 0 && !images.is_multiple_of(input) {
            let why = format!("images have {images} components, which is no multiple of the network's input, {input}");
            return Err(SolveError::Argument(why));
        }
        Ok(())
    }

    /// Refuses parameters, a cotangent of `logits` components, or a gradient that do not belong to a forward sweep.
    pub(super) fn expect_backward_lengths(
        &self,
        theta: usize,
        [logits_bar, logits]: [usize; 2],
        theta_bar: usize,
    ) -> Result<(), SolveError> {
        expect_shape("theta", &[theta], "the network", &[self.parameter_count()])?;
        expect_shape("the gradient for theta", &[theta_bar], "theta", &[theta])?;
        expect_shape("the cotangent", &[logits_bar], "the logits", &[logits])
    }

    /// Logits `[n, classes]` of `n` images in training mode, with what the vjp needs.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn forward<R: Real>(
        &self,
        images: &[R],
        theta: &[R],
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<(Vec<R>, Kept<R>), SolveError> {
        self.expect_lengths(images.len(), theta.len())?;
        let mut kept = vec![];
        let mut current = images.to_vec();
        for segment in &self.segments {
            match segment {
                Segment::Plain(chain) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[chain.parameters.clone()];
                    let (y, tape) =
                        chain.forward_taped((0, 0), &current, theta, Statistics::BatchUpdating, &mut running);
                    ledger.keep(tape.bytes());
                    kept.push(KeptSegment::Plain(chain.clone(), tape));
                    current = y;
                }
                Segment::Residual(block) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[block.parameters()];
                    let (y, tape) = block.forward_taped(&current, theta, Statistics::BatchUpdating, &mut running);
                    ledger.keep(tape.bytes());
                    kept.push(KeptSegment::Residual(block.clone(), tape));
                    current = y;
                }
                Segment::Ode(chain, evolving) => {
                    let field = OdeField::new(chain.clone(), self.running.clone(), self.mode());
                    let theta = block_parameters(chain, evolving.as_ref(), theta);
                    if let Some(evolving) = evolving {
                        let block = evolving.block(&Cpu, field, solve).map_err(impossible)?;
                        let trajectory = block.forward(solve.method, &current, &theta, ledger)?;
                        current = trajectory.end().duplicate();
                        kept.push(KeptSegment::Coupled { block, theta, trajectory });
                        continue;
                    }
                    let solved;
                    (current, solved) = solve.forward(&field, &current, &theta, ledger)?;
                    kept.push(KeptSegment::Ode { field, solved });
                }
            }
        }
        let logits = current.len();
        Ok((current, Kept(kept, logits)))
    }

    /// From the cotangent of the logits: adds to `theta_bar`.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn backward<R: Real>(
        &self,
        kept: Kept<R>,
        theta: &[R],
        logits_bar: &[R],
        theta_bar: &mut [R],
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<(), SolveError> {
        self.expect_backward_lengths(theta.len(), [logits_bar.len(), kept.1], theta_bar.len())?;
        let mut bar = logits_bar.to_vec();
        for (i, (segment, kept)) in self.segments.iter().zip(kept.0).enumerate().rev() {
            let range = segment.parameters();
            bar = match kept {
                KeptSegment::Plain(chain, tape) => {
                    let x_bar = chain.vjp(&tape, &theta[range.clone()], &bar, &mut theta_bar[range], i > 0);
                    ledger.free(tape.bytes());
                    x_bar.unwrap_or_default()
                }
                KeptSegment::Residual(block, tape) => {
                    let x_bar = block.vjp(&tape, &theta[range.clone()], &bar, &mut theta_bar[range]);
                    ledger.free(tape.bytes());
                    x_bar
                }
                KeptSegment::Ode { field, solved } => {
                    let theta = theta[range.clone()].to_vec();
                    let mut block_bar = theta_bar[range.clone()].to_vec();
                    let z_bar = solved.backward(solve, &field, &theta, bar, &mut block_bar, ledger)?;
                    theta_bar[range].copy_from_slice(&block_bar);
                    z_bar
                }
                KeptSegment::Coupled { block, theta, trajectory } => {
                    let mut block_bar = theta.zeros_like();
                    let z_bar = trajectory.backward(&block, &theta, &bar, &mut block_bar, ledger)?;
                    let unknowns = segment.unknowns();
                    let (weights_bar, unknowns_bar) = block_bar.split_at(range.len());
                    for (range, part) in [(range, weights_bar), (unknowns, unknowns_bar)] {
                        theta_bar[range].iter_mut().zip(part).for_each(|(sum, &x)| *sum = *sum + x);
                    }
                    z_bar
                }
            };
        }
        Ok(())
    }
}

/// The weights of an ODE block, then the unknowns of their evolution.
pub(super) fn block_parameters<R: Real>(chain: &Chain, evolving: Option<&Evolving>, theta: &[R]) -> Vec<R> {
    let unknowns = evolving.map_or(0..0, |evolving| evolving.unknowns.clone());
    [&theta[chain.parameters.clone()], &theta[unknowns]].concat()
}

/// A choice that was checked when the network was built, made with another number of steps.
pub(super) fn impossible(error: EvolutionError) -> SolveError {
    SolveError::Field { step: 0, stage: 0, t: 0.0, source: FieldError::Other(error.to_string()) }
}
