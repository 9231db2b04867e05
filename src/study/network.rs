//! The network of a run, from its settings.

use crate::definition::settings::{
    self, EvolutionSettings, MethodName, NetName, NetworkCostSettings, SolverName, Tolerances, TrainingSettings,
};
use crate::evolution::{Diffusion, Evaluation, Law, Sigma, Terms};
use crate::gradient::Method;
use crate::net::{self, Evolution, Form, Network, Sharing, Solve, Steps, WeightStepping};
use crate::ode::Adaptive;

use super::StudyError;
use super::parts::{method, solver};

/// The part of a study's settings that says which network is built.
#[derive(Clone)]
pub struct Chosen {
    pub(super) net: NetName,
    pub(super) form: settings::NetworkForm,
    pub(super) width: Option<usize>,
    pub(super) solver: SolverName,
    pub(super) steps: Option<usize>,
    pub(super) tolerances: Option<Tolerances>,
    pub(super) method: MethodName,
    pub(super) norm_per_step: bool,
    pub(super) statistics_per_evaluation: bool,
    pub(super) sigma: Option<Sigma>,
    pub(super) evolution: Option<EvolutionSettings>,
}

impl From<&TrainingSettings> for Chosen {
    fn from(settings: &TrainingSettings) -> Self {
        let TrainingSettings { form, width, steps, tolerances, sigma, evolution, .. } = *settings;
        Self {
            net: settings.net.clone(),
            form,
            width,
            solver: settings.solver.clone(),
            steps,
            tolerances,
            method: settings.method.clone(),
            norm_per_step: settings.norm_per_step,
            statistics_per_evaluation: settings.statistics_per_evaluation,
            sigma,
            evolution,
        }
    }
}

impl From<&NetworkCostSettings> for Chosen {
    fn from(settings: &NetworkCostSettings) -> Self {
        let NetworkCostSettings { form, width, steps, sigma, evolution, norm_per_step, .. } = *settings;
        Self {
            net: settings.net.clone(),
            form,
            width,
            solver: settings.solver.clone(),
            steps: Some(steps),
            tolerances: None,
            method: settings.method.clone(),
            norm_per_step,
            statistics_per_evaluation: false,
            sigma,
            evolution,
        }
    }
}

impl Chosen {
    /// The baseline form of the network.
    pub fn as_baseline(&self) -> Self {
        Self { form: settings::NetworkForm::Baseline, ..self.clone() }
    }

    /// The neural ODE of as many steps, its weights constant, with this gradient.
    pub fn as_neural_ode(&self, method: Method) -> Self {
        let method = MethodName::from(method);
        Self { form: settings::NetworkForm::Ode, sigma: None, evolution: None, method, ..self.clone() }
    }
}

/// The network of a run, with how its ODE blocks are solved and differentiated.
pub fn network(settings: &Chosen, classes: usize) -> Result<(Network, Solve), StudyError> {
    let (network, solve) = with_shared_statistics(settings, classes)?;
    if !settings.statistics_per_evaluation {
        return Ok((network, solve));
    }
    let network = network.with_statistics_per_evaluation(solve);
    network.map(|network| (network, solve)).map_err(|e| StudyError::failed("statistics_per_evaluation", e))
}

fn with_shared_statistics(settings: &Chosen, classes: usize) -> Result<(Network, Solve), StudyError> {
    let unknown = || StudyError::failed("settings", format!("no network `{}`", settings.net.as_str()));
    let registered = net::network(settings.net.as_str()).ok_or_else(unknown)?;
    let method = method(&settings.method)?;
    let solve = Solve { tableau: solver(&settings.solver)?, steps: steps(settings)?, method };
    let build = |form| {
        let spec = (registered.build)(form, settings.width.unwrap_or(registered.width), classes);
        spec.check().map(|()| spec).map_err(|e| StudyError::failed("settings", e))
    };
    let norms = solve.steps.count().filter(|_| settings.norm_per_step).unwrap_or(1);
    let weight_steps = settings.evolution.unwrap_or_default().weight_steps();
    let stepping = match settings.form {
        settings::NetworkForm::Ode => return Ok((Network::with_norms(&build(Form::Ode)?, norms), solve)),
        settings::NetworkForm::Baseline => return Ok((Network::new(&build(Form::Baseline)?), solve)),
        settings::NetworkForm::Configuration1 => WeightStepping::Together,
        settings::NetworkForm::Configuration2 => WeightStepping::Matching { weight_steps },
        settings::NetworkForm::Configuration2Final => WeightStepping::Final { weight_steps },
    };
    let made = Network::with_norms(&build(Form::Ode)?, norms).with_evolution(evolution(settings, stepping), solve);
    made.map(|network| (network, solve)).map_err(|e| StudyError::failed("weight evolution", e))
}

fn steps(settings: &Chosen) -> Result<Steps, StudyError> {
    match (settings.steps, settings.tolerances) {
        (Some(steps), None) => Ok(Steps::Fixed(steps)),
        (None, Some(Tolerances { rtol, atol, norm, max_steps })) => {
            Ok(Steps::Adaptive(Adaptive { rtol, atol, controller: norm, max_steps }))
        }
        _ => Err(StudyError::failed("settings", "name one of `steps` and `tolerances`")),
    }
}

fn evolution(settings: &Chosen, stepping: WeightStepping) -> Evolution {
    let chosen = settings.evolution.unwrap_or_default();
    let diffusion = if chosen.free_diffusion == Some(true) { Diffusion::Free } else { Diffusion::Softplus };
    let law = Law {
        sigma: settings.sigma.unwrap_or(Sigma::Tanh),
        border: chosen.border.unwrap_or_default(),
        diffusion,
        ..Law::new(chosen.terms.unwrap_or(Terms::Rda))
    };
    Evolution {
        law,
        sharing: chosen.sharing.unwrap_or(Sharing::Layer),
        stepping,
        memory: chosen.memory.unwrap_or_default(),
        evaluation: Evaluation::Steps,
        allow_unstable: chosen.allow_unstable == Some(true),
    }
}
