//! Buffers of a device that share memory: a write to one of them leaves the others as they are.

use std::borrow::Cow;

use crate::emulator::{Emulator, device};
use anode::kernels::cuda::{Buffer, Gpu};
use anode::kernels::{Activation, ConvShape, Cotangent, Descent, Device, DeviceNorm, Part, PartMut, PoolShape};
use anode::ode::{Real, Vector};

type Numbers<R> = Buffer<R, Emulator>;

fn numbers<R: Real>(len: usize, seed: usize) -> Vec<R> {
    (0..len).map(|i| R::of(((i * 7 + seed * 13) % 31) as f64 / 16.0 - 0.9)).collect()
}

fn upload<R: Real>(gpu: &Gpu<Emulator>, len: usize, seed: usize) -> Numbers<R> {
    gpu.upload(numbers(len, seed))
}

/// Checks that `write` changes only the buffer that it gets, to what it makes of one that shares nothing.
fn writes_alone<R: Real>(gpu: &Gpu<Emulator>, name: &str, len: usize, write: impl Fn(&mut Numbers<R>)) {
    let before = numbers::<R>(len, 1);
    let mut expected = gpu.upload(before.clone());
    write(&mut expected);
    let expected = expected.download();
    assert!(expected != before, "{name} writes something");
    let original = gpu.upload(before.clone());
    let (mut shared, part) = (original.share(), gpu.share_part(Part::new(&original, 0..len - 1)));
    write(&mut shared);
    assert!(shared.download() == expected, "{name}: the result");
    assert!(original.download() == before, "{name}: the original");
    assert!(part.download() == before[..len - 1], "{name}: a part");
    let mut original = original;
    write(&mut original);
    assert!(original.download() == expected && part.download() == before[..len - 1], "{name}: the last owner");
}

#[test]
fn vectors_that_share_memory_change_alone() {
    let Some(gpu) = device(0, 1 << 26) else { return };
    let x = upload::<f32>(&gpu, 37, 2);
    let z = upload::<f32>(&gpu, 37, 3);
    writes_alone(&gpu, "axpy", 37, |y| y.axpy(0.5, &x));
    writes_alone(&gpu, "axpy_is_finite", 37, |y| assert!(y.axpy_is_finite(0.5, &x)));
    writes_alone(&gpu, "set_scaled", 37, |y| y.set_scaled(0.5, &x));
    writes_alone::<f32>(&gpu, "scale", 37, |y| y.scale(0.5));
    writes_alone::<f32>(&gpu, "set_zero", 37, Vector::set_zero);
    writes_alone(&gpu, "copy_from", 37, |y| y.copy_from(&x));
    writes_alone(&gpu, "copy", 37, |y| gpu.copy(PartMut::new(y, 5..9), Part::new(&x, 1..5)));
    writes_alone(&gpu, "relu", 37, |y| gpu.relu(&x, y));
    writes_alone(&gpu, "add_relu", 37, |y| gpu.add_relu(y, &x));
    writes_alone(&gpu, "relu_vjp_of", 37, |y| *y = gpu.relu_vjp_of(&x, Cow::Owned(y.share())));
    writes_alone(&gpu, "activate", 37, |y| gpu.activate::<f32>(Activation::Tanh, 0.7, y));
    writes_alone(&gpu, "activate_vjp", 37, |y| gpu.activate_vjp(Activation::Tanh, 0.7, &x, y));
    let descent = Descent { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, decaying: 20 };
    writes_alone(&gpu, "descend, theta", 37, |y| gpu.descend(descent, y, &mut x.duplicate(), &z));
    writes_alone(&gpu, "descend, velocity", 37, |y| gpu.descend(descent, &mut x.duplicate(), y, &z));
    let w = upload::<f32>(&gpu, 37 * 5, 4);
    let five = upload::<f32>(&gpu, 5, 5);
    writes_alone(&gpu, "dense", 37, |y| gpu.dense(&w, &five, y));
    writes_alone(&gpu, "dense_vjp, x", 5, |y| gpu.dense_vjp(&w, &five, &x, y, &mut w.duplicate()));
    writes_alone(&gpu, "dense_vjp, w", 185, |y| gpu.dense_vjp(&w, &five, &x, &mut five.duplicate(), y));
    writes_alone(&gpu, "masked", 37, |y| *y = gpu.masked(&gpu.mask(&x), y.share()));
    writes_alone(&gpu, "relu_vjp_of", 37, |y| *y = gpu.relu_vjp_of(&x, Cow::Owned(y.share())));
    writes_alone(&gpu, "axpy of itself", 37, |y| {
        let x = y.share();
        y.axpy(0.5, &x);
    });
    gpu.synchronize().unwrap();
}

#[test]
fn layers_whose_buffers_share_memory_change_alone() {
    let Some(gpu) = device(0, 1 << 26) else { return };
    let shape = ConvShape::same([3, 4, 4], 3, [3, 3]);
    let (images, w) = (upload::<f32>(&gpu, 96, 2), upload::<f32>(&gpu, 81 + 3, 3));
    let (weights, bias) = Part::all(&w).split(81);
    let bar = upload::<f32>(&gpu, 96, 4);
    writes_alone(&gpu, "conv", 96, |y| gpu.conv(&shape, &images, weights, Some(bias), y));
    writes_alone(&gpu, "conv_vjp_input", 96, |y| gpu.conv_vjp_input(&shape, weights, &bar, y));
    writes_alone(&gpu, "conv_vjp_input_over", 96, |y| gpu.conv_vjp_input_over(&shape, weights, &bar, y));
    writes_alone(&gpu, "conv_vjp_weights", 84, |y| {
        gpu.conv_vjp_weights(&shape, &images, &bar, PartMut::all(y), true);
    });
    let logits = upload::<f32>(&gpu, 8, 5);
    let theta = upload::<f32>(&gpu, 48 * 4 + 4, 6);
    writes_alone(&gpu, "linear", 8, |y| gpu.linear(48, 4, &images, Part::all(&theta), y));
    writes_alone(&gpu, "linear_vjp, x", 96, |y| {
        let mut theta_bar = theta.duplicate();
        gpu.linear_vjp((48, 4), &images, Part::all(&theta), &logits, y, PartMut::all(&mut theta_bar));
    });
    writes_alone(&gpu, "linear_vjp, theta", 196, |y| {
        gpu.linear_vjp((48, 4), &images, Part::all(&theta), &logits, &mut images.duplicate(), PartMut::all(y));
    });
    let pool = PoolShape { input: [3, 4, 4], window: 2 };
    let pooled = upload::<f32>(&gpu, 24, 7);
    writes_alone(&gpu, "average_pool", 24, |y| gpu.average_pool(&pool, &images, y));
    writes_alone(&gpu, "average_pool_vjp", 96, |y| gpu.average_pool_vjp(&pool, &pooled, y));
    writes_alone(&gpu, "max_pool", 24, |y| gpu.max_pool(&pool, &images, y));
    writes_alone(&gpu, "max_pool_vjp", 96, |y| gpu.max_pool_vjp(&pool, &images, &pooled, y));
    let parameters = upload::<f32>(&gpu, 6, 8);
    writes_alone::<f64>(&gpu, "moments", 6, |y| {
        gpu.moments(&images, &[], [3, 16], Some((PartMut::all(y), 0.1)));
    });
    let moments = gpu.moments(&images, &[], [3, 16], None);
    let norm = DeviceNorm { pixels: 16, relu: true, moments: &moments, parameters: Part::all(&parameters) };
    writes_alone(&gpu, "norm", 96, |y| gpu.norm(norm, &images, y));
    writes_alone(&gpu, "norm_in_place", 96, |y| gpu.norm_in_place(norm, y));
    writes_alone(&gpu, "norm_vjp, x", 96, |y| {
        gpu.norm_vjp(norm, &images, &bar, y, PartMut::all(&mut parameters.duplicate()));
    });
    writes_alone(&gpu, "norm_vjp, parameters", 6, |y| {
        gpu.norm_vjp(norm, &images, &bar, &mut bar.duplicate(), PartMut::all(y));
    });
    writes_alone(&gpu, "add_norm, z", 96, |z| assert!(gpu.add_norm(norm, 0.5, images.share(), z)));
    writes_alone(&gpu, "add_norm, x", 96, |x| {
        let mut z = bar.share();
        assert!(gpu.add_norm(norm, 0.5, x.share(), &mut z));
        *x = z;
    });
    let vjp = |x: Cow<Numbers<f32>>, y_bar: Cow<Numbers<f32>>| {
        let cotangent = gpu.norm_vjp_deferred(norm, x, y_bar, &[], PartMut::all(&mut parameters.duplicate()));
        let Cotangent { numbers, .. } = cotangent;
        numbers.into_owned()
    };
    writes_alone(&gpu, "norm_vjp_deferred, x", 96, |x| *x = vjp(Cow::Owned(x.share()), Cow::Borrowed(&bar)));
    writes_alone(&gpu, "norm_vjp_deferred, bar", 96, |bar| *bar = vjp(Cow::Borrowed(&images), Cow::Owned(bar.share())));
    assert!(
        images.download() == numbers::<f32>(96, 2) && bar.download() == numbers::<f32>(96, 4),
        "inputs stay as they are"
    );
    // The result is bit-identical whether it is computed in the memory of an argument or in new memory.
    let expected = vjp(Cow::Borrowed(&images), Cow::Borrowed(&bar)).download();
    assert!(vjp(Cow::Owned(images.duplicate()), Cow::Borrowed(&bar)).download() == expected);
    assert!(vjp(Cow::Borrowed(&images), Cow::Owned(bar.duplicate())).download() == expected);
    assert!(vjp(Cow::Owned(images.duplicate()), Cow::Owned(bar.duplicate())).download() == expected);
    gpu.synchronize().unwrap();
}

#[test]
fn shared_memory_is_counted_once_and_freed_with_the_last_owner() {
    let Some(gpu) = device(0, 1 << 20) else { return };
    let start = gpu.held().live;
    let one = gpu.zeros::<f32>(1000);
    let (two, part) = (one.share(), gpu.share_part(Part::new(&one, 8..24)));
    assert_eq!((gpu.held().live - start, two.bytes(), part.bytes()), (4096, 4000, 64));
    let copied = gpu.share_part(Part::new(&one, 1..24));
    assert_eq!(gpu.held().live - start, 4096 + 512, "kernels could not load this part four numbers at a time");
    drop((one, two, copied));
    assert_eq!(gpu.held().live - start, 4096);
    drop(part);
    assert_eq!(gpu.held().live, start);
}
