//! Choices made where the papers are silent, and which check measures what each of them moves.

/// A choice.
pub struct Choice {
    /// What was chosen.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
    /// Where another choice stands beside it.
    pub measured: Measured,
}

/// Where the effect of a choice is measured.
pub enum Measured {
    /// Nowhere.
    Not,
    /// By the check of an experiment whose name begins so.
    Check(&'static str, &'static str),
    /// In the table of an experiment, which has rows of the other choices too.
    Rows(&'static str),
}

use Measured::{Check, Not, Rows};

const fn choice(what: &'static str, why: &'static str, measured: Measured) -> Choice {
    Choice { what, why, measured }
}

/// Every choice that a reader should know.
pub const CHOICES: &[Choice] = &[
    choice(
        "Reverse-time gradients run on the forward step grid, z and its adjoint backwards together; the stored adjoint stands beside it.",
        "The papers' comparator was not released; this is the reading of Chen et al. for a solver of fixed steps.",
        Rows("anode-grad"),
    ),
    choice(
        "In the reverse pass batch norm uses the statistics of that pass's own batch and leaves the running ones alone.",
        "The reversed state is all that the method has; stored statistics would be snapshots.",
        Not,
    ),
    choice(
        "The steps of an ODE block share one batch norm with one set of running statistics.",
        "The released code does so.",
        Check("anode-batch-norm", "a norm for each step"),
    ),
    choice(
        "Running statistics are updated once for each forward evaluation and not again in a replay.",
        "A replay is no new batch; the released code updates them in both.",
        Check("anode-choices", "updating the running statistics in the replay"),
    ),
    choice(
        "Momentum starts anew at each epoch in the profiles standard and paper.",
        "The released driver rebuilds its optimiser.",
        Check("anode-choices", "keeping the momentum"),
    ),
    choice(
        "Nt = 2 steps a block.",
        "The default of the released driver; the papers' own number is known for no table.",
        Check("v2-table-nt", "five steps"),
    ),
    choice(
        "The schedule of the profile standard is 12 epochs of all images for ResNet-4, and shorter elsewhere, with the drops at the same fractions.",
        "350 epochs take days on a CPU, and weeks for ResNet-18.",
        Not,
    ),
    choice(
        "The profile standard prefers the official CIFAR-10; the committed records are of cifar10-jpeg.",
        "The official archive was not available here. Re-encoded images are another data set and are named so.",
        Not,
    ),
    choice(
        "A run counts as diverged when its loss or gradient is not finite, or its loss exceeds ten times the first one.",
        "A rule must not depend on who looks.",
        Not,
    ),
    choice(
        "Adaptive solvers meet 1e-3 / 1e-6, MATLAB's defaults, and 1e-6 / 1e-9.",
        "The papers' tolerances are not known.",
        Check("anode-fig7", "rtol 1e-06, relu"),
    ),
    choice(
        "The random kernels of the first figure have deviations from 0.1 to 5.",
        "The paper's is not known, and it decides; the sweep shows where.",
        Rows("anode-fig1"),
    ),
    choice(
        "The error norm of an adaptive solver is MATLAB's; torchdiffeq's stands in the same table.",
        "MATLAB's ode45 is what is remembered of the paper.",
        Rows("anode-scalar"),
    ),
    choice(
        "Weights evolve on the height and width of a kernel with spacing 1; one set of coefficients a convolution, all zero at the start.",
        "Training then begins as a neural ODE; docs/evolution.md has the reasons.",
        Not,
    ),
    choice(
        "The nonlinearity of the weights' equation is tanh, centred: sigma(x) - sigma(0).",
        "Otherwise the sigmoid would move the weights before anything is learned.",
        Check("v2-activation", "every nonlinearity"),
    ),
    choice(
        "In configuration 2 step n of the activations uses theta(t_n), held through the step.",
        "The other reading, theta(1) throughout, has a name of its own (configuration-2-final) and was not trained.",
        Not,
    ),
    choice(
        "The error of a gradient g against a truth h is |g - h| / |h|; an order is a slope of logarithms by least squares.",
        "The usual measure; nothing depends on the norm but constants.",
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
