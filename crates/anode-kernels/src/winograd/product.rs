//! The products in the transformed domain: a matrix multiplication for each of the 36 points.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::direct::{load, store};
use super::super::simd::dispatch;
use super::transform::POINTS;

/// Matrices of a set: one a point of a tile.
pub(super) const MATRICES: usize = POINTS * POINTS;
/// Registers of a tile of a product, side by side.
pub(super) const REGISTERS: usize = 2;
/// Numbers between the matrices of a set: lines of one place in each do not meet in one place of a cache.
const GAP: usize = 16;

/// 36 matrices of one size, row by row.
pub(super) struct Matrices {
    numbers: Vec<f32>,
    pub rows: usize,
    pub columns: usize,
}

impl Matrices {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { numbers: anode_core::ode::zeros(MATRICES * (rows * columns + GAP)), rows, columns }
    }

    /// Numbers from one matrix to the next.
    pub fn pitch(&self) -> usize {
        self.rows * self.columns + GAP
    }

    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    pub fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }

    /// Rows of one matrix.
    fn rows(&self, matrix: usize, rows: Range<usize>) -> &[f32] {
        &self.numbers[matrix * self.pitch()..][rows.start * self.columns..rows.end * self.columns]
    }

    /// The matrices cut into parts of this many rows: for each part, its rows of every matrix.
    pub fn parts(&mut self, rows: usize) -> Vec<Vec<&mut [f32]>> {
        let (pitch, columns, parts) = (self.pitch(), self.columns, self.rows / rows);
        let mut cut: Vec<Vec<&mut [f32]>> = (0..parts).map(|_| Vec::with_capacity(MATRICES)).collect();
        for matrix in self.numbers.chunks_exact_mut(pitch) {
            for (part, rows) in cut.iter_mut().zip(matrix.chunks_exact_mut(rows * columns)) {
                part.push(rows);
            }
        }
        cut
    }
}

/// m = v u, matrix by matrix: some rows of v `[tiles, inputs]` with u `[inputs, outputs]`, where the outputs fill
/// [`REGISTERS`]. Sums run over the inputs in their order.
pub(super) struct Multiply<'a> {
    pub v: &'a Matrices,
    pub rows: Range<usize>,
    pub u: &'a Matrices,
    pub m: &'a mut Matrices,
}

impl Multiply<'_> {
    pub fn run(self) {
        assert!(self.v.columns == self.u.rows && self.m.columns == self.u.columns, "matrices that do not fit");
        assert!(self.rows.end <= self.v.rows && self.rows.len() <= self.m.rows, "rows that do not fit");
        dispatch(self);
    }
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert_eq!(self.u.columns, REGISTERS * S::F32_LANES, "columns that do not fill the registers");
        match S::REGISTER_COUNT {
            32.. => self.all::<S, 8>(simd),
            16.. => self.all::<S, 4>(simd),
            _ => self.all::<S, 2>(simd),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn all<S: Simd, const M: usize>(&mut self, simd: S) {
        let (depth, columns) = (self.u.rows, self.u.columns);
        let whole = self.rows.len() / M * M;
        for matrix in 0..MATRICES {
            let v = self.v.rows(matrix, self.rows.clone());
            let u = self.u.rows(matrix, 0..depth);
            let pitch = self.m.pitch();
            let m = &mut self.m.numbers[matrix * pitch..];
            for row in (0..whole).step_by(M) {
                let (v, m) = (&v[row * depth..][..M * depth], &mut m[row * columns..][..M * columns]);
                multiply::<S, M>(simd, v, u, m);
            }
            for row in whole..self.rows.len() {
                let (v, m) = (&v[row * depth..][..depth], &mut m[row * columns..][..columns]);
                multiply::<S, 1>(simd, v, u, m);
            }
        }
    }
}

/// M rows of v with all of u.
#[inline(always)]
fn multiply<S: Simd, const M: usize>(simd: S, v: &[f32], u: &[f32], m: &mut [f32]) {
    let (columns, depth) = (REGISTERS * S::F32_LANES, v.len() / M);
    let mut rows = [v; M];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &v[i * depth..][..depth];
    }
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; M];
    for (d, u) in u.chunks_exact(columns).take(depth).enumerate() {
        let mut factors = [simd.splat_f32s(0.0); REGISTERS];
        for (r, factor) in factors.iter_mut().enumerate() {
            // SAFETY: `u` has as many numbers as the registers hold.
            *factor = unsafe { load::<S>(u, r * S::F32_LANES) };
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = simd.splat_f32s(row[d]);
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = simd.mul_add_e_f32s(x, factor, *sum);
            }
        }
    }
    for (sums, m) in sums.into_iter().zip(m.chunks_exact_mut(columns)) {
        for (r, sum) in sums.into_iter().enumerate() {
            // SAFETY: a row of `m` has as many numbers as the registers hold.
            unsafe { store::<S>(m, r * S::F32_LANES, sum) };
        }
    }
}

/// u = y^T v, matrix by matrix, over the first `tiles` rows: some columns of y `[tiles, outputs]` with all of v
/// `[tiles, inputs]`. Sums run over the tiles in their order.
pub(super) struct Correlate<'a> {
    pub y: &'a Matrices,
    pub columns: Range<usize>,
    pub v: &'a Matrices,
    pub tiles: usize,
    pub u: &'a mut Matrices,
}

impl Correlate<'_> {
    pub fn run(self) {
        assert!(self.tiles <= self.y.rows && self.tiles <= self.v.rows, "rows that do not fit");
        assert_eq!(self.u.columns, self.v.columns, "matrices that do not fit");
        assert!(self.columns.end <= self.y.columns && self.columns.len() <= self.u.rows, "columns that do not fit");
        dispatch(self);
    }
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        assert!(self.v.columns.is_multiple_of(REGISTERS * S::F32_LANES), "columns that do not fill the registers");
        match S::REGISTER_COUNT {
            32.. => self.all::<S, 8>(simd),
            16.. => self.all::<S, 4>(simd),
            _ => self.all::<S, 2>(simd),
        }
    }
}

impl Correlate<'_> {
    #[inline(always)]
    fn all<S: Simd, const M: usize>(&mut self, simd: S) {
        let (tiles, inputs) = (self.tiles, self.v.columns);
        assert!(self.columns.len().is_multiple_of(M), "columns that do not fill the tiles");
        for matrix in 0..MATRICES {
            let y = self.y.rows(matrix, 0..tiles);
            let v = self.v.rows(matrix, 0..tiles);
            let pitch = self.u.pitch();
            let u = &mut self.u.numbers[matrix * pitch..][..self.columns.len() * inputs];
            for input in (0..inputs).step_by(REGISTERS * S::F32_LANES) {
                for (output, u) in self.columns.clone().step_by(M).zip(u.chunks_exact_mut(M * inputs)) {
                    correlate::<S, M>(simd, (y, self.y.columns, output), (v, input), (u, inputs));
                }
            }
        }
    }
}

/// M rows of u, [`REGISTERS`] wide.
#[inline(always)]
fn correlate<S: Simd, const M: usize>(
    simd: S,
    (y, outputs, output): (&[f32], usize, usize),
    (v, input): (&[f32], usize),
    (u, inputs): (&mut [f32], usize),
) {
    let columns = REGISTERS * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); REGISTERS]; M];
    for (y, v) in y.chunks_exact(outputs).zip(v.chunks_exact(inputs)) {
        let (y, v) = (&y[output..][..M], &v[input..][..columns]);
        let mut factors = [simd.splat_f32s(0.0); REGISTERS];
        for (r, factor) in factors.iter_mut().enumerate() {
            // SAFETY: `v` has as many numbers as the registers hold.
            *factor = unsafe { load::<S>(v, r * S::F32_LANES) };
        }
        for (sums, &y) in sums.iter_mut().zip(y) {
            let y = simd.splat_f32s(y);
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = simd.mul_add_e_f32s(y, factor, *sum);
            }
        }
    }
    for (sums, u) in sums.into_iter().zip(u.chunks_exact_mut(inputs)) {
        let u = &mut u[input..][..columns];
        for (r, sum) in sums.into_iter().enumerate() {
            // SAFETY: `u` has as many numbers as the registers hold.
            unsafe { store::<S>(u, r * S::F32_LANES, sum) };
        }
    }
}
