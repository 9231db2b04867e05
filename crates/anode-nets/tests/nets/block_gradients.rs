//! Gradients of |z1|^2 / 2 through a block, and what they are compared with.

use anode_core::gradient::{Block, Ledger, Method};
use anode_core::ode::{DifferentiableField, Real};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Uniform numbers between -scale and scale.
pub fn numbers<R: Real>(seed: u64, n: usize, scale: f64) -> Vec<R> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| R::of(scale * rng.gen_range(-1.0..1.0))).collect()
}

/// dJ/dz0 and dJ/dtheta of J = |z1|^2 / 2.
pub fn gradient<F: DifferentiableField<Vector = Vec<R>>, R: Real>(
    method: Method,
    block: &Block<F>,
    z0: &Vec<R>,
    theta: &Vec<R>,
    ledger: &Ledger,
) -> (Vec<R>, Vec<R>) {
    let forward = method.forward(block, z0, theta, ledger).unwrap();
    let cotangent = forward.end().clone();
    let mut theta_bar = vec![R::zero(); theta.len()];
    let z_bar = forward.backward(block, theta, &cotangent, &mut theta_bar, ledger).unwrap();
    assert_eq!(ledger.cost().live_bytes, 0, "{method}: everything that was kept is freed");
    (z_bar, theta_bar)
}

/// z1 as the forward sweep of `method` finds it.
pub fn end<F: DifferentiableField>(method: Method, block: &Block<F>, z0: &F::Vector, theta: &F::Vector) -> F::Vector
where
    F::Vector: Clone,
{
    method.forward(block, z0, theta, &Ledger::new()).unwrap().end().clone()
}

/// Fourth-order central differences of J = |z1|^2 / 2 for z0 and theta, z1 being what `solve` finds.
pub fn finite_differences(z0: &[f64], theta: &[f64], solve: impl Fn(&Vec<f64>, &Vec<f64>) -> Vec<f64>) -> Vec<f64> {
    let loss = |x: &[f64]| {
        let (z0, theta) = x.split_at(z0.len());
        solve(&z0.to_vec(), &theta.to_vec()).iter().map(|z| z * z).sum::<f64>() / 2.0
    };
    let x: Vec<f64> = z0.iter().chain(theta).copied().collect();
    (0..x.len())
        .map(|i| {
            let at = |d: f64| {
                let mut moved = x.clone();
                moved[i] += d;
                loss(&moved)
            };
            let d = 1e-3;
            (8.0 * (at(d) - at(-d)) - (at(2.0 * d) - at(-2.0 * d))) / (12.0 * d)
        })
        .collect()
}

/// Slope of a least-squares line through the logarithms.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let (mx, my) = (logs.iter().map(|p| p.0).sum::<f64>() / n, logs.iter().map(|p| p.1).sum::<f64>() / n);
    logs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum::<f64>() / logs.iter().map(|p| (p.0 - mx).powi(2)).sum::<f64>()
}
