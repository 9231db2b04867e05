//! The law of a weight evolution as data: which terms of the PDE, which nonlinearity, which border.

use crate::kernels::Activation;
use crate::ode::Real;

/// dw/dt = sigma(d Lap w + u . grad w + r w) on the grid of a kernel (ANODEV2, reaction-diffusion-advection).
///
/// The spacing of the grid is 1, so that d is in squared kernel pixels and u in kernel pixels per unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Law {
    /// The terms of the PDE.
    pub terms: Terms,
    /// The nonlinearity.
    pub sigma: Sigma,
    /// sigma(x) - sigma(0) in place of sigma(x), so that p = 0 means q = 0 for every sigma.
    pub centred: bool,
    /// The map from the unknown s to the diffusion d.
    pub diffusion: Diffusion,
    /// The boundary condition at the border of the kernel.
    pub border: Border,
}

impl Law {
    /// These terms with sigma = tanh, centred, d >= 0, periodic.
    pub fn new(terms: Terms) -> Self {
        Self { terms, sigma: Sigma::Tanh, centred: true, diffusion: Diffusion::Softplus, border: Border::Periodic }
    }

    /// The value of a coefficient for its unknown.
    pub fn value(&self, coefficient: Coefficient, unknown: f64) -> f64 {
        if coefficient == Coefficient::Diffusion { self.diffusion.apply(unknown).0 } else { unknown }
    }

    /// sigma(x), centred where the law says so.
    pub fn apply<R: Real>(&self, x: R) -> R {
        let y = self.sigma.apply(x);
        if self.centred { y - self.sigma.apply(R::zero()) } else { y }
    }
}

/// Terms of dw/dt = sigma(d Lap w + u . grad w + r w).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Terms {
    /// None: dw/dt = 0, a neural ODE.
    Constant,
    /// r w.
    Reaction,
    /// d Lap w.
    Diffusion,
    /// u . grad w.
    Advection,
    /// All three.
    Rda,
}

impl Terms {
    /// The coefficients that are unknowns, in the order in which they stand in p.
    pub fn coefficients(self) -> &'static [Coefficient] {
        use Coefficient::*;
        match self {
            Self::Constant => &[],
            Self::Reaction => &[Reaction],
            Self::Diffusion => &[Diffusion],
            Self::Advection => &[AdvectionX, AdvectionY],
            Self::Rda => &[Diffusion, AdvectionX, AdvectionY, Reaction],
        }
    }
}

/// A coefficient of the PDE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coefficient {
    /// d.
    Diffusion,
    /// u along the width of the kernel.
    AdvectionX,
    /// u along the height of the kernel.
    AdvectionY,
    /// r.
    Reaction,
}

impl Coefficient {
    /// The name for tables and parameters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diffusion => "diffusion",
            Self::AdvectionX => "advection_x",
            Self::AdvectionY => "advection_y",
            Self::Reaction => "reaction",
        }
    }
}

/// The values (d, u_x, u_y, r) of one set of coefficients, in the order of [`Coefficient`].
pub type Coefficients = [f64; 4];

/// The map from the unknown s to the diffusion d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diffusion {
    /// d = softplus(|s|) - softplus(0). No d >= 0 that vanishes at s = 0 is smooth there with a slope; this one has the
    /// slope 1/2 from the right, which is taken, so that d is 0 at the start and still learns. Mirrored, since a clamp
    /// would hold d at 0 for ever once s is negative.
    Softplus,
    /// d = s. Negative diffusion is ill posed; on a kernel's few pixels it grows fast but finitely.
    Free,
}

impl Diffusion {
    /// d and dd/ds.
    pub fn apply(self, s: f64) -> (f64, f64) {
        match self {
            Self::Softplus => {
                let softplus = |x| Activation::Softplus.apply(x);
                let slope = Activation::Softplus.slope(s.abs());
                (softplus(s.abs()) - softplus(0.0), if s < 0.0 { -slope } else { slope })
            }
            Self::Free => (s, 1.0),
        }
    }
}

/// Nonlinearity of the weight evolution. That of a definition is centred: sigma(x) - sigma(0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Sigma {
    /// x: the linear PDE.
    Identity,
    /// tanh x.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// max(0, x), with slope 1 at 0: with slope 0 there, p = 0 would never learn.
    Relu,
    /// log(1 + exp x).
    Softplus,
}

impl Sigma {
    /// sigma(x). NaN stays NaN.
    pub fn apply<R: Real>(self, x: R) -> R {
        match self {
            Self::Identity => x,
            Self::Tanh => x.tanh(),
            Self::Sigmoid => R::one() / (R::one() + (-x).exp()),
            Self::Relu => Activation::Relu.apply(x),
            Self::Softplus => Activation::Softplus.apply(x),
        }
    }

    /// The derivative of sigma at x.
    pub fn slope<R: Real>(self, x: R) -> R {
        match self {
            Self::Identity => R::one(),
            Self::Tanh => Activation::Tanh.slope(x),
            Self::Sigmoid => {
                let y = self.apply(x);
                y * (R::one() - y)
            }
            Self::Relu if x < R::zero() => R::zero(),
            Self::Relu => R::one(),
            Self::Softplus => Activation::Softplus.slope(x),
        }
    }

    /// The largest slope.
    pub fn steepest(self) -> f64 {
        if self == Self::Sigmoid { 0.25 } else { 1.0 }
    }
}

/// Boundary condition of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Border {
    /// Periodic.
    #[default]
    Periodic,
    /// A wall without flux: neither diffusion nor advection carries anything through.
    NoFlux,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGMAS: [Sigma; 5] = [Sigma::Identity, Sigma::Tanh, Sigma::Sigmoid, Sigma::Relu, Sigma::Softplus];

    #[test]
    fn slopes_are_those_of_the_functions_and_none_is_above_the_steepest() {
        for sigma in SIGMAS {
            for x in [-3.0, -0.7, -0.1, 0.2, 1.3, 4.0f64] {
                let d = 1e-6;
                let measured = (sigma.apply(x + d) - sigma.apply(x - d)) / (2.0 * d);
                assert!((measured - sigma.slope(x)).abs() < 1e-9, "{sigma:?} at {x}");
                assert!(sigma.slope(x) <= sigma.steepest());
            }
            assert!(sigma.slope(0.0f64) > 0.0, "{sigma:?}: p = 0 must learn");
            let law = Law { sigma, ..Law::new(Terms::Rda) };
            assert_eq!((law.apply(0.0f64), law.apply(0.0f32)), (0.0, 0.0), "{sigma:?} centred");
        }
    }

    #[test]
    fn diffusion_is_never_negative_vanishes_exactly_at_the_start_and_learns_there() {
        assert_eq!(Diffusion::Softplus.apply(0.0), (0.0, 0.5));
        for s in [-40.0, -2.0, -0.3, 0.1, 1.0, 30.0] {
            let (d, slope) = Diffusion::Softplus.apply(s);
            assert!(d > 0.0 && slope != 0.0);
            let e = 1e-6;
            let measured = (Diffusion::Softplus.apply(s + e).0 - Diffusion::Softplus.apply(s - e).0) / (2.0 * e);
            assert!((measured - slope).abs() < 1e-8, "at {s}");
        }
    }
}
