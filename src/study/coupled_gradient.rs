//! Gradients through evolving weights: every method against the exact gradient of the coupled steps (ANODEV2).

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::{CoupledGradientSettings, Dtype, Settings};
use crate::evolution::{CoupledBlock, Coupling, EvolutionError, Law, Piece, WeightField};
use crate::gradient::{Cost, Method};
use crate::kernels::Device;
use crate::net::NetworkError;
use crate::ode::{Real, Vector, relative_distance};
use crate::problems::ConvField;
use crate::random::{Stream, normal, numbered, stream};
use crate::record::{Outcome, Row, number, row};
use crate::train::TrainingDevice;

use super::parts::{method, solver, typed};
use super::{AnyDevice, Context, Ending, Estimate, Place, Study, StudyError, device, estimate};

/// The study of gradients of coupled blocks: J = |z(1)|^2 / 2, gradients for z(0), w(0) and p.
pub struct CoupledGradient;

impl Study for CoupledGradient {
    fn kind(&self) -> StudyKind {
        StudyKind::CoupledGradient
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::fields::coupled_gradient(typed(settings)?)
    }

    fn inputs(&self, _: &Place, _: &Settings) -> Result<Map<String, Value>, StudyError> {
        Ok(Map::new())
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        device::compute(self, context)
    }
}

impl AnyDevice for CoupledGradient {
    fn compute<D: TrainingDevice>(&self, device: &D, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &CoupledGradientSettings = typed(context.settings)?;
        let rows = match settings.dtype {
            Dtype::F32 => run::<D, f32>(device, context, settings),
            Dtype::F64 => run::<D, f64>(device, context, settings),
        }?;
        Ok(Ending::Finished(Outcome { rows, ..Outcome::default() }))
    }
}

/// A block on a device.
struct There<'a, D: Device, R> {
    device: &'a D,
    block: CoupledBlock<ConvField<R, D>, R, D>,
}

/// The unknowns of the problem, in host memory.
struct Unknowns<R> {
    z0: Vec<R>,
    /// w(0), then p.
    parameters: Vec<R>,
    /// Length of w(0).
    weights: usize,
}

/// Gradients for z(0), w(0) and p, with the loss, in host memory.
struct Found<R> {
    loss: f64,
    parts: [Vec<R>; 3],
    cost: Cost,
}

fn run<D: Device, R: Real>(
    device: &D,
    context: &Context<'_>,
    settings: &CoupledGradientSettings,
) -> Result<Vec<Row>, StudyError> {
    let refused = |e: EvolutionError| StudyError::failed("settings", e);
    let &CoupledGradientSettings { channels, kernel, size, .. } = settings;
    let image = [channels, size, size];
    let field = Arc::new(ConvField::<R, D>::on(device.clone(), image, kernel, settings.activation));
    let law = Law { sigma: settings.sigma, border: settings.border, ..Law::new(settings.terms) };
    let groups = if settings.per_channel { channels } else { 1 };
    let piece = Piece { range: 0..field.kernel_len(), grid: [kernel, kernel], groups };
    let weights = Arc::new(WeightField::<R>::new(law, field.kernel_len(), vec![piece]).map_err(refused)?);

    let real = |x: Vec<f64>| x.into_iter().map(R::of);
    let w0 = normal(&mut stream(context.seed, Stream::Weights), weights.weights(), settings.weights_std);
    let p = normal(&mut numbered(context.seed, Stream::Weights, 1), weights.parameters(), settings.coefficients_std);
    let z0 = normal(&mut stream(context.seed, Stream::Initial), field.state_len(), settings.initial_std);
    let at =
        Unknowns { z0: real(z0).collect(), parameters: real(w0).chain(real(p)).collect(), weights: weights.weights() };
    let tableau = solver(&settings.solver)?;
    let mut rows = vec![];
    for (done, &steps) in settings.steps.iter().enumerate() {
        context.begin_steps(steps, done, settings.steps.len())?;
        let failed = |what: String| move |e: NetworkError| StudyError::failed(format!("{what}, Nt = {steps}"), e);
        let coupling = Coupling {
            configuration: settings.configuration.configuration(steps),
            memory: settings.memory,
            ..Coupling::together(steps)
        };
        let block = CoupledBlock::on(device.clone(), field.clone(), weights.clone(), tableau, coupling);
        let there = There { device, block: block.map_err(refused)? };
        let exact = there.gradient(Method::Full, &at).map_err(failed("full".into()))?;
        // Differences are dear, so they are taken at the first step count alone.
        let truth = match done {
            0 => Some(there.differences(&at).map_err(failed("differences".into()))?),
            _ => None,
        };
        for name in &settings.methods {
            let method = method(name)?;
            let found = there.gradient(method, &at).map_err(failed(method.to_string()))?;
            let error = |part: usize| number(relative_distance(&found.parts[part], &exact.parts[part]));
            let off = |part: usize| {
                let truth = truth.as_ref().map(|truth| relative_distance(&found.parts[part], &truth[part]));
                truth.map_or(Value::Null, number)
            };
            rows.push(row([
                ("Nt", steps.into()),
                ("dt", number(1.0 / steps as f64)),
                ("method", name.as_str().into()),
                ("loss", number(found.loss)),
                ("norm_z0", number(found.parts[0].norm())),
                ("norm_w0", number(found.parts[1].norm())),
                ("norm_p", number(found.parts[2].norm())),
                ("error_z0", error(0)),
                ("error_w0", error(1)),
                ("error_p", error(2)),
                ("difference_error_w0", off(1)),
                ("difference_error_p", off(2)),
                ("evaluations", found.cost.function_evaluations.into()),
                ("vjps", found.cost.vjps.into()),
                ("peak_bytes", found.cost.peak_bytes.into()),
            ]));
        }
    }
    Ok(rows)
}

impl<D: Device, R: Real> There<'_, D, R> {
    fn gradient(&self, method: Method, at: &Unknowns<R>) -> Result<Found<R>, NetworkError> {
        let Self { device, block } = self;
        let z0 = device.upload(at.z0.clone());
        // dJ/dz(1) = z(1).
        let found = block.gradient(method, &z0, &at.parameters, |end| end.clone())?;
        device.synchronize()?;
        let mut w0 = found.parameters;
        let p = w0.split_off(at.weights);
        let parts = [device.download(&found.z0), w0, p];
        Ok(Found { loss: found.end.dot(&found.end) / 2.0, parts, cost: found.cost })
    }

    /// The gradients for w(0) and p by fourth-order central differences; that for z(0) is left empty.
    fn differences(&self, at: &Unknowns<R>) -> Result<[Vec<R>; 3], NetworkError> {
        let z0 = self.device.upload(at.z0.clone());
        let loss = |i: usize, by: f64| -> Result<f64, NetworkError> {
            let mut moved = at.parameters.clone();
            moved[i] = moved[i] + R::of(by);
            let end = self.block.solve(Method::Full, &z0, &moved)?;
            self.device.synchronize()?;
            Ok(end.dot(&end) / 2.0)
        };
        let d = 1e-3;
        let slope = |i: usize| -> Result<R, NetworkError> {
            let near = loss(i, d)? - loss(i, -d)?;
            let far = loss(i, 2.0 * d)? - loss(i, -2.0 * d)?;
            Ok(R::of((8.0 * near - far) / (12.0 * d)))
        };
        let mut all = (0..at.parameters.len()).map(slope).collect::<Result<Vec<R>, _>>()?;
        let p = all.split_off(at.weights);
        Ok([vec![], all, p])
    }
}
