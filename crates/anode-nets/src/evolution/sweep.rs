//! The forward sweep and the gradient of a coupled block.

use std::sync::Arc;

use crate::gradient::{Block, GradientError, Ledger, Method, Trajectory};
use crate::kernels::{Cpu, Device};
use crate::ode::{DifferentiableField, Grid, Pair, Real, SolveError, Stack, Vector, expect_shape};

use super::chain::{Chain, cut_grid, theta_vjp};
use super::coupled::{Coupled, CoupledField};
use super::given::{GivenWeights, Source};
use super::memory::{Memory, Term, readout};
use super::system::WeightSystem;
use super::{Configuration, CoupledBlock, Coupling, EvolutionError, Reading, WeightField};

/// The forward sweep of a [`CoupledBlock`], with what its method keeps for the backward sweep.
pub struct CoupledTrajectory<F: DifferentiableField<Vector = D::Buffer<R>>, R: Real, D: Device = Cpu> {
    kept: SavedSweep<F, R, D>,
    coupling: Coupling,
    weights: Arc<WeightField<R>>,
}

enum SavedSweep<F: DifferentiableField<Vector = D::Buffer<R>>, R: Real, D: Device> {
    /// Weights that do not evolve.
    Plain { sweep: Trajectory<F>, theta: D::Buffer<R> },
    /// z and w together; for a box memory, beside the weights' history that it read.
    Together { sweep: Trajectory<CoupledField<F, R, D>>, parameters: Coupled<R, D>, history: Option<Chain<R>> },
    /// z over a table of weights.
    Table { sweep: Trajectory<GivenWeights<F, R, D>>, table: D::Buffer<R>, read: Read<R> },
    /// z under theta(1).
    Final { sweep: Trajectory<F>, theta: D::Buffer<R>, read: Read<R> },
    /// z under weights from the exact flow.
    Flow { sweep: Trajectory<GivenWeights<F, R, D>>, given: D::Buffer<R> },
}

/// Weights that were solved first, and where and how theta was read off them.
struct Read<R: Real> {
    chain: Chain<R>,
    places: Vec<(usize, Vec<Term>)>,
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> CoupledTrajectory<F, R, D> {
    /// z at the end of the block.
    pub fn end(&self) -> &D::Buffer<R> {
        match &self.kept {
            SavedSweep::Plain { sweep, .. } | SavedSweep::Final { sweep, .. } => sweep.end(),
            SavedSweep::Together { sweep, .. } => &sweep.end().0,
            SavedSweep::Table { sweep, .. } | SavedSweep::Flow { sweep, .. } => sweep.end(),
        }
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> CoupledBlock<F, R, D> {
    /// Integrates the block from `z0` and keeps what this method's backward sweep needs; `parameters` are w(0), then p.
    ///
    /// The ledger counts evaluations of f (with that of q, where both are stepped together), and the bytes of states,
    /// tapes and solved weights that are kept. It does not count copies of the parameters.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use anode_nets::evolution::{CoupledBlock, Coupling, Law, Piece, Reading, Terms, WeightField};
    /// use anode_core::gradient::{Ledger, Method};
    /// use anode_nets::problems::ConvField;
    /// let f = Arc::new(ConvField::<f32>::new([2, 6, 6], 3, anode_kernels::Activation::Tanh));
    /// let piece = Piece { range: 0..36, grid: [3, 3], groups: 2 };
    /// let weights = Arc::new(WeightField::new(Law::new(Terms::Rda), 36, vec![piece]).unwrap());
    /// let euler = anode_core::ode::solver("euler").unwrap();
    /// let block = CoupledBlock::new(f, weights, euler, Coupling::first(2, 10, Reading::Matching)).unwrap();
    /// let (z0, mut parameters) = (vec![1.0; 72], vec![0.1; 36]);
    /// parameters.resize(block.parameter_count(), 0.0); // p = 0: starts as a neural ODE
    /// let ledger = Ledger::new();
    /// let forward = block.forward(Method::Anode, &z0, &parameters, &ledger).unwrap();
    /// let cotangent = forward.end().clone();
    /// let mut bar = vec![0.0; parameters.len()];
    /// forward.backward(&block, &parameters, &cotangent, &mut bar, &ledger).unwrap();
    /// assert!(bar[36..].iter().any(|x| *x != 0.0), "p learns from the start");
    /// ```
    ///
    /// # Errors
    /// See [`EvolutionError`]; coefficients that the solver cannot step stably, unless they are allowed.
    pub fn forward(
        &self,
        method: Method,
        z0: &D::Buffer<R>,
        parameters: &[R],
        ledger: &Ledger,
    ) -> Result<CoupledTrajectory<F, R, D>, EvolutionError> {
        let (w0, p) = self.checked(parameters)?;
        let kept = if self.is_plain() {
            let theta = self.device.upload(parameters.to_vec());
            SavedSweep::Plain { sweep: method.forward(&self.block(&*self.field), z0, &theta, ledger)?, theta }
        } else if self.flow.is_some() {
            let given = self.device.upload(parameters.to_vec());
            SavedSweep::Flow { sweep: method.forward(&self.block(&self.given()), z0, &given, ledger)?, given }
        } else {
            let p = Stack(vec![p.to_vec()]);
            match self.coupling.configuration {
                Configuration::Together { .. } => self.together(method, z0, w0, p, ledger)?,
                Configuration::First { reading, .. } => {
                    let read = self.read(method, w0, &p, ledger)?;
                    let system = self.system();
                    let thetas = read.places.iter().map(|(node, terms)| read.chain.theta(&system, *node, terms));
                    let table = self.device.upload(thetas.flatten().collect());
                    ledger.keep(table.bytes());
                    if reading == Reading::Final {
                        let sweep = method.forward(&self.block(&*self.field), z0, &table, ledger)?;
                        SavedSweep::Final { sweep, theta: table, read }
                    } else {
                        let sweep = method.forward(&self.block(&self.given()), z0, &table, ledger)?;
                        SavedSweep::Table { sweep, table, read }
                    }
                }
            }
        };
        Ok(CoupledTrajectory { kept, coupling: self.coupling, weights: self.weights.clone() })
    }

    /// z(1) alone, bit-identical to the end of [`Self::forward`] with this method. Keeps nothing for a gradient.
    ///
    /// # Errors
    /// See [`Self::forward`].
    pub fn solve(&self, method: Method, z0: &D::Buffer<R>, parameters: &[R]) -> Result<D::Buffer<R>, EvolutionError> {
        // Of all methods that take the steps of the tableau, reverse time keeps the least: the end itself.
        let method = if method.uses_tableau_steps() { Method::ReverseTime } else { method };
        Ok(self.forward(method, z0, parameters, &Ledger::new())?.end().duplicate())
    }

    fn together(
        &self,
        method: Method,
        z0: &D::Buffer<R>,
        w0: &[R],
        mut parameters: Stack<Vec<R>>,
        ledger: &Ledger,
    ) -> Result<SavedSweep<F, R, D>, GradientError> {
        let (coupled, system) = (self.coupled(), self.system());
        let history = match self.coupling.memory {
            Memory::Box { .. } => {
                let nodes = self.nodes();
                let stretches = nodes.windows(2).map(|pair| Grid::Times(pair.to_vec())).collect();
                let chain = Chain::forward(&system, self.tableau, stretches, method, (w0, &parameters), ledger)?;
                let parts = (0..nodes.len()).flat_map(|node| [(node, 0), (node, 1)]);
                parameters.0.extend(parts.map(|(node, part)| chain.part(node, part).to_vec()));
                ledger.keep(parameters.bytes());
                Some(chain)
            }
            Memory::None | Memory::Exponential { .. } => None,
        };
        let start = coupled.start(z0.duplicate(), w0);
        let parameters = Pair(self.device.zeros(0), parameters);
        let sweep = method.forward(&self.block(&coupled), &start, &parameters, ledger)?;
        Ok(SavedSweep::Together { sweep, parameters, history })
    }

    /// Solves the weights on their own grid.
    fn read(&self, method: Method, w0: &[R], p: &Stack<Vec<R>>, ledger: &Ledger) -> Result<Read<R>, GradientError> {
        let Configuration::First { steps, weight_steps, reading } = self.coupling.configuration else {
            return Err(SolveError::Argument("weights that are stepped with z are not read".into()).into());
        };
        // One step of z is cut nowhere.
        let (times, starts) = cut_grid(weight_steps, if reading == Reading::Final { 1 } else { steps });
        let last = times.len() - 1;
        let read_at = if reading == Reading::Final { vec![last] } else { starts[..steps].to_vec() };
        // A box looks back between any nodes; otherwise only the nodes that are read are ends of stretches. What comes
        // after the last one that is read is not solved.
        let memory = self.coupling.memory;
        let boxed = memory.is_box();
        let mut ends: Vec<usize> = if boxed { (0..=last).collect() } else { starts };
        ends.retain(|end| read_at.last().is_some_and(|read| end <= read));
        let stretches = ends.windows(2).map(|pair| Grid::Times(times[pair[0]..=pair[1]].to_vec())).collect();
        let chain = Chain::forward(&self.system(), self.tableau, stretches, method, (w0, p), ledger)?;
        let node_times: Vec<f64> = ends.iter().map(|&end| times[end]).collect();
        let nodes = read_at.iter().map(|place| ends.partition_point(|end| end < place));
        let places = nodes.map(|node| (node, readout(memory, &node_times, node))).collect();
        Ok(Read { chain, places })
    }

    pub(super) fn system(&self) -> WeightSystem<R> {
        WeightSystem::new(self.weights.clone(), self.coupling.memory)
    }

    fn coupled(&self) -> CoupledField<F, R, D> {
        let nodes = if self.coupling.memory.is_box() { self.nodes() } else { vec![] };
        CoupledField::on_grid(self.device.clone(), self.field.clone(), self.system(), nodes)
    }

    fn given(&self) -> GivenWeights<F, R, D> {
        let reading = match self.coupling.configuration {
            Configuration::Together { .. } => None,
            Configuration::First { reading, .. } => Some(reading),
        };
        let steps = self.coupling.configuration.steps();
        let source = match &self.flow {
            Some(flow) => Source::Flow { flow: flow.clone(), steps, reading },
            None => Source::Table,
        };
        GivenWeights { device: self.device.clone(), field: self.field.clone(), source, len: self.weights.weights() }
    }

    fn nodes(&self) -> Vec<f64> {
        let steps = self.coupling.configuration.steps();
        (0..=steps).map(|n| n as f64 / steps as f64).collect()
    }

    fn block<'a, G>(&self, field: &'a G) -> Block<'a, G> {
        Block { field, tableau: self.tableau, grid: Grid::unit(self.coupling.configuration.steps()) }
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> CoupledTrajectory<F, R, D> {
    /// From `cotangent` = dJ/dz(1): adds dJ/dw(0) and dJ/dp to `parameters_bar` and returns dJ/dz(0).
    ///
    /// # Errors
    /// A block with other choices or another evolution of its weights than that of the forward sweep, vectors that do
    /// not fit the block or its state. Else see [`GradientError`]; `parameters_bar` then holds a part of the sum.
    pub fn backward(
        self,
        block: &CoupledBlock<F, R, D>,
        parameters: &[R],
        cotangent: &D::Buffer<R>,
        parameters_bar: &mut Vec<R>,
        ledger: &Ledger,
    ) -> Result<D::Buffer<R>, GradientError> {
        let (device, len) = (&block.device, block.weights.weights());
        let differs = |what: &str| {
            Err(SolveError::Argument(format!("the {what} of the backward sweep is not that of the forward sweep"))
                .into())
        };
        if block.coupling != self.coupling {
            return differs("coupling");
        }
        if !Arc::ptr_eq(&block.weights, &self.weights) && !block.weights.evolves_like(&self.weights) {
            return differs("evolution of weights");
        }
        let count = [block.parameter_count()];
        expect_shape("the parameters", &[parameters.len()], "the block", &count)?;
        expect_shape("the gradient for the parameters", &[parameters_bar.len()], "the block", &count)?;
        expect_shape("the cotangent", &cotangent.shape(), "the state", &self.end().shape())?;
        let p = || Stack(vec![parameters[len..].to_vec()]);
        match self.kept {
            SavedSweep::Plain { sweep, theta } => {
                let mut bar = device.upload(parameters_bar.clone());
                let z_bar = sweep.backward(&block.block(&*block.field), &theta, cotangent, &mut bar, ledger)?;
                *parameters_bar = device.download(&bar);
                Ok(z_bar)
            }
            SavedSweep::Flow { sweep, given } => {
                let mut bar = device.upload(parameters_bar.clone());
                let z_bar = sweep.backward(&block.block(&block.given()), &given, cotangent, &mut bar, ledger)?;
                *parameters_bar = device.download(&bar);
                Ok(z_bar)
            }
            SavedSweep::Final { sweep, theta, read } => {
                let mut bar = theta.zeros_like();
                let z_bar = sweep.backward(&block.block(&*block.field), &theta, cotangent, &mut bar, ledger)?;
                ledger.free(theta.bytes());
                read.backward(block, &p(), &device.download(&bar), parameters_bar, ledger)?;
                Ok(z_bar)
            }
            SavedSweep::Table { sweep, table, read } => {
                let mut bar = table.zeros_like();
                let z_bar = sweep.backward(&block.block(&block.given()), &table, cotangent, &mut bar, ledger)?;
                ledger.free(table.bytes());
                read.backward(block, &p(), &device.download(&bar), parameters_bar, ledger)?;
                Ok(z_bar)
            }
            SavedSweep::Together { sweep, parameters, history } => {
                let coupled = block.coupled();
                let mut end = sweep.end().zeros_like();
                end.0.copy_from(cotangent);
                let mut bars = parameters.zeros_like();
                let start = sweep.backward(&block.block(&coupled), &parameters, &end, &mut bars, ledger)?;
                let (w0_bar, p_bar) = parameters_bar.split_at_mut(len);
                let wrong = |source| SolveError::Field { step: 0, stage: 0, t: 0.0, source };
                coupled.start_vjp(&start, w0_bar).map_err(wrong)?;
                let (parameters, mut bars) = (parameters.1, bars.1);
                if let Some(chain) = history {
                    ledger.free(parameters.bytes());
                    let mut read = bars.0.split_off(1).into_iter();
                    let nodes = std::iter::from_fn(|| Some(Stack(vec![read.next()?, read.next()?]))).collect();
                    let p = Stack(vec![parameters.0[0].clone()]);
                    chain.backward(&block.system(), &p, nodes, w0_bar, &mut bars, ledger)?;
                }
                add(p_bar, &bars.0[0]);
                Ok(start.0)
            }
        }
    }
}

impl<R: Real> Read<R> {
    /// From the cotangents of the thetas that were read, one behind the other: adds those of w(0) and p.
    fn backward<D: Device, F: DifferentiableField<Vector = D::Buffer<R>>>(
        self,
        block: &CoupledBlock<F, R, D>,
        p: &Stack<Vec<R>>,
        thetas_bar: &[R],
        parameters_bar: &mut [R],
        ledger: &Ledger,
    ) -> Result<(), GradientError> {
        let (system, len) = (block.system(), block.weights.weights());
        let mut bars = self.chain.no_bars();
        for ((node, terms), theta_bar) in self.places.iter().zip(thetas_bar.chunks_exact(len)) {
            theta_vjp(&system, *node, terms, theta_bar, &mut bars);
        }
        let (w0_bar, p_bar) = parameters_bar.split_at_mut(len);
        let mut sum = p.zeros_like();
        self.chain.backward(&system, p, bars, w0_bar, &mut sum, ledger)?;
        add(p_bar, &sum.0[0]);
        Ok(())
    }
}

fn add<R: Real>(sum: &mut [R], x: &[R]) {
    sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum = *sum + x);
}
