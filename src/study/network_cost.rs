//! What networks cost: parameters, multiply-adds, live bytes and time of a gradient, beside the baseline form and
//! beside the neural ODE of as many steps with ANODE's gradient (ANODEV2's tables of parameters and of operations).

use std::time::Instant;

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::{NetworkCostSettings, Settings};
use crate::gradient::{Cost, Ledger, Method};
use crate::kernels::{Cpu, Device};
use crate::net::{Network, Solve};
use crate::random::{Stream, normal, stream};
use crate::record::{Outcome, number, row};

use super::network::{Chosen, network};
use super::parts::typed;
use super::{Context, Ending, Estimate, Place, Study, StudyError, estimate};

/// Classes of CIFAR-10.
const CLASSES: usize = 10;
/// Times a gradient is taken; the fastest counts.
const REPEATS: usize = 3;

/// The study of what networks cost.
pub struct NetworkCost;

impl Study for NetworkCost {
    fn kind(&self) -> StudyKind {
        StudyKind::NetworkCost
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::networks::network_cost(typed(settings)?)
    }

    fn inputs(&self, _: &Place, _: &Settings) -> Result<Map<String, Value>, StudyError> {
        Ok(Map::new())
    }

    /// Counts are the same everywhere; the seconds are the CPU's.
    fn device<'a>(&self, _: &'a str) -> &'a str {
        Cpu::NAME
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &NetworkCostSettings = typed(context.settings)?;
        let chosen = Chosen::from(settings);
        let own = Price::of(context, &chosen, settings)?;
        let baseline = Price::of(context, &chosen.as_baseline(), settings)?;
        let anode = Price::of(context, &chosen.as_neural_ode(Method::Anode), settings)?;
        let over = |a: usize, b: usize| number(a as f64 / b as f64);
        Ok(Ending::Finished(Outcome {
            rows: vec![row([
                ("parameters", own.parameters.into()),
                ("more_parameters", (own.parameters - baseline.parameters).into()),
                ("macs", own.macs.into()),
                ("macs_over_baseline", over(own.macs, baseline.macs)),
                ("macs_over_anode", over(own.macs, anode.macs)),
                ("function_evaluations", own.cost.function_evaluations.into()),
                ("vjps", own.cost.vjps.into()),
                ("bytes_per_image", number(own.cost.peak_bytes as f64 / settings.batch as f64)),
                ("bytes_over_baseline", over(own.cost.peak_bytes, baseline.cost.peak_bytes)),
                ("bytes_over_anode", over(own.cost.peak_bytes, anode.cost.peak_bytes)),
                ("seconds", number(own.seconds)),
                ("baseline_seconds", number(baseline.seconds)),
                ("anode_seconds", number(anode.seconds)),
            ])],
            ..Outcome::default()
        }))
    }
}

/// What one network costs.
struct Price {
    parameters: usize,
    /// Multiply-adds of a forward sweep of one image.
    macs: usize,
    cost: Cost,
    seconds: f64,
}

impl Price {
    fn of(context: &Context<'_>, chosen: &Chosen, settings: &NetworkCostSettings) -> Result<Self, StudyError> {
        let (net, solve) = network(chosen, CLASSES)?;
        let (cost, seconds) = gradient(context, &net, solve, settings.batch)?;
        let macs = net.macs(solve.tableau.solution_stages(), settings.steps);
        Ok(Self { parameters: net.parameter_count(), macs, cost, seconds })
    }
}

/// The cost of a gradient on random images, and the fastest of a few.
fn gradient(context: &Context<'_>, net: &Network, solve: Solve, batch: usize) -> Result<(Cost, f64), StudyError> {
    let theta: Vec<f32> = net.initial(context.seed);
    let images = normal(&mut stream(context.seed, Stream::Data), batch * 3 * 32 * 32, 1.0);
    let images: Vec<f32> = images.into_iter().map(|x| x as f32).collect();
    let mut best: Option<(Cost, f64)> = None;
    for _ in 0..REPEATS {
        context.check_stop()?;
        let (clock, ledger) = (Instant::now(), Ledger::new());
        let failed = |e| StudyError::failed("gradient", e);
        let (logits, kept) = net.forward(&images, &theta, solve, &ledger).map_err(failed)?;
        let bar = vec![1.0 / logits.len() as f32; logits.len()];
        net.backward(kept, &theta, &bar, &mut vec![0.0; theta.len()], solve, &ledger).map_err(failed)?;
        let seconds = clock.elapsed().as_secs_f64();
        if best.is_none_or(|(_, fastest)| seconds < fastest) {
            best = Some((ledger.cost(), seconds));
        }
    }
    best.ok_or_else(|| StudyError::failed("gradient", "no repeats"))
}
