//! The gradient of a coupled block in one call.

use crate::gradient::{Cost, Ledger, Method};
use crate::kernels::Device;
use crate::ode::{DifferentiableField, Real, Vector};

use super::{CoupledBlock, EvolutionError};

/// The gradient of a loss J of z(1) through a [`CoupledBlock`], with what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct CoupledGradient<Z, R> {
    /// z(1), on the block's device.
    pub end: Z,
    /// dJ/dz(0), with the shape of z(0), on the block's device.
    pub z0: Z,
    /// dJ/dw(0), then dJ/dp: [`CoupledBlock::parameter_count`] numbers in host memory.
    pub parameters: Vec<R>,
    /// Evaluations, vjps, steps and bytes.
    pub cost: Cost,
}

impl<R: Real, D: Device, F: DifferentiableField<Vector = D::Buffer<R>>> CoupledBlock<F, R, D> {
    /// Computes z(1) and the gradient of a loss J of z(1) in one call, as [`Method::gradient`] does for a block whose
    /// weights do not evolve. `parameters` are w(0), then p, as many as [`Self::parameter_count`]; `cotangent` returns
    /// dJ/dz(1) for z(1), both with the shape of `z0`.
    ///
    /// This is [`Self::forward`] and [`CoupledTrajectory::backward`](super::CoupledTrajectory::backward), so the
    /// results are bit-identical to theirs. Call those two to add to an existing gradient, to count several blocks in
    /// one ledger, or if other work lies between the sweeps, as in a network.
    ///
    /// The block is the coupled formulation of ANODEV2 (Zhang et al. 2019, arXiv 1906.04596): dz/dt = f(t, z, theta),
    /// dw/dt = q(w; p), theta(t) = integral of K(t - tau) w(tau) dtau. An exact method returns the gradient of the
    /// discrete coupled steps. A continuous adjoint integrates the optimality system. For theta = w it is
    /// -da/dt = (df/dz)^T a, a(1) = dJ/dz(1), and -db/dt = (dq/dw)^T b + (df/dtheta)^T a, b(1) = 0, with
    /// dJ/dz(0) = a(0), dJ/dw(0) = b(0) and dJ/dp = integral of (dq/dp)^T b dt. Both are derived, as the paper's full
    /// text was not available; `docs/evolution.md`, section "Adjoints", has them for every K.
    ///
    /// On a device that computes asynchronously, results are valid after [`Device::synchronize`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use anode_core::gradient::Method;
    /// use anode_nets::evolution::{CoupledBlock, Coupling, Law, Piece, Terms, WeightField};
    /// use anode_nets::problems::ConvField;
    ///
    /// // A 3 x 3 convolution whose kernel diffuses while it acts. J = |z(1)|^2 / 2, so dJ/dz(1) = z(1).
    /// let f = Arc::new(ConvField::<f64>::new([1, 5, 5], 3, anode_kernels::Activation::Tanh));
    /// let piece = Piece { range: 0..9, grid: [3, 3], groups: 1 };
    /// let weights = Arc::new(WeightField::new(Law::new(Terms::Diffusion), 9, vec![piece]).unwrap());
    /// let heun = anode_core::ode::solver("heun").unwrap();
    /// let block = CoupledBlock::new(f, weights, heun, Coupling::together(4)).unwrap();
    /// let z0: Vec<f64> = (0..25).map(|i| f64::from(i).sin()).collect();
    /// let mut parameters: Vec<f64> = (0..9).map(|i| 0.3 * f64::from(i).cos()).collect(); // w(0)
    /// parameters.push(0.2); // p: the unknown of the diffusion
    /// let found = block.gradient(Method::Anode, &z0, &parameters, |z1| z1.clone()).unwrap();
    ///
    /// let loss = |i: usize, by: f64| {
    ///     let mut moved = parameters.clone();
    ///     moved[i] += by;
    ///     let z1 = block.solve(Method::Anode, &z0, &moved).unwrap();
    ///     z1.iter().map(|z| z * z).sum::<f64>() / 2.0
    /// };
    /// for (i, slope) in found.parameters.iter().enumerate() {
    ///     let difference = (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
    ///     assert!((slope - difference).abs() < 1e-6, "parameter {i}: {slope} and {difference}");
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Self::forward`], and a cotangent that does not have the shape of z(1).
    pub fn gradient(
        &self,
        method: Method,
        z0: &D::Buffer<R>,
        parameters: &[R],
        cotangent: impl FnOnce(&D::Buffer<R>) -> D::Buffer<R>,
    ) -> Result<CoupledGradient<D::Buffer<R>, R>, EvolutionError> {
        let ledger = Ledger::new();
        let forward = self.forward(method, z0, parameters, &ledger)?;
        let end = forward.end().duplicate();
        let mut bar = vec![R::zero(); parameters.len()];
        let z0_bar = forward.backward(self, parameters, &cotangent(&end), &mut bar, &ledger)?;
        Ok(CoupledGradient { end, z0: z0_bar, parameters: bar, cost: ledger.cost() })
    }
}
