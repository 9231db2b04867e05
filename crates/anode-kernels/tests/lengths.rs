//! Every kernel of the CPU refuses slices that are too short or too long, instead of computing a part.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anode_kernels::{
    Activation, ConvBars, ConvShape, Cotangent, Cpu, Device, Images, Moments, Norm, Part, PartMut, PoolShape,
    average_pool, average_pool_vjp, channel_sums, conv, conv_vjp_input, conv_vjp_weights, dense, dense_vjp, linear,
    linear_vjp, max_pool, max_pool_vjp, moments, norm_conv, norm_conv_vjp,
};

/// Calls `kernel` with slices of these lengths, which fit, and then with each of them too short and too long.
fn check<const N: usize>(name: &str, lengths: [usize; N], kernel: impl Fn([usize; N])) {
    let panics = |lengths| catch_unwind(AssertUnwindSafe(|| kernel(lengths))).is_err();
    assert!(!panics(lengths), "{name} of {lengths:?}");
    for (i, change) in (0..N).flat_map(|i| [-1, 1].map(|change| (i, change))) {
        let mut wrong = lengths;
        wrong[i] = wrong[i].strict_add_signed(change);
        assert!(panics(wrong), "{name} of {wrong:?} instead of {lengths:?}");
    }
}

fn ones(n: usize) -> Vec<f64> {
    vec![1.0; n]
}

#[test]
fn convolutions_refuse_slices_that_do_not_fit() {
    let shape = ConvShape::same([2, 4, 3], 5, [3, 3]);
    let (x, y, w, b) = (2 * shape.input_len(), 2 * shape.output_len(), shape.weight_len(), 5);
    check("conv", [x, y, w, b], |[x, y, w, b]| {
        conv(&shape, &ones(x), &ones(w), Some(&ones(b)), &mut ones(y));
    });
    check("conv, f32", [x, y, w, b], |[x, y, w, b]| {
        conv(&shape, &vec![1.0f32; x], &vec![1.0; w], Some(&vec![1.0; b]), &mut vec![1.0; y]);
    });
    check("conv_vjp_input", [x, y, w], |[x, y, w]| conv_vjp_input(&shape, &ones(w), &ones(y), &mut ones(x)));
    check("conv_vjp_weights", [x, y, w, b], |[x, y, w, b]| {
        conv_vjp_weights(&shape, &ones(x), &ones(y), &mut ones(w), Some(&mut ones(b)));
    });
    check("norm_conv", [x, w, b], |[x, w, b]| {
        norm_conv(&shape, Images { numbers: &ones(x), norm: None }, &ones(w), Some(&ones(b)), true);
    });
    check("norm_conv_vjp", [x, y, w, w, b], |[x, y, w, weights, bias]| {
        let (x, cotangent) = (ones(x), Cotangent { numbers: Cow::Owned(ones(y)), norm: None });
        let (mut weights, mut bias) = (ones(weights), ones(bias));
        let bars = ConvBars { weights: &mut weights, bias: Some(&mut bias) };
        norm_conv_vjp(&shape, Images { numbers: &x, norm: None }, &ones(w), cotangent, bars, true);
    });
    for bias in [false, true] {
        let all = w + if bias { b } else { 0 };
        check("Device::conv_vjp_weights", [x, y, all], |[x, y, all]| {
            Cpu.conv_vjp_weights(&shape, &ones(x), &ones(y), PartMut::all(&mut ones(all)), bias);
        });
    }
}

#[test]
fn products_refuse_slices_that_do_not_fit() {
    let (inputs, outputs, n) = (3, 4, 2);
    let (x, y, w) = (n * inputs, n * outputs, inputs * outputs);
    check("linear", [x, y, w, outputs], |[x, y, w, b]| {
        linear(inputs, outputs, &ones(x), &ones(w), &ones(b), &mut ones(y));
    });
    check("linear_vjp", [x, y, w, x, w, outputs], |[x, y, w, x_bar, w_bar, b]| {
        let (mut x_bar, mut w_bar, mut bias_bar) = (ones(x_bar), ones(w_bar), ones(b));
        linear_vjp(inputs, outputs, &ones(x), &ones(w), &ones(y), &mut x_bar, &mut w_bar, &mut bias_bar);
    });
    check("Device::linear_vjp", [w + outputs, w + outputs], |[parameters, bar]| {
        let (parameters, mut bar) = (ones(parameters), ones(bar));
        let (parameters, bar) = (Part::all(&parameters), PartMut::all(&mut bar));
        Cpu.linear_vjp((inputs, outputs), &ones(x), parameters, &ones(y), &mut ones(x), bar);
    });
    check("dense", [w, inputs, outputs], |[w, x, y]| dense(&ones(w), &ones(x), &mut ones(y)));
    check("dense_vjp", [w, inputs, outputs, inputs, w], |[w, x, y, x_bar, w_bar]| {
        dense_vjp(&ones(w), &ones(x), &ones(y), &mut ones(x_bar), &mut ones(w_bar));
    });
}

#[test]
fn pooling_refuses_slices_that_do_not_fit() {
    let shape = PoolShape { input: [3, 4, 2], window: 2 };
    check("average_pool", [48, 12], |[x, y]| average_pool(&shape, &ones(x), &mut ones(y)));
    check("average_pool_vjp", [48, 12], |[x, y]| average_pool_vjp(&shape, &ones(y), &mut ones(x)));
    check("max_pool", [48, 12], |[x, y]| max_pool(&shape, &ones(x), &mut ones(y)));
    check("max_pool_vjp", [48, 12, 48], |[x, y, x_bar]| {
        max_pool_vjp(&shape, &ones(x), &ones(y), &mut ones(x_bar));
    });
    // A whole image too few is no better than a number too few.
    for wrong in [[24, 12], [48, 6], [72, 12]] {
        let pooled = catch_unwind(|| average_pool(&shape, &ones(wrong[0]), &mut ones(wrong[1])));
        assert!(pooled.is_err(), "{wrong:?}");
    }
}

#[test]
fn batch_norms_refuse_slices_that_do_not_fit() {
    let (channels, pixels, n) = (3, 4, 2);
    let x = n * channels * pixels;
    check("moments", [x, n * channels], |[x, sums]| _ = moments(&ones(x), channels, pixels, &ones(sums)));
    check("channel_sums", [x], |[x]| _ = channel_sums(&ones(x), channels, pixels));
    check("Moments::move_running", [2 * channels], |[running]| {
        moments(&ones(x), channels, pixels, &[]).move_running(&mut ones(running), 0.1);
    });
    let norm = |[weight, bias, mean, variance]: [usize; 4], work: &dyn Fn(Norm<f64>)| {
        let moments = Moments { mean: ones(mean), variance: ones(variance), count: n * pixels };
        work(Norm { pixels, moments: &moments, weight: &ones(weight), bias: &ones(bias), relu: true });
    };
    let c = channels;
    check("Norm", [c; 4], |lengths| norm(lengths, &|norm| norm.apply(&ones(x), &mut ones(x))));
    let whole = |work: &dyn Fn(Norm<f64>)| norm([c; 4], work);
    check("Norm::apply", [x, x], |[x, y]| whole(&|norm| norm.apply(&ones(x), &mut ones(y))));
    check("Norm::apply_in_place", [x], |[x]| whole(&|norm| norm.apply_in_place(&mut ones(x))));
    check("Norm::add_to", [x, x], |[x, z]| whole(&|norm| _ = norm.add_to(1.0, &ones(x), &mut ones(z))));
    check("Norm::added", [x, x], |[x, z]| whole(&|norm| _ = norm.added(1.0, &ones(x), &ones(z))));
    check("Norm::vjp", [x, x, c, c], |[x, y, weight, bias]| {
        whole(&|norm| _ = norm.vjp(ones(x), &ones(y), &[], &mut ones(weight), &mut ones(bias)));
    });
    check("Norm::vjp with sums", [n * c], |[sums]| {
        let sums = vec![(1.0, 1.0); sums];
        whole(&|norm| _ = norm.vjp(ones(x), &ones(x), &sums, &mut ones(c), &mut ones(c)));
    });
    check("NormVjp::apply", [x, x], |[y, x_bar]| {
        whole(&|norm| norm.vjp(ones(x), &ones(x), &[], &mut ones(c), &mut ones(c)).apply(&ones(y), &mut ones(x_bar)));
    });
    check("NormVjp::apply_in_place", [x], |[y]| {
        whole(&|norm| norm.vjp(ones(x), &ones(x), &[], &mut ones(c), &mut ones(c)).apply_in_place(&mut ones(y)));
    });
}

#[test]
fn the_vjp_of_a_batch_norm_refuses_moments_of_other_images() {
    let running = Cpu.given_moments(Part::all(&ones(2)));
    let norm = Norm { pixels: 4, moments: &running, weight: &[1.0], bias: &[0.0], relu: false };
    let vjp = || norm.vjp(ones(4), &ones(4), &[], &mut ones(1), &mut ones(1)).applied(&ones(4));
    assert!(catch_unwind(AssertUnwindSafe(vjp)).is_err(), "given moments do not depend on the images");
}

#[test]
fn operations_number_by_number_refuse_slices_that_do_not_fit() {
    check("activate_vjp", [6, 6], |[x, bar]| Cpu.activate_vjp(Activation::Tanh, 1.0, &ones(x), &mut ones(bar)));
    check("relu", [6, 6], |[x, y]| Cpu.relu(&ones(x), &mut ones(y)));
    check("relu_vjp_of", [6, 6], |[x, bar]| _ = Cpu.relu_vjp_of(&ones(x), Cow::Owned(ones(bar))));
    check("add_relu", [6, 6], |[y, x]| Cpu.add_relu(&mut ones(y), &ones(x)));
    check("masked", [6, 6], |[mask, bar]| _ = Cpu.masked::<f64>(&vec![true; mask], ones(bar)));
    check("copy", [6, 6], |[to, from]| Cpu.copy(PartMut::all(&mut ones(to)), Part::all(&ones(from))));
}

/// The message with which `work` panics.
fn message<T>(work: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| _ = work())).expect_err("a panic");
    panic.downcast::<String>().map_or_else(|panic| panic.downcast_ref::<&str>().map_or("", |s| s).into(), |text| *text)
}

#[test]
fn convolutions_without_an_output_are_refused() {
    let shape = |kernel, stride, padding| ConvShape { input: [2, 2, 2], channels: 3, kernel, stride, padding };
    for (kernel, padding) in [([3, 3], [0, 0]), ([5, 5], [0, 0]), ([1, 3], [2, 0]), ([1, 1], [usize::MAX, 0])] {
        let shape = shape(kernel, 1, padding);
        for found in [message(|| shape.output()), message(|| shape.output_len()), message(|| shape.macs())] {
            assert!(found.contains("is larger than images of [2, 2, 2]"), "{found}");
        }
        let found = message(|| conv(&shape, &ones(8), &ones(shape.weight_len()), None, &mut ones(4)));
        assert!(found.contains("is larger than images"), "{found}");
    }
    for shape in [shape([1, 1], 0, [0, 0]), shape([0, 1], 1, [0, 0]), shape([1, 0], 1, [0, 0])] {
        let found = message(|| shape.output());
        assert!(found.contains("a convolution with kernel"), "{found}");
    }
    for kernel in [[4, 4], [3, 2], [0, 1]] {
        let found = message(|| ConvShape::same([1, 4, 4], 1, kernel));
        assert!(found.contains("even sides"), "{found}");
    }
    assert_eq!(shape([2, 2], 5, [0, 0]).output(), [3, 1, 1]);
}

#[test]
fn kernels_name_sizes_of_zero() {
    let same = |input, channels| ConvShape::same(input, channels, [1, 1]);
    for shape in [same([0, 2, 2], 1), same([1, 0, 2], 1), same([1, 2, 2], 0)] {
        for found in [
            message(|| conv::<f64>(&shape, &[], &[], None, &mut [])),
            message(|| conv_vjp_input::<f64>(&shape, &[], &[], &mut [])),
            message(|| conv_vjp_weights::<f64>(&shape, &[], &[], &mut [], None)),
            message(|| norm_conv::<f64>(&shape, Images { numbers: &[], norm: None }, &[], None, false)),
        ] {
            assert!(found.contains("a convolution without channels or pixels"), "{shape:?}: {found}");
        }
    }
    for (input, window) in [([1, 2, 2], 0), ([1, 2, 2], 3), ([1, 4, 2], 4), ([1, 0, 0], 1)] {
        let found = message(|| max_pool::<f64>(&PoolShape { input, window }, &[], &mut []));
        assert!(found.contains(&format!("windows of {window} x {window}")), "{found}");
    }
    let found = message(|| average_pool::<f64>(&PoolShape { input: [0, 2, 2], window: 2 }, &[], &mut []));
    assert!(found.contains("a pooling without channels"), "{found}");
    for [channels, pixels] in [[0, 2], [2, 0]] {
        let given = Moments { mean: ones(channels), variance: ones(channels), count: 1 };
        let (weight, bias) = (ones(channels), ones(channels));
        let norm = Norm { pixels, moments: &given, weight: &weight, bias: &bias, relu: false };
        for found in [
            message(|| moments::<f64>(&[], channels, pixels, &[])),
            message(|| channel_sums::<f64>(&[], channels, pixels)),
            message(|| norm.applied(&[])),
            message(|| norm.apply_in_place(&mut [])),
        ] {
            assert!(found.contains("a batch norm without channels or pixels"), "{found}");
        }
    }
    let found = message(|| moments::<f32>(&[], 2, 4, &[]));
    assert!(found.contains("the moments of no images"), "{found}");
}

#[test]
fn sums_without_terms_are_zero_and_products_without_outputs_do_nothing() {
    let mut y = [7.0];
    dense(&[], &[], &mut y);
    assert_eq!(y, [0.0]);
    linear(3, 0, &[1.0, 2.0, 3.0], &[], &[], &mut []);
    let mut x_bar = [1.0; 3];
    linear_vjp(3, 0, &[1.0, 2.0, 3.0], &[], &[], &mut x_bar, &mut [], &mut []);
    assert_eq!(x_bar, [1.0; 3]);
}

#[test]
fn pooling_leaves_out_what_follows_the_last_whole_window() {
    let shape = PoolShape { input: [1, 3, 3], window: 2 };
    let x: Vec<f64> = (0..9).map(f64::from).collect();
    let (mut average, mut most, mut x_bar) = ([0.0], [0.0], [0.0; 9]);
    average_pool(&shape, &x, &mut average);
    max_pool(&shape, &x, &mut most);
    average_pool_vjp(&shape, &[4.0], &mut x_bar);
    assert_eq!((average, most), ([2.0], [4.0]));
    assert_eq!(x_bar, [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}
