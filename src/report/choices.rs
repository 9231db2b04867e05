//! Choices that the papers leave unspecified, and the check that measures the effect of each.

/// A choice.
pub struct Choice {
    /// What was chosen.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
    /// Which experiment compares it with an alternative.
    pub measured: Measured,
}

/// Where the effect of a choice is measured.
pub enum Measured {
    /// Nowhere.
    Not,
    /// By the check of an experiment whose name starts with this text.
    Check(&'static str, &'static str),
    /// In the table of an experiment that also has rows for the alternatives.
    Rows(&'static str),
}

use Measured::{Check, Not, Rows};

const fn choice(what: &'static str, why: &'static str, measured: Measured) -> Choice {
    Choice { what, why, measured }
}

/// Every choice that a reader should know.
pub const CHOICES: &[Choice] = &[
    choice(
        "The reverse-time method integrates the state and its adjoint backwards together on the forward step grid. The \
         adjoint along stored states is a separate method.",
        "The papers' implementation of the reverse-time gradient was not released. This follows Chen et al. for a \
         fixed-step solver.",
        Rows("anode-grad"),
    ),
    choice(
        "In the reverse pass, batch norm uses the statistics of that pass's own batch and leaves the running \
         statistics unchanged.",
        "The method stores no activations. Stored statistics would be snapshots.",
        Not,
    ),
    choice(
        "All time steps of an ODE block share one batch-norm layer with one set of running statistics.",
        "The released code does this.",
        Check("anode-batch-norm", "separate batch-norm"),
    ),
    choice(
        "Running statistics are updated once per forward evaluation and not again in a replay.",
        "A replay processes the same batch again. The released code updates the statistics in both sweeps.",
        Check("anode-choices", "updating the running statistics in the replay"),
    ),
    choice(
        "In the standard and paper profiles, momentum restarts at each epoch.",
        "The released training script creates a new optimiser for each epoch.",
        Check("anode-choices", "keeping the momentum"),
    ),
    choice(
        "An ODE block takes Nt = 2 steps.",
        "This is the default of the released training script. No table of the papers states the number.",
        Check("v2-table-nt", "five steps"),
    ),
    choice(
        "The standard profile trains ResNet-4 for 12 epochs of all images and the larger networks for fewer epochs. \
         The learning rate drops at the same fractions of the schedule.",
        "350 epochs take days on a CPU, and weeks for ResNet-18.",
        Not,
    ),
    choice(
        "The standard profile prefers the official CIFAR-10. The committed records use cifar10-jpeg.",
        "We did not have the official archive. The re-encoded images are a different data set and have a different \
         name.",
        Not,
    ),
    choice(
        "A run counts as diverged if its loss or gradient is not finite, or if its loss exceeds ten times the first \
         loss.",
        "The rule has to be fixed before the run.",
        Not,
    ),
    choice(
        "Adaptive solvers use rtol / atol of 1e-3 / 1e-6 (MATLAB's defaults) and of 1e-6 / 1e-9.",
        "The papers' tolerances are not known.",
        Check("anode-fig7", "rtol 1e-6, ReLU"),
    ),
    choice(
        "The random kernels of the first figure have standard deviations from 0.1 to 5.",
        "The paper's value is not known, and the result depends on it. The sweep shows how.",
        Rows("anode-fig1"),
    ),
    choice(
        "The error norm of an adaptive solver is MATLAB's. Rows with torchdiffeq's norm are in the same table.",
        "From memory, the paper used MATLAB's ode45.",
        Rows("anode-scalar"),
    ),
    choice(
        "Weights evolve on the height and width of a kernel with spacing 1. Each convolution has one set of \
         coefficients, \
         which starts at zero.",
        "The network then starts as a neural ODE. docs/evolution.md gives the reasons.",
        Not,
    ),
    choice(
        "The nonlinearity of the weights' equation is tanh, centred: sigma(x) - sigma(0).",
        "Without centring, the sigmoid would move the weights before any coefficient is trained.",
        Check("v2-activation", "every nonlinearity"),
    ),
    choice(
        "In Configuration 2, step n of the activations uses theta(t_n) throughout the step.",
        "The alternative, theta(1) in every step, is available as configuration-2-final and was not trained.",
        Not,
    ),
    choice(
        "The error of a gradient g against a reference h is |g - h| / |h|. An order is the least-squares slope of the \
         logarithms.",
        "These are the usual measures. Another norm would change only constants.",
        Not,
    ),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_measurement_is_one_of_a_definition() {
        let (loaded, _) = crate::definition::load_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments"));
        let definition = |id: &str| loaded.iter().map(|l| &l.definition).find(|d| d.id == id);
        for choice in CHOICES {
            let there = match choice.measured {
                Not => true,
                Rows(id) => definition(id).is_some(),
                Check(id, name) => definition(id)
                    .is_some_and(|d| d.expectation.checks.iter().any(|check| check.name.starts_with(name))),
            };
            assert!(there, "{}", choice.what);
        }
    }
}
