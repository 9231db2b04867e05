//! The gradient of a dense problem by dfdx's own full tape: an independent oracle for the gradient engine.
//!
//! Nothing here shares code with [`crate::gradient`]: the steps are written in dfdx ops and differentiated by dfdx.

use dfdx::prelude::*;

use crate::kernels::Activation;
use crate::ode::ButcherTableau;

/// Loss and gradients of |z(1) - target|^2 / 2.
#[derive(Clone, Debug, PartialEq)]
pub struct TapeGradient {
    /// The loss.
    pub loss: f64,
    /// dJ/dz(0), n numbers.
    pub z0: Vec<f64>,
    /// dJ/dW, n x n row by row.
    pub w: Vec<f64>,
}

type Owned = OwnedTape<f64, Cpu>;
type Matrix = Tensor<(usize, usize), f64, Cpu>;
type Taped = Tensor<(usize,), f64, Cpu, Owned>;

/// Integrates dz/dt = activation(W z) from `z0` over t in [0, 1] in `steps` equal steps with every operation on
/// dfdx's tape, and differentiates it. `z0` and `target` have n numbers, `w` n x n row by row.
///
/// # Errors
/// dfdx's own, an activation that this oracle does not write (leaky ReLU), vectors that do not fit, no steps, and a
/// tableau that [`ButcherTableau::check`] refuses.
pub fn dfdx_tape_gradient(
    activation: Activation,
    tableau: &ButcherTableau,
    steps: usize,
    z0: &[f64],
    w: &[f64],
    target: &[f64],
) -> Result<TapeGradient, String> {
    let n = z0.len();
    tableau.check().map_err(|error| error.to_string())?;
    if steps == 0 || n == 0 {
        return Err(format!("steps is {steps} and z0 has {n} numbers; allowed: 1 or more of both"));
    }
    if w.len() != n * n || target.len() != n {
        let found = [w.len(), target.len()];
        return Err(format!("w and target have {found:?} numbers; allowed for z0: {:?}", [n * n, n]));
    }
    let device = Cpu::seed_from_u64(0);
    let w: Matrix = device.tensor_from_vec(w.to_vec(), (n, n));
    let start = device.tensor_from_vec(z0.to_vec(), (n,));
    let target = device.tensor_from_vec(target.to_vec(), (n,));
    let h = 1.0 / steps as f64;

    let mut z = start.trace(Gradients::leaky());
    for _ in 0..steps {
        let (base, mut tape) = z.split_tape();
        let mut k: Vec<Tensor<(usize,), f64, Cpu>> = vec![];
        for row in &tableau.a[..tableau.solution_stages()] {
            let state = combine(base.clone().put_tape(tape), h, row, &k)?;
            let rate = rate(activation, &w, state)?;
            let (rate, rest) = rate.split_tape();
            k.push(rate);
            tape = rest;
        }
        z = combine(base.put_tape(tape), h, tableau.b, &k)?;
    }
    let difference = z.try_sub(target).map_err(text)?;
    let loss =
        difference.try_square().map_err(text)?.try_sum::<Rank0, _>().map_err(text)?.try_mul(0.5).map_err(text)?;
    let value = loss.array();
    let gradients = loss.try_backward().map_err(text)?;
    Ok(TapeGradient { loss: value, z0: gradients.get(&start).as_vec(), w: gradients.get(&w).as_vec() })
}

fn combine(z: Taped, h: f64, weights: &[f64], k: &[Tensor<(usize,), f64, Cpu>]) -> Result<Taped, String> {
    weights.iter().zip(k).filter(|(weight, _)| **weight != 0.0).try_fold(z, |z, (weight, k)| {
        let term = k.retaped::<Owned>().try_mul(h * weight).map_err(text)?;
        z.try_add(term).map_err(text)
    })
}

fn rate(activation: Activation, w: &Matrix, z: Taped) -> Result<Taped, String> {
    let x = w.retaped::<Owned>().try_matmul(z).map_err(text)?;
    match activation {
        Activation::None => Ok(x),
        Activation::Tanh => x.try_tanh().map_err(text),
        Activation::Relu => x.try_relu().map_err(text),
        Activation::Softplus => x.try_exp().and_then(|e| e.try_add(1.0)).and_then(|e| e.try_ln()).map_err(text),
        Activation::LeakyRelu => Err("dfdx-tape has no leaky ReLU; allowed: none, tanh, relu, softplus".into()),
    }
}

fn text(error: impl std::fmt::Debug) -> String {
    format!("dfdx: {error:?}")
}
