//! The transforms of F(4x4, 3x3), lane by lane.
//!
//! With the matrices A, B and G of Lavin & Gray (2015), y = A^T [(G w G^T) * (B^T x B)] A. The interpolation points are
//! 0, +-1/sqrt 2, +-sqrt 2 and infinity: they cost as much as the usual 0, +-1, +-2 and round off half as much.

use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

use pulp::Simd;

/// Numbers of a line of an input tile, and of a transformed one.
pub(super) const POINTS: usize = 6;
/// Numbers of a line of an output tile.
pub(super) const OUT: usize = 4;
/// Taps of a line of the kernel.
pub(super) const TAPS: usize = 3;

/// The points besides 0 and infinity are +-P and +-Q.
const P: f32 = FRAC_1_SQRT_2;
const Q: f32 = SQRT_2;
/// 1 / N'(P) and 1 / N'(Q) of N(s) = s (s^2 - P^2) (s^2 - Q^2), the scales of G's lines.
const SCALE_P: f32 = -2.0 / 3.0;
const SCALE_Q: f32 = 1.0 / 6.0;

/// A transform of the columns of a tile, then of its lines.
#[inline(always)]
pub(super) fn both_ways<V: Copy, const I: usize, const O: usize>(
    tile: [[V; I]; I],
    line: impl Fn([V; I]) -> [V; O],
) -> [[V; O]; O] {
    let mut half = [[tile[0][0]; I]; O];
    for j in 0..I {
        let mut column = tile[0];
        for (to, row) in column.iter_mut().zip(&tile) {
            *to = row[j];
        }
        for (half, point) in half.iter_mut().zip(line(column)) {
            half[j] = point;
        }
    }
    let mut whole = [[tile[0][0]; O]; O];
    for (whole, half) in whole.iter_mut().zip(half) {
        *whole = line(half);
    }
    whole
}

/// a x + b.
#[inline(always)]
fn plus<S: Simd>(simd: S, a: f32, x: S::f32s, b: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(simd.splat_f32s(a), x, b)
}

/// a x.
#[inline(always)]
fn times<S: Simd>(simd: S, a: f32, x: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(a), x)
}

/// B^T d.
#[inline(always)]
pub(super) fn data<S: Simd>(simd: S, d: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
    let (even_p, odd_p) = (plus(simd, -Q * Q, d[2], d[4]), plus(simd, -Q * Q, d[1], d[3]));
    let (even_q, odd_q) = (plus(simd, -P * P, d[2], d[4]), plus(simd, -P * P, d[1], d[3]));
    [
        simd.add_f32s(d[0], plus(simd, -2.5, d[2], d[4])),
        plus(simd, P, odd_p, even_p),
        plus(simd, -P, odd_p, even_p),
        plus(simd, Q, odd_q, even_q),
        plus(simd, -Q, odd_q, even_q),
        simd.add_f32s(d[1], plus(simd, -2.5, d[3], d[5])),
    ]
}

/// G w.
#[inline(always)]
pub(super) fn filter<S: Simd>(simd: S, w: [S::f32s; TAPS]) -> [S::f32s; POINTS] {
    let even_p = times(simd, SCALE_P, plus(simd, P * P, w[2], w[0]));
    let even_q = times(simd, SCALE_Q, plus(simd, Q * Q, w[2], w[0]));
    [
        w[0],
        plus(simd, SCALE_P * P, w[1], even_p),
        plus(simd, -SCALE_P * P, w[1], even_p),
        plus(simd, SCALE_Q * Q, w[1], even_q),
        plus(simd, -SCALE_Q * Q, w[1], even_q),
        w[2],
    ]
}

/// G^T u.
#[inline(always)]
pub(super) fn filter_transposed<S: Simd>(simd: S, u: [S::f32s; POINTS]) -> [S::f32s; TAPS] {
    let (even_p, odd_p) = (simd.add_f32s(u[1], u[2]), simd.sub_f32s(u[1], u[2]));
    let (even_q, odd_q) = (simd.add_f32s(u[3], u[4]), simd.sub_f32s(u[3], u[4]));
    [
        plus(simd, SCALE_P, even_p, plus(simd, SCALE_Q, even_q, u[0])),
        plus(simd, SCALE_P * P, odd_p, times(simd, SCALE_Q * Q, odd_q)),
        plus(simd, SCALE_P * P * P, even_p, plus(simd, SCALE_Q * Q * Q, even_q, u[5])),
    ]
}

/// A^T m.
#[inline(always)]
pub(super) fn output<S: Simd>(simd: S, m: [S::f32s; POINTS]) -> [S::f32s; OUT] {
    let (even_p, odd_p) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (even_q, odd_q) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(even_p, even_q)),
        plus(simd, P, odd_p, times(simd, Q, odd_q)),
        plus(simd, P * P, even_p, times(simd, Q * Q, even_q)),
        plus(simd, P * P * P, odd_p, plus(simd, Q * Q * Q, odd_q, m[5])),
    ]
}

/// A y.
#[inline(always)]
pub(super) fn output_transposed<S: Simd>(simd: S, y: [S::f32s; OUT]) -> [S::f32s; POINTS] {
    let (even_p, odd_p) = (plus(simd, P * P, y[2], y[0]), plus(simd, P * P, y[3], y[1]));
    let (even_q, odd_q) = (plus(simd, Q * Q, y[2], y[0]), plus(simd, Q * Q, y[3], y[1]));
    [
        y[0],
        plus(simd, P, odd_p, even_p),
        plus(simd, -P, odd_p, even_p),
        plus(simd, Q, odd_q, even_q),
        plus(simd, -Q, odd_q, even_q),
        y[3],
    ]
}
