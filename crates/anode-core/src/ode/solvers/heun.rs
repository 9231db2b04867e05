//! Heun's trapezoidal method: order 2, 2 stages, with Euler as its embedded solution.

use crate::ode::{ButcherTableau, Embedded};

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "heun",
    aliases: &["heun2", "explicit-trapezoid"],
    source: "Heun 1900",
    order: 2,
    a: &[&[], &[1.0]],
    b: &[0.5, 0.5],
    c: &[0.0, 1.0],
    embedded: Some(Embedded { order: 1, b: &[1.0, 0.0], torchdiffeq: None }),
};
