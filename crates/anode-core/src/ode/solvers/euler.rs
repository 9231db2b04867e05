//! Forward Euler: order 1, 1 stage. A residual block is one step of it with h = 1 (ANODE, section 2).

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "euler",
    aliases: &[],
    source: "Euler 1768",
    order: 1,
    a: &[&[]],
    b: &[1.0],
    c: &[0.0],
    embedded: None,
};
