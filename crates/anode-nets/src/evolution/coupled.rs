//! Activations and weights as one system: dz/dt = f(t, z, theta), dw/dt = q(w; p) (ANODEV2, the coupled formulation).
//!
//! It is a vector field like any other, so every solver and every gradient method applies: the exact ones give the
//! gradient of the coupled steps, the continuous ones the optimality system of the coupled problem, with the adjoint b
//! of w, -db/dt = (dq/dw)^T b + (df/dtheta)^T a, beside the adjoint a of z.

use std::sync::Arc;

use crate::kernels::{Cpu, Device};
use crate::ode::{At, DifferentiableField, FieldError, Pair, Real, Stack, Vector, VectorField, expect_len};

use super::field::WeightTape;
use super::memory::{Term, theta_terms};
use super::system::WeightSystem;
use super::{EvolutionError, Memory, WeightField};

/// Stands for the state itself where a term names a node.
const NOW: usize = usize::MAX;

/// State z and `[w]`, or `[w, memory]`; parameters nothing and `[p]`, for a box memory followed by w and I at every
/// node of the step grid, from which the past is read.
///
/// z and f are on a device; w, q and p are in host memory, few beside the activations. An evaluation takes theta there,
/// a vjp brings its cotangent back: no activation moves.
///
/// ```
/// use std::sync::Arc;
/// use anode_nets::evolution::{CoupledField, Law, Memory, Piece, Terms, WeightField};
/// use anode_core::gradient::{Block, Method};
/// use anode_core::ode::{solver, Grid, Pair, Stack};
/// use anode_nets::problems::ConvField;
/// // One 3 x 3 convolution whose kernel diffuses while it acts; the gradients of J = |z(1)|^2 / 2 for z(0), w(0) and
/// // p.
/// let f = ConvField::<f64>::new([1, 5, 5], 3, anode_kernels::Activation::Tanh);
/// let piece = Piece { range: 0..9, grid: [3, 3], groups: 1 };
/// let weights = WeightField::new(Law::new(Terms::Diffusion), 9, vec![piece]).unwrap();
/// let field = CoupledField::new(Arc::new(f), Arc::new(weights), Memory::None).unwrap();
/// let block = Block { field: &field, tableau: solver("rk4").unwrap(), grid: Grid::unit(5) };
/// let start = field.start(vec![1.0; 25], &[0.1; 9]);
/// let found = Method::Anode.gradient(&block, &start, &Pair(vec![], Stack(vec![vec![0.2]])), |end| {
///     Pair(end.0.clone(), Stack(vec![vec![0.0; 9]]))
/// }).unwrap();
/// let (z0_bar, w0_bar, p_bar) = (&found.z0.0, &found.z0.1.0[0], &found.theta.1.0[0]);
/// assert_eq!((z0_bar.len(), w0_bar.len(), p_bar.len()), (25, 9, 1));
/// ```
pub struct CoupledField<F, R, D = Cpu> {
    device: D,
    field: Arc<F>,
    system: WeightSystem<R>,
    /// Nodes of the step grid, for a box memory.
    nodes: Vec<f64>,
}

/// Activations on a device, and weights in host memory.
pub type Coupled<R, D = Cpu> = Pair<<D as Device>::Buffer<R>, Stack<Vec<R>>>;

/// The tapes of f and of q, and theta with which f was evaluated.
pub struct CoupledTape<T, R: Real, D: Device = Cpu> {
    field: T,
    weights: WeightTape<R>,
    theta: D::Buffer<R>,
    t: f64,
}

impl<R: Real, F: DifferentiableField<Vector = Vec<R>>> CoupledField<F, R> {
    /// f with weights that evolve.
    ///
    /// # Errors
    /// A box memory, which needs the nodes of a step grid ([`super::CoupledBlock`] knows them).
    pub fn new(field: Arc<F>, weights: Arc<WeightField<R>>, memory: Memory) -> Result<Self, EvolutionError> {
        if memory.is_box() {
            let why =
                "a box memory looks back on the nodes of a step grid, which a field alone has not; use a coupled block";
            return Err(EvolutionError::Choice(why.into()));
        }
        Ok(Self { device: Cpu, field, system: WeightSystem::new(weights, memory.check()?), nodes: vec![] })
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> CoupledField<F, R, D> {
    /// The same on a device and on a grid with these nodes, for any memory that was checked.
    pub(super) fn on_grid(device: D, field: Arc<F>, system: WeightSystem<R>, nodes: Vec<f64>) -> Self {
        Self { device, field, system, nodes }
    }

    /// The state at t = 0. Weights of the wrong length are refused by the first evaluation.
    pub fn start(&self, z0: D::Buffer<R>, w0: &[R]) -> Coupled<R, D> {
        Pair(z0, Stack(self.system.start(w0)))
    }

    /// Adds the cotangent of w(0) for the cotangent of the state at t = 0.
    ///
    /// # Errors
    /// Vectors of the wrong length.
    pub fn start_vjp(&self, bar: &Coupled<R, D>, w0_bar: &mut [R]) -> Result<(), FieldError> {
        self.system.check(&bar.1.0)?;
        expect_len("weight gradient", w0_bar.len(), self.system.weights.weights())?;
        self.system.start_vjp(&bar.1.0, w0_bar);
        Ok(())
    }

    fn terms(&self, t: f64) -> Vec<Term> {
        theta_terms(self.system.memory, &self.nodes, t, NOW)
    }

    /// theta(t), on the device.
    fn theta(&self, t: f64, weights: &Stack<Vec<R>>, parameters: &Stack<Vec<R>>) -> D::Buffer<R> {
        let w = &weights.0[0];
        if self.system.memory == Memory::None {
            return self.device.upload(w.duplicate());
        }
        let part = |node: usize, part: usize| -> &[R] {
            if node == NOW { &weights.0[part] } else { &parameters.0[1 + 2 * node + part] }
        };
        self.device.upload(self.system.theta(w, &self.terms(t), part))
    }

    fn check(&self, state: &Coupled<R, D>, parameters: &Coupled<R, D>) -> Result<(), FieldError> {
        self.system.check(&state.1.0)?;
        expect_len("coupled parameters", parameters.1.0.len(), 1 + 2 * self.nodes.len())?;
        let past = parameters.1.0[1..].iter();
        past.into_iter()
            .try_for_each(|part| expect_len("weights of the past", part.len(), self.system.weights.weights()))
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> VectorField for CoupledField<F, R, D> {
    type Vector = Coupled<R, D>;

    fn eval(&self, at: At, v: &Self::Vector, p: &Self::Vector, dv: &mut Self::Vector) -> Result<(), FieldError> {
        self.check(v, p)?;
        self.field.eval(at, &v.0, &self.theta(at.t, &v.1, &p.1), &mut dv.0)?;
        self.system.rates(at, &v.1.0, &p.1.0[0], &mut dv.1.0)
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> DifferentiableField for CoupledField<F, R, D> {
    type Tape = CoupledTape<F::Tape, R, D>;

    fn eval_taped(
        &self,
        at: At,
        v: &Self::Vector,
        p: &Self::Vector,
        dv: &mut Self::Vector,
    ) -> Result<Self::Tape, FieldError> {
        self.check(v, p)?;
        let theta = self.theta(at.t, &v.1, &p.1);
        let field = self.field.eval_taped(at, &v.0, &theta, &mut dv.0)?;
        let weights = self.system.rates_taped(at, &v.1.0, &p.1.0[0], &mut dv.1.0)?;
        Ok(CoupledTape { field, weights, theta, t: at.t })
    }

    fn vjp(
        &self,
        tape: &Self::Tape,
        p: &Self::Vector,
        cotangent: &Self::Vector,
        v_bar: &mut Self::Vector,
        p_bar: &mut Self::Vector,
    ) -> Result<(), FieldError> {
        self.check(cotangent, p)?;
        self.check(v_bar, p_bar)?;
        let (bars, p_bars) = (&mut v_bar.1.0, &mut p_bar.1.0);
        let mut theta_bar = tape.theta.zeros_like();
        self.field.vjp(&tape.field, &tape.theta, &cotangent.0, &mut v_bar.0, &mut theta_bar)?;
        let theta_bar = self.device.download(&theta_bar);
        self.system.add_constants(&theta_bar, &mut bars[0]);
        for (node, part, weight) in self.terms(tape.t) {
            let bar = if node == NOW { &mut bars[part] } else { &mut p_bars[1 + 2 * node + part] };
            self.system.add_share(weight, &theta_bar, bar);
        }
        self.system.rates_vjp(&tape.weights, &p.1.0[0], &cotangent.1.0, bars, &mut p_bars[0])
    }

    fn tape_bytes(&self, tape: &Self::Tape) -> usize {
        self.field.tape_bytes(&tape.field) + self.system.bytes(&tape.weights) + tape.theta.bytes()
    }
}
