//! Activation functions and their slopes, one number at a time.

use anode_core::ode::Real;

/// Activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Activation {
    /// Identity.
    None,
    /// max(0, x); slope 0 at 0.
    Relu,
    /// x for x > 0, else 0.01 x.
    LeakyRelu,
    /// log(1 + exp x).
    Softplus,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The activation of `x`. NaN stays NaN.
    pub fn apply<R: Real>(self, x: R) -> R {
        match self {
            Self::None => x,
            Self::Relu if x <= R::zero() => R::zero(),
            Self::Relu => x,
            Self::LeakyRelu if x <= R::zero() => R::of(0.01) * x,
            Self::LeakyRelu => x,
            // max(x, 0) + log(1 + exp(-|x|)) does not overflow.
            Self::Softplus => x.max(R::zero()) + (-x.abs()).exp().ln_1p(),
            Self::Tanh => x.tanh(),
        }
    }

    /// The derivative of the activation at `x`. At a kink it is that of the left side.
    pub fn slope<R: Real>(self, x: R) -> R {
        match self {
            Self::None => R::one(),
            Self::Relu if x > R::zero() => R::one(),
            Self::Relu => R::zero(),
            Self::LeakyRelu if x > R::zero() => R::one(),
            Self::LeakyRelu => R::of(0.01),
            Self::Softplus => R::one() / (R::one() + (-x).exp()),
            Self::Tanh => R::one() - x.tanh() * x.tanh(),
        }
    }
}
