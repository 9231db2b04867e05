//! Every path of a convolution on small images, against plain sums in double precision. Miri runs the fastest of these
//! tests.

use std::borrow::Cow;

use anode_core::ode::Real;
use anode_kernels::{
    ConvBars, ConvShape, Cotangent, Images, Moments, Norm, conv, conv_vjp_input, moments, norm_conv, norm_conv_vjp,
};

/// Numbers of both signs that differ by more than rounding.
fn numbers<R: Real>(seed: usize, n: usize) -> Vec<R> {
    (0..n).map(|i| R::of(((i * 37 + seed * 101) % 61) as f64 / 30.0 - 1.0)).collect()
}

/// Calls `visit(place in x, place in w, place in y)` for every product of the convolution of an image.
fn products(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ([inputs, height, width], [outputs, out_height, out_width]) = (shape.input, shape.output());
    let [kernel_height, kernel_width] = shape.kernel;
    for (o, c) in (0..outputs).flat_map(|o| (0..inputs).map(move |c| (o, c))) {
        for (ky, kx) in (0..kernel_height).flat_map(|ky| (0..kernel_width).map(move |kx| (ky, kx))) {
            for (y, x) in (0..out_height).flat_map(|y| (0..out_width).map(move |x| (y, x))) {
                let row = (y * shape.stride + ky).wrapping_sub(shape.padding[0]);
                let column = (x * shape.stride + kx).wrapping_sub(shape.padding[1]);
                if row < height && column < width {
                    let w = ((o * inputs + c) * kernel_height + ky) * kernel_width + kx;
                    visit((c * height + row) * width + column, w, (o * out_height + y) * out_width + x);
                }
            }
        }
    }
}

/// Output, cotangent of the images, cotangent of the weights.
fn plain<R: Real>(shape: &ConvShape, x: &[R], w: &[R], y_bar: &[R]) -> [Vec<f64>; 3] {
    let (input, output) = (shape.input_len(), shape.output_len());
    let (mut y, mut x_bar, mut w_bar) = (vec![0.0; y_bar.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    for n in 0..x.len() / input {
        products(shape, |i, j, k| {
            let (i, k) = (n * input + i, n * output + k);
            y[k] += x[i].f64() * w[j].f64();
            x_bar[i] += y_bar[k].f64() * w[j].f64();
            w_bar[j] += y_bar[k].f64() * x[i].f64();
        });
    }
    [y, x_bar, w_bar]
}

fn close<R: Real>(what: &str, shape: &ConvShape, found: &[R], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what} of {shape:?}");
    let size = expected.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found.f64() - expected).abs() < 1e-5 * size, "{what} of {shape:?} at {i}: {found}, not {expected}");
    }
}

fn check<R: Real>(shape: &ConvShape, n: usize) {
    if cfg!(miri) {
        // Threads that wait for work would take most of Miri's time. A thread belongs to one pool at most, so each
        // check has its own.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let alone = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
                alone.expect("a pool of this thread").install(|| compare::<R>(shape, n));
            });
        });
    } else {
        compare::<R>(shape, n);
    }
}

fn compare<R: Real>(shape: &ConvShape, n: usize) {
    let (x, w): (Vec<R>, Vec<R>) = (numbers(1, n * shape.input_len()), numbers(2, shape.weight_len()));
    let (y_bar, bias): (Vec<R>, Vec<R>) = (numbers(3, n * shape.output_len()), numbers(4, shape.channels));
    let [channels, height, width] = shape.input;
    let m: Moments = moments(&x, channels, height * width, &[]);
    let (weight, shift): (Vec<R>, Vec<R>) = (numbers(5, channels), numbers(6, channels));
    let norm = Norm { pixels: height * width, moments: &m, weight: &weight, bias: &shift, relu: true };
    for norm in [None, Some(norm)] {
        let read = norm.map_or(x.clone(), |norm| norm.applied(&x));
        let [mut y, x_bar, w_bar] = plain(shape, &read, &w, &y_bar);
        let pixels = shape.output_len() / shape.channels;
        y.iter_mut().enumerate().for_each(|(i, y)| *y += bias[i / pixels % shape.channels].f64());

        let images = Images { numbers: &x, norm };
        close("the output", shape, &norm_conv(shape, images, &w, Some(&bias), true).0, &y);
        let (mut weights, cotangent) = (numbers(7, w.len()), Cotangent { numbers: Cow::Borrowed(&y_bar), norm: None });
        let bars = ConvBars { weights: &mut weights, bias: None };
        let (found, _) = norm_conv_vjp(shape, images, &w, cotangent, bars, true);
        close("the cotangent of the images", shape, &found.unwrap_or_default(), &x_bar);
        let added: Vec<f64> = w_bar.iter().zip(numbers::<R>(7, w.len())).map(|(a, b)| a + b.f64()).collect();
        close("the cotangent of the weights", shape, &weights, &added);
        if norm.is_none() {
            let mut found: Vec<R> = numbers(8, y.len());
            conv(shape, &x, &w, Some(&bias), &mut found);
            close("the output over another", shape, &found, &y);
            let mut found: Vec<R> = numbers(9, x.len());
            let added: Vec<f64> = x_bar.iter().zip(&found).map(|(a, b)| a + b.f64()).collect();
            conv_vjp_input(shape, &w, &y_bar, &mut found);
            close("the cotangent added to another", shape, &found, &added);
        }
        if let Some(norm) = norm {
            let (sum, finite) = norm.added(R::of(2.0), &x, &x);
            assert!(finite && sum.iter().zip(&read).zip(&x).all(|((s, y), x)| *s == *x + R::of(2.0) * *y), "{shape:?}");
        }
    }
}

/// Miri runs a thousand times slower, and has registers of 8 numbers at most.
const SLOW: bool = cfg!(miri);

#[test]
fn images_that_stand_alone() {
    let height = if SLOW { 2 } else { 4 };
    check::<f32>(&ConvShape::same([if SLOW { 1 } else { 3 }, height, 16], 5, [3, 3]), 2);
    check::<f32>(&ConvShape::same([17, height, 16], 2, [1, 1]), 1);
}

#[test]
fn images_side_by_side() {
    // More than one register of images, and whole registers of them.
    let (more, whole) = if SLOW { (9, 8) } else { (19, 16) };
    check::<f32>(&ConvShape { stride: 2, ..ConvShape::same([1, 4, 4], 5, [3, 3]) }, more);
    check::<f32>(&ConvShape { stride: 2, ..ConvShape::same([2, 3, 3], 3, [1, 1]) }, whole);
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn unrolled_images() {
    check::<f32>(&ConvShape::same([1, 3, 3], 2, [7, 7]), 2);
    check::<f64>(&ConvShape::same([2, 3, 3], 2, [3, 3]), 2);
    check::<f64>(&ConvShape::same([3, 3, 3], 2, [1, 1]), 2);
}

#[test]
#[cfg_attr(miri, ignore = "64 channels are the fewest of this path: minutes")]
fn tiles_of_winograd() {
    check::<f32>(&ConvShape::same([64, 4, 4], 64, [3, 3]), 1);
}

/// Where the padding is wider than the image, some places of the kernel see no pixel at all.
#[test]
#[cfg_attr(miri, ignore = "hundreds of convolutions")]
fn every_small_size_of_image_kernel_stride_and_padding() {
    let mut checked = 0;
    for (height, width) in (1..5).flat_map(|height| (1..5).map(move |width| (height, width))) {
        for kernel in [[1, 1], [2, 2], [3, 3], [1, 5], [5, 1], [5, 5], [7, 7], [2, 9]] {
            for (stride, padding) in (1..4).flat_map(|stride| [0, 1, 2, 3, 5].map(|padding| (stride, padding))) {
                let shape = ConvShape { input: [2, height, width], channels: 3, kernel, stride, padding: [padding; 2] };
                let fits = height + 2 * padding >= kernel[0] && width + 2 * padding >= kernel[1];
                if fits {
                    check::<f32>(&shape, 2);
                    check::<f64>(&shape, 1);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 1000, "{checked}");
    for (size, kernel) in [([1, 1, 1], [5, 5]), ([1, 2, 2], [7, 7]), ([1, 3, 1], [7, 7])] {
        check::<f32>(&ConvShape::same(size, 1, kernel), 1);
        check::<f64>(&ConvShape::same(size, 1, kernel), 1);
    }
}
