//! The output weights theta(t) = integral of K(t - tau) w(tau) dtau over tau <= t: kernels K and their quadrature.
//!
//! Both kernels with memory have unit mass. The quadrature is the solver's own: the exponential memory obeys
//! dm/dt = rate (w - m) and is stepped beside w; the box is the difference of I(t) = integral of w, stepped beside w
//! too, and of I(t - width), read off the cubic Hermite interpolant of the nodes of the step grid (I and dI/dt = w are
//! known there).

use super::EvolutionError;

/// What w was before t = 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum History {
    /// w(0): theta(0) = w(0), and weights that do not evolve have theta = w.
    Rest,
    /// Zero: the integral runs from 0 to t, so theta(0) = 0 (ANODEV2, from memory).
    Zero,
}

/// The kernel K of theta(t) = integral of K(t - tau) w(tau) dtau. It acts on evolving weights only; all others are
/// their own theta.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields))]
pub enum Memory {
    /// theta = w.
    #[default]
    None,
    /// K(s) = rate exp(-rate s).
    Exponential {
        /// One over the length of the memory, above 0.
        rate: f64,
        /// What w was before t = 0.
        history: History,
    },
    /// K(s) = 1 / width on [0, width].
    Box {
        /// Length of the memory, above 0.
        width: f64,
        /// What w was before t = 0.
        history: History,
    },
}

impl Memory {
    /// Checks that the length of the memory is finite and above 0.
    pub(super) fn check(self) -> Result<Self, EvolutionError> {
        let (what, x) = match self {
            Self::None => return Ok(self),
            Self::Exponential { rate, .. } => ("rate", rate),
            Self::Box { width, .. } => ("width", width),
        };
        if x.is_finite() && x > 0.0 {
            return Ok(self);
        }
        Err(EvolutionError::Choice(format!("the {what} of the memory is {x}; allowed: finite numbers above 0")))
    }

    /// The assumed w before t = 0. Returns [`History::Rest`] without a memory, where it has no effect.
    pub fn history(self) -> History {
        match self {
            Self::None => History::Rest,
            Self::Exponential { history, .. } | Self::Box { history, .. } => history,
        }
    }

    /// Vectors of the weight system: w, and the memory where there is one.
    pub(super) fn parts(self) -> usize {
        if self == Self::None { 1 } else { 2 }
    }

    /// What the memory starts with, as a multiple of w(0).
    pub(super) fn start(self) -> f64 {
        if matches!(self, Self::Exponential { history: History::Rest, .. }) { 1.0 } else { 0.0 }
    }

    /// Whether theta = w(0) for weights that do not evolve.
    pub(super) fn keeps_constants(self) -> bool {
        self.history() == History::Rest
    }

    /// Whether it looks back on the nodes of a step grid.
    pub(super) fn is_box(self) -> bool {
        matches!(self, Self::Box { .. })
    }
}

/// One term of a linear combination of what the nodes hold: node, part (0: w, 1: the memory), weight.
pub(super) type Term = (usize, usize, f64);

/// I(t) for t before the end, as a combination of the nodes of the step grid.
pub(super) fn integral(memory: Memory, times: &[f64], t: f64) -> Vec<Term> {
    if t <= 0.0 || times.len() < 2 {
        // Before the start w was w(0), or nothing.
        return if memory.history() == History::Rest { vec![(0, 0, t)] } else { vec![] };
    }
    let j = times.partition_point(|&node| node <= t).clamp(1, times.len() - 1) - 1;
    let h = times[j + 1] - times[j];
    let s = (t - times[j]) / h;
    let r = 1.0 - s;
    vec![
        (j, 1, r * r * (1.0 + 2.0 * s)),
        (j, 0, h * s * r * r),
        (j + 1, 1, s * s * (1.0 + 2.0 * r)),
        (j + 1, 0, -h * s * s * r),
    ]
}

/// theta at node `j` as a combination of what the nodes hold.
pub(super) fn readout(memory: Memory, times: &[f64], j: usize) -> Vec<Term> {
    theta_terms(memory, times, times[j], j)
}

/// theta at time `t` as a combination of the weights at that time, which are those of `node`, and what the nodes hold.
pub(super) fn theta_terms(memory: Memory, times: &[f64], t: f64, node: usize) -> Vec<Term> {
    match memory {
        Memory::None => vec![(node, 0, 1.0)],
        Memory::Exponential { .. } => vec![(node, 1, 1.0)],
        Memory::Box { width, .. } => {
            let past = integral(memory, times, t - width);
            let terms = past.into_iter().map(|(node, part, weight)| (node, part, -weight / width));
            std::iter::once((node, 1, 1.0 / width)).chain(terms).collect()
        }
    }
}
