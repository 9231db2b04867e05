//! Bogacki-Shampine 3(2): order 3, 4 stages, first same as last, with an embedded solution of order 2. MATLAB's
//! `ode23`, SciPy's `RK23`.
//!
//! P. Bogacki and L. F. Shampine, *A 3(2) pair of Runge-Kutta formulas*, Applied Mathematics Letters 2(4), 1989.

use crate::ode::{ButcherTableau, Embedded};

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "bogacki-shampine",
    aliases: &["bosh3", "rk23", "ode23"],
    source: "Bogacki & Shampine 1989",
    advice: "Use it with adaptive steps at loose tolerances, and to reproduce `ode23` and `RK23`. At tight tolerances, \
             methods of order 5 need fewer evaluations of smooth fields.",
    order: 3,
    a: &[&[], &[0.5], &[0.0, 0.75], &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0]],
    b: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
    c: &[0.0, 0.5, 0.75, 1.0],
    embedded: Some(Embedded { order: 2, b: &[7.0 / 24.0, 0.25, 1.0 / 3.0, 0.125], torchdiffeq: None }),
};
