//! A network from images to logits: forward sweep and vjp.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::Rng;

use crate::evolution::{CoupledBlock, CoupledTrajectory, EvolutionError};
use crate::gradient::Ledger;
use crate::kernels::{Cpu, Device, Part, PartMut};
use crate::ode::{Real, Vector, expect_shape};
use crate::random::{Stream, stream};

use super::NetSpec;
use super::builder::{Builder, Parameter, StartValue};
use super::chain::{Chain, ChainTape, Sweep};
use super::error::NetworkError;
use super::evolving::{Evolution, Evolving};
use super::layer::Statistics;
use super::ode_field::{Mode, OdeField, Updates};
use super::residual::{Residual, ResidualSweep, ResidualTape};
use super::running::Running;
use super::segment::{Segment, build};
use super::solve::{Solve, Solved};

/// A network: chains with their parameters in one flat vector. Running statistics are the network's own state. States,
/// tapes and statistics are in the memory of the network's device.
pub struct Network<D: Device = Cpu> {
    pub(super) segments: Vec<Segment>,
    pub(super) weights: usize,
    pub(super) parameters: Vec<Parameter>,
    pub(super) norms: Vec<(String, Range<usize>)>,
    pub(super) device: D,
    pub(super) running: Arc<Mutex<Running<D>>>,
    pub(super) updates: Updates,
    pub(super) classes: usize,
}

/// What the forward sweep keeps for the backward sweep, and the number of its logits.
pub struct SavedSegments<R: Real, D: Device = Cpu>(Vec<SavedSegment<R, D>>, usize);

/// Logits, with what the backward sweep needs.
pub type Swept<R, D = Cpu> = (<D as Device>::Buffer<R>, SavedSegments<R, D>);

enum SavedSegment<R: Real, D: Device> {
    Plain(Arc<Chain>, ChainTape<D, R>),
    Residual(Arc<Residual>, ResidualTape<D, R>),
    Ode { field: OdeField<R, D>, solved: Solved<OdeField<R, D>> },
    Coupled { block: Coupled<R, D>, theta: Vec<R>, trajectory: CoupledTrajectory<OdeField<R, D>, R, D> },
}

type Coupled<R, D> = CoupledBlock<OdeField<R, D>, R, D>;

impl Network {
    /// Builds a network; running means start at 0, variances at 1.
    ///
    /// # Panics
    /// If [`NetSpec::check`] refuses the definition.
    pub fn new(spec: &NetSpec) -> Self {
        Self::with_norms(spec, 1)
    }

    /// The same with batch norms, and running statistics, for each of the first `norms` steps of every ODE block. Later
    /// steps use the last ones; 1 is the released code's single one for all steps.
    ///
    /// # Panics
    /// If [`NetSpec::check`] refuses the definition.
    pub fn with_norms(spec: &NetSpec, norms: usize) -> Self {
        if let Err(error) = spec.check() {
            panic!("{error}; check definitions with `NetSpec::check`");
        }
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
            device: Cpu,
            running: Arc::new(Mutex::new(Running::new(builder.statistics))),
            updates: Updates::default(),
            classes: builder.shape.iter().product(),
        }
    }

    /// This network with weights that evolve in every ODE block. The unknowns of the evolution stand behind all weights
    /// and start at 0, as a neural ODE.
    ///
    /// # Errors
    /// A network whose weights evolve already. Else see [`EvolutionError`].
    pub fn with_evolution(self, evolution: Evolution, solve: Solve) -> Result<Self, EvolutionError> {
        let mut network = self;
        let mut place = network.weights;
        for (i, segment) in network.segments.iter_mut().enumerate() {
            let Segment::Ode(chain, evolving) = segment else { continue };
            if evolving.is_some() {
                return Err(EvolutionError::Choice(format!("the weights of segment {i} evolve already")));
            }
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
}

impl<D: Device> Network<D> {
    /// `network` on `device`, with its running statistics. Weights that evolve are stepped in host memory, as
    /// [`CoupledBlock`] says; activations stay on the device.
    pub fn on(network: &Network, device: D) -> Self {
        network.with(device, network.segments.clone(), network.statistics())
    }

    /// A copy on `device` with other segments and statistics.
    pub(super) fn with<E: Device>(&self, device: E, segments: Vec<Segment>, statistics: Vec<f64>) -> Network<E> {
        let running = Arc::new(Mutex::new(Running::new(device.upload(statistics))));
        let (parameters, norms) = (self.parameters.clone(), self.norms.clone());
        let Self { weights, updates, classes, .. } = *self;
        Network { segments, weights, parameters, norms, device, running, updates, classes }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    pub(super) fn running(&self) -> MutexGuard<'_, Running<D>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The field of an ODE block.
    pub(super) fn field<R: Real>(&self, chain: &Arc<Chain>, mode: Mode) -> OdeField<R, D> {
        OdeField::on(self.device.clone(), chain.clone(), self.running.clone(), mode)
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
    ///
    /// # Errors
    /// Another number of parameters than the network has.
    pub fn coefficients(&self, theta: &[f32]) -> Result<Vec<(String, f64)>, NetworkError> {
        expect_shape("theta", &[theta.len()], "the network", &[self.parameter_count()])?;
        let blocks = self.segments.iter().enumerate().filter_map(|(i, segment)| match segment {
            Segment::Ode(_, Some(evolving)) => Some((i, evolving.coefficients(&theta[evolving.unknowns.clone()]))),
            _ => None,
        });
        let named = |(i, found): (usize, Vec<(String, f64)>)| {
            found.into_iter().map(move |(name, value)| (format!("segment{i}.{name}"), value))
        };
        Ok(blocks.flat_map(named).collect())
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

    /// The running statistics of batch norm, in host memory: for each, means then variances. Waits.
    pub fn statistics(&self) -> Vec<f64> {
        self.device.download(&self.running().kept)
    }

    /// Sets the running statistics, as [`Self::statistics`] gave them.
    ///
    /// # Errors
    /// Another number of statistics.
    pub fn set_statistics(&self, statistics: &[f64]) -> Result<(), NetworkError> {
        let mut running = self.running();
        expect_shape("statistics", &[statistics.len()], "the network", &[running.kept.len()])?;
        // In place, because captured sweeps update the statistics where they are.
        let statistics = self.device.upload(statistics.to_vec());
        self.device.copy(PartMut::all(&mut running.kept), Part::all(&statistics));
        running.restart_averages();
        Ok(())
    }

    /// Refuses images or parameters of another network, and batches without images: they have no statistics.
    pub(super) fn expect_lengths(&self, images: usize, theta: usize) -> Result<(), NetworkError> {
        expect_shape("theta", &[theta], "the network", &[self.parameter_count()])?;
        let input = self.segments.first().map_or(0, Segment::input_len);
        if images == 0 || !images.is_multiple_of(input.max(1)) {
            return Err(NetworkError::Images { found: images, input });
        }
        Ok(())
    }

    /// Refuses parameters, a cotangent of `logits` components, or a gradient that do not belong to a forward sweep.
    pub(super) fn expect_backward_lengths(
        &self,
        theta: usize,
        [logits_bar, logits]: [usize; 2],
        theta_bar: usize,
    ) -> Result<(), NetworkError> {
        expect_shape("theta", &[theta], "the network", &[self.parameter_count()])?;
        expect_shape("the gradient for theta", &[theta_bar], "theta", &[theta])?;
        Ok(expect_shape("the cotangent", &[logits_bar], "the logits", &[logits])?)
    }

    /// The parameters in host memory where a block's weights evolve, else nothing. Waits.
    pub(super) fn evolving_parameters<'a, R: Real>(&self, theta: &'a D::Buffer<R>) -> Cow<'a, [R]> {
        let evolves = self.segments.iter().any(|segment| matches!(segment, Segment::Ode(_, Some(_))));
        if evolves { self.device.host(theta) } else { Cow::Borrowed(&[]) }
    }

    /// Logits `[n, classes]` of `n` images in training mode, with what the vjp needs. Nothing is waited for, so a state
    /// that left the finite may be told only by the device, see [`Device::synchronize`].
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn forward<R: Real>(
        &self,
        images: &D::Buffer<R>,
        theta: &D::Buffer<R>,
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<Swept<R, D>, NetworkError> {
        self.expect_lengths(images.len(), theta.len())?;
        let (device, host, mut kept) = (&self.device, self.evolving_parameters(theta), vec![]);
        let mut current = images.share();
        for segment in &self.segments {
            let own = Part::new(theta, segment.parameters());
            match segment {
                Segment::Plain(chain) => {
                    let sweep = Sweep::new(device, chain, (0, 0), own);
                    let (y, tape) = sweep.forward_taped(current, Statistics::BatchUpdating, &mut self.running());
                    ledger.keep(tape.bytes());
                    kept.push(SavedSegment::Plain(chain.clone(), tape));
                    current = y;
                }
                Segment::Residual(block) => {
                    let sweep = ResidualSweep::new(device, block, own);
                    let (y, tape) = sweep.forward_taped(current, Statistics::BatchUpdating, &mut self.running());
                    ledger.keep(tape.bytes());
                    kept.push(SavedSegment::Residual(block.clone(), tape));
                    current = y;
                }
                Segment::Ode(chain, Some(evolving)) => {
                    let block = evolving.block(device, self.field(chain, self.mode()), solve)?;
                    let theta = block_parameters(chain, evolving, &host);
                    let trajectory = block.forward(solve.method, &current, &theta, ledger)?;
                    current = trajectory.end().duplicate();
                    kept.push(SavedSegment::Coupled { block, theta, trajectory });
                }
                Segment::Ode(chain, None) => {
                    solve.check(chain)?;
                    let (field, theta) = (self.field(chain, self.mode()), device.share_part(own));
                    let solved;
                    (current, solved) = solve.forward(&field, &current, &theta, ledger)?;
                    kept.push(SavedSegment::Ode { field, solved });
                }
            }
        }
        let logits = current.len();
        Ok((current, SavedSegments(kept, logits)))
    }

    /// From the cotangent of the logits: adds to `theta_bar`.
    ///
    /// # Errors
    /// See [`NetworkError`].
    pub fn backward<R: Real>(
        &self,
        kept: SavedSegments<R, D>,
        theta: &D::Buffer<R>,
        logits_bar: &D::Buffer<R>,
        theta_bar: &mut D::Buffer<R>,
        solve: Solve,
        ledger: &Ledger,
    ) -> Result<(), NetworkError> {
        let device = &self.device;
        self.expect_backward_lengths(theta.len(), [logits_bar.len(), kept.1], theta_bar.len())?;
        let mut bar = logits_bar.duplicate();
        for (i, (segment, kept)) in self.segments.iter().zip(kept.0).enumerate().rev() {
            let range = segment.parameters();
            let own = Part::new(theta, range.clone());
            let x_bar = match kept {
                SavedSegment::Plain(chain, tape) => {
                    let sweep = Sweep::new(device, &chain, (0, 0), own);
                    ledger.free(tape.bytes());
                    sweep.vjp_consuming(tape, bar, &mut PartMut::new(theta_bar, range), i > 0)
                }
                SavedSegment::Residual(block, tape) => {
                    let sweep = ResidualSweep::new(device, &block, own);
                    ledger.free(tape.bytes());
                    sweep.vjp(tape, bar, &mut PartMut::new(theta_bar, range))
                }
                SavedSegment::Ode { field, solved } => {
                    let theta = device.share_part(own);
                    let mut own_bar = device.concat(&[Part::new(theta_bar, range.clone())]);
                    let z_bar = solved.backward(solve, &field, &theta, bar, &mut own_bar, ledger)?;
                    device.copy(PartMut::new(theta_bar, range), Part::all(&own_bar));
                    Some(z_bar)
                }
                SavedSegment::Coupled { block, theta, trajectory } => {
                    let mut own_bar = theta.zeros_like();
                    let z_bar = trajectory.backward(&block, &theta, &bar, &mut own_bar, ledger)?;
                    let unknowns_bar = own_bar.split_off(range.len());
                    for (range, part) in [(range, own_bar), (segment.unknowns(), unknowns_bar)] {
                        let mut sum = device.concat(&[Part::new(theta_bar, range.clone())]);
                        sum.axpy(R::one(), &device.upload(part));
                        device.copy(PartMut::new(theta_bar, range), Part::all(&sum));
                    }
                    Some(z_bar)
                }
            };
            let Some(x_bar) = x_bar else { break };
            bar = x_bar;
        }
        Ok(())
    }
}

/// The weights of an ODE block, then the unknowns of their evolution.
pub(super) fn block_parameters<R: Real>(chain: &Chain, evolving: &Evolving, theta: &[R]) -> Vec<R> {
    [&theta[chain.parameters.clone()], &theta[evolving.unknowns.clone()]].concat()
}
