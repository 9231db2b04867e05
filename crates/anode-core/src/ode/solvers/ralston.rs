//! Ralston's method: order 2, 2 stages, with the smallest bound on the local error among them.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "ralston",
    aliases: &[],
    source: "Ralston 1962",
    order: 2,
    a: &[&[], &[2.0 / 3.0]],
    b: &[0.25, 0.75],
    c: &[0.0, 2.0 / 3.0],
    embedded: None,
};
