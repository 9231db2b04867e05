//! A network from images to logits: forward sweep, vjp, evaluation.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng;

use crate::gradient::{Block, Ledger, Method, Trajectory};
use crate::ode::{ButcherTableau, Grid, Real, SolveError};
use crate::random::{Stream, stream};

use super::builder::{Builder, Parameter, StartValue};
use super::chain::{Chain, ChainTape};
use super::layer::Statistics;
use super::ode_field::OdeField;
use super::residual::{Residual, ResidualTape};
use super::{NetSpec, SegmentSpec};

/// How the ODE blocks are solved and differentiated.
#[derive(Clone, Copy, Debug)]
pub struct Solve {
    /// The solver.
    pub tableau: &'static ButcherTableau,
    /// Steps Nt of each block on t in [0, 1].
    pub steps: usize,
    /// The gradient method.
    pub method: Method,
}

/// A network: chains with their parameters in one flat vector. Running statistics are the network's own state.
pub struct Network {
    segments: Vec<Segment>,
    parameters: Vec<Parameter>,
    running: Arc<Mutex<Vec<f64>>>,
    classes: usize,
}

/// A stretch of a network, built.
pub enum Segment {
    /// Layers one after the other.
    Plain(Arc<Chain>),
    /// A residual block that is no ODE block.
    Residual(Arc<Residual>),
    /// An ODE block.
    Ode(Arc<Chain>),
}

impl Segment {
    /// Place of its parameters in the network's.
    pub fn parameters(&self) -> Range<usize> {
        match self {
            Self::Plain(chain) | Self::Ode(chain) => chain.parameters.clone(),
            Self::Residual(block) => block.parameters(),
        }
    }
}

/// What the forward sweep keeps for the backward sweep.
pub struct Kept<R: Real>(Vec<KeptSegment<R>>);

enum KeptSegment<R: Real> {
    Plain(Arc<Chain>, ChainTape<R>),
    Residual(Arc<Residual>, ResidualTape<R>),
    Ode { field: OdeField<R>, theta: Vec<R>, trajectory: Trajectory<OdeField<R>> },
}

impl Network {
    /// Builds a network; running means start at 0, variances at 1.
    pub fn new(spec: &NetSpec) -> Self {
        let mut builder = Builder { shape: spec.input, parameters: vec![], statistics: vec![] };
        let segments: Vec<Segment> = spec
            .segments
            .iter()
            .enumerate()
            .map(|(i, segment)| build(&mut builder, &format!("segment{i}"), segment))
            .collect();
        Self {
            segments,
            parameters: builder.parameters,
            running: Arc::new(Mutex::new(builder.statistics)),
            classes: builder.shape.iter().product(),
        }
    }

    /// The stretches, from the image to the logits.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The parameters and their places.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters.last().map_or(0, |p| p.range.end)
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
            Segment::Ode(chain) => chain.macs() * stages * steps,
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
    pub fn set_statistics(&self, statistics: &[f64]) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).copy_from_slice(statistics);
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
        let mut kept = vec![];
        let mut current = images.to_vec();
        for segment in &self.segments {
            match segment {
                Segment::Plain(chain) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[chain.parameters.clone()];
                    let (y, tape) = chain.forward_taped(&current, theta, Statistics::BatchUpdating, &mut running);
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
                Segment::Ode(chain) => {
                    let field = OdeField::new(chain.clone(), self.running.clone(), true);
                    let theta = theta[chain.parameters.clone()].to_vec();
                    let block = block(&field, solve);
                    let trajectory = solve.method.forward(&block, &current, &theta, ledger)?;
                    current = trajectory.end().clone();
                    kept.push(KeptSegment::Ode { field, theta, trajectory });
                }
            }
        }
        Ok((current, Kept(kept)))
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
                KeptSegment::Ode { field, theta, trajectory } => {
                    let mut block_bar = theta_bar[range.clone()].to_vec();
                    let block = block(&field, solve);
                    let z_bar = trajectory.backward(&block, &theta, &bar, &mut block_bar, ledger)?;
                    theta_bar[range].copy_from_slice(&block_bar);
                    z_bar
                }
            };
        }
        Ok(())
    }

    /// Logits of a batch in evaluation mode: batch norm with the running statistics.
    ///
    /// # Errors
    /// See [`SolveError`].
    pub fn evaluate<R: Real>(&self, images: &[R], theta: &[R], solve: Solve) -> Result<Vec<R>, SolveError> {
        let mut current = images.to_vec();
        for segment in &self.segments {
            match segment {
                Segment::Plain(chain) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[chain.parameters.clone()];
                    current = chain.forward(&current, theta, Statistics::Running, &mut running);
                }
                Segment::Residual(block) => {
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    let theta = &theta[block.parameters()];
                    current = block.forward(&current, theta, Statistics::Running, &mut running);
                }
                Segment::Ode(chain) => {
                    let field = OdeField::new(chain.clone(), self.running.clone(), false);
                    let theta = theta[chain.parameters.clone()].to_vec();
                    crate::ode::integrate(&field, solve.tableau, &Grid::unit(solve.steps), &mut current, &theta)?;
                }
            }
        }
        Ok(current)
    }
}

fn build(builder: &mut Builder, name: &str, spec: &SegmentSpec) -> Segment {
    match spec {
        SegmentSpec::Plain(parts) => Segment::Plain(Arc::new(builder.chain(name, parts))),
        SegmentSpec::Ode(parts) => Segment::Ode(Arc::new(builder.chain(name, parts))),
        SegmentSpec::Residual { main, shortcut } => {
            let input = builder.shape;
            let main = builder.chain(&format!("{name}.main"), main);
            builder.shape = input;
            let shortcut = if shortcut.is_empty() {
                // The identity keeps the shape; it stands behind the main path's parameters.
                builder.chain(name, &[])
            } else {
                builder.chain(&format!("{name}.shortcut"), shortcut)
            };
            Segment::Residual(Arc::new(Residual { main, shortcut }))
        }
    }
}

fn block<R: Real>(field: &OdeField<R>, solve: Solve) -> Block<'_, OdeField<R>> {
    Block { field, tableau: solve.tableau, grid: Grid::unit(solve.steps) }
}
