//! The gradient methods by name.

use std::fmt;
use std::str::FromStr;

use super::bytes::{format_bytes, parse_bytes};

/// How the gradient of an ODE block is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Discretize-then-optimize; every step's tape is stored in the forward sweep. O(Nt) memory a block.
    Full,
    /// Discretize-then-optimize; the block input is stored, the block replayed once with tapes (ANODE, section 5).
    Anode,
    /// Discretize-then-optimize with this many equidistant snapshots.
    Uniform(usize),
    /// Discretize-then-optimize with this many snapshots, placed binomially (Griewank & Walther 2000).
    Revolve(usize),
    /// Discretize-then-optimize with this many snapshots, placed while the number of steps is not known yet (Wang, Moin
    /// & Iaccarino 2009): for adaptive solvers.
    Online(usize),
    /// Discretize-then-optimize with the schedule that takes the fewest steps within this many bytes for the block.
    Within(usize),
    /// Optimize-then-discretize: state and adjoint integrated backwards together from z(1) (Chen et al. 2018).
    ReverseTime,
    /// Optimize-then-discretize: the adjoint integrated backwards along the stored forward states.
    StoredAdjoint,
    /// Optimize-then-discretize: the adjoint integrated backwards along the cubic Hermite interpolant of the forward
    /// states.
    InterpolatedAdjoint,
    /// The asynchronous leapfrog of MALI (Zhuang et al. 2021), run backwards: a solver of its own, of order 2, with the
    /// exact gradient of its own steps in O(1) memory. The block's tableau is not used.
    Leapfrog,
    /// The block's tableau made algebraically reversible (McCallum & Foster 2024), and run backwards: the exact
    /// gradient of the coupled steps in O(1) memory, at twice the evaluations.
    Reversible,
}

impl Method {
    /// How each method is written; `M` is a number of snapshots, at least 1, `BYTES` a number with the unit B, KiB, MiB
    /// or GiB, the largest that makes it whole.
    pub const PATTERNS: &'static [&'static str] = &[
        "full",
        "anode",
        "uniform:M",
        "revolve:M",
        "online:M",
        "within:BYTES",
        "reverse-time",
        "stored-adjoint",
        "interpolated-adjoint",
        "leapfrog",
        "reversible",
    ];

    /// The same as a regular expression, for the schema.
    pub const REGEX: &'static str = "^(full|anode|(uniform|revolve|online):[1-9][0-9]*|within:[1-9][0-9]*([KMG]i)?B|(reverse-time|(stored|interpolated)-adjoint)|leapfrog|reversible|dfdx-tape)$";

    /// Whether the result is the exact gradient of the steps taken, to rounding.
    ///
    /// [`Method::Leapfrog`] and [`Method::Reversible`] compute the states again by running backwards, where rounding
    /// grows with the number of steps. They measure what it has grown to ([`super::Cost::reversal_drift`]) and refuse a
    /// gradient with a relative drift above the square root of the unit roundoff ([`crate::ode::SolveError::Drift`]);
    /// below, the gradient is exact to about the drift.
    pub fn is_exact(self) -> bool {
        !matches!(self, Self::ReverseTime | Self::StoredAdjoint | Self::InterpolatedAdjoint)
    }

    /// Whether it needs no number of steps beforehand, so that an adaptive solver may choose them.
    pub fn knows_adaptive_steps(self) -> bool {
        matches!(self, Self::Anode | Self::Online(_) | Self::ReverseTime | Self::InterpolatedAdjoint)
    }

    /// Whether the forward sweep takes the steps of the block's tableau. The reversible solvers take steps of their
    /// own.
    pub fn takes_the_steps_of_the_tableau(self) -> bool {
        !matches!(self, Self::Leapfrog | Self::Reversible)
    }
}

/// A name that is no gradient method.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown gradient method `{0}`; allowed: {list}", list = Method::PATTERNS.join(", "))]
pub struct UnknownMethod(String);

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(name: &str) -> Result<Self, UnknownMethod> {
        // No sign and no leading zero: one spelling a method, since names go into run ids.
        let snapshots = |text: &str| match text.parse::<usize>() {
            Ok(m) if m > 0 && m.to_string() == text => Ok(m),
            _ => Err(UnknownMethod(name.to_owned())),
        };
        match name.split_once(':') {
            None => match name {
                "full" => Ok(Self::Full),
                "anode" => Ok(Self::Anode),
                "reverse-time" => Ok(Self::ReverseTime),
                "stored-adjoint" => Ok(Self::StoredAdjoint),
                "interpolated-adjoint" => Ok(Self::InterpolatedAdjoint),
                "leapfrog" => Ok(Self::Leapfrog),
                "reversible" => Ok(Self::Reversible),
                _ => Err(UnknownMethod(name.to_owned())),
            },
            Some(("uniform", m)) => snapshots(m).map(Self::Uniform),
            Some(("revolve", m)) => snapshots(m).map(Self::Revolve),
            Some(("online", m)) => snapshots(m).map(Self::Online),
            Some(("within", text)) => {
                // One spelling of each number, since a run's id hashes the text.
                let method = parse_bytes(text).map(Self::Within);
                method.filter(|m| m.to_string() == name).ok_or_else(|| UnknownMethod(name.to_owned()))
            }
            Some(_) => Err(UnknownMethod(name.to_owned())),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Anode => f.write_str("anode"),
            Self::Uniform(m) => write!(f, "uniform:{m}"),
            Self::Revolve(m) => write!(f, "revolve:{m}"),
            Self::Online(m) => write!(f, "online:{m}"),
            Self::Within(bytes) => write!(f, "within:{}", format_bytes(*bytes)),
            Self::ReverseTime => f.write_str("reverse-time"),
            Self::StoredAdjoint => f.write_str("stored-adjoint"),
            Self::InterpolatedAdjoint => f.write_str("interpolated-adjoint"),
            Self::Leapfrog => f.write_str("leapfrog"),
            Self::Reversible => f.write_str("reversible"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_one_spelling() {
        for name in ["full", "anode", "uniform:3", "revolve:12", "online:4", "within:64MiB", "within:1025B", "leapfrog"]
        {
            assert_eq!(name.parse::<Method>().map(|m| m.to_string()), Ok(name.to_owned()));
        }
        assert_eq!("within:3KiB".parse(), Ok(Method::Within(3072)));
        let wrong =
            ["Full", "revolve", "revolve:0", "revolve:01", "within:1024B", "within:0B", "within:5", "within:5kB"];
        for name in wrong.into_iter().chain(["within:99999999999999999999B", "within:99999999999GiB", "anode:2", ""]) {
            let text = name.parse::<Method>().unwrap_err().to_string();
            assert!(text.contains(&format!("`{name}`")) && text.contains("revolve:M"), "{text}");
        }
    }
}
