//! Checkpoint schedules: the work that the executor does, beside the least possible for their snapshots.

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::{Placement, SchedulesSettings, Settings};
use crate::gradient::{Block, GradientError, Method, fewest_plain_steps, revolve_optimum};
use crate::kernels::{Activation, Cpu, Device};
use crate::ode::{self, ButcherTableau, Grid};
use crate::problems::Dense;
use crate::record::{Outcome, number, row};

use super::parts::typed;
use super::{Context, Ending, Estimate, Place, Study, StudyError, estimate};

/// The study of checkpoint schedules.
pub struct Schedules;

impl Study for Schedules {
    fn kind(&self) -> StudyKind {
        StudyKind::Schedules
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        Ok(estimate::fields::schedules(typed(settings)?))
    }

    fn inputs(&self, _: &Place, _: &Settings) -> Result<Map<String, Value>, StudyError> {
        Ok(Map::new())
    }

    /// Counts are the same everywhere.
    fn device<'a>(&self, _: &'a str) -> &'a str {
        Cpu::NAME
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &SchedulesSettings = typed(context.settings)?;
        let m = settings.snapshots;
        let method = match settings.schedule {
            Placement::Revolve => Method::Revolve(m),
            Placement::Online => Method::Online(m),
        };
        // More snapshots than steps change nothing.
        let most = settings.steps.iter().copied().max().unwrap_or(1);
        let rows = m.clamp(1, most.max(1));
        let least = fewest_plain_steps(most, rows);
        let euler = ode::solver("euler").map_err(|error| StudyError::failed("schedule", error))?;
        let mut outcome = Outcome::default();
        for (done, &steps) in settings.steps.iter().enumerate() {
            context.begin_steps(steps, done, settings.steps.len())?;
            let failed = |e: GradientError| StudyError::failed(format!("Nt = {steps}"), e);
            let (taken, snapshots) = execute(method, euler, steps).map_err(failed)?;
            let (taken, optimum) = (taken as f64 - steps as f64, least[rows][steps]);
            outcome.rows.push(row([
                ("Nt", steps.into()),
                ("plain_steps", number(taken)),
                ("least_plain_steps", optimum.into()),
                ("formula", revolve_optimum(steps, m).into()),
                ("snapshots_alive", snapshots.into()),
                ("above_least", number(taken - optimum as f64)),
                ("above_least_sweeps", number((taken - optimum as f64) / steps as f64)),
                ("formula_minus_least", number(revolve_optimum(steps, m) as f64 - optimum as f64)),
                ("snapshots_over_allowed", number(snapshots as f64 / m as f64)),
                ("steps_over_sweep", number((taken + steps as f64) / steps as f64)),
            ]));
        }
        Ok(Ending::Finished(outcome))
    }
}

/// Steps taken, plain and taped, and the most snapshots alive, of a gradient through Euler steps of a scalar field.
fn execute(method: Method, tableau: &'static ButcherTableau, steps: usize) -> Result<(u64, usize), GradientError> {
    let field = Dense::<f64>::new(1, Activation::Tanh, 1.0);
    let block = Block { field: &field, tableau, grid: Grid::unit(steps) };
    let cost = method.gradient(&block, &vec![0.5], &vec![0.5], |end| end.clone())?.cost;
    Ok((cost.forward_steps + cost.replayed_steps, cost.peak_snapshots))
}
