//! Estimates of the studies whose fields are a scalar, a matrix, a convolution or a kernel.

use crate::definition::settings::{
    CoupledGradientSettings, Dense, Dtype, Field, GradientErrorSettings, KernelEvolutionSettings, MemorySettings,
    MethodName, Numbers, Problem, ReversibilitySettings, SchedulesSettings, Stepping,
};
use crate::evolution::Memory;
use crate::gradient::Method;
use crate::net;
use crate::study::StudyError;

use super::Estimate;
use super::solve::{ADAPTIVE, Solved, method, stages};

/// Pixels of MNIST's digits and of the drawn one.
const DIGIT: f64 = 28.0 * 28.0;

fn size_of(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => 4.0,
        Dtype::F64 => 8.0,
    }
}

/// Lengths of the state and of the parameters of a field, and the multiply-adds of an evaluation.
struct Lengths {
    state: f64,
    theta: f64,
    macs: f64,
}

impl Lengths {
    fn dense(n: usize) -> Self {
        let n = n as f64;
        Self { state: n, theta: n * n, macs: n * n }
    }

    fn convolution(channels: usize, kernel: usize, size: usize) -> Self {
        let (channels, kernel, size) = (channels as f64, kernel as f64, size as f64);
        let theta = channels * channels * kernel * kernel;
        Self { state: channels * size * size, theta, macs: theta * size * size }
    }
}

pub fn reversibility(settings: &ReversibilitySettings) -> Result<Estimate, StudyError> {
    let field = match &settings.problem {
        Problem::ScalarLinear { .. } | Problem::ScalarRelu { .. } => Lengths { state: 1.0, theta: 0.0, macs: 1.0 },
        Problem::MatrixRelu { n, .. } => Lengths::dense(*n),
        Problem::Convolution { kernel, .. } => {
            let theta = (*kernel as f64).powi(2);
            Lengths { state: DIGIT, theta, macs: theta * DIGIT }
        }
    };
    let (real, stages) = (size_of(settings.dtype), stages(&settings.solver)?);
    let steps = match &settings.stepping {
        Stepping::Fixed { steps } => sum(steps),
        // All counts to 512, then each a twentieth above the last; forward and round trip each.
        Stepping::Search { max_steps, .. } => {
            let most = *max_steps as f64;
            2.0 * (most.min(512.0).powi(2) / 2.0 + 21.0 * most)
        }
        Stepping::Adaptive { .. } => ADAPTIVE,
    };
    let evaluations = 2.0 * steps * stages;
    // The random numbers, the field's own copy and the device's.
    let bytes = field.theta * (8.0 + 2.0 * real) + field.state * (8.0 + (stages + 10.0) * real);
    Ok(Estimate { bytes, multiply_adds: evaluations * field.macs, evaluations })
}

pub fn gradient_error(settings: &GradientErrorSettings) -> Result<Estimate, StudyError> {
    let (field, weights) = match &settings.field {
        Field::Dense(Dense { n, weights, .. }) => (Lengths::dense(*n), weights),
        Field::Convolution { channels, kernel, size, weights, .. } => {
            (Lengths::convolution(*channels, *kernel, *size), weights)
        }
    };
    let (real, stages) = (size_of(settings.dtype), stages(&settings.solver)?);
    let solved =
        |steps: f64| Solved { blocks: 1.0, steps, stages, state: field.state * real, tape: 2.0 * field.state * real };
    let methods = || settings.methods.iter().filter_map(method).chain([Method::Full]);
    let most = settings.steps.iter().copied().max().unwrap_or(0) as f64;
    let kept = methods().map(|m| solved(most).bytes(m)).fold(0.0, f64::max);
    // dfdx keeps the weights' gradient of every stage.
    let taped = settings.methods.iter().any(|m| m.as_str() == MethodName::TAPE);
    let tape = if taped { 8.0 * field.theta.min(1e12) * 3.0 } else { 0.0 };
    // The weights on the host and on the device, and the gradients that are compared.
    let drawn: f64 = if matches!(weights, Numbers::Normal { .. }) { 8.0 } else { 0.0 };
    let bytes = field.theta * (drawn.max(real) + 6.0 * real) + kept + tape;
    let of_steps = |steps: f64| methods().map(|m| solved(steps).evaluations(m)).sum::<f64>();
    let evaluations = settings.steps.iter().map(|&n| of_steps(n as f64)).sum::<f64>() + 3.0 * ADAPTIVE * 7.0;
    Ok(Estimate { bytes, multiply_adds: 2.0 * evaluations * field.macs, evaluations })
}

pub fn memory(settings: &MemorySettings) -> Result<Estimate, StudyError> {
    let field = Lengths::convolution(settings.channels, 3, settings.size);
    let (blocks, stages) = (settings.blocks as f64, stages(&settings.solver)?);
    let solved = |steps: f64| Solved { blocks, steps, stages, state: field.state * 4.0, tape: 2.0 * field.state * 4.0 };
    let methods = || method(&settings.method).into_iter().chain([Method::Full]);
    let most = settings.steps.iter().copied().max().unwrap_or(0) as f64;
    let kept = methods().map(|m| solved(most).bytes(m)).fold(0.0, f64::max);
    // A process of its own computes the gradient once more, beside the kernels that are here.
    let bytes = 4.0 * field.theta * (2.0 * blocks + 4.0) + 4.0 * field.state + kept;
    let of_steps = |steps: f64| methods().map(|m| 4.0 * solved(steps).evaluations(m)).sum::<f64>();
    let evaluations = settings.steps.iter().map(|&n| of_steps(n as f64)).sum::<f64>();
    Ok(Estimate { bytes, multiply_adds: 2.0 * evaluations * field.macs, evaluations })
}

pub fn schedules(settings: &SchedulesSettings) -> Estimate {
    let (most, snapshots) = (settings.steps.iter().copied().max().unwrap_or(0) as f64, settings.snapshots as f64);
    // The table of the dynamic programme.
    let evaluations = settings.steps.iter().map(|&n| n as f64 * (n as f64 / 2.0 + 2.0)).sum::<f64>();
    let multiply_adds = most * most / 2.0 * snapshots + evaluations;
    Estimate { bytes: 8.0 * (most + 1.0) * (snapshots + 1.0), multiply_adds, evaluations }
}

pub fn kernel_evolution(settings: &KernelEvolutionSettings) -> Result<Estimate, StudyError> {
    let (pixels, frames) = ((settings.kernel as f64).powi(2), settings.frames as f64);
    let evaluations = sum(&settings.steps) * stages(&settings.solver)?;
    // A few arrays for each frame; the exact solution sums over all modes for each pixel.
    let exact = settings.steps.len() as f64 * frames * pixels * pixels;
    Ok(Estimate {
        bytes: 8.0 * pixels * (4.0 * frames + 32.0),
        multiply_adds: 10.0 * evaluations * pixels + exact,
        evaluations,
    })
}

pub fn coupled_gradient(settings: &CoupledGradientSettings) -> Result<Estimate, StudyError> {
    let field = Lengths::convolution(settings.channels, settings.kernel, settings.size);
    let (real, stages) = (size_of(settings.dtype), stages(&settings.solver)?);
    let parts = if settings.memory == Memory::None { 1.0 } else { 2.0 };
    let first = match settings.configuration {
        net::WeightStepping::Together => None,
        net::WeightStepping::Matching { weight_steps } | net::WeightStepping::Final { weight_steps } => {
            Some(weight_steps as f64)
        }
    };
    let weights = field.theta * real * parts;
    // A step of z, with that of the weights where they are stepped together.
    let (state, tape) = match first {
        None => (field.state * real + weights, 2.0 * field.state * real + 2.0 * weights),
        Some(_) => (field.state * real, 2.0 * field.state * real),
    };
    let of_z = |steps: f64| Solved { blocks: 1.0, steps, stages, state, tape };
    let of_w = |steps: f64| Solved { blocks: 1.0, steps, stages, state: weights, tape: 2.0 * weights };
    let methods = || settings.methods.iter().filter_map(method).chain([Method::Full]);
    let bytes_of = |method: Method, steps: f64| {
        let z = of_z(steps).bytes(method);
        // The thetas of all steps in a table, beside what the weights' own solve keeps.
        z + first.map_or(0.0, |times| of_w(times * steps).bytes(method) + steps * field.theta * real)
    };
    let most = settings.steps.iter().copied().max().unwrap_or(0) as f64;
    let kept = methods().map(|method| bytes_of(method, most)).fold(0.0, f64::max);
    let evaluations_of = |steps: f64| {
        let one = |m| of_z(steps).evaluations(m) + first.map_or(0.0, |times| of_w(times * steps).evaluations(m));
        methods().map(one).sum::<f64>()
    };
    // Four solves for each unknown, at the first count of steps.
    let coefficients = 4.0 * if settings.per_channel { settings.channels as f64 } else { 1.0 };
    let first_steps = settings.steps.first().copied().unwrap_or(0) as f64;
    let differences = 4.0 * (field.theta + coefficients) * stages * first_steps * (1.0 + first.unwrap_or(0.0));
    let evaluations = settings.steps.iter().map(|&n| evaluations_of(n as f64)).sum::<f64>() + differences;
    let bytes = field.theta * (8.0 + 8.0 * real) + kept;
    Ok(Estimate { bytes, multiply_adds: 2.0 * evaluations * (field.macs + 10.0 * field.theta), evaluations })
}

fn sum(counts: &[usize]) -> f64 {
    counts.iter().map(|&n| n as f64).sum()
}
