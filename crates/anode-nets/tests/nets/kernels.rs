//! Kernels and networks against finite differences, and against themselves on other numbers of threads.

use std::borrow::Cow;

use anode_core::ode::{Real, relative_distance};
use anode_kernels::{
    Activation, ConvBars, ConvShape, Cotangent, Images, Norm, PoolShape, average_pool, average_pool_vjp, channel_sums,
    conv, conv_vjp_input, conv_vjp_weights, linear, linear_vjp, max_pool, max_pool_vjp, moments, norm_conv,
    norm_conv_vjp,
};
use anode_nets::random::{Stream, normal, stream};

pub fn numbers(seed: u64, n: usize) -> Vec<f64> {
    normal(&mut stream(seed, Stream::Data), n, 1.0)
}

/// Fourth-order central differences of sum(weights * f(x)) over all of x.
fn differences(x: &[f64], weights: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let value = |x: &[f64]| f(x).iter().zip(weights).map(|(y, w)| y * w).sum::<f64>();
    (0..x.len())
        .map(|i| {
            let at = |d: f64| {
                let mut moved = x.to_vec();
                moved[i] += d;
                value(&moved)
            };
            let d = 1e-3;
            (8.0 * (at(d) - at(-d)) - (at(2.0 * d) - at(-2.0 * d))) / (12.0 * d)
        })
        .collect()
}

fn agree(what: &str, found: &Vec<f64>, expected: &Vec<f64>) {
    let error = relative_distance(found, expected);
    assert!(error < 1e-7, "{what}: {error:e}");
}

fn shapes() -> Vec<ConvShape> {
    let mut shapes = vec![];
    for kernel in [[1, 1], [3, 3], [5, 5], [1, 3], [3, 1]] {
        for stride in [1, 2] {
            for padding in [[kernel[0] / 2, kernel[1] / 2], [0, 0]] {
                shapes.push(ConvShape { input: [3, 6, 7], channels: 4, kernel, stride, padding });
            }
        }
    }
    shapes
}

/// Single precision has a path of its own for lines that fill vector registers; both types must compute the same thing.
#[test]
fn single_precision_convolutions_agree_with_double_precision() {
    let same = |channels: usize, out: usize, size: [usize; 2], kernel: [usize; 2]| {
        ConvShape::same([channels, size[0], size[1]], out, kernel)
    };
    let mut shapes = vec![
        ConvShape { input: [3, 18, 18], channels: 4, kernel: [3, 3], stride: 1, padding: [0, 0] },
        ConvShape { input: [2, 16, 30], channels: 5, kernel: [3, 3], stride: 1, padding: [2, 2] },
        ConvShape { input: [4, 32, 32], channels: 4, kernel: [3, 3], stride: 2, padding: [1, 1] },
    ];
    for kernel in [[3, 3], [1, 3], [3, 1], [5, 5], [1, 1]] {
        shapes.extend([same(3, 16, [32, 32], kernel), same(8, 6, [16, 16], kernel), same(5, 9, [8, 32], kernel)]);
        shapes.extend([same(37, 9, [8, 8], kernel), same(5, 6, [4, 4], kernel), same(5, 6, [3, 7], kernel)]);
        shapes.push(ConvShape { stride: 2, ..same(6, 7, [16, 8], kernel) });
    }
    for (i, shape) in shapes.into_iter().enumerate() {
        let n = [11, 19, 32][i % 3];
        let double = |seed, len| numbers(seed, len);
        let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let round = |x: Vec<f64>| x.into_iter().map(|x| f64::from(x as f32)).collect::<Vec<_>>();
        let x = round(double(1, n * shape.input_len()));
        let w = round(double(2, shape.weight_len()));
        let c = round(double(3, n * shape.output_len()));
        let bias = vec![0.5; shape.channels];
        let close = |what: &str, found: &[f32], expected: &Vec<f64>| {
            let found: Vec<f64> = found.iter().map(|&x| x.into()).collect();
            let error = relative_distance(&found, expected);
            assert!(error < 1e-6, "{what} of {shape:?}: {error:e}");
        };
        let (mut y, mut y32) = (vec![0.0; c.len()], vec![0.0; c.len()]);
        conv(&shape, &x, &w, Some(&bias), &mut y);
        conv(&shape, &single(&x), &single(&w), Some(&single(&bias)), &mut y32);
        close("output", &y32, &y);
        let (mut x_bar, mut x_bar32) = (vec![1.0; x.len()], vec![1.0; x.len()]);
        conv_vjp_input(&shape, &w, &c, &mut x_bar);
        conv_vjp_input(&shape, &single(&w), &single(&c), &mut x_bar32);
        close("input vjp", &x_bar32, &x_bar);
        let (mut w_bar, mut w_bar32) = (vec![1.0; w.len()], vec![1.0; w.len()]);
        conv_vjp_weights(&shape, &x, &c, &mut w_bar, None);
        conv_vjp_weights(&shape, &single(&x), &single(&c), &mut w_bar32, None);
        close("weight vjp", &w_bar32, &w_bar);
    }
}

#[test]
fn convolution_agrees_with_its_definition() {
    for shape in shapes() {
        let [channels, height, width] = shape.input;
        let [out, out_height, out_width] = shape.output();
        let (x, w) = (numbers(1, 2 * shape.input_len()), numbers(2, shape.weight_len()));
        let mut y = vec![0.0; 2 * shape.output_len()];
        conv(&shape, &x, &w, Some(&[1.0, 2.0, 3.0, 4.0]), &mut y);
        for n in 0..2 {
            for o in 0..out {
                for i in 0..out_height {
                    for j in 0..out_width {
                        let mut sum = (o + 1) as f64;
                        for c in 0..channels {
                            for ky in 0..shape.kernel[0] {
                                for kx in 0..shape.kernel[1] {
                                    let row = (i * shape.stride + ky).checked_sub(shape.padding[0]);
                                    let column = (j * shape.stride + kx).checked_sub(shape.padding[1]);
                                    if let (Some(r), Some(k)) =
                                        (row.filter(|&r| r < height), column.filter(|&k| k < width))
                                    {
                                        let weight =
                                            w[((o * channels + c) * shape.kernel[0] + ky) * shape.kernel[1] + kx];
                                        sum += weight * x[((n * channels + c) * height + r) * width + k];
                                    }
                                }
                            }
                        }
                        let found = y[((n * out + o) * out_height + i) * out_width + j];
                        assert!((found - sum).abs() < 1e-12, "{shape:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn convolution_vjps_agree_with_finite_differences() {
    for shape in shapes() {
        let n = 3;
        let (x, w) = (numbers(3, n * shape.input_len()), numbers(4, shape.weight_len()));
        let bias = numbers(5, shape.channels);
        let y_bar = numbers(6, n * shape.output_len());
        let run = |x: &[f64], w: &[f64], bias: &[f64]| {
            let mut y = vec![0.0; n * shape.output_len()];
            conv(&shape, x, w, Some(bias), &mut y);
            y
        };
        let mut x_bar = vec![0.0; x.len()];
        conv_vjp_input(&shape, &w, &y_bar, &mut x_bar);
        agree("input", &x_bar, &differences(&x, &y_bar, |x| run(x, &w, &bias)));
        let (mut w_bar, mut bias_bar) = (vec![0.0; w.len()], vec![0.0; bias.len()]);
        conv_vjp_weights(&shape, &x, &y_bar, &mut w_bar, Some(&mut bias_bar));
        agree("weights", &w_bar, &differences(&w, &y_bar, |w| run(&x, w, &bias)));
        agree("bias", &bias_bar, &differences(&bias, &y_bar, |b| run(&x, &w, b)));
    }
}

#[test]
fn batch_norm_with_relu_agrees_with_finite_differences() {
    let (n, channels, pixels) = (4, 3, 10);
    // Shifted so that few numbers stand near ReLU's kink, where differences say nothing.
    let x = numbers(7, n * channels * pixels);
    let (weight, bias) = (vec![1.3, 0.7, 1.1], vec![4.0, 5.0, -6.0]);
    let y_bar = numbers(8, x.len());
    for relu in [true, false] {
        let run = |x: &[f64], weight: &[f64], bias: &[f64]| {
            let (mut y, mut same) = (vec![0.0; x.len()], x.to_vec());
            let moments = moments(x, channels, pixels, &[]);
            let norm = Norm { pixels, moments: &moments, weight, bias, relu };
            norm.apply(x, &mut y);
            norm.apply_in_place(&mut same);
            assert_eq!(y, same);
            y
        };
        let mut bars = (vec![0.0; x.len()], vec![0.0; 3], vec![0.0; 3]);
        let moments = moments(&x, channels, pixels, &[]);
        let norm = Norm { pixels, moments: &moments, weight: &weight, bias: &bias, relu };
        let mut in_place = y_bar.clone();
        let vjp = norm.vjp(&x, &y_bar, &[], &mut bars.1, &mut bars.2);
        vjp.apply(&y_bar, &mut bars.0);
        vjp.apply_in_place(&mut in_place);
        assert_eq!(bars.0, in_place);
        agree("x", &bars.0, &differences(&x, &y_bar, |x| run(x, &weight, &bias)));
        agree("weight", &bars.1, &differences(&weight, &y_bar, |w| run(&x, w, &bias)));
        agree("bias", &bars.2, &differences(&bias, &y_bar, |b| run(&x, &weight, b)));
        let cut = run(&x, &weight, &bias)[2 * pixels..3 * pixels].iter().all(|&y| y == 0.0);
        assert_eq!(cut, relu, "only ReLU cuts the third channel");
    }
}

/// A convolution with a batch norm before and behind it, as one call each way and as one layer after the other.
fn fused_equals_layers<R: Real>(shape: &ConvShape, n: usize, (before, behind): (bool, bool), with_bias: bool) {
    let random = |seed, len| numbers(seed, len).into_iter().map(|x| R::of(f64::from(x as f32))).collect::<Vec<_>>();
    let (x, w, y_bar) =
        (random(1, n * shape.input_len()), random(2, shape.weight_len()), random(3, n * shape.output_len()));
    let bias = with_bias.then(|| random(4, shape.channels));
    let pixels = |[_, height, width]: [usize; 3]| height * width;
    let moments_of = |x: &[R], [channels, height, width]: [usize; 3]| moments(x, channels, height * width, &[]);
    let (m, weight, shift) = (moments_of(&x, shape.input), random(5, shape.input[0]), random(6, shape.input[0]));
    let norm = Norm { pixels: pixels(shape.input), moments: &m, weight: &weight, bias: &shift, relu: true };
    let norm = before.then_some(norm);
    let zeros = |n: usize| vec![R::zero(); n];

    let mut read = x.clone();
    if let Some(norm) = norm {
        norm.apply(&x, &mut read);
    }
    let mut y = zeros(y_bar.len());
    conv(shape, &read, &w, bias.as_deref(), &mut y);
    let (fused, sums) = norm_conv(shape, Images { numbers: &x, norm }, &w, bias.as_deref(), true);
    assert!(fused == y, "{shape:?}");
    let m = moments_of(&y, shape.output());
    assert_eq!(moments(&y, shape.channels, pixels(shape.output()), &sums), m, "{shape:?}");

    let (weight, shift) = (random(7, shape.channels), random(8, shape.channels));
    let next = Norm { pixels: pixels(shape.output()), moments: &m, weight: &weight, bias: &shift, relu: true };
    let next = behind.then(|| next.vjp(&y, &y_bar, &[], &mut zeros(shape.channels), &mut zeros(shape.channels)));
    let (mut through, mut x_bar) = (y_bar.clone(), zeros(x.len()));
    if let Some(next) = &next {
        next.apply_in_place(&mut through);
    }
    let mut bars = (random(9, w.len()), bias.clone());
    conv_vjp_weights(shape, &read, &through, &mut bars.0, bars.1.as_deref_mut());
    conv_vjp_input(shape, &w, &through, &mut x_bar);
    for wanted in [true, false] {
        let mut found = (random(9, w.len()), bias.clone());
        let (weights, bias) = (&mut found.0[..], found.1.as_deref_mut());
        let cotangent = Cotangent { numbers: Cow::Borrowed(&y_bar), norm: next.clone() };
        let into = ConvBars { weights, bias };
        let (images, sums) = norm_conv_vjp(shape, Images { numbers: &x, norm }, &w, cotangent, into, wanted);
        assert!(found == bars && images.as_ref() == wanted.then_some(&x_bar), "{shape:?}, n = {n}");
        let Some((norm, images)) = norm.zip(images) else { continue };
        let sum = |sums: &[(f64, f64)]| {
            let mut bars = (zeros(shape.input[0]), zeros(shape.input[0]), images.clone());
            norm.vjp(&x, &images, sums, &mut bars.0, &mut bars.1).apply_in_place(&mut bars.2);
            bars
        };
        assert!(sum(&sums) == sum(&[]), "{shape:?}, n = {n}");
    }
}

#[test]
fn a_convolution_fused_with_its_norms_has_the_bits_of_one_layer_after_the_other() {
    let same = |channels: usize, out: usize, side: usize, kernel: [usize; 2]| {
        ConvShape::same([channels, side, side], out, kernel)
    };
    let mut shapes = vec![same(3, 16, 32, [3, 3]), same(17, 5, 16, [3, 3]), same(4, 4, 8, [3, 3])];
    shapes.extend([same(16, 8, 32, [1, 1]), same(6, 9, 16, [1, 3]), same(5, 6, 16, [3, 1]), same(65, 4, 16, [1, 1])]);
    shapes.extend([same(70, 3, 16, [3, 3]), ConvShape { stride: 2, ..same(6, 7, 16, [3, 3]) }, same(2, 3, 5, [3, 3])]);
    shapes.push(ConvShape { input: [3, 18, 18], channels: 4, kernel: [3, 3], stride: 1, padding: [0, 0] });
    for (i, shape) in shapes.iter().enumerate() {
        for norms in [(false, false), (true, false), (false, true), (true, true)] {
            fused_equals_layers::<f32>(shape, [11, 1, 19][i % 3], norms, i % 2 == 0);
        }
        fused_equals_layers::<f64>(shape, 9, (true, true), i % 2 == 0);
    }
    let x: Vec<f32> = numbers(11, 3 * 2 * 50).into_iter().map(|x| x as f32).collect();
    let sums = channel_sums(&x, 2, 50);
    assert_eq!(moments(&x, 2, 50, &[]).mean, sums.iter().map(|s| s / 150.0).collect::<Vec<_>>());
}

#[test]
fn pooling_linear_and_activation_vjps_agree_with_finite_differences() {
    let pool = PoolShape { input: [2, 4, 6], window: 2 };
    let (x, y_bar) = (numbers(9, 96), numbers(10, 24));
    let mut x_bar = vec![0.0; 96];
    average_pool_vjp(&pool, &y_bar, &mut x_bar);
    let run = |x: &[f64]| {
        let mut y = vec![0.0; 24];
        average_pool(&pool, x, &mut y);
        y
    };
    agree("pool", &x_bar, &differences(&x, &y_bar, run));
    let mut x_bar = vec![0.0; 96];
    max_pool_vjp(&pool, &x, &y_bar, &mut x_bar);
    let run = |x: &[f64]| {
        let mut y = vec![0.0; 24];
        max_pool(&pool, x, &mut y);
        y
    };
    agree("max pool", &x_bar, &differences(&x, &y_bar, run));
    let (mut y, mut x_bar) = (vec![0.0; 1], vec![0.0; 4]);
    let window = PoolShape { input: [1, 2, 2], window: 2 };
    max_pool(&window, &[f64::NAN, 1.0, 2.0, 3.0], &mut y);
    assert!(y[0].is_nan());
    max_pool_vjp(&window, &[1.0, 5.0, 5.0, 2.0], &[2.0], &mut x_bar);
    assert_eq!(x_bar, [0.0, 2.0, 0.0, 0.0], "the first of equal maxima");

    let (inputs, outputs) = (5, 3);
    let (x, w, bias, y_bar) = (numbers(11, 20), numbers(12, 15), numbers(13, 3), numbers(14, 12));
    let run = |x: &[f64], w: &[f64], bias: &[f64]| {
        let mut y = vec![0.0; 12];
        linear(inputs, outputs, x, w, bias, &mut y);
        y
    };
    let mut bars = (vec![0.0; 20], vec![0.0; 15], vec![0.0; 3]);
    linear_vjp(inputs, outputs, &x, &w, &y_bar, &mut bars.0, &mut bars.1, &mut bars.2);
    agree("linear x", &bars.0, &differences(&x, &y_bar, |x| run(x, &w, &bias)));
    agree("linear w", &bars.1, &differences(&w, &y_bar, |w| run(&x, w, &bias)));
    agree("linear bias", &bars.2, &differences(&bias, &y_bar, |b| run(&x, &w, b)));

    let points = vec![-2.0, -0.5, 0.4, 3.0];
    for a in [Activation::None, Activation::Relu, Activation::LeakyRelu, Activation::Softplus, Activation::Tanh] {
        let slopes = points.iter().map(|&x| a.slope(x)).collect();
        agree("activation", &slopes, &differences(&points, &[1.0; 4], |x| x.iter().map(|&x| a.apply(x)).collect()));
    }
}
