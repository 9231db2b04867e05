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

/// No solver has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown solver `{0}`{near}; allowed: {names}", near = near(.0), names = allowed())]
pub struct UnknownSolver(String);

/// Looks a solver up by its name or one of its aliases.
///
/// ```
/// use anode_core::ode::solver;
/// assert_eq!(solver("rk2").unwrap().name, "midpoint");
/// let error = solver("RK4").unwrap_err().to_string();
/// assert!(error.starts_with("unknown solver `RK4`; did you mean `rk4`?"));
/// ```
///
/// # Errors
/// No solver has this name; the message lists all names.
pub fn solver(name: &str) -> Result<&'static ButcherTableau, UnknownSolver> {
    let found = SOLVERS.iter().copied().find(|t| t.name == name || t.aliases.contains(&name));
    found.ok_or_else(|| UnknownSolver(name.to_owned()))
}

/// The names of all solvers, for messages and for the schema.
pub fn solver_names() -> Vec<&'static str> {
    SOLVERS.iter().map(|t| t.name).collect()
}

/// The solver whose name differs by capitals, spaces and underscores only, as a question.
fn near(name: &str) -> String {
    let plain = name.trim().to_ascii_lowercase().replace(['_', ' '], "-");
    let meant = if plain == name { None } else { solver(&plain).ok() };
    meant.map(|meant| format!("; did you mean `{}`?", meant.name)).unwrap_or_default()
}

/// All names, each with its aliases.
fn allowed() -> String {
    let one = |t: &&ButcherTableau| match t.aliases {
        [] => t.name.to_owned(),
        aliases => format!("{} ({})", t.name, aliases.join(", ")),
    };
    SOLVERS.iter().map(one).collect::<Vec<_>>().join(", ")
}
