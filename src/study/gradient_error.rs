//! Gradient error: every gradient method against the exact discrete gradient and a tight reference (ANODE, section 4).

use serde_json::{Map, Value};

use crate::definition::StudyKind;
use crate::definition::settings::{Dense, Dtype, Field, GradientErrorSettings, Numbers, Settings};
use crate::gradient::{AdaptiveBlock, Block, Cost, Method, reference};
use crate::kernels::{Activation, Device};
use crate::net::NetworkError;
use crate::ode::{Adaptive, ButcherTableau, DifferentiableField, Grid, Real, SolveError, Vector};
use crate::ode::{relative_distance, solver as named_solver};
use crate::problems::{ConvField, Dense as DenseField, dfdx_tape_gradient};
use crate::random::{Stream, normal, stream};
use crate::record::{Outcome, Row, number, row};
use crate::train::TrainingDevice;

use super::parts::{array_digest, named_array, shaped_array, solver, typed};
use super::{AnyDevice, Context, Ending, Estimate, Place, Study, StudyError, device, estimate};

/// The gradient-error study: J = |z(1)|^2 / 2, gradients for z(0) and the weights.
pub struct GradientError;

impl Study for GradientError {
    fn kind(&self) -> StudyKind {
        StudyKind::GradientError
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::fields::gradient_error(typed(settings)?)
    }

    fn inputs(&self, place: &Place, settings: &Settings) -> Result<Map<String, Value>, StudyError> {
        let settings: &GradientErrorSettings = typed(settings)?;
        let (weights, initial) = match &settings.field {
            Field::Dense(Dense { weights, initial, .. }) | Field::Convolution { weights, initial, .. } => {
                (weights, initial)
            }
        };
        let mut inputs = Map::new();
        for (name, numbers) in [("weights", weights), ("initial", initial)] {
            if let Numbers::File(file) = numbers {
                inputs.insert(name.into(), array_digest(&named_array(place, file)?));
            }
        }
        Ok(inputs)
    }

    fn input_settings(&self, settings: &Settings) -> Value {
        settings.get("field").cloned().unwrap_or_default()
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        device::compute(self, context)
    }
}

impl AnyDevice for GradientError {
    fn compute<D: TrainingDevice>(&self, device: &D, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &GradientErrorSettings = typed(context.settings)?;
        let rows = match settings.dtype {
            Dtype::F32 => run::<D, f32>(device, context, settings),
            Dtype::F64 => run::<D, f64>(device, context, settings),
        }?;
        Ok(Ending::Finished(Outcome { rows, ..Outcome::default() }))
    }
}

fn numbers(context: &Context<'_>, of: &Numbers, use_: Stream, shape: &[usize]) -> Result<Vec<f64>, StudyError> {
    match of {
        Numbers::Normal { std } => Ok(normal(&mut stream(context.seed, use_), shape.iter().product(), *std)),
        Numbers::File(file) => shaped_array(context.place, file, shape),
    }
}

fn run<D: Device, R: Real>(
    device: &D,
    context: &Context<'_>,
    settings: &GradientErrorSettings,
) -> Result<Vec<Row>, StudyError> {
    let real = |x: Vec<f64>| x.into_iter().map(R::of).collect::<Vec<R>>();
    let act = settings.activation;
    match &settings.field {
        Field::Dense(Dense { n, weights, initial }) => {
            let w = real(numbers(context, weights, Stream::Weights, &[*n, *n])?);
            let z0 = real(numbers(context, initial, Stream::Initial, &[*n])?);
            let field = DenseField::<R, D>::on(device.clone(), *n, act, 1.0);
            measure(device, context, settings, &field, &z0, &w, Some(act))
        }
        Field::Convolution { channels, kernel, size, weights, initial } => {
            let w = real(numbers(context, weights, Stream::Weights, &[*channels, *channels, *kernel, *kernel])?);
            let z0 = real(numbers(context, initial, Stream::Initial, &[*channels, *size, *size])?);
            let field = ConvField::<R, D>::on(device.clone(), [*channels, *size, *size], *kernel, act);
            measure(device, context, settings, &field, &z0, &w, None)
        }
    }
}

/// Loss and gradients of one method, in host memory.
struct Gradient<R> {
    loss: f64,
    z0: Vec<R>,
    w: Vec<R>,
    cost: Cost,
}

fn gradient<D: Device, R: Real, F: DifferentiableField<Vector = D::Buffer<R>>>(
    device: &D,
    method: Method,
    block: &Block<F>,
    z0: &D::Buffer<R>,
    w: &D::Buffer<R>,
) -> Result<Gradient<R>, NetworkError> {
    let found = method.gradient(block, z0, w, |end| end.clone())?;
    device.synchronize()?;
    let (z0, w) = (device.download(&found.z0), device.download(&found.theta));
    Ok(Gradient { loss: found.end.dot(&found.end) / 2.0, z0, w, cost: found.cost })
}

/// The gradient of the ODE itself, in host memory.
struct Truth<R> {
    z0: Vec<R>,
    w: Vec<R>,
    uncertainty: f64,
}

fn truth<D: Device, R: Real, F: DifferentiableField<Vector = D::Buffer<R>>>(
    device: &D,
    field: &F,
    tolerance: f64,
    z0: &D::Buffer<R>,
    w: &D::Buffer<R>,
) -> Result<Truth<R>, NetworkError> {
    let tableau = named_solver("dormand-prince").map_err(|error| SolveError::Argument(error.to_string()))?;
    let block = AdaptiveBlock { field, tableau, control: Adaptive::new(tolerance, tolerance), span: (0.0, 1.0) };
    let found = reference(&block, z0, w, |end| end.clone())?;
    device.synchronize()?;
    let uncertainty = found.uncertainty_z0.max(found.uncertainty_theta);
    Ok(Truth { z0: device.download(&found.z0), w: device.download(&found.theta), uncertainty })
}

/// The gradient by dfdx's own tape: an independent check, on the CPU whatever the device.
fn tape<R: Real>(
    act: Option<Activation>,
    tableau: &'static ButcherTableau,
    steps: usize,
    z0: &Vec<R>,
    w: &Vec<R>,
) -> Result<Gradient<R>, StudyError> {
    let act = act.ok_or_else(|| StudyError::failed("dfdx-tape", "only dense fields are written in dfdx ops"))?;
    let found = dfdx_tape_gradient(act, tableau, steps, &z0.to_f64(), &w.to_f64(), &vec![0.0; z0.len()])
        .map_err(|e| StudyError::failed("dfdx-tape", e))?;
    let real = |x: Vec<f64>| x.into_iter().map(R::of).collect();
    Ok(Gradient { loss: found.loss, z0: real(found.z0), w: real(found.w), cost: Cost::default() })
}

fn measure<D: Device, R: Real, F: DifferentiableField<Vector = D::Buffer<R>>>(
    device: &D,
    context: &Context<'_>,
    settings: &GradientErrorSettings,
    field: &F,
    z0: &Vec<R>,
    w: &Vec<R>,
    act: Option<Activation>,
) -> Result<Vec<Row>, StudyError> {
    let failed = |at: String| move |e: NetworkError| StudyError::failed(at, e);
    let tableau = solver(&settings.solver)?;
    let (there, w_there) = (device.upload(z0.clone()), device.upload(w.clone()));
    let truth =
        truth(device, field, settings.reference_tolerance, &there, &w_there).map_err(failed("reference".into()))?;
    let mut rows = vec![];
    for (done, &steps) in settings.steps.iter().enumerate() {
        context.begin_steps(steps, done, settings.steps.len())?;
        let block = Block { field, tableau, grid: Grid::unit(steps) };
        let of = |method| gradient(device, method, &block, &there, &w_there);
        let exact = of(Method::Full).map_err(failed(format!("full, Nt = {steps}")))?;
        for name in &settings.methods {
            let found = match name.as_str().parse::<Method>() {
                Ok(method) => of(method).map_err(failed(format!("{method}, Nt = {steps}")))?,
                Err(_) => tape(act, tableau, steps, z0, w)?,
            };
            rows.push(row([
                ("Nt", steps.into()),
                ("dt", number(1.0 / steps as f64)),
                ("method", name.as_str().into()),
                ("loss", number(found.loss)),
                ("norm_z0", number(found.z0.norm())),
                ("norm_W", number(found.w.norm())),
                ("error_z0", number(relative_distance(&found.z0, &exact.z0))),
                ("error_W", number(relative_distance(&found.w, &exact.w))),
                ("reference_error_z0", number(relative_distance(&found.z0, &truth.z0))),
                ("reference_error_W", number(relative_distance(&found.w, &truth.w))),
                ("reference_uncertainty", number(truth.uncertainty)),
                ("reversal_drift", number(found.cost.reversal_drift)),
                ("evaluations", found.cost.function_evaluations.into()),
                ("vjps", found.cost.vjps.into()),
                ("peak_bytes", found.cost.peak_bytes.into()),
            ]));
        }
    }
    Ok(rows)
}
