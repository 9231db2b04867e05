//! Memory and cost: what the gradient of L blocks of Nt steps keeps alive and computes, beside the theory (ANODE,
//! section 5).

use std::time::Instant;

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::{MemorySettings, Settings};
use crate::gradient::{Block, Cost, Extent, Ledger, Method, revolve_optimum};
use crate::kernels::{Activation, Cpu, Device};
use crate::net::NetworkError;
use crate::ode::{ButcherTableau, Grid, Vector};
use crate::problems::ConvField;
use crate::random::{Stream, normal, numbered};
use crate::record::{Outcome, number, row};
use crate::train::TrainingDevice;

use super::parts::{method, solver, typed};
use super::{AnyDevice, Context, Ending, Estimate, Place, Study, StudyError, device, estimate, process_memory};

/// How often a gradient is timed, each time beside full storage.
const PAIRS: usize = 3;

/// The memory study.
pub struct Memory;

impl Study for Memory {
    fn kind(&self) -> StudyKind {
        StudyKind::Memory
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::fields::memory(typed(settings)?)
    }

    fn inputs(&self, _: &Place, _: &Settings) -> Result<Map<String, Value>, StudyError> {
        Ok(Map::new())
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        device::compute(self, context)
    }
}

impl AnyDevice for Memory {
    fn compute<D: TrainingDevice>(&self, device: &D, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &MemorySettings = typed(context.settings)?;
        let method = method(&settings.method)?;
        let tableau = solver(&settings.solver)?;
        let chain = Chain::new(device, settings, context.seed);
        let as_given = Value::Object(context.settings.json().clone());
        let mut outcome = Outcome::default();
        for (done, &steps) in settings.steps.iter().enumerate() {
            context.begin_steps(steps, done, settings.steps.len())?;
            let at = |e: NetworkError| StudyError::failed(format!("Nt = {steps}"), e);
            let block = Block { field: &chain.field, tableau, grid: Grid::unit(steps) };
            let extent = Extent {
                blocks: settings.blocks,
                ..block.extent(&chain.start, &chain.kernels[0]).map_err(NetworkError::from).map_err(at)?
            };
            let (found, counted) = device.measure_peak(|| chain.gradient(method, tableau, steps));
            // The first gradient of either method is not timed: it finds memory and caches cold.
            let (cost, _) = found.map_err(at)?;
            chain.gradient(Method::Full, tableau, steps).map_err(at)?;
            let time = |method| chain.gradient(method, tableau, steps).map(|(_, seconds)| seconds).map_err(at);
            let mut pairs = vec![];
            for pair in 0..PAIRS {
                // In turn first and second, since what the machine does beside changes slowly.
                let (full, own) = if pair % 2 == 0 {
                    let full = time(Method::Full)?;
                    (full, time(method)?)
                } else {
                    let own = time(method)?;
                    (time(Method::Full)?, own)
                };
                pairs.push((own, own / full));
            }
            let seconds = pairs.iter().map(|(own, _)| *own).fold(f64::INFINITY, f64::min);
            let mut ratios: Vec<f64> = pairs.iter().map(|(_, ratio)| *ratio).collect();
            ratios.sort_by(f64::total_cmp);
            // Where the device counts its memory, it is a witness as good as a process of its own.
            let counted = counted.map(|bytes| bytes as u64);
            let process = counted.or_else(|| process_memory::rise(&as_given, context.seed, steps));
            let bound = extent.bound_bytes(method);
            let optimum = match method {
                Method::Revolve(m) => Value::from(settings.blocks * revolve_optimum(steps, m)),
                _ => Value::Null,
            };
            // Plain steps: all but the taped ones, of which there is one for each step of the forward sweep.
            let taken = cost.forward_steps + cost.replayed_steps;
            outcome.rows.push(row([
                ("Nt", steps.into()),
                ("state_bytes", extent.state_bytes.into()),
                ("step_tape_bytes", extent.step_tape_bytes.into()),
                ("peak_bytes", cost.peak_bytes.into()),
                ("bound_bytes", bound.into()),
                ("peak_over_bound", number(cost.peak_bytes as f64 / bound as f64)),
                ("evaluations", cost.function_evaluations.into()),
                ("vjps", cost.vjps.into()),
                ("replayed_steps", cost.replayed_steps.into()),
                ("plain_steps", (taken - (settings.blocks * steps) as u64).into()),
                ("optimal_plain_steps", optimum),
                ("process_peak_bytes", process.into()),
                ("process_over_counted", process.map_or(Value::Null, |p| number(p as f64 / cost.peak_bytes as f64))),
                ("seconds", number(seconds)),
                ("over_full_storage_seconds", number(ratios[PAIRS / 2])),
                ("least_over_full_storage_seconds", number(ratios[0])),
                ("greatest_over_full_storage_seconds", number(ratios[PAIRS - 1])),
            ]));
        }
        Ok(Ending::Finished(outcome))
    }
}

/// One gradient, for its memory.
pub(super) fn once(settings: &MemorySettings, seed: u64, steps: usize) -> Result<(), StudyError> {
    let method = method(&settings.method)?;
    let at = |e: NetworkError| StudyError::failed(format!("Nt = {steps}"), e);
    Chain::new(&Cpu, settings, seed).gradient(method, solver(&settings.solver)?, steps).map(|_| ()).map_err(at)
}

/// A chain of blocks with separate kernels.
struct Chain<D: Device> {
    device: D,
    field: ConvField<f32, D>,
    kernels: Vec<D::Buffer<f32>>,
    start: D::Buffer<f32>,
}

impl<D: Device> Chain<D> {
    fn new(device: &D, settings: &MemorySettings, seed: u64) -> Self {
        let image = [settings.channels, settings.size, settings.size];
        let field = ConvField::on(device.clone(), image, 3, Activation::Tanh);
        let draw = |stream, number: usize, n, std| {
            let numbers = normal(&mut numbered(seed, stream, number as u64), n, std);
            device.upload(numbers.into_iter().map(|x| x as f32).collect())
        };
        // The variance of a sum of 9 channels products stays that of the state.
        let std = 1.0 / (9.0 * settings.channels as f64).sqrt();
        let kernels = (0..settings.blocks).map(|l| draw(Stream::Weights, l, field.kernel_len(), std)).collect();
        let start = draw(Stream::Initial, 0, field.state_len(), 1.0);
        Self { device: device.clone(), field, kernels, start }
    }

    /// Counts and seconds of the gradient of |z|^2 / 2 at the end of the chain.
    fn gradient(
        &self,
        method: Method,
        tableau: &'static ButcherTableau,
        steps: usize,
    ) -> Result<(Cost, f64), NetworkError> {
        let clock = Instant::now();
        let ledger = Ledger::new();
        let block = Block { field: &self.field, tableau, grid: Grid::unit(steps) };
        let (mut kept, mut z) = (vec![], self.start.clone());
        for kernel in &self.kernels {
            let trajectory = method.forward(&block, &z, kernel, &ledger)?;
            z = trajectory.end().clone();
            kept.push(trajectory);
        }
        for (kernel, trajectory) in self.kernels.iter().zip(kept).rev() {
            let mut kernel_bar = kernel.zeros_like();
            z = trajectory.backward(&block, kernel, &z, &mut kernel_bar, &ledger)?;
        }
        self.device.synchronize()?;
        Ok((ledger.cost(), clock.elapsed().as_secs_f64()))
    }
}
