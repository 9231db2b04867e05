//! Reversibility: integrate forward, integrate back, report rho = |z0 - back(forward(z0))| / |z0| (ANODE, section 3).

use std::cell::Cell;

use serde_json::{Map, Value};

use crate::data;
use crate::definition::StudyKind;
use crate::definition::settings::{Dtype, Normalise, Picture, Problem, ReversibilitySettings, Settings, Stepping};
use crate::kernels::{Activation, ComputeError, Device};
use crate::ode::{
    Adaptive, At, ButcherTableau, FieldError, Grid, Real, Solution, VectorField, integrate, integrate_adaptive,
    integrate_back, reversal_error,
};
use crate::problems::{ConvField, Dense, ScalarLinear, ScalarRelu, spectral_norm};
use crate::random::{Stream, normal, stream};
use crate::record::{Image, Outcome, Row, number, row};
use crate::train::TrainingDevice;

use super::parts::{array_digest, named_array, solver, typed};
use super::{AnyDevice, Context, Ending, Estimate, Place, Study, StudyError, device, estimate};

/// Attempted steps after which an adaptive solve gives up.
const MAX_STEPS: usize = 1_000_000;

/// The reversibility study.
pub struct Reversibility;

impl Study for Reversibility {
    fn kind(&self) -> StudyKind {
        StudyKind::Reversibility
    }

    fn estimate(&self, settings: &Settings) -> Result<Estimate, StudyError> {
        estimate::fields::reversibility(typed(settings)?)
    }

    fn inputs(&self, place: &Place, settings: &Settings) -> Result<Map<String, Value>, StudyError> {
        let settings: &ReversibilitySettings = typed(settings)?;
        let Problem::Convolution { picture, .. } = &settings.problem else { return Ok(Map::new()) };
        let image = load_picture(place, picture)?;
        Ok(Map::from_iter([(image.name.to_owned(), array_digest(&image.array))]))
    }

    fn input_settings(&self, settings: &Settings) -> Value {
        settings.get("problem").and_then(|problem| problem.get("picture")).cloned().unwrap_or_default()
    }

    fn run(&self, context: &Context<'_>) -> Result<Ending, StudyError> {
        device::compute(self, context)
    }
}

impl AnyDevice for Reversibility {
    fn compute<D: TrainingDevice>(&self, device: &D, context: &Context<'_>) -> Result<Ending, StudyError> {
        let settings: &ReversibilitySettings = typed(context.settings)?;
        let outcome = match settings.dtype {
            Dtype::F32 => run::<D, f32>(device, context, settings),
            Dtype::F64 => run::<D, f64>(device, context, settings),
        }?;
        Ok(Ending::Finished(outcome))
    }
}

/// An image with pixels in [0, 1], and what it is called.
struct LoadedPicture {
    name: &'static str,
    array: data::Array,
}

fn load_picture(place: &Place, picture: &Picture) -> Result<LoadedPicture, StudyError> {
    let drawn = || LoadedPicture {
        name: "drawn digit",
        array: data::Array { shape: vec![data::SIDE; 2], numbers: data::drawn_digit() },
    };
    match picture {
        Picture::Drawn => Ok(drawn()),
        Picture::File(file) => {
            let array = named_array(place, file)?;
            match array.shape[..] {
                [_, _] => Ok(LoadedPicture { name: "image file", array }),
                _ => Err(StudyError::failed(
                    "picture",
                    format!("{} has shape {:?}; an image has two axes", file.display(), array.shape),
                )),
            }
        }
        Picture::Mnist(index) => {
            let Some(path) = place.data.as_deref().and_then(data::mnist_images) else { return Ok(drawn()) };
            let images = data::read_idx_images(&path).map_err(|e| StudyError::failed("picture", e))?;
            let pixels = images.get(*index).ok_or_else(|| {
                StudyError::failed(
                    "picture",
                    format!("{} has {} images, not one with index {index}", path.display(), images.len()),
                )
            })?;
            let array = data::Array { shape: vec![images.height, images.width], numbers: pixels };
            Ok(LoadedPicture { name: "MNIST test digit", array })
        }
    }
}

/// Initial value and parameters, and z(1) where it is known.
struct Start<R> {
    z0: Vec<R>,
    theta: Vec<R>,
    end: Option<f64>,
}

/// A field on a device. States are in host memory at both ends of a way.
struct There<'a, D: Device, R: Real, F> {
    device: &'a D,
    field: &'a F,
    theta: D::Buffer<R>,
    tableau: &'static ButcherTableau,
}

fn run<D: Device, R: Real>(
    device: &D,
    context: &Context<'_>,
    settings: &ReversibilitySettings,
) -> Result<Outcome, StudyError> {
    let real = |x: Vec<f64>| x.into_iter().map(R::of).collect::<Vec<R>>();
    match &settings.problem {
        Problem::ScalarLinear { rate } => {
            let field = ScalarLinear::<R, D>::new(*rate);
            let start = Start { z0: vec![R::one()], theta: vec![], end: Some(field.end()) };
            solve(device, context, settings, &field, start, None)
        }
        Problem::ScalarRelu { c } => {
            let field = ScalarRelu::<R, D>::on(device.clone(), *c);
            let start = Start { z0: vec![R::one()], theta: vec![], end: Some(field.end()) };
            solve(device, context, settings, &field, start, None)
        }
        Problem::MatrixRelu { n, sign, normalise, scale } => {
            let mut w = normal(&mut stream(context.seed, Stream::Weights), n * n, 1.0);
            let z0 = normal(&mut stream(context.seed, Stream::Initial), *n, 1.0);
            let factor = match normalise {
                Normalise::None => *scale,
                Normalise::Spectral => scale / spectral_norm(&w, *n),
            };
            w.iter_mut().for_each(|w| *w *= factor);
            let field = Dense::<R, D>::on(device.clone(), *n, Activation::Relu, f64::from(*sign));
            let norm = spectral_norm(&w, *n);
            let mut outcome =
                solve(device, context, settings, &field, Start { z0: real(z0), theta: real(w), end: None }, None)?;
            outcome.rows.iter_mut().for_each(|row| {
                row.insert("spectral_norm".into(), number(norm));
            });
            Ok(outcome)
        }
        Problem::Convolution { activation: name, std, kernel, picture } => {
            let image = load_picture(context.place, picture)?;
            let size = [image.array.shape[0], image.array.shape[1]];
            if *kernel > size[0].min(size[1]) {
                let found = format!("{kernel}; the {} has {} x {} pixels", image.name, size[0], size[1]);
                return Err(StudyError::failed("problem.kernel", format!("{found}: take a smaller kernel")));
            }
            let field = ConvField::<R, D>::on(device.clone(), [1, size[0], size[1]], *kernel, *name);
            let weights = normal(&mut stream(context.seed, Stream::Weights), kernel * kernel, *std);
            let start = Start { z0: real(image.array.numbers), theta: real(weights), end: None };
            let mut outcome = solve(device, context, settings, &field, start, Some(size))?;
            outcome.rows.iter_mut().for_each(|row| {
                row.insert("image".into(), image.name.into());
            });
            Ok(outcome)
        }
    }
}

/// Counts evaluations of a field.
struct Counted<'a, F> {
    field: &'a F,
    evaluations: Cell<u64>,
}

impl<F: VectorField> VectorField for Counted<'_, F> {
    type Vector = F::Vector;

    fn eval(&self, at: At, z: &F::Vector, theta: &F::Vector, dz: &mut F::Vector) -> Result<(), FieldError> {
        self.evaluations.set(self.evaluations.get() + 1);
        self.field.eval(at, z, theta, dz)
    }
}

fn solve<D: Device, R: Real, F: VectorField<Vector = D::Buffer<R>>>(
    device: &D,
    context: &Context<'_>,
    settings: &ReversibilitySettings,
    field: &F,
    start: Start<R>,
    size: Option<[usize; 2]>,
) -> Result<Outcome, StudyError> {
    let theta = device.upload(start.theta.clone());
    let there = There { device, field, theta, tableau: solver(&settings.solver)? };
    let mut outcome = Outcome::default();
    match &settings.stepping {
        Stepping::Fixed { steps } => {
            for &n in steps {
                context.check_stop()?;
                let trip = there.fixed_trip(n, &start.z0)?;
                outcome.images = pictures(size, &start.z0, &trip);
                outcome.rows.push(trip.row(&start));
            }
        }
        Stepping::Search { target, max_steps } => {
            let reached = |error: fn(&Trip<R>, &Start<R>) -> Option<f64>| {
                smallest_steps(*max_steps, |n| {
                    context.check_stop()?;
                    Ok(error(&there.fixed_trip(n, &start.z0)?, &start).is_some_and(|e| e <= *target))
                })
            };
            let forward = if start.end.is_some() { reached(Trip::forward_error)? } else { None };
            let round = reached(Trip::rho)?;
            let cell = |n: Option<usize>| n.map_or(Value::Null, Value::from);
            outcome.rows.push(row([
                ("forward_steps", cell(forward)),
                ("round_trip_steps", cell(round)),
                ("forward_reached", forward.is_some().into()),
                ("round_trip_reached", round.is_some().into()),
            ]));
        }
        Stepping::Adaptive { rtol, atol, norm } => {
            let control = Adaptive { rtol: *rtol, atol: *atol, controller: *norm, max_steps: MAX_STEPS };
            let trip = there.adaptive_trip(control, &start.z0)?;
            outcome.images = pictures(size, &start.z0, &trip);
            outcome.rows.push(trip.row(&start));
        }
    }
    Ok(outcome)
}

/// The smallest step count for which `reached` holds, and holds for every larger count that is probed: all counts up
/// to 512, then each a twentieth above the last.
fn smallest_steps(
    max_steps: usize,
    mut reached: impl FnMut(usize) -> Result<bool, StudyError>,
) -> Result<Option<usize>, StudyError> {
    let (mut last_failing, mut first_after) = (0, None);
    let mut n = 1;
    while n <= max_steps {
        if reached(n)? {
            first_after.get_or_insert(n);
        } else {
            (last_failing, first_after) = (n, None);
        }
        n = if n < 512 { n + 1 } else { n + n / 20 };
    }
    let Some(mut good) = first_after else { return Ok(None) };
    while good - last_failing > 1 {
        let middle = last_failing + (good - last_failing) / 2;
        if reached(middle)? {
            good = middle;
        } else {
            last_failing = middle;
        }
    }
    Ok(Some(good))
}

/// Names of the two solves of a trip.
const FORWARD: &str = "forward";
const REVERSE: &str = "reverse";

/// Where a solve ended. A solve that diverged is a result of the study (see [`Trip::rho`]). It diverged if its state
/// left the finite numbers, if its tolerances asked for a step below the resolution of time, or if it attempted
/// [`MAX_STEPS`] steps. Every other error is a failure of the run.
fn reached<R>(
    end: Result<Vec<R>, ComputeError>,
    at: impl Into<String>,
) -> Result<Result<Vec<R>, ComputeError>, StudyError> {
    match end {
        Err(error) if !error.is_divergence() => Err(StudyError::failed(at, error)),
        end => Ok(end),
    }
}

/// One way of a trip: where it ended and what it took.
struct Way<R> {
    /// The state at the end, or how it diverged.
    end: Result<Vec<R>, ComputeError>,
    steps: usize,
    rejected: usize,
    evaluations: u64,
    /// The last accepted states before the end, with their times.
    last: Vec<(f64, Vec<R>)>,
}

/// There and back.
struct Trip<R> {
    there: Way<R>,
    back: Option<Way<R>>,
}

impl<D: Device, R: Real, F: VectorField<Vector = D::Buffer<R>>> There<'_, D, R, F> {
    /// `z` in host memory once all work is done.
    fn settled(&self, solved: Result<D::Buffer<R>, ComputeError>) -> Result<Vec<R>, ComputeError> {
        let z = solved?;
        self.device.synchronize()?;
        Ok(self.device.download(&z))
    }

    fn fixed_trip(&self, steps: usize, z0: &[R]) -> Result<Trip<R>, StudyError> {
        let grid = Grid::unit(steps);
        let way = |from: &[R], forward: bool| -> Result<Way<R>, StudyError> {
            let at = if forward { FORWARD } else { REVERSE };
            let counted = Counted { field: self.field, evaluations: Cell::new(0) };
            let mut z = self.device.upload(from.to_vec());
            let sweep = if forward { integrate } else { integrate_back };
            let end =
                self.settled(sweep(&counted, self.tableau, &grid, &mut z, &self.theta).map(|()| z).map_err(Into::into));
            let end = reached(end, format!("{at}, {steps} steps"))?;
            Ok(Way { end, steps, rejected: 0, evaluations: counted.evaluations.get(), last: vec![] })
        };
        let there = way(z0, true)?;
        let back = there.end.as_ref().ok().map(|z| way(z, false)).transpose()?;
        Ok(Trip { there, back })
    }

    fn adaptive_trip(&self, control: Adaptive, z0: &[R]) -> Result<Trip<R>, StudyError> {
        let way = |from: &[R], span: (f64, f64), at: &str| -> Result<Way<R>, StudyError> {
            let counted = Counted { field: self.field, evaluations: Cell::new(0) };
            let from = self.device.upload(from.to_vec());
            let solved = integrate_adaptive(&counted, self.tableau, control, span, &from, &self.theta);
            let evaluations = counted.evaluations.get();
            match solved {
                Ok(Solution { end, times, last, rejected, .. }) => {
                    let last = last.iter().map(|(t, z)| (*t, self.device.download(z))).collect();
                    let end = reached(self.settled(Ok(end)), at)?;
                    Ok(Way { end, steps: times.len() - 1, rejected, evaluations, last })
                }
                Err(error) => {
                    Ok(Way { end: reached(Err(error.into()), at)?, steps: 0, rejected: 0, evaluations, last: vec![] })
                }
            }
        };
        let there = way(z0, (0.0, 1.0), FORWARD)?;
        let back = there.end.as_ref().ok().map(|z| way(z, (1.0, 0.0), REVERSE)).transpose()?;
        Ok(Trip { there, back })
    }
}

impl<R: Real> Trip<R> {
    /// Relative error of z(1) where z(1) is known and not zero.
    fn forward_error(&self, start: &Start<R>) -> Option<f64> {
        let exact = start.end.filter(|&end| end != 0.0)?;
        let error = self.there.end.as_ref().map_or(f64::INFINITY, |z| (z[0].f64() - exact).abs() / exact.abs());
        Some(if error.is_nan() { f64::INFINITY } else { error })
    }

    /// The reversal error. Infinite if the reverse solve diverged; none if the forward solve did, since nothing was
    /// reversed.
    fn rho(&self, start: &Start<R>) -> Option<f64> {
        let back = self.back.as_ref()?.end.as_ref();
        Some(back.map_or(f64::INFINITY, |back| reversal_error(&start.z0, back)))
    }

    fn row(&self, start: &Start<R>) -> Row {
        let mut row = row([
            ("steps", self.there.steps.into()),
            ("rejected", self.there.rejected.into()),
            ("evaluations", self.there.evaluations.into()),
            ("back_steps", self.back.as_ref().map_or(Value::Null, |w| w.steps.into())),
            ("back_rejected", self.back.as_ref().map_or(Value::Null, |w| w.rejected.into())),
            ("back_evaluations", self.back.as_ref().map_or(Value::Null, |w| w.evaluations.into())),
            ("forward_error", self.forward_error(start).map_or(Value::Null, number)),
            ("rho", self.rho(start).map_or(Value::Null, number)),
            ("ended", self.ended().into()),
        ]);
        if start.z0.len() == 1 {
            let end = self.there.end.as_ref().map_or(f64::NAN, |z| z[0].f64());
            let sign = if end < 0.0 {
                "negative"
            } else if end > 0.0 {
                "positive"
            } else {
                "zero or none"
            };
            row.insert("z1".into(), number(end));
            row.insert("z1_sign".into(), sign.into());
            let last = self.there.last.iter().map(|(t, z)| format!("z({t:.4}) = {:e}", z[0])).collect::<Vec<_>>();
            row.insert("last_states".into(), last.join("; ").into());
        }
        row
    }

    fn ended(&self) -> String {
        let ways = [Some(&self.there), self.back.as_ref()];
        let failed = [FORWARD, REVERSE].iter().zip(ways).find_map(|(name, way)| Some((name, way?.end.as_ref().err()?)));
        failed.map_or_else(|| "both ways".to_owned(), |(name, error)| format!("{name}: {error}"))
    }
}

fn pictures<R: Real>(size: Option<[usize; 2]>, z0: &[R], trip: &Trip<R>) -> Vec<Image> {
    let Some([height, width]) = size else { return vec![] };
    let image = |name: &str, z: Option<&[R]>| {
        let pixels = match z {
            Some(z) => z.iter().map(|x| Some(x.f64()).filter(|x| x.is_finite())).collect(),
            None => vec![None; height * width],
        };
        Image { name: name.into(), height, width, pixels }
    };
    let back = trip.back.as_ref().and_then(|way| way.end.as_deref().ok());
    vec![image("input", Some(z0)), image("output", trip.there.end.as_deref().ok()), image("recovered", back)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::DeviceFailure;
    use crate::ode::SolveError;

    #[test]
    fn only_a_divergence_is_a_result() {
        let results = [
            SolveError::NotFinite { step: 3, stage: 0, t: 0.5 },
            SolveError::Overflow,
            SolveError::StepUnderflow { step: 3, t: 0.5, h: 1e-20 },
            SolveError::TooManySteps { limit: MAX_STEPS, t: 0.5 },
        ];
        for error in results {
            let found = reached::<f64>(Err(error.clone().into()), FORWARD).unwrap();
            assert!(matches!(found, Err(ComputeError::Solve(found)) if found == error));
        }
        let shape = FieldError::Shape { what: "state", expected: 1, found: 2 };
        let faults: [ComputeError; 5] = [
            DeviceFailure::new(std::io::Error::other("lost")).into(),
            SolveError::Field { step: 0, stage: 0, t: 0.0, source: FieldError::Other("the field panicked".into()) }
                .into(),
            SolveError::Field { step: 0, stage: 0, t: 0.0, source: shape }.into(),
            SolveError::NoEmbedded("euler").into(),
            SolveError::Argument("a step of size 0".into()).into(),
        ];
        for error in faults {
            let failed = reached::<f64>(Err(error.clone()), REVERSE).unwrap_err();
            assert!(matches!(&failed, StudyError::Failed { at, why } if at == REVERSE && *why == error.to_string()));
        }
    }
}
