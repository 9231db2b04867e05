//! The output weights theta(t) = integral of K(t - tau) w(tau) dtau over tau <= t: kernels K and their quadrature.
//!
//! Both kernels with memory have unit mass. The quadrature is the solver's own: the exponential memory obeys
//! dm/dt = rate (w - m) and is stepped beside w; the box is the difference of I(t) = integral of w, stepped beside w
//! too, and of I(t - width), read off the cubic Hermite interpolant of the nodes of the step grid (I and dI/dt = w are
//! known there).

use super::EvolutionError;

/// The kernel K of theta(t).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// K = delta: theta = w.
    Delta,
    /// K(s) = rate exp(-rate s).
    Exponential {
        /// One over the memory's length, above 0.
        rate: f64,
    },
    /// K(s) = 1 / width on [0, width].
    Box {
        /// The memory's length, above 0.
        width: f64,
    },
}

/// What w was before t = 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// w(t) = w(0): theta(0) = w(0), and weights that do not evolve have theta = w.
    Rest,
    /// Nothing: the integral runs from 0 to t as ANODEV2 writes it, so theta(0) = 0.
    Zero,
}

/// A kernel with the past that it sees. It acts on evolving weights only; all others are their own theta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// The kernel.
    pub kernel: Kernel,
    /// The past.
    pub history: History,
}

impl Memory {
    /// theta = w.
    pub const NONE: Self = Self { kernel: Kernel::Delta, history: History::Rest };

    /// Refuses lengths that are no lengths.
    pub(super) fn check(self) -> Result<Self, EvolutionError> {
        let (what, x) = match self.kernel {
            Kernel::Delta => return Ok(self),
            Kernel::Exponential { rate } => ("rate", rate),
            Kernel::Box { width } => ("width", width),
        };
        if x.is_finite() && x > 0.0 {
            return Ok(self);
        }
        Err(EvolutionError::Choice(format!("the {what} of the memory is {x}; allowed: finite numbers above 0")))
    }

    /// Vectors of the weight system: w, and the memory where there is one.
    pub(super) fn parts(self) -> usize {
        if self.kernel == Kernel::Delta { 1 } else { 2 }
    }

    /// What the memory starts with, as a multiple of w(0).
    pub(super) fn start(self) -> f64 {
        match (self.kernel, self.history) {
            (Kernel::Exponential { .. }, History::Rest) => 1.0,
            _ => 0.0,
        }
    }

    /// Whether theta = w(0) for weights that do not evolve.
    pub(super) fn keeps_constants(self) -> bool {
        self.kernel == Kernel::Delta || self.history == History::Rest
    }
}

/// One term of a linear combination of what the nodes hold: node, part (0: w, 1: the memory), weight.
pub(super) type Term = (usize, usize, f64);

/// I(t) for t before the end, as a combination of the nodes of the step grid.
pub(super) fn integral(memory: Memory, times: &[f64], t: f64) -> Vec<Term> {
    if t <= 0.0 || times.len() < 2 {
        // Before the start w was w(0), or nothing.
        return if memory.history == History::Rest { vec![(0, 0, t)] } else { vec![] };
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
    match memory.kernel {
        Kernel::Delta => vec![(j, 0, 1.0)],
        Kernel::Exponential { .. } => vec![(j, 1, 1.0)],
        Kernel::Box { width } => {
            let past = integral(memory, times, times[j] - width);
            let terms = past.into_iter().map(|(node, part, weight)| (node, part, -weight / width));
            std::iter::once((j, 1, 1.0 / width)).chain(terms).collect()
        }
    }
}
