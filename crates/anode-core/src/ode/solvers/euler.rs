//! Forward Euler: order 1, 1 stage, no error estimate. A residual block is one step with h = 1 (ANODE, section 2).
//!
//! L. Euler, *Institutionum calculi integralis*, volume 1, 1768.

use crate::ode::ButcherTableau;

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "euler",
    aliases: &["explicit-euler", "forward-euler"],
    source: "Euler 1768",
    advice: "Use it for residual networks: a residual block is one step with h = 1. Not for accurate solutions: its \
             order is 1.",
    order: 1,
    a: &[&[]],
    b: &[1.0],
    c: &[0.0],
    embedded: None,
};
