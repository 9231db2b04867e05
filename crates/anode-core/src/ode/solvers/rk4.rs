//! The classical Runge-Kutta method: order 4, 4 stages, no error estimate.
//!
//! W. Kutta, *Beitrag zur näherungsweisen Integration totaler Differentialgleichungen*, Zeitschrift für Mathematik
//! und Physik 46, 1901.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "rk4",
    aliases: &["classical"],
    source: "Kutta 1901",
    advice: "Use it for accurate solutions of smooth fields on fixed grids. Not for adaptive steps: it has no error \
             estimate.",
    order: 4,
    a: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    b: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    c: &[0.0, 0.5, 0.5, 1.0],
    embedded: None,
};
