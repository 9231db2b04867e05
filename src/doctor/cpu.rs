//! The CPU's own kernels: vjps against the transposes of the forward sweep, and bits under several numbers of threads.

use crate::kernels::{ConvShape, Cpu, Device, Part, PartMut};
use crate::ode::{Real, Vector};
use crate::random::{Stream, normal, stream};

use super::report::Adjoint;
use super::{Comparison, Shapes, compare};

/// <y_bar, A x> = <A^T y_bar, x> for each vjp of a convolution, in double precision.
pub fn adjoints(shapes: &Shapes) -> Vec<Adjoint> {
    shapes.convolutions.iter().flat_map(|(shape, n)| of_convolution(shape, *n)).collect()
}

fn of_convolution(shape: &ConvShape, n: usize) -> [Adjoint; 2] {
    let draw = |seed, len| -> Vec<f64> { normal(&mut stream(seed, Stream::Data), len, 1.0) };
    let (x, w) = (draw(1, n * shape.input_len()), draw(2, shape.weight_len()));
    let y_bar = draw(3, n * shape.output_len());
    let (mut y, mut x_bar, mut w_bar) = (y_bar.zeros_like(), x.zeros_like(), w.zeros_like());
    let weights = 0..w.len();
    Cpu.conv(shape, &x, Part::new(&w, weights.clone()), None, &mut y);
    Cpu.conv_vjp_input(shape, Part::new(&w, weights.clone()), &y_bar, &mut x_bar);
    Cpu.conv_vjp_weights(shape, &x, &y_bar, PartMut::new(&mut w_bar, weights), false);
    let forward = y.dot(&y_bar);
    let [c, h, width] = shape.input;
    let [kh, kw] = shape.kernel;
    let name = format!("{n} x {c} x {h} x {width} -> {}, {kh} x {kw}, stride {}", shape.channels, shape.stride);
    // Each product is a sum of as many terms as the longer vector has, of terms that are sums themselves.
    let terms = (y.len().max(x.len()) + shape.weight_len()) as f64;
    let one = |kernel, other: f64, sizes: f64| Adjoint {
        kernel,
        shape: name.clone(),
        error: (forward - other).abs() / sizes,
        bound: terms * f64::EPSILON,
    };
    let sizes = y.norm() * y_bar.norm();
    [
        one("conv, vjp of the input", x_bar.dot(&x), sizes + x_bar.norm() * x.norm()),
        one("conv, vjp of the weights", w_bar.dot(&w), sizes + w_bar.norm() * w.norm()),
    ]
}

/// One, two and all threads, and whether every kernel gives the same bits with each.
pub fn threads(shapes: &Shapes) -> (Vec<usize>, bool) {
    let mut counts = vec![1, 2, rayon::current_num_threads()];
    counts.sort_unstable();
    counts.dedup();
    // The error of a kernel against a fixed reference changes with its bits.
    let bits = |count: &usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(*count).build().ok()?;
        let digest = |found: &[Comparison]| found.iter().map(|c| c.error.to_bits()).collect::<Vec<_>>();
        pool.install(|| Some((digest(&compare::<_, f32>(&Cpu, shapes)), outputs::<f32>(), outputs::<f64>())))
    };
    let found: Vec<_> = counts.iter().map(bits).collect();
    let same = found.iter().all(|bits| bits.is_some() && *bits == found[0]);
    (counts, same)
}

/// The numbers of a few long sums, which threads share.
fn outputs<R: Real>() -> Vec<u64> {
    let shape = ConvShape::same([64, 16, 16], 64, [3, 3]);
    let n = 9;
    let draw =
        |seed, len| -> Vec<R> { normal(&mut stream(seed, Stream::Data), len, 1.0).into_iter().map(R::of).collect() };
    let (x, y_bar) = (draw(4, n * shape.input_len()), draw(5, n * shape.output_len()));
    let mut w_bar: Vec<R> = vec![R::zero(); shape.weight_len()];
    let weights = 0..w_bar.len();
    Cpu.conv_vjp_weights(&shape, &x, &y_bar, PartMut::new(&mut w_bar, weights), false);
    let moments = Cpu.moments(&x, &[], [64, 256], None);
    let sums = w_bar.into_iter().map(Real::f64).chain(moments.mean).chain(moments.variance);
    sums.map(f64::to_bits).collect()
}
