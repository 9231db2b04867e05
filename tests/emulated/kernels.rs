//! The kernels of the CUDA device, run by an emulator from the very source that nvcc compiles, against those of the
//! CPU.

use std::sync::atomic::Ordering;

use crate::emulator::{Emulator, device};
use anode::doctor::{Comparison, Shapes, compare, compare_both};
use anode::kernels::cuda::{Buffer, Gpu, give_back_all};
use anode::kernels::{ComputeError, ConvShape, Device, DeviceNorm, Part, PoolShape};
use anode::ode::{Real, SolveError, Vector};

const MEMORY: usize = 1 << 30;

fn all_hold(comparisons: &[Comparison]) {
    let faults: Vec<_> = comparisons.iter().filter(|c| !c.holds()).map(|c| format!("{c:?}")).collect();
    assert!(faults.is_empty() && comparisons.len() > 20, "{}", faults.join("\n"));
}

/// Shapes that fill no tile, fill it to the last number, or leave a rest in every direction.
fn odd_shapes() -> Shapes {
    let mut convolutions = vec![];
    for kernel in [[1, 1], [3, 3], [5, 5], [1, 3], [3, 1], [2, 3]] {
        for stride in [1, 2, 3] {
            for padding in [[kernel[0] / 2, kernel[1] / 2], [0, 0], [2, 1]] {
                let shape = ConvShape { input: [3, 7, 6], channels: 5, kernel, stride, padding };
                convolutions.push((shape, 1 + stride * 2));
            }
        }
    }
    for (inputs, outputs) in [(1, 1), (8, 16), (9, 17), (16, 32), (7, 33), (17, 64), (64, 65), (129, 129)] {
        convolutions.push((ConvShape::same([inputs, 4, 4], outputs, [3, 3]), 17));
        convolutions.push((ConvShape::same([inputs, 5, 3], outputs, [1, 3]), 9));
    }
    Shapes {
        convolutions,
        linear: vec![[1, 1, 1], [256, 64, 10], [13, 130, 129]],
        norms: vec![[1, 1, 9], [2, 3, 5], [9, 7, 300], [64, 2, 1024], [100, 3, 16], [3, 257, 4]],
        pools: vec![
            (PoolShape { input: [1, 2, 2], window: 2 }, 1),
            (PoolShape { input: [7, 9, 6], window: 3 }, 5),
            (PoolShape { input: [3, 7, 5], window: 2 }, 2),
        ],
        vectors: vec![1, 2, 3, 4, 5, 1023, 1024, 1025, 100_003],
    }
}

#[test]
fn every_kernel_agrees_with_the_cpu() {
    let Some(gpu) = device(0, MEMORY) else { return };
    for shapes in [Shapes::usual(), odd_shapes()] {
        all_hold(&compare::<_, f32>(&gpu, &shapes));
        all_hold(&compare::<_, f64>(&gpu, &shapes));
    }
    gpu.synchronize().unwrap();
}

/// A race between barriers, or between blocks, shows as other bits under another order of the threads.
#[test]
fn bits_do_not_depend_on_the_order_of_threads() {
    let run = |seed| {
        let gpu = device(seed, MEMORY)?;
        let shapes = Shapes { vectors: vec![1027], ..Shapes::usual() };
        let errors = compare_both(&gpu, &shapes).into_iter().map(|c| (c.kernel, c.error.to_bits(), c.repeats));
        Some(errors.collect::<Vec<_>>())
    };
    let Some(expected) = run(0) else { return };
    assert!(expected.iter().all(|(_, _, repeats)| *repeats));
    for seed in [1, 0x9E37_79B9_7F4A_7C15] {
        assert_eq!(run(seed).expect("a compiler"), expected, "seed {seed}");
    }
}

fn finite_numbers_are_told_apart<R: Real>(gpu: &Gpu<Emulator>) {
    for length in [1, 4, 4097] {
        let sound = Buffer::<R, _>::upload(gpu, &vec![R::max_value(); length]);
        assert!(sound.is_finite() && gpu.synchronize().is_ok());
        for (place, bad) in [(0, R::nan()), (length - 1, R::infinity()), (length / 2, R::neg_infinity())] {
            let mut numbers = vec![R::one(); length];
            numbers[place] = bad;
            let broken = Buffer::upload(gpu, &numbers);
            assert!(!broken.is_finite());
            assert!(gpu.synchronize().is_ok(), "a look is told at once, and not again");
            let mut sum = Buffer::zeros(gpu, length);
            assert!(sum.axpy_is_finite(R::one(), &broken), "told later");
            sum.set_zero();
            assert!(
                matches!(gpu.synchronize(), Err(ComputeError::Solve(SolveError::Overflow))),
                "once met, it is told"
            );
            gpu.synchronize().unwrap();
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_told_once() {
    let Some(gpu) = device(0, MEMORY) else { return };
    finite_numbers_are_told_apart::<f32>(&gpu);
    finite_numbers_are_told_apart::<f64>(&gpu);
    let mut y = gpu.zeros::<f32>(3);
    gpu.relu(&gpu.upload(vec![f32::NAN, -1.0, 2.0]), &mut y);
    let y = y.to_f64();
    assert!(y[0].is_nan() && y[1..] == [0.0, 2.0]);
    let window = PoolShape { input: [1, 2, 2], window: 2 };
    let mut y = gpu.zeros::<f32>(1);
    gpu.max_pool(&window, &gpu.upload(vec![1.0, f32::NAN, 2.0, 3.0]), &mut y);
    assert!(y.to_f64()[0].is_nan());
    let mut x_bar = gpu.zeros::<f32>(4);
    gpu.max_pool_vjp(&window, &gpu.upload(vec![1.0, 5.0, 5.0, 2.0]), &gpu.upload(vec![2.0]), &mut x_bar);
    assert_eq!(x_bar.to_f64(), [0.0, 2.0, 0.0, 0.0], "the first of equal maxima");
}

#[test]
fn memory_is_kept_used_again_and_counted() {
    let Some(gpu) = device(0, 1 << 20) else { return };
    let start = gpu.held();
    let one = gpu.zeros::<f32>(1000);
    let two = gpu.zeros::<f64>(100);
    assert_eq!(gpu.held().live, start.live + 4096 + 1024);
    let address = one.address();
    drop(one);
    assert_eq!((gpu.held().live, gpu.held().kept), (start.live + 1024, 4096));
    assert_eq!(gpu.zeros::<f64>(500).address(), address, "the same size again");
    drop(two);
    assert_eq!((gpu.held().live, gpu.held().peak), (start.live, start.live + 5120));
    // The driver's figure is the arena's.
    let (free, all) = anode::kernels::cuda::Driver::memory(gpu.driver()).unwrap();
    assert_eq!(all - free, gpu.held().live + gpu.held().kept);
    // What is kept makes room for what is asked for.
    drop(gpu.zeros::<f64>((1 << 20) / 8 - 128));
    gpu.synchronize().unwrap();
    assert_eq!(gpu.held().kept, (1 << 20) - 1024);
    // Nothing is kept once another library has run out of memory.
    assert!(give_back_all() >= (1 << 20) - 1024);
    assert_eq!(gpu.held().kept, 0);
    let (free, all) = anode::kernels::cuda::Driver::memory(gpu.driver()).unwrap();
    assert_eq!(all - free, gpu.held().live);
    assert!(gpu.zeros::<f64>(500).to_f64() == [0.0; 500]);
}

#[test]
fn too_little_memory_says_what_helps_and_computes_nothing_more() {
    let Some(gpu) = device(0, 64 << 10) else { return };
    let x = gpu.zeros::<f32>(8 << 10);
    let y = x.duplicate();
    let Err(ComputeError::Device(failure)) = gpu.synchronize() else { panic!("it cannot fit") };
    let text = failure.to_string();
    assert!(text.contains("32768 bytes") && text.contains("smaller batch"), "{text}");
    assert_eq!(y.to_f64(), vec![0.0; 8 << 10], "nothing is there to be read");
    assert!(matches!(gpu.synchronize(), Err(ComputeError::Device(_))), "it stays failed");
}

#[test]
fn a_lost_device_is_an_error_with_a_cure() {
    let Some(gpu) = device(0, MEMORY) else { return };
    let x = gpu.upload(vec![1.0f32; 16]);
    let mut y = gpu.zeros::<f32>(16);
    gpu.driver().launches_left.store(1, Ordering::Relaxed);
    y.axpy(1.0, &x);
    gpu.synchronize().unwrap();
    y.axpy(1.0, &x);
    let Err(ComputeError::Device(failure)) = gpu.synchronize() else { panic!("it is lost") };
    let text = failure.to_string();
    assert!(text.contains("axpy_f32") && text.contains("last checkpoint"), "{text}");
}

#[test]
fn parts_of_buffers_are_taken_joined_and_put() {
    let Some(gpu) = device(0, MEMORY) else { return };
    let x = gpu.upload(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let inner = Part::new(&x, 1..5).part(1..3);
    assert_eq!(gpu.concat(&[inner, Part::new(&x, 0..0), Part::new(&x, 5..6)]).to_f64(), [2.0, 3.0, 5.0]);
    let mut y = gpu.upload(vec![9.0; 4]);
    gpu.copy(anode::kernels::PartMut::new(&mut y, 1..3), inner);
    assert_eq!(gpu.download(&y), [9.0, 2.0, 3.0, 9.0]);
}

/// Numbers in [-1, 1) that depend on a seed.
fn numbers<R: Real>(seed: u64, len: usize) -> Vec<R> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        R::of((state >> 33) as f64 / f64::from(1u32 << 30) - 1.0)
    };
    (0..len).map(next).collect()
}

fn bits<R: Real>(x: &Buffer<R, Emulator>) -> Vec<u64> {
    x.to_f64().into_iter().map(f64::to_bits).collect()
}

fn sums_with_norms_have_the_bits_of_norm_and_axpy<R: Real>(gpu: &Gpu<Emulator>) {
    for [n, channels, pixels] in [[1, 1, 9], [2, 3, 5], [9, 7, 300], [3, 257, 4], [5, 2, 64], [1, 1, 1], [0, 3, 4]] {
        let len = n * channels * pixels;
        let [x, z] = [1, 2].map(|seed| gpu.upload(numbers::<R>(seed, len)));
        let parameters = gpu.upload(numbers::<R>(3, 2 * channels));
        let moments = gpu.moments(&gpu.upload(numbers::<R>(4, 6 * channels)), &[], [channels, 3], None);
        for relu in [false, true] {
            let norm = DeviceNorm { pixels, relu, moments: &moments, parameters: Part::all(&parameters) };
            let a = R::of(-0.7);
            let (mut y, mut expected) = (gpu.alloc_uninit(len), z.duplicate());
            gpu.norm(norm, &x, &mut y);
            assert!(expected.axpy_is_finite(a, &y));
            let (sum, finite) = gpu.sum_with_norm(norm, a, &x, &z);
            let mut in_place = z.duplicate();
            assert!(finite && gpu.add_norm(norm, a, x.duplicate(), &mut in_place));
            assert_eq!(
                (bits(&sum), bits(&in_place)),
                (bits(&expected), bits(&expected)),
                "{n} x {channels} x {pixels}"
            );
            gpu.synchronize().unwrap();
            if len > 0 {
                let mut broken = numbers::<R>(2, len);
                broken[len - 1] = R::infinity();
                gpu.sum_with_norm(norm, a, &x, &gpu.upload(broken));
                assert!(matches!(gpu.synchronize(), Err(ComputeError::Solve(SolveError::Overflow))));
            }
        }
    }
}

#[test]
fn sums_with_norms_are_those_of_separate_kernels() {
    let Some(gpu) = device(0, MEMORY) else { return };
    sums_with_norms_have_the_bits_of_norm_and_axpy::<f32>(&gpu);
    sums_with_norms_have_the_bits_of_norm_and_axpy::<f64>(&gpu);
}

/// Memory that was never written is NaN in the emulator, so a number that is left out shows.
fn overwritten_cotangents_have_the_bits_of_a_sum_with_zeros<R: Real>(gpu: &Gpu<Emulator>) {
    for (shape, n) in odd_shapes().convolutions {
        let w = gpu.upload(numbers::<R>(1, shape.weight_len()));
        let y_bar = gpu.upload(numbers::<R>(2, n * shape.output_len()));
        let mut expected = gpu.zeros(n * shape.input_len());
        gpu.conv_vjp_input(&shape, Part::all(&w), &y_bar, &mut expected);
        let mut found = gpu.upload(vec![R::nan(); n * shape.input_len()]);
        gpu.conv_vjp_input_over(&shape, Part::all(&w), &y_bar, &mut found);
        assert_eq!(bits(&found), bits(&expected), "{shape:?}");
    }
}

#[test]
fn cotangents_of_convolutions_overwrite_any_contents() {
    let Some(gpu) = device(0, MEMORY) else { return };
    overwritten_cotangents_have_the_bits_of_a_sum_with_zeros::<f32>(&gpu);
    overwritten_cotangents_have_the_bits_of_a_sum_with_zeros::<f64>(&gpu);
}

fn scaled_vectors_have_the_bits_of_an_axpy_onto_zeros<R: Real>(gpu: &Gpu<Emulator>) {
    for len in [0, 1, 3, 4, 5, 1023, 4097] {
        let mut numbers = numbers::<R>(5, len);
        numbers.iter_mut().step_by(3).for_each(|x| *x = R::zero());
        let x = gpu.upload(numbers);
        for a in [-0.7, 0.1] {
            let (mut found, mut expected) = (gpu.upload(vec![R::nan(); len]), x.zeros_like());
            found.set_scaled(R::of(a), &x);
            expected.axpy(R::of(a), &x);
            assert_eq!(bits(&found), bits(&expected), "{len} numbers");
        }
    }
}

#[test]
fn scaled_vectors_are_sums_with_zeros() {
    let Some(gpu) = device(0, MEMORY) else { return };
    scaled_vectors_have_the_bits_of_an_axpy_onto_zeros::<f32>(&gpu);
    scaled_vectors_have_the_bits_of_an_axpy_onto_zeros::<f64>(&gpu);
}

/// The largest batch is computed with a tile of 64 channels, the others with narrower ones.
#[test]
fn the_tile_of_a_linear_layer_does_not_decide_bits() {
    let Some(gpu) = device(0, MEMORY) else { return };
    let (inputs, outputs, images) = (9, 40, 32_768);
    let (x, w) = (numbers::<f32>(1, images * inputs), numbers::<f32>(2, (inputs + 1) * outputs));
    let parameters = gpu.upload(w);
    let computed = |images: usize| {
        let x = gpu.upload(x[..images * inputs].to_vec());
        let mut y = gpu.zeros::<f32>(images * outputs);
        gpu.linear(inputs, outputs, &x, Part::all(&parameters), &mut y);
        bits(&y)
    };
    let whole = computed(images);
    for part in [3, 129, 9000] {
        assert!(computed(part) == whole[..part * outputs], "{part} images");
    }
}
