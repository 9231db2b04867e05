//! ODE blocks whose weights evolve while the activations do (ANODEV2).

use std::ops::Range;
use std::sync::Arc;

use crate::evolution::{
    Configuration, CoupledBlock, Coupling, Evaluation, EvolutionError, Law, Memory, Piece, Reading, WeightField,
};
use crate::kernels::Device;
use crate::ode::{DifferentiableField, Real};

use super::chain::Chain;
use super::layer::Kind;
use super::solve::Solve;

/// How the convolutions of every ODE block evolve. Their biases and the batch norms stay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evolution {
    /// The law q.
    pub law: Law,
    /// Which kernels share their coefficients.
    pub sharing: Sharing,
    /// How weights and activations are stepped.
    pub stepping: WeightStepping,
    /// The kernel K of theta(t).
    pub memory: Memory,
    /// How w(t) is computed.
    pub evaluation: Evaluation,
    /// Step coefficients that the solver cannot step stably, instead of refusing them.
    pub allow_unstable: bool,
}

/// Which kernels share a set of coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Sharing {
    /// All kernels of a convolution.
    Layer,
    /// All kernels of an output channel.
    Channel,
}

/// How weights and activations are stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields))]
#[cfg_attr(feature = "serde", schemars(rename = "Configuration"))]
pub enum WeightStepping {
    /// Configuration 1: in the same steps.
    Together,
    /// Configuration 2: weights first; a step of z uses theta(t_n).
    Matching {
        /// Steps of the weights for each step of z.
        weight_steps: usize,
    },
    /// Configuration 2: weights first; every step of z uses theta(1).
    Final {
        /// Steps of the weights for each step of z.
        weight_steps: usize,
    },
}

impl WeightStepping {
    /// The configuration of a block of `steps` steps of z.
    pub fn configuration(self, steps: usize) -> Configuration {
        let (weight_steps, reading) = match self {
            Self::Together => return Configuration::Together { steps },
            Self::Matching { weight_steps } => (weight_steps, Reading::Matching),
            Self::Final { weight_steps } => (weight_steps, Reading::Final),
        };
        Configuration::First { steps, weight_steps: steps.saturating_mul(weight_steps), reading }
    }
}

impl Evolution {
    fn coupling(&self, steps: usize) -> Coupling {
        let Self { memory, evaluation, allow_unstable, .. } = *self;
        Coupling { configuration: self.stepping.configuration(steps), memory, evaluation, allow_unstable }
    }
}

/// The evolution of one block.
#[derive(Clone, Debug)]
pub struct Evolving {
    evolution: Evolution,
    weights: usize,
    pieces: Vec<Piece>,
    /// Place of its unknowns p in the network's parameters.
    pub unknowns: Range<usize>,
}

impl Evolving {
    /// The evolution of the convolutions of `chain`, with its unknowns at `place`.
    pub fn new(evolution: Evolution, chain: &Chain, place: usize) -> Result<Self, EvolutionError> {
        let pieces = chain.layers().iter().filter_map(|layer| match layer.kind {
            Kind::Conv { shape, .. } => {
                let groups = if evolution.sharing == Sharing::Layer { 1 } else { shape.channels };
                let range = layer.range.start..layer.range.start + shape.weight_len();
                Some(Piece { range, grid: shape.kernel, groups })
            }
            _ => None,
        });
        let (pieces, weights) = (pieces.collect(), chain.parameters.len());
        let mut evolving = Self { evolution, weights, pieces, unknowns: place..place };
        evolving.unknowns.end += evolving.field::<f64>()?.parameters();
        Ok(evolving)
    }

    fn field<R: Real>(&self) -> Result<WeightField<R>, EvolutionError> {
        WeightField::new(self.evolution.law, self.weights, self.pieces.clone())
    }

    /// The block of `field`, on `device`, with these weights.
    pub fn block<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>>(
        &self,
        device: &D,
        field: F,
        solve: Solve,
    ) -> Result<CoupledBlock<F, R, D>, EvolutionError> {
        let fixed =
            || EvolutionError::Choice("weights evolve on fixed steps; name their number, not tolerances".into());
        let coupling = self.evolution.coupling(solve.steps.count().ok_or_else(fixed)?);
        CoupledBlock::on(device.clone(), Arc::new(field), Arc::new(self.field()?), solve.tableau, coupling)
    }

    /// The coefficients in force for the unknowns `p`, as means over the sets of a convolution: names
    /// `conv0.diffusion`, values.
    pub fn coefficients(&self, p: &[f32]) -> Vec<(String, f64)> {
        let (law, terms) = (self.evolution.law, self.evolution.law.terms.coefficients());
        let (mut found, mut rest) = (vec![], p);
        for (conv, piece) in self.pieces.iter().enumerate() {
            let (sets, others) = rest.split_at(piece.groups * terms.len());
            rest = others;
            for (i, term) in terms.iter().enumerate() {
                let values = sets.iter().skip(i).step_by(terms.len()).map(|&s| law.value(*term, s.into()));
                found.push((format!("conv{conv}.{}", term.name()), values.sum::<f64>() / piece.groups as f64));
            }
        }
        found
    }
}
