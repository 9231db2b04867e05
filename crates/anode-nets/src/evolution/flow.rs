//! The exact solution of the linear PDE: multiplication by exp(t (-d|k|^2 + i u.k + r)) in frequency space.
//!
//! A multiplier is a periodic convolution with its inverse transform g, so nothing complex is stored: g is summed
//! mode by mode, once for each set of coefficients, and convolved with every kernel that the set rules.

use std::sync::Arc;

use crate::ode::{FieldError, Real, expect_len};

use super::field::Group;
use super::modes::{Mode, modes};
use super::{Border, Coefficients, EvolutionError, Sigma, Symbol, WeightField};

/// w(t) from w(0), exactly, for sigma = identity and periodic kernels.
pub struct ExactFlow<R> {
    field: Arc<WeightField<R>>,
    modes: Vec<Vec<Mode>>,
}

impl<R: Real> ExactFlow<R> {
    /// The flow of a weight field.
    ///
    /// # Errors
    /// A law that the multiplier does not solve: sigma not the identity, or walls.
    pub fn new(field: Arc<WeightField<R>>, symbol: Symbol) -> Result<Self, EvolutionError> {
        let law = field.law();
        if law.sigma != Sigma::Identity || law.border != Border::Periodic {
            return Err(EvolutionError::Choice(format!(
                "the Fourier multiplier solves sigma = identity with periodic kernels, not {:?} with {:?}; \
                 step finite differences, or change the law",
                law.sigma, law.border
            )));
        }
        let modes = field.pieces().map(|piece| modes(piece.grid, law.border, symbol)).collect();
        Ok(Self { field, modes })
    }

    /// The weight field that this solves.
    pub fn field(&self) -> &WeightField<R> {
        &self.field
    }

    /// w(t).
    ///
    /// # Errors
    /// Vectors of the wrong length.
    pub fn at(&self, t: f64, w0: &[R], p: &[R]) -> Result<Vec<R>, FieldError> {
        expect_len("weights", w0.len(), self.field.weights())?;
        let mut w = w0.to_vec();
        for group in self.groups(p)? {
            let ([g, ..], grid) = (self.kernels(t, &group), self.grid(&group));
            let g: Vec<R> = g.into_iter().map(R::of).collect();
            let range = group.range.clone();
            let pairs = w0[range.clone()].chunks_exact(g.len()).zip(w[range].chunks_exact_mut(g.len()));
            for (w0, w) in pairs {
                w.fill(R::zero());
                each_pair(grid, |to, from, shift| w[to] = w[to] + g[shift] * w0[from]);
            }
        }
        Ok(w)
    }

    /// For a cotangent of w(t): adds those of w(0) and p.
    ///
    /// # Errors
    /// Vectors of the wrong length.
    pub fn vjp(
        &self,
        t: f64,
        (w0, p): (&[R], &[R]),
        cotangent: &[R],
        w_bar: &mut [R],
        p_bar: &mut [R],
    ) -> Result<(), FieldError> {
        expect_len("weights", w0.len(), self.field.weights())?;
        expect_len("cotangent", cotangent.len(), self.field.weights())?;
        expect_len("weight gradient", w_bar.len(), self.field.weights())?;
        expect_len("gradient for the evolution parameters", p_bar.len(), self.field.parameters())?;
        let mut constant = vec![true; w0.len()];
        for group in self.groups(p)? {
            let (kernels, grid, range) = (self.kernels(t, &group), self.grid(&group), group.range.clone());
            constant[range.clone()].fill(false);
            let g: Vec<R> = kernels[0].iter().copied().map(R::of).collect();
            let mut g_bar = vec![0.0; g.len()];
            let pairs = w0[range.clone()].chunks_exact(g.len()).zip(w_bar[range.clone()].chunks_exact_mut(g.len()));
            for ((w0, w_bar), c) in pairs.zip(cotangent[range].chunks_exact(g.len())) {
                each_pair(grid, |to, from, shift| {
                    w_bar[from] = w_bar[from] + g[shift] * c[to];
                    g_bar[shift] += c[to].f64() * w0[from].f64();
                });
            }
            let dot = |dg: &[f64]| dg.iter().zip(&g_bar).map(|(a, b)| a * b).sum();
            let [_, d, x, y] = &kernels;
            let reaction = t * dot(&kernels[0]);
            self.field.add_coefficients(&group, &[dot(d), dot(x), dot(y), reaction], p_bar);
        }
        let rest = w_bar.iter_mut().zip(cotangent).zip(&constant).filter(|(_, constant)| **constant);
        rest.for_each(|((w, &c), _)| *w = *w + c);
        Ok(())
    }

    /// The sets of coefficients; none where q = 0, so that the weights are copied bit for bit.
    fn groups(&self, p: &[R]) -> Result<Vec<Group>, FieldError> {
        let groups = self.field.coefficients(p)?;
        Ok(if self.field.is_constant() { vec![] } else { groups })
    }

    fn grid(&self, group: &Group) -> [usize; 2] {
        self.field.pieces().nth(group.piece).map_or([0, 0], |piece| piece.grid)
    }

    /// g, the inverse transform of the multiplier at time `t`, and its derivatives by d, u_x and u_y. That by r is t g.
    fn kernels(&self, t: f64, group: &Group) -> [Vec<f64>; 4] {
        let [height, width] = self.grid(group);
        let n = height * width;
        let mut sums = [vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]];
        for mode in &self.modes[group.piece] {
            let (real, imaginary) = mode.rate(&group.values);
            let size = (t * real).exp() / n as f64;
            for y in 0..height {
                for x in 0..width {
                    let phase = t * imaginary + mode.k[0] * y as f64 + mode.k[1] * x as f64;
                    let (sin, cos) = phase.sin_cos();
                    let parts: Coefficients = [cos, t * mode.laplacian * cos, -t * mode.x * sin, -t * mode.y * sin];
                    sums.iter_mut().zip(parts).for_each(|(sum, part)| sum[y * width + x] += size * part);
                }
            }
        }
        // No evolution is the identity to the last bit, not to rounding.
        if t == 0.0 || group.values == [0.0; 4] {
            sums[0].iter_mut().enumerate().for_each(|(i, g)| *g = f64::from(u8::from(i == 0)));
        }
        sums
    }
}

/// Every pair of points of a periodic grid with the place of their difference.
fn each_pair([height, width]: [usize; 2], mut with: impl FnMut(usize, usize, usize)) {
    for (ty, tx) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        for (fy, fx) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let shift = (ty + height - fy) % height * width + (tx + width - fx) % width;
            with(ty * width + tx, fy * width + fx, shift);
        }
    }
}
