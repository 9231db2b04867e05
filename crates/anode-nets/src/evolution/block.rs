//! A block of a network whose weights evolve: its choices, and their checks.

use std::sync::Arc;

use crate::kernels::{Cpu, Device};
use crate::ode::{ButcherTableau, DifferentiableField, FieldError, Real, SolveError, expect_len};

use super::stability::check_memory;
use super::{EvolutionError, ExactFlow, Memory, Symbol, WeightField};

/// How weights and activations are stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Configuration {
    /// Configuration 1: z and w take the same steps together; each stage of z uses theta at that stage.
    Together {
        /// Steps Nt on [0, 1].
        steps: usize,
    },
    /// Configuration 2: w is solved first, on a separate time grid, then z; theta is constant during a step of z.
    First {
        /// Steps Nt of z on [0, 1].
        steps: usize,
        /// Steps of w on [0, 1]. They are cut where a step of z begins, so that theta is known there.
        weight_steps: usize,
        /// Which theta a step of z uses.
        reading: Reading,
    },
}

impl Configuration {
    /// Steps Nt of z.
    pub fn steps(self) -> usize {
        match self {
            Self::Together { steps } | Self::First { steps, .. } => steps,
        }
    }

    /// Largest step of w.
    fn weight_step(self) -> f64 {
        match self {
            Self::Together { steps } => 1.0 / steps as f64,
            Self::First { weight_steps, .. } => 1.0 / weight_steps as f64,
        }
    }
}

/// The two readings of "theta is evolved first, then applied".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// Step n of z uses theta(t_n).
    Matching,
    /// Every step of z uses theta(1).
    Final,
}

/// How w(t) is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evaluation {
    /// Centred finite differences, stepped with the block's solver.
    Steps,
    /// The exact Fourier multiplier; for sigma = identity, periodic kernels and K = delta.
    Multiplier(Symbol),
}

/// The choices of a coupled block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coupling {
    /// How weights and activations are stepped.
    pub configuration: Configuration,
    /// The kernel K of theta(t).
    pub memory: Memory,
    /// How w(t) is computed.
    pub evaluation: Evaluation,
    /// Step coefficients that the solver cannot step stably, instead of refusing them.
    pub allow_unstable: bool,
}

impl Coupling {
    /// Configuration 1 in this many steps, theta = w, finite differences, unstable coefficients refused.
    pub fn together(steps: usize) -> Self {
        Self {
            configuration: Configuration::Together { steps },
            memory: Memory::None,
            evaluation: Evaluation::Steps,
            allow_unstable: false,
        }
    }

    /// Configuration 2.
    pub fn first(steps: usize, weight_steps: usize, reading: Reading) -> Self {
        let configuration = Configuration::First { steps, weight_steps, reading };
        Self { configuration, ..Self::together(steps) }
    }
}

/// z(1) from z(0) under dz/dt = f(t, z, theta), with weights theta that evolve from w(0) by a law with parameters p.
///
/// All its parameters are one flat vector: w(0), as long as the parameters of f, then p. See [`CoupledBlock::forward`].
/// Without evolution (`Terms::Constant`, or no pieces), and without a memory or with `History::Rest`, it is
/// bit-identical to the plain block.
///
/// z and f are on a device. The parameters, and the evolution of the weights, are in host memory.
pub struct CoupledBlock<F, R, D = Cpu> {
    pub(super) device: D,
    pub(super) field: Arc<F>,
    pub(super) weights: Arc<WeightField<R>>,
    pub(super) flow: Option<Arc<ExactFlow<R>>>,
    pub(super) tableau: &'static ButcherTableau,
    pub(super) coupling: Coupling,
}

impl<R: Real, F: DifferentiableField<Vector = Vec<R>>> CoupledBlock<F, R> {
    /// A block of `field` with these weights and choices; `tableau` steps both z and w.
    ///
    /// # Errors
    /// Choices that exclude one another, counts of 0, a memory of no length.
    pub fn new(
        field: Arc<F>,
        weights: Arc<WeightField<R>>,
        tableau: &'static ButcherTableau,
        coupling: Coupling,
    ) -> Result<Self, EvolutionError> {
        Self::on(Cpu, field, weights, tableau, coupling)
    }
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> CoupledBlock<F, R, D> {
    /// Like [`CoupledBlock::new`], for a field whose states are on `device`.
    ///
    /// # Errors
    /// See [`CoupledBlock::new`].
    pub fn on(
        device: D,
        field: Arc<F>,
        weights: Arc<WeightField<R>>,
        tableau: &'static ButcherTableau,
        coupling: Coupling,
    ) -> Result<Self, EvolutionError> {
        let memory = coupling.memory.check()?;
        let counts = match coupling.configuration {
            Configuration::Together { steps } => [("steps", steps), ("steps", steps)],
            Configuration::First { steps, weight_steps, .. } => [("steps", steps), ("weight_steps", weight_steps)],
        };
        for (name, count) in counts {
            // Above this the product of the two counts, which places both grids, would overflow.
            if !(1..=10_000_000).contains(&count) {
                return Err(EvolutionError::Choice(format!("{name} is {count}; allowed: 1 to 10000000")));
            }
        }
        let flow = match coupling.evaluation {
            Evaluation::Steps => None,
            Evaluation::Multiplier(_) if memory != Memory::None => {
                let why = format!(
                    "the Fourier multiplier gives w(t), not a memory of it ({memory:?}); use K = delta or step"
                );
                return Err(EvolutionError::Choice(why));
            }
            Evaluation::Multiplier(symbol) => Some(Arc::new(ExactFlow::new(weights.clone(), symbol)?)),
        };
        Ok(Self { device, field, weights, flow, tableau, coupling })
    }

    /// The law and the places of the weights.
    pub fn weights(&self) -> &WeightField<R> {
        &self.weights
    }

    /// The choices.
    pub fn coupling(&self) -> Coupling {
        self.coupling
    }

    /// Length of the flat vector of w(0) and p.
    pub fn parameter_count(&self) -> usize {
        self.weights.weights() + self.weights.parameters()
    }

    /// Whether theta = w(0) throughout, whatever the parameters are.
    pub(super) fn is_plain(&self) -> bool {
        self.weights.is_constant() && self.coupling.memory.keeps_constants()
    }

    /// w(0) and p of the flat vector, once it has the right length and its coefficients can be stepped.
    pub(super) fn checked<'a>(&self, parameters: &'a [R]) -> Result<(&'a [R], &'a [R]), EvolutionError> {
        let found = expect_len("weights and evolution parameters", parameters.len(), self.parameter_count());
        found.map_err(|source: FieldError| SolveError::Field { step: 0, stage: 0, t: 0.0, source })?;
        let (w0, p) = parameters.split_at(self.weights.weights());
        if self.flow.is_none() && !self.coupling.allow_unstable {
            let h = self.coupling.configuration.weight_step();
            self.weights.check_stability(p, self.tableau, h)?;
            check_memory(self.coupling.memory, self.tableau, h)?;
        }
        Ok((w0, p))
    }
}
