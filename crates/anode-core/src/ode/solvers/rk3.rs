//! Kutta's third-order method: order 3, 3 stages, no error estimate.
//!
//! W. Kutta, *Beitrag zur näherungsweisen Integration totaler Differentialgleichungen*, Zeitschrift für Mathematik
//! und Physik 46, 1901.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "rk3",
    aliases: &["kutta3"],
    source: "Kutta 1901",
    advice: "Use it on fixed grids if order 2 is not enough and `rk4` costs too much. For adaptive steps use \
             `bogacki-shampine`, which has the same order and an error estimate.",
    order: 3,
    a: &[&[], &[0.5], &[-1.0, 2.0]],
    b: &[1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0],
    c: &[0.0, 0.5, 1.0],
    embedded: None,
};
