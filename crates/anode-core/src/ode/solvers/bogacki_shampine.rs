//! Bogacki-Shampine 3(2): order 3, 4 stages, first same as last. MATLAB's `ode23`.

use crate::ode::{ButcherTableau, Embedded};

pub(super) static TABLEAU: ButcherTableau = ButcherTableau {
    name: "bogacki-shampine",
    aliases: &["bosh3", "ode23"],
    source: "Bogacki & Shampine 1989",
    order: 3,
    a: &[&[], &[0.5], &[0.0, 0.75], &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0]],
    b: &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
    c: &[0.0, 0.5, 0.75, 1.0],
    embedded: Some(Embedded { order: 2, b: &[7.0 / 24.0, 0.25, 1.0 / 3.0, 0.125], torchdiffeq: None }),
};
