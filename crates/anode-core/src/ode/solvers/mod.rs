//! The registry of solvers: one file per tableau, and one line here that registers it.

use super::ButcherTableau;

macro_rules! register {
    ($($file:ident),* $(,)?) => {
        $(mod $file;)*
        /// Every registered solver, in the order of definition. [`ButcherTableau::advice`] says when to use which.
        pub static SOLVERS: &[&ButcherTableau] = &[$(&$file::TABLEAU),*];
    };
}

register! {
    euler,
    midpoint,
    heun,
    ralston,
    rk3,
    bogacki_shampine,
    rk4,
    three_eighths,
    dormand_prince,
    tsitouras,
}

/// Looks a solver up by its name or one of its aliases.
///
/// ```
/// assert_eq!(anode_core::ode::solver("rk2").unwrap().name, "midpoint");
/// assert!(anode_core::ode::solver("leapfrog").is_none());
/// ```
pub fn solver(name: &str) -> Option<&'static ButcherTableau> {
    SOLVERS.iter().copied().find(|t| t.name == name || t.aliases.contains(&name))
}

/// The names of all solvers, for messages and for the schema.
pub fn solver_names() -> Vec<&'static str> {
    SOLVERS.iter().map(|t| t.name).collect()
}
