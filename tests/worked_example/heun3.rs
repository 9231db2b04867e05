//! Heun's third-order method: order 3, 3 stages, no error estimate.
//!
//! K. Heun, *Neue Methoden zur approximativen Integration der Differentialgleichungen einer unabhängigen
//! Veränderlichen*, Zeitschrift für Mathematik und Physik 45, 1900.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "heun3",
    aliases: &[],
    source: "Heun 1900",
    advice: "Use it on fixed grids, for comparison with `rk3`. Not for adaptive steps: it has no error estimate.",
    order: 3,
    a: &[&[], &[1.0 / 3.0], &[0.0, 2.0 / 3.0]],
    b: &[0.25, 0.0, 0.75],
    c: &[0.0, 1.0 / 3.0, 2.0 / 3.0],
    embedded: None,
};
