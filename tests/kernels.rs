//! Kernels and networks against finite differences, and against themselves on other numbers of threads.

use anode::gradient::{Ledger, Method};
use anode::kernels::{
    Activation, ConvShape, PoolShape, average_pool, average_pool_vjp, conv, conv_vjp_input, conv_vjp_weights, linear,
    linear_vjp, moments, norm_relu, norm_relu_vjp,
};
use anode::net::{NetSpec, Network, Part, SegmentSpec, Solve, network};
use anode::ode::{relative_distance, solver};
use anode::random::{Stream, normal, stream};

fn numbers(seed: u64, n: usize) -> Vec<f64> {
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
    }
    for shape in shapes {
        let n = 11;
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
    let run = |x: &[f64], weight: &[f64], bias: &[f64]| {
        let mut y = vec![0.0; x.len()];
        norm_relu(x, pixels, &moments(x, channels, pixels), weight, bias, &mut y);
        y
    };
    let mut bars = (vec![0.0; x.len()], vec![0.0; 3], vec![0.0; 3]);
    let m = moments(&x, channels, pixels);
    norm_relu_vjp(&x, pixels, &m, &weight, &bias, &y_bar, &mut bars.0, &mut bars.1, &mut bars.2);
    agree("x", &bars.0, &differences(&x, &y_bar, |x| run(x, &weight, &bias)));
    agree("weight", &bars.1, &differences(&weight, &y_bar, |w| run(&x, w, &bias)));
    agree("bias", &bars.2, &differences(&bias, &y_bar, |b| run(&x, &weight, b)));
    assert!(run(&x, &weight, &bias)[2 * pixels..3 * pixels].iter().all(|&y| y == 0.0), "ReLU cuts the third channel");
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

/// A small network whose every kind of layer is there.
fn small() -> NetSpec {
    let conv = |channels| Part::Conv { channels, kernel: [3, 3], stride: 1 };
    NetSpec {
        input: [2, 4, 4],
        segments: vec![
            SegmentSpec::Plain(vec![conv(3), Part::NormRelu]),
            SegmentSpec::Ode(vec![conv(3), Part::NormRelu, conv(3), Part::NormRelu]),
            SegmentSpec::Plain(vec![Part::AveragePool(2), Part::Linear(5)]),
        ],
    }
}

#[test]
fn the_gradient_of_a_whole_network_agrees_with_finite_differences() {
    let net = Network::new(&small());
    // A bias away from zero keeps the ReLUs away from their kinks.
    let mut theta: Vec<f64> = net.initial(15);
    for p in net.parameters().iter().filter(|p| p.name.ends_with("bias") && p.shape == [3]) {
        theta[p.range.clone()].fill(3.5);
    }
    let (images, bar) = (numbers(16, 3 * 32), numbers(17, 15));
    for name in ["euler", "heun", "rk4"] {
        for method in [Method::Full, Method::Anode, Method::Revolve(2)] {
            let solve = Solve { tableau: solver(name).unwrap(), steps: 2, method };
            let ledger = Ledger::new();
            let (_, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
            let mut theta_bar = vec![0.0; theta.len()];
            net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
            assert_eq!(ledger.cost().live_bytes, 0);
            let run = |theta: &[f64]| net.forward(&images, theta, solve, &Ledger::new()).unwrap().0;
            agree(name, &theta_bar, &differences(&theta, &bar, run));
        }
    }
}

#[test]
fn running_statistics_move_once_for_each_forward_evaluation_under_every_method() {
    let images = numbers(18, 3 * 32);
    let statistics = |method| {
        let net = Network::new(&small());
        let theta: Vec<f64> = net.initial(19);
        let solve = Solve { tableau: solver("rk4").unwrap(), steps: 3, method };
        let ledger = Ledger::new();
        let (_, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
        let after_forward = net.statistics();
        net.backward(kept, &theta, &[1.0; 15], &mut vec![0.0; theta.len()], solve, &ledger).unwrap();
        assert_eq!(net.statistics(), after_forward, "{method}: a replay must not count again");
        after_forward
    };
    let full = statistics(Method::Full);
    for method in [Method::Anode, Method::Uniform(2), Method::Revolve(2), Method::ReverseTime, Method::StoredAdjoint] {
        assert_eq!(statistics(method), full, "{method}");
    }
}

#[test]
fn resnet4_has_the_parameters_of_the_paper() {
    let count = |width, classes| Network::new(&(network("resnet4").unwrap().build)(width, classes)).parameter_count();
    assert_eq!(count(16, 10), 7_706);
    assert_eq!(count(16, 100), 7_706 + 90 * 257);
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let gradient = || {
        let net = Network::new(&(network("resnet4").unwrap().build)(4, 10));
        let theta: Vec<f32> = net.initial(20);
        let images: Vec<f32> = numbers(21, 21 * 3072).into_iter().map(|x| x as f32).collect();
        let solve = Solve { tableau: solver("midpoint").unwrap(), steps: 2, method: Method::Anode };
        let (logits, kept) = net.forward(&images, &theta, solve, &Ledger::new()).unwrap();
        let mut bar = vec![0.0; theta.len()];
        net.backward(kept, &theta, &vec![0.1; logits.len()], &mut bar, solve, &Ledger::new()).unwrap();
        logits.into_iter().chain(bar).map(f32::to_bits).collect::<Vec<_>>()
    };
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(gradient);
    let one = on(1);
    assert!(on(2) == one && on(3) == one && on(5) == one);
}
