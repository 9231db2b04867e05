//! The stretches of a network, built from their specification.

use std::ops::Range;
use std::sync::Arc;

use super::SegmentSpec;
use super::builder::Builder;
use super::chain::Chain;
use super::evolving::Evolving;
use super::residual::Residual;

/// A stretch of a network, built.
#[derive(Clone)]
#[non_exhaustive]
pub enum Segment {
    /// Layers one after the other.
    Plain(Arc<Chain>),
    /// A residual block that is no ODE block.
    Residual(Arc<Residual>),
    /// An ODE block, with the evolution of its weights where they evolve.
    Ode(Arc<Chain>, Option<Evolving>),
}

impl Segment {
    /// Numbers of one input image.
    pub(super) fn input_len(&self) -> usize {
        match self {
            Self::Plain(chain) | Self::Ode(chain, _) => chain.input_len,
            Self::Residual(block) => block.main.input_len,
        }
    }

    /// Place of its weights in the network's parameters.
    pub fn parameters(&self) -> Range<usize> {
        match self {
            Self::Plain(chain) | Self::Ode(chain, _) => chain.parameters.clone(),
            Self::Residual(block) => block.parameters(),
        }
    }
}

impl Segment {
    /// Place of the unknowns of its weight evolution; empty without one.
    pub(super) fn unknowns(&self) -> Range<usize> {
        match self {
            Self::Ode(_, Some(evolving)) => evolving.unknowns.clone(),
            _ => 0..0,
        }
    }
}

/// Builds a segment from the current shape; the first `norms` steps of an ODE block have separate batch norms.
pub(super) fn build(builder: &mut Builder, name: &str, spec: &SegmentSpec, norms: usize) -> Segment {
    match spec {
        SegmentSpec::Plain(parts) => Segment::Plain(Arc::new(builder.chain(name, parts))),
        SegmentSpec::Ode(parts) => {
            let mut chain = builder.chain(name, parts);
            let output = builder.shape;
            builder.norms_for_each_step(name, &mut chain, norms);
            builder.shape = output;
            Segment::Ode(Arc::new(chain), None)
        }
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
