//! Step-size control: how the local error is measured, and how the next step size follows from it. The registry of
//! controllers: one file per controller, and one entry here.

use super::{Adaptive, ButcherTableau, Embedded, Real, Vector};

/// Properties of a step-size controller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControllerDescriptor {
    /// The name in definitions and tables.
    pub name: &'static str,
    /// The norm of the local error that is compared with the tolerances.
    pub norm: &'static str,
    /// Reference.
    pub source: &'static str,
    /// When to use it.
    pub advice: &'static str,
}

/// A step-size controller. `ratio` is the local error over the tolerance, and `exponent` is 1 / (q + 1) for an error
/// estimate of order q. Private: [`Controller`] states why.
trait Control: Copy {
    fn descriptor(self) -> &'static ControllerDescriptor;

    /// Weights of the stages in the error estimate.
    fn error_weights(self, tableau: &ButcherTableau, embedded: &Embedded) -> Vec<f64> {
        differences(tableau, embedded.b)
    }

    /// Error over tolerance of a step from `z` to `next`: by default the root mean square over the components.
    fn ratio<V: Vector>(self, control: &Adaptive, error: &V, z: &V, next: &V) -> f64 {
        let sum = error.weighted_squares(z, next, control.tolerances(), 0.0);
        (sum / error.len().max(1) as f64).sqrt()
    }

    /// Whether a step with this ratio is accepted. One that is not a number is not.
    fn accepts(self, ratio: f64) -> bool {
        ratio <= 1.0
    }

    /// The largest step that this controller takes.
    fn limit(self, size: f64, _interval: f64) -> f64 {
        size
    }

    /// Whether a step of this size is extended to the end of the span. By default only if the remaining time is below
    /// the resolution of time.
    fn finishes(self, size: f64, remaining: f64, resolved: f64) -> bool {
        size + 2.0 * resolved >= remaining
    }

    /// The first step from the size of the derivative alone; `None` to probe with an Euler step (Hairer, Norsett,
    /// Wanner I, II.4).
    fn first_step<V: Vector>(self, _: &Adaptive, _exponent: f64, _interval: f64, _z: &V, _dz: &V) -> Option<f64> {
        None
    }

    /// Factor for the step after an accepted one with this ratio, the one before having had `previous`; `None` keeps
    /// the size that the last rejection led to.
    fn grow(self, ratio: f64, previous: f64, exponent: f64, failed_before: bool) -> Option<f64>;

    /// Factor for the next attempt after a rejected one, whose ratio is finite.
    fn shrink(self, ratio: f64, exponent: f64, _failed_before: bool) -> f64 {
        (0.9 / ratio.powf(exponent)).max(0.2)
    }

    /// Whether the norm divides by the relative tolerance.
    fn divides_by_rtol(self) -> bool {
        false
    }
}

/// The weights of the solution minus those of the solution that it is compared with.
fn differences(tableau: &ButcherTableau, other: &[f64]) -> Vec<f64> {
    tableau.b.iter().zip(other).map(|(b, e)| b - e).collect()
}

macro_rules! register {
    ($($(#[$doc:meta])* $name:ident in $file:ident,)*) => {
        $(mod $file;)*

        /// How an adaptive solver measures its local error and chooses the first and the next step.
        ///
        /// The set is closed: unlike a solver or a gradient method, a controller cannot be defined outside this crate.
        /// Its name is part of the JSON format of definitions and of the ids of runs, and [`Adaptive`] is a plain
        /// value of one type for all controllers. To add a controller, write one file in `src/ode/controllers` and an
        /// entry in the list of `mod.rs` there. `scipy.rs` (an I controller) and `proportional_integral.rs` (a PI
        /// controller) are short examples.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema))]
        #[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
        #[cfg_attr(feature = "serde", schemars(rename = "ErrorNorm"))]
        // Authors of definitions do not need the note on new controllers.
        #[cfg_attr(feature = "serde", schemars(description = "How an adaptive solver measures its local error and \
            chooses the first and the next step."))]
        #[non_exhaustive]
        pub enum Controller {
            $($(#[$doc])* $name,)*
        }

        impl Controller {
            /// Every registered controller.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Name, acceptance rule, source and advice of this controller.
            pub fn descriptor(self) -> &'static ControllerDescriptor {
                match self { $(Self::$name => $file::$name.descriptor(),)* }
            }

            pub(super) fn error_weights(self, tableau: &ButcherTableau, embedded: &Embedded) -> Vec<f64> {
                match self { $(Self::$name => $file::$name.error_weights(tableau, embedded),)* }
            }

            pub(super) fn divides_by_rtol(self) -> bool {
                match self { $(Self::$name => $file::$name.divides_by_rtol(),)* }
            }
        }

        impl Adaptive {
            /// Error over tolerance.
            pub(super) fn ratio<V: Vector>(&self, error: &V, z: &V, next: &V) -> f64 {
                match self.controller { $(Controller::$name => $file::$name.ratio(self, error, z, next),)* }
            }

            pub(super) fn accepts(&self, ratio: f64) -> bool {
                match self.controller { $(Controller::$name => $file::$name.accepts(ratio),)* }
            }

            pub(super) fn limit(&self, size: f64, interval: f64) -> f64 {
                match self.controller { $(Controller::$name => $file::$name.limit(size, interval),)* }
            }

            pub(super) fn finishes(&self, size: f64, remaining: f64, resolved: f64) -> bool {
                match self.controller { $(Controller::$name => $file::$name.finishes(size, remaining, resolved),)* }
            }

            pub(super) fn first_step<V: Vector>(&self, exponent: f64, interval: f64, z: &V, dz: &V) -> Option<f64> {
                match self.controller {
                    $(Controller::$name => $file::$name.first_step(self, exponent, interval, z, dz),)*
                }
            }

            pub(super) fn grow(&self, ratio: f64, previous: f64, exponent: f64, failed_before: bool) -> Option<f64> {
                match self.controller {
                    $(Controller::$name => $file::$name.grow(ratio, previous, exponent, failed_before),)*
                }
            }

            /// Factor for the next attempt after a rejected one.
            pub(super) fn shrink(&self, ratio: f64, exponent: f64, failed_before: bool) -> f64 {
                match self.controller {
                    _ if !ratio.is_finite() => 0.2,
                    $(Controller::$name => $file::$name.shrink(ratio, exponent, failed_before),)*
                }
            }
        }
    };
}

register! {
    /// MATLAB's ode45: max_i |e_i| / max(|z_i|, |z'_i|, atol / rtol) <= rtol, and no step above a tenth of the
    /// interval.
    Matlab in matlab,
    /// torchdiffeq: root mean square of e_i / (atol + rtol max(|z_i|, |z'_i|)) <= 1, steps unbounded; for
    /// Dormand-Prince with Shampine's error weights, as its `dopri5`. The next step follows from this error alone, and
    /// steps grow at once after a rejection.
    Torchdiffeq in torchdiffeq,
    /// SciPy's RK45 and RK23, the textbook controller (Hairer, Norsett, Wanner, Solving ODEs I, II.4): the norm of
    /// torchdiffeq with the error weights of the solver, and no growth after a rejection.
    Scipy in scipy,
    /// The norm of SciPy; steps from the last two errors (a PI controller, Hairer & Wanner, Solving ODEs II, IV.2),
    /// which rejects fewer steps where stability limits them.
    ProportionalIntegral in proportional_integral,
}

impl Adaptive {
    /// The tolerances, an absolute one of zero replaced by the smallest positive number: a component that is zero and
    /// has no error meets its tolerance.
    fn tolerances(&self) -> [f64; 2] {
        [self.atol.max(f64::MIN_POSITIVE), self.rtol]
    }

    /// A first guess of the first step, from the size of the derivative.
    pub(super) fn first_guess<V: Vector>(&self, z: &V, dz: &V) -> f64 {
        let (d0, d1) = (self.scaled(z, z), self.scaled(dz, z));
        if d0 < 1e-5 || d1 < 1e-5 { 1e-6 } else { 0.01 * d0 / d1 }
    }

    /// First step, once one Euler step of size `first` told how fast the derivative changes.
    pub(super) fn second_guess<V: Vector>(&self, first: f64, exponent: f64, z: &V, dz: &V, changed: &V) -> f64 {
        let mut difference = changed.duplicate();
        difference.axpy(Real::of(-1.0), dz);
        let (d1, d2) = (self.scaled(dz, z), self.scaled(&difference, z) / first);
        let guess = if d1.max(d2) <= 1e-15 { (first * 1e-3).max(1e-6) } else { (0.01 / d1.max(d2)).powf(exponent) };
        // Rates that are infinitely many tolerances large, as at z = 0 without an absolute one, tell nothing.
        if guess > 0.0 { guess.min(100.0 * first) } else { first }
    }

    fn scaled<V: Vector>(&self, x: &V, z: &V) -> f64 {
        let sum = x.weighted_squares(z, z, self.tolerances(), 0.0);
        (sum / x.len().max(1) as f64).sqrt()
    }
}
