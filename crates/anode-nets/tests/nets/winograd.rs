//! 3x3 convolutions of many channels, which go through Winograd's transforms in single precision: their error against
//! double precision, and bits that depend on nothing but the numbers.

use anode_core::ode::{Real, relative_distance};
use anode_kernels::{ConvShape, conv, conv_vjp_input, conv_vjp_weights};
use anode_nets::random::{Stream, normal, stream};

/// Numbers that are the same in both precisions, like those of a layer: of either sign, or behind a ReLU.
fn numbers(seed: u64, n: usize, relu: bool) -> Vec<f64> {
    let drawn = normal(&mut stream(seed, Stream::Data), n, 1.0);
    drawn.into_iter().map(|x| f64::from(x as f32)).map(|x| if relu { x.max(0.0) } else { x }).collect()
}

/// Output, input vjp and weight vjp of a batch.
fn all<R: Real>(shape: &ConvShape, bias: Option<&[f64]>, [x, w, c]: [&[f64]; 3]) -> [Vec<f64>; 3] {
    let of = |x: &[f64]| x.iter().map(|&x| R::of(x)).collect::<Vec<R>>();
    let (x, w, c, bias) = (of(x), of(w), of(c), bias.map(of));
    let (mut y, mut x_bar, mut w_bar) = (c.clone(), x.clone(), w.clone());
    conv(shape, &x, &w, bias.as_deref(), &mut y);
    conv_vjp_input(shape, &w, &c, &mut x_bar);
    conv_vjp_weights(shape, &x, &c, &mut w_bar, None);
    [y, x_bar, w_bar].map(|v| v.into_iter().map(R::f64).collect())
}

#[test]
fn the_error_against_double_precision_is_below_1e_5() {
    // More tiles than outputs and fewer, images of a single tile, other channels in than out, and lines that are not
    // square.
    let cases = [
        (64, 64, [16, 16], 5),
        (64, 128, [8, 12], 2),
        (128, 64, [4, 8], 9),
        (96, 64, [4, 4], 70),
        (512, 512, [4, 4], 2),
    ];
    for (inputs, outputs, [height, width], n) in cases {
        let shape = ConvShape::same([inputs, height, width], outputs, [3, 3]);
        for relu in [false, true] {
            let x = numbers(1, n * shape.input_len(), relu);
            let (w, c) = (numbers(2, shape.weight_len(), false), numbers(3, n * shape.output_len(), false));
            let bias = numbers(4, outputs, false);
            let bias = (!relu).then_some(&bias[..]);
            let (found, exact) = (all::<f32>(&shape, bias, [&x, &w, &c]), all::<f64>(&shape, bias, [&x, &w, &c]));
            for (what, (found, exact)) in ["output", "input vjp", "weight vjp"].iter().zip(found.iter().zip(&exact)) {
                let error = relative_distance(found, exact);
                println!("{inputs} x {height}x{width} to {outputs}, batch {n}, {what}: {error:.1e}");
                assert!(error < 1e-5, "{what} of {shape:?}: {error:e}");
                let largest = exact.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
                let worst = found.iter().zip(exact).fold(0.0, |a: f64, (f, e)| a.max((f - e).abs()));
                assert!(worst < 1e-5 * largest, "{what} of {shape:?}: one number is off by {worst:e} of {largest:e}");
            }
        }
    }
}

#[test]
fn bits_depend_neither_on_threads_nor_on_the_rest_of_the_batch() {
    let shape = ConvShape::same([64, 8, 8], 64, [3, 3]);
    let n = 40;
    let (x, w, c) = (
        numbers(5, n * shape.input_len(), false),
        numbers(6, shape.weight_len(), false),
        numbers(7, n * shape.output_len(), false),
    );
    let on = |threads: usize, images: usize| {
        let part = [&x[..images * shape.input_len()], &w, &c[..images * shape.output_len()]];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all::<f32>(&shape, None, part))
    };
    let one = on(1, n);
    assert!(one == on(2, n) && one == on(3, n), "threads");
    // Few images take the other way: filters are transformed block by block instead of images.
    for images in [3, 16, 17] {
        let [y, x_bar, _] = on(2, images);
        assert!(y[..] == one[0][..y.len()] && x_bar[..] == one[1][..x_bar.len()], "{images} of {n} images");
    }
}
