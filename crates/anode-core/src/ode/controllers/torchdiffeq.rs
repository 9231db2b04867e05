//! torchdiffeq's dopri5.

use super::{ButcherTableau, Control, ControllerDescriptor, Embedded, differences};

#[derive(Clone, Copy)]
pub(super) struct Torchdiffeq;

static DESCRIPTOR: ControllerDescriptor = ControllerDescriptor {
    name: "torchdiffeq",
    norm: "root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) <= 1",
    source: "torchdiffeq 0.2.5, Chen 2018",
    advice: "Use it to reproduce forward solves of torchdiffeq. It rejects more steps, since steps may grow directly \
             after a rejection.",
};

impl Control for Torchdiffeq {
    fn descriptor(self) -> &'static ControllerDescriptor {
        &DESCRIPTOR
    }

    fn error_weights(self, tableau: &ButcherTableau, embedded: &Embedded) -> Vec<f64> {
        differences(tableau, embedded.torchdiffeq.unwrap_or(embedded.b))
    }

    fn grow(self, ratio: f64, _: f64, exponent: f64, _: bool) -> Option<f64> {
        // A ratio of zero gives an infinite factor, which the bound takes.
        let factor = 0.9 / ratio.powf(exponent);
        Some(factor.clamp(if ratio < 1.0 { 1.0 } else { 0.2 }, 10.0))
    }
}
