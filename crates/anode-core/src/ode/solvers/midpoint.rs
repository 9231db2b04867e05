//! Explicit midpoint: order 2, 2 stages, no error estimate. The released ANODE code calls it RK2. Heun's method is
//! another method of order 2.
//!
//! C. Runge, *Über die numerische Auflösung von Differentialgleichungen*, Mathematische Annalen 46, 1895.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "midpoint",
    aliases: &["rk2", "explicit-midpoint"],
    source: "Runge 1895",
    advice: "Use it to reproduce the released ANODE code, which calls it RK2. Not for adaptive steps: it has no error \
             estimate.",
    order: 2,
    a: &[&[], &[0.5]],
    b: &[0.0, 1.0],
    c: &[0.0, 0.5],
    embedded: None,
};
