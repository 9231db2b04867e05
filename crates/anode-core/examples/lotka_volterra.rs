//! Gradients of predator-prey equations by several methods, with fixed and adaptive steps, and what each costs.
//!
//! `cargo run --release -p anode-core --example lotka_volterra`
//!
//! dx/dt = a x - b x y, dy/dt = d x y - c y with theta = (a, b, c, d). The loss is J = |z(1) - target|^2 / 2.

use anode_core::gradient::{AdaptiveBlock, Block, Gradient, GradientError, Method};
use anode_core::ode::{Adaptive, At, DifferentiableField, FieldError, Grid, VectorField, expect_len, solver};

struct LotkaVolterra;

impl VectorField for LotkaVolterra {
    type Vector = Vec<f64>;

    fn eval(&self, _: At, z: &Vec<f64>, theta: &Vec<f64>, dz: &mut Vec<f64>) -> Result<(), FieldError> {
        expect_len("state", z.len(), 2)?;
        expect_len("parameters", theta.len(), 4)?;
        let ([x, y], [a, b, c, d]) = ([z[0], z[1]], [theta[0], theta[1], theta[2], theta[3]]);
        dz[0] = a * x - b * x * y;
        dz[1] = d * x * y - c * y;
        Ok(())
    }
}

impl DifferentiableField for LotkaVolterra {
    // The vjp needs the state alone.
    type Tape = [f64; 2];

    fn eval_taped(&self, at: At, z: &Vec<f64>, theta: &Vec<f64>, dz: &mut Vec<f64>) -> Result<[f64; 2], FieldError> {
        self.eval(at, z, theta, dz)?;
        Ok([z[0], z[1]])
    }

    fn vjp(
        &self,
        &[x, y]: &[f64; 2],
        theta: &Vec<f64>,
        cotangent: &Vec<f64>,
        z_bar: &mut Vec<f64>,
        theta_bar: &mut Vec<f64>,
    ) -> Result<(), FieldError> {
        let ([u, v], [a, b, c, d]) = ([cotangent[0], cotangent[1]], [theta[0], theta[1], theta[2], theta[3]]);
        z_bar[0] += (a - b * y) * u + d * y * v;
        z_bar[1] += -b * x * u + (d * x - c) * v;
        for (bar, slope) in theta_bar.iter_mut().zip([x * u, -x * y * u, -y * v, x * y * v]) {
            *bar += slope;
        }
        Ok(())
    }

    fn tape_bytes(&self, tape: &[f64; 2]) -> usize {
        size_of_val(tape)
    }
}

/// dJ/dz(1).
fn cotangent(end: &[f64]) -> Vec<f64> {
    vec![end[0] - 1.5, end[1] - 0.5]
}

fn main() -> Result<(), GradientError> {
    let (z0, theta) = (vec![1.0, 2.0], vec![3.0, 2.0, 4.0, 2.5]);
    let rk4 = solver("rk4").expect("a solver of this crate");
    let block = Block { field: &LotkaVolterra, tableau: rk4, grid: Grid::unit(16) };
    let full = Method::Full.gradient(&block, &z0, &theta, |end| cotangent(end))?;
    println!("{:<22} {:>24} {:>14} {:>12}", "method", "difference from `full`", "evaluations", "bytes kept");
    let print = |name: &str, found: &Gradient<Vec<f64>>| {
        let difference = found.theta.iter().zip(&full.theta).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        println!(
            "{name:<22} {difference:>24.2e} {:>14} {:>12}",
            found.cost.function_evaluations, found.cost.peak_bytes
        );
    };
    for method in [Method::Full, Method::Anode, Method::Revolve(3), Method::ReverseTime] {
        print(&method.to_string(), &method.gradient(&block, &z0, &theta, |end| cotangent(end))?);
    }
    let pair = solver("dormand-prince").expect("a solver of this crate");
    let control = Adaptive::new(1e-8, 1e-10);
    let block = AdaptiveBlock { field: &LotkaVolterra, tableau: pair, control, span: (0.0, 1.0) };
    print("online:3, adaptive", &Method::Online(3).gradient_adaptive(&block, &z0, &theta, |end| cotangent(end))?);
    Ok(())
}
