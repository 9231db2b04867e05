//! Ralston's method: order 2, 2 stages, no error estimate. It has the smallest bound on the local error of all methods
//! with this order and number of stages.
//!
//! A. Ralston, *Runge-Kutta methods with minimum error bounds*, Mathematics of Computation 16(80), 1962.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "ralston",
    aliases: &["ralston2"],
    source: "Ralston 1962",
    advice: "Use it on fixed grids: of all methods with order 2 and 2 stages, it has the smallest bound on the local \
             error. Not for adaptive steps: it has no error estimate.",
    order: 2,
    a: &[&[], &[2.0 / 3.0]],
    b: &[0.25, 0.75],
    c: &[0.0, 2.0 / 3.0],
    embedded: None,
};
