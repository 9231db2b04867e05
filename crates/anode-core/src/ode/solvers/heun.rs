//! Heun's trapezoidal method: order 2, 2 stages, with Euler's method of order 1 as its embedded solution.
//!
//! K. Heun, *Neue Methoden zur approximativen Integration der Differentialgleichungen einer unabhängigen
//! Veränderlichen*, Zeitschrift für Mathematik und Physik 45, 1900.

use crate::ode::{ButcherTableau, Embedded};

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "heun",
    aliases: &["heun2", "explicit-trapezoid"],
    source: "Heun 1900",
    advice: "Use it with adaptive steps at loose tolerances: it takes 2 evaluations per step. Not for tight \
             tolerances.",
    order: 2,
    a: &[&[], &[1.0]],
    b: &[0.5, 0.5],
    c: &[0.0, 1.0],
    embedded: Some(Embedded { order: 1, b: &[1.0, 0.0], torchdiffeq: None }),
};
