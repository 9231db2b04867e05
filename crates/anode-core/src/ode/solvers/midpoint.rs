//! Explicit midpoint: order 2, 2 stages. What the released ANODE code calls RK2; not to be confused with Heun.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "midpoint",
    aliases: &["rk2"],
    source: "Runge 1895",
    order: 2,
    a: &[&[], &[0.5]],
    b: &[0.0, 1.0],
    c: &[0.0, 0.5],
    embedded: None,
};
