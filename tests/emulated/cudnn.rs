//! Convolutions by cuDNN, for which plain loops stand in behind its functions, against the CPU's kernels; and what it
//! is asked for.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::device::{network_agrees, small, solve};
use crate::emulator::{self, Cudnn, Emulator};
use anode::doctor::{
    Comparison, Diagnosis, GpuDiagnosis, NoGpu, Shapes, compare, compare_both, compare_convolutions, diagnose_device,
};
use anode::gradient::Method;
use anode::kernels::cuda::{Convolver, DeviceError, Freedom, Gpu};
use anode::kernels::{ComputeError, ConvShape, Cpu, Device, Part, PartMut};
use anode::ode::Vector;

const MEMORY: usize = 1 << 30;
/// The algorithms that the stand-in offers and that may be taken: by all, with TF32, and where any order will do.
const EXACT: usize = 1;
const TF32: usize = 6;
const FAST: usize = 0;
const FAST_WITHOUT_TF32: usize = 3;

/// The stand-in counts for the whole process: one test at a time.
fn cudnn() -> Option<(MutexGuard<'static, ()>, Cudnn)> {
    static ONE: Mutex<()> = Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cudnn = emulator::cudnn()?;
    cudnn.ran();
    cudnn.ask(c"fake_offer_first", -1);
    Some((guard, cudnn))
}

fn device(cudnn: &Cudnn, freedom: Freedom) -> Option<Gpu<Emulator>> {
    Some(Gpu::with_cudnn(emulator::emulator(0, MEMORY)?, &[&cudnn.path], freedom).expect("a device"))
}

/// Every kernel, stride and padding that a network might have, and more.
fn shapes() -> Shapes {
    let mut convolutions = Shapes::usual().convolutions;
    for kernel in [[1, 1], [3, 3], [5, 5], [1, 3], [3, 1], [2, 3]] {
        for stride in [1, 2, 3] {
            for padding in [[kernel[0] / 2, kernel[1] / 2], [0, 0], [2, 1]] {
                convolutions.push((ConvShape { input: [3, 7, 6], channels: 5, kernel, stride, padding }, 3));
            }
        }
    }
    Shapes { convolutions, linear: vec![[7, 40, 10], [33, 5, 3]], ..Shapes::default() }
}

/// The algorithms that ran.
fn used(cudnn: &Cudnn) -> Vec<usize> {
    let ran = cudnn.ran();
    (0..ran.len()).filter(|&algorithm| ran[algorithm] > 0).collect()
}

#[test]
fn every_convolution_agrees_with_the_cpu_by_deterministic_algorithms_alone() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(gpu) = device(&cudnn, Freedom::Exact) else { return };
    let found = compare_both(&gpu, &shapes());
    let faults: Vec<_> = found.iter().filter(|c| !c.holds()).collect();
    assert!(faults.is_empty() && found.len() > 300, "{faults:#?}");
    assert_eq!(used(&cudnn), [EXACT]);
    let own = emulator::device(0, MEMORY).expect("a device");
    let sharp = compare_convolutions::<_, _, f32>(&gpu, &own, &Shapes::usual().convolutions);
    assert!(sharp.len() == 27 && sharp.iter().all(Comparison::holds), "{sharp:#?}");
    // A stride of three is not taken, and computed by our own kernels.
    let (taken, asked) = gpu.cudnn_takes();
    assert!(taken > 200 && asked > taken, "{taken} of {asked}");
    assert!(gpu.describe().contains("cuDNN 9.10.2 (deterministic algorithms, no TF32)"), "{}", gpu.describe());
    gpu.synchronize().unwrap();
    assert!(gpu.cudnn_algorithms().iter().any(|text| text.ends_with("algorithm 1, 1000 bytes of workspace")));
    drop((gpu, own));
    assert_eq!(cudnn.ask(c"fake_objects", 0), 0, "all that was opened is closed");
}

#[test]
fn tf32_and_any_order_are_used_only_where_they_are_asked_for() {
    let Some((_one, cudnn)) = cudnn() else { return };
    for (freedom, expected) in [(Freedom::Tf32, TF32), (Freedom::Fast, FAST)] {
        let Some(gpu) = device(&cudnn, freedom) else { return };
        let shapes = Shapes { convolutions: Shapes::usual().convolutions, ..Shapes::default() };
        let single = compare::<_, f32>(&gpu, &shapes);
        assert_eq!(used(&cudnn), [expected]);
        // Operands are rounded to eleven bits: some sums are off by more than those of single precision may be.
        assert!(single.iter().any(|c| c.error > c.bound) && single.iter().all(|c| c.error < 1e-3), "{single:#?}");
        // The bound for random numbers is sharp enough for every sum.
        let sharp = compare_convolutions::<_, _, f32>(&gpu, &Cpu, &shapes.convolutions);
        assert!(sharp.iter().all(|c| c.error > c.bound), "{sharp:#?}");
        assert_eq!(used(&cudnn), [expected]);
        let double = compare::<_, f64>(&gpu, &shapes);
        assert!(double.iter().all(Comparison::holds), "TF32 is for single precision alone");
        assert_eq!(used(&cudnn), [if freedom == Freedom::Fast { FAST_WITHOUT_TF32 } else { EXACT }]);
    }
}

/// The numbers of the algorithms of one sweep, as in cuDNN's header: those based on FFTs, and Winograd's.
struct Inexact {
    fft: [usize; 2],
    winograd: [usize; 2],
}

const INEXACT: [Inexact; 3] = [
    Inexact { fft: [4, 5], winograd: [6, 7] },
    Inexact { fft: [2, 3], winograd: [4, 5] },
    Inexact { fft: [2, 6], winograd: [4, 5] },
];

/// Forward, vjp of the input, vjp of the weights of one image.
fn sweep(gpu: &Gpu<Emulator>, which: usize, kernel: [usize; 2]) {
    let shape = ConvShape::same([2, 6, 7], 3, kernel);
    let (mut x, mut y) = (gpu.zeros::<f32>(shape.input_len()), gpu.zeros::<f32>(shape.output_len()));
    let mut w = gpu.zeros::<f32>(shape.weight_len());
    match which {
        0 => gpu.conv(&shape, &x, Part::all(&w), None, &mut y),
        1 => gpu.conv_vjp_input(&shape, Part::all(&w), &y, &mut x),
        _ => gpu.conv_vjp_weights(&shape, &x, &y, PartMut::all(&mut w), false),
    }
    gpu.synchronize().unwrap();
}

#[test]
fn algorithms_that_lose_digits_are_skipped_unless_tf32_is_requested() {
    let Some((_one, cudnn)) = cudnn() else { return };
    for (which, Inexact { fft, winograd }) in INEXACT.iter().enumerate() {
        for (kernel, small) in [([3, 3], true), ([1, 3], true), ([5, 5], false), ([1, 5], false), ([5, 3], false)] {
            for offered in 0..8 {
                cudnn.ask(c"fake_offer_first", offered as i32);
                let skipped = fft.contains(&offered) || (winograd.contains(&offered) && !small);
                let Some(gpu) = device(&cudnn, Freedom::Exact) else { return };
                sweep(&gpu, which, kernel);
                assert_eq!(used(&cudnn), [if skipped { EXACT } else { offered }], "sweep {which}, kernel {kernel:?}");
                let Some(gpu) = device(&cudnn, Freedom::Tf32) else { return };
                sweep(&gpu, which, kernel);
                assert_eq!(used(&cudnn), [offered]);
            }
        }
    }
}

/// Parameters lie one behind the other; what cuDNN reads begins where it can load several numbers at once.
#[test]
fn weights_in_the_middle_of_all_parameters_are_read_and_added_to() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(gpu) = device(&cudnn, Freedom::Exact) else { return };
    let Some(own) = emulator::device(0, MEMORY) else { return };
    let shape = ConvShape::same([2, 4, 5], 3, [3, 3]);
    let weights = shape.weight_len();
    let run = |gpu: &Gpu<Emulator>| {
        let numbers = |n: usize| -> Vec<f32> { (0..n).map(|i| ((i * 37 % 23) as f32 - 11.0) / 8.0).collect() };
        let x = gpu.upload(numbers(2 * shape.input_len()));
        let parameters = gpu.upload(numbers(1 + weights + 3 + 2));
        let (w, bias) = Part::new(&parameters, 1..1 + weights + 3).split(weights);
        let mut y = gpu.zeros(2 * shape.output_len());
        gpu.conv(&shape, &x, w, Some(bias), &mut y);
        let (mut x_bar, mut bar) = (x.duplicate(), parameters.duplicate());
        gpu.conv_vjp_input(&shape, w, &y, &mut x_bar);
        gpu.conv_vjp_weights(&shape, &x, &y, PartMut::new(&mut bar, 1..1 + weights + 3), true);
        gpu.synchronize().unwrap();
        [y.to_f64(), x_bar.to_f64(), bar.to_f64()].concat()
    };
    // Sums of a few eighths are exact in any order.
    assert_eq!(run(&gpu), run(&own));
    assert_eq!(cudnn.ran()[EXACT], 3);
}

#[test]
fn a_network_and_its_gradient_agree_with_the_cpu() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(gpu) = device(&cudnn, Freedom::Exact) else { return };
    network_agrees(&gpu, "small", &small(), 3, solve("heun", 3, Method::Full));
    assert_eq!(used(&cudnn), [EXACT]);
}

#[test]
fn a_failure_is_told_with_what_was_asked_for() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(gpu) = device(&cudnn, Freedom::Exact) else { return };
    let shape = ConvShape::same([2, 4, 5], 3, [3, 3]);
    let (x, w) = (gpu.zeros::<f32>(shape.input_len()), gpu.zeros::<f32>(shape.weight_len()));
    let mut y = gpu.zeros::<f32>(shape.output_len());
    cudnn.ask(c"fake_fail_in", 1);
    let mut conv = || gpu.conv(&shape, &x, Part::new(&w, 0..w.len()), None, &mut y);
    conv();
    gpu.synchronize().unwrap();
    conv();
    cudnn.ask(c"fake_fail_in", -1);
    let Err(ComputeError::Device(failure)) = gpu.synchronize() else { panic!("it failed") };
    let text = failure.to_string();
    let expected = ["cuDNN, convolution", "CUDNN_STATUS_EXECUTION_FAILED", "last checkpoint"];
    assert!(expected.iter().all(|part| text.contains(part)), "{text}");
}

/// cuDNN 9 and 8 have different codes for what they do not support.
#[test]
fn a_convolution_that_cudnn_refuses_to_run_is_computed_by_our_own_kernels() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(own) = emulator::device(0, MEMORY) else { return };
    let shapes = Shapes { convolutions: vec![(ConvShape::same([2, 4, 5], 3, [3, 3]), 2)], ..Shapes::default() };
    let expected = compare::<_, f32>(&own, &shapes);
    for (status, of) in [(3000, c"fake_fail_with"), (9, c"fake_fail_with"), (3008, c"fake_add_with")] {
        let Some(gpu) = device(&cudnn, Freedom::Exact) else { return };
        let convolutions = of == c"fake_fail_with";
        cudnn.ask(of, status);
        cudnn.ask(c"fake_fail_in", if convolutions { 0 } else { -1 });
        let found = compare::<_, f32>(&gpu, &shapes);
        cudnn.ask(c"fake_fail_in", -1);
        cudnn.ask(c"fake_fail_with", 5000);
        cudnn.ask(c"fake_add_with", 0);
        gpu.synchronize().expect("the device has not failed");
        // Vjps have no bias.
        assert_eq!(gpu.cudnn_takes(), (if convolutions { 0 } else { 2 }, 3), "status {status}");
        assert!(found.iter().all(Comparison::holds), "status {status}: {found:#?}");
        assert!(!convolutions || found == expected, "status {status}: the bits of our own kernels");
    }
}

#[test]
fn a_cudnn_that_does_not_start_is_reported_without_advice_to_install_it() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(emulator) = emulator::emulator(0, MEMORY) else { return };
    cudnn.ask(c"fake_create_with", 1001);
    let refused = Gpu::with_cudnn(emulator, &[&cudnn.path], Freedom::Exact).map(drop);
    cudnn.ask(c"fake_create_with", 0);
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("CUDNN_STATUS_NOT_INITIALIZED") && text.contains("--device cuda-own"), "{text}");
    assert!(!text.contains("pip install") && !text.contains("checkpoint"), "{text}");
}

/// Otherwise the device would be closed before cuDNN.
#[test]
fn cudnn_is_opened_after_all_that_may_fail() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(emulator) = emulator::emulator(0, 0) else { return };
    let created = cudnn.ask(c"fake_created", 0);
    let refused = Gpu::with_cudnn(emulator, &[&cudnn.path], Freedom::Exact).map(drop);
    assert!(matches!(refused, Err(DeviceError::OutOfMemory { .. })), "{refused:?}");
    assert_eq!(cudnn.ask(c"fake_created", 0), created);
}

#[test]
fn a_library_that_is_not_there_or_is_no_cudnn_is_told_with_a_cure() {
    let Some(emulator) = emulator::emulator(0, MEMORY) else { return };
    let Err(DeviceError::NoCudnn(why)) = Gpu::with_cudnn(emulator, &[c"libanode-none.so.9"], Freedom::Exact) else {
        panic!("there is none")
    };
    assert!(why.contains("libanode-none.so.9"), "{why}");
    let Some(emulator) = emulator::emulator(0, MEMORY) else { return };
    let error = Gpu::with_cudnn(emulator, &[c"libc.so.6"], Freedom::Exact).unwrap_err().to_string();
    let expected = ["no function cudnn", "pip install nvidia-cudnn", "LD_LIBRARY_PATH", "--device cuda-own"];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn the_self_test_tells_what_computes() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(own) = emulator::device(0, MEMORY) else { return };
    let shapes = Shapes { convolutions: vec![(ConvShape::same([2, 4, 5], 3, [3, 3]), 2)], ..Shapes::default() };
    let Some(with) = device(&cudnn, Freedom::Exact) else { return };
    let found = diagnose_device(&own, Ok(with), &shapes).unwrap();
    let told = found.cudnn.unwrap();
    assert!(told.words.contains("cuDNN 9.10.2") && (told.taken, told.asked) == (6, 6), "{told:?}");
    assert!(told.kernels.len() == 6 && told.kernels.iter().all(Comparison::holds));
    let training = found.training.unwrap();
    assert!(training.len() == 6 && training.iter().all(Comparison::holds), "{training:#?}");
    let captured = found.capture.unwrap();
    assert!(captured.len() == 6 && captured.iter().all(Comparison::holds), "{captured:#?}");
    let none = diagnose_device(&own, Err("there is none".into()), &shapes).unwrap();
    assert_eq!(none.cudnn.as_ref().unwrap_err(), "there is none");
    assert_eq!(none.training.as_ref().unwrap().len(), 3);
    let (sound, text) = judged(Ok(none));
    assert!(sound && text.contains("ok    f32 training, gradient"), "{text}");
}

#[test]
fn a_failure_of_cudnn_is_reported_apart_from_our_own_kernels() {
    let Some((_one, cudnn)) = cudnn() else { return };
    let Some(own) = emulator::device(0, MEMORY) else { return };
    let shapes = Shapes { convolutions: vec![(ConvShape::same([2, 4, 5], 3, [3, 3]), 2)], ..Shapes::default() };
    // In a comparison of convolutions, and in a training step.
    for (calls, place) in [(3, "the device failed in "), (24, "training steps through dfdx: ")] {
        let Some(with) = device(&cudnn, Freedom::Exact) else { return };
        cudnn.ask(c"fake_fail_in", calls);
        let found = diagnose_device(&own, Ok(with), &shapes).unwrap();
        cudnn.ask(c"fake_fail_in", -1);
        let training = found.training.as_ref().unwrap();
        assert!(training.len() == 3 && training.iter().all(Comparison::holds), "{training:#?}");
        let (sound, text) = judged(Ok(found));
        assert!(
            !sound
                && text.contains(&format!("WRONG cuDNN failed: {place}"))
                && text.contains("CUDNN_STATUS_EXECUTION_FAILED"),
            "{text}"
        );
        assert_eq!(text.matches("WRONG ").count(), 1, "{text}");
    }
}

/// Whether a machine with this GPU is sound, and the report of the self-test.
fn judged(gpu: Result<GpuDiagnosis, NoGpu>) -> (bool, String) {
    let diagnosis = Diagnosis { machine: vec![], cpu: vec![], adjoints: vec![], threads: (vec![1], true), gpu };
    (diagnosis.is_sound(), diagnosis.to_string())
}

#[test]
fn a_training_step_that_fails_or_differs_is_a_fault() {
    let Some(gpu) = emulator::device(0, MEMORY) else { return };
    let diagnose = || diagnose_device(&gpu, Err("there is none".into()), &Shapes::default()).unwrap();
    let mut wrong = diagnose();
    wrong.training.as_mut().unwrap()[1].error = 0.5;
    let (sound, text) = judged(Ok(wrong));
    assert!(!sound && text.contains("WRONG f32 training, gradient"), "{text}");
    gpu.driver().wrong_replay.store(gpu.driver().replays.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let (sound, text) = judged(Ok(diagnose()));
    assert!(!sound && text.contains("WRONG f32 captured sweeps, logits"), "{text}");
    gpu.driver().refuses_captures.store(true, Ordering::Relaxed);
    let (sound, text) = judged(Ok(diagnose()));
    assert!(sound && text.contains("training steps launch each kernel: the work of this emulator"), "{text}");
    gpu.driver().launches_left.store(50, Ordering::Relaxed);
    let (sound, text) = judged(Ok(diagnose()));
    let parts = ["WRONG training steps through dfdx failed: ", "the device failed in", "the device is lost"];
    assert!(!sound && parts.iter().all(|part| text.contains(part)), "{text}");
    let (sound, text) = judged(Err(NoGpu::Unusable("no kernels".into())));
    assert!(!sound && text.contains("WRONG, cannot be used. no kernels"), "{text}");
}

#[test]
fn names_of_devices_are_told_apart() {
    for convolver in Convolver::ALL {
        assert_eq!(Convolver::named(convolver.name()), Some(convolver));
    }
    assert_eq!((Convolver::named("cpu"), Convolver::named("cuda")), (None, None));
}
