//! Kutta's 3/8 rule: order 4, 4 stages, no error estimate.
//!
//! W. Kutta, *Beitrag zur näherungsweisen Integration totaler Differentialgleichungen*, Zeitschrift für Mathematik
//! und Physik 46, 1901.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "three-eighths",
    aliases: &["rk4-38"],
    source: "Kutta 1901",
    advice: "Use it on fixed grids to reproduce torchdiffeq's `rk4`, which is this rule. Not for adaptive steps: it \
             has no error estimate.",
    order: 4,
    a: &[&[], &[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0]],
    b: &[0.125, 0.375, 0.375, 0.125],
    c: &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
    embedded: None,
};
