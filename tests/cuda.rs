//! The first NVIDIA GPU against the CPU: kernels, networks, training, memory. Skipped, with a line that says why, if
//! there is none. If `ANODE_NEEDS_GPU` or `ANODE_NEEDS_CUDNN` is set, a missing GPU or cuDNN is a failure.
#![cfg(feature = "cuda")]

mod device;

use anode::doctor::{Comparison, Shapes, compare, compare_both, compare_convolutions, diagnose_device};
use anode::gradient::Method;
use anode::kernels::cuda::{Convolver, DeviceError, Driver, Freedom, Gpu, Nvidia};
use anode::kernels::{ConvShape, Cpu, Device};
use device::{
    adaptive_steps_agree, all_networks_agree, coupled_blocks_agree, every_method_agrees, evolving_networks_agree,
    network_agrees, small, solve, training_agrees, training_of_evolving_weights_agrees,
    vectors_of_other_networks_are_refused,
};

/// The GPU, one test at a time: they measure memory.
fn gpu() -> Option<(std::sync::MutexGuard<'static, ()>, Gpu<Nvidia>)> {
    opened(Convolver::Own)
}

fn opened(convolver: Convolver) -> Option<(std::sync::MutexGuard<'static, ()>, Gpu<Nvidia>)> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match Gpu::nvidia(0, convolver) {
        Ok(gpu) => Some((guard, gpu)),
        // A GPU does not bring cuDNN.
        Err(why @ (DeviceError::NoCudnn(_) | DeviceError::CudnnNotStarted(_))) => {
            assert!(std::env::var_os("ANODE_NEEDS_CUDNN").is_none(), "{why}");
            eprintln!("skipped: {why}");
            None
        }
        Err(why) => {
            assert!(std::env::var_os("ANODE_NEEDS_GPU").is_none(), "{why}");
            eprintln!("skipped: {why}");
            None
        }
    }
}

#[test]
fn every_kernel_agrees_with_the_cpu_and_repeats_its_bits() {
    let Some((_one, gpu)) = gpu() else { return };
    let found = compare_both(&gpu, &Shapes::usual());
    let faults: Vec<_> = found.iter().filter(|c| !c.holds()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let diagnosis = diagnose_device(&gpu, Err("not asked for".into()), &Shapes::usual()).unwrap();
    assert!(diagnosis.kernels.iter().all(Comparison::holds));
    let training = diagnosis.training.unwrap();
    assert!(training.len() == 3 && training.iter().all(Comparison::holds), "{training:#?}");
}

fn all_hold(gpu: &Gpu<Nvidia>, found: &[Comparison]) {
    let faults: Vec<_> = found.iter().filter(|c| !c.holds()).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{:#?}", gpu.cudnn_algorithms());
    for of in ["conv", "conv, vjp of the input", "conv, vjp of the weights"] {
        let errors = |dtype| found.iter().filter(move |c| c.kernel == of && c.dtype == dtype).map(|c| c.error);
        let [single, double] = ["f32", "f64"].map(|dtype| errors(dtype).fold(0.0, f64::max));
        eprintln!("{of}: largest error {single:.1e} in f32, {double:.1e} in f64; {}", gpu.convolutions());
    }
}

#[test]
fn kernels_agree_with_the_cpu_for_large_shapes() {
    let Some((_one, gpu)) = gpu() else { return };
    let Shapes { convolutions, .. } = Shapes::large();
    let others = Shapes { convolutions: vec![], ..Shapes::large() };
    let mut found = compare_convolutions::<_, _, f32>(&gpu, &Cpu, &convolutions);
    found.extend(compare_convolutions::<_, _, f64>(&gpu, &Cpu, &convolutions));
    found.extend(compare_both(&gpu, &others));
    all_hold(&gpu, &found);
}

#[test]
fn large_convolutions_by_cudnn_agree_with_the_cpu() {
    let Some((_one, gpu)) = opened(Convolver::Cudnn(Freedom::Exact)) else { return };
    let Shapes { convolutions, .. } = Shapes::large();
    let mut found = compare_convolutions::<_, _, f32>(&gpu, &Cpu, &convolutions);
    found.extend(compare_convolutions::<_, _, f64>(&gpu, &Cpu, &convolutions));
    all_hold(&gpu, &found);
}

/// A batch of 257 images, too large for the CPU; the reference is our own kernels in double precision. Each shape has
/// its own test, and `f64` fewer images, so that each test ends within the limit of `scripts/gpu_session.sh`.
fn whole_batches_agree(channels: usize, size: usize) {
    let Some((_one, cudnn)) = opened(Convolver::Cudnn(Freedom::Exact)) else { return };
    let own = Gpu::nvidia(0, Convolver::Own).unwrap();
    let shape = ConvShape::same([channels, size, size], channels, [3, 3]);
    all_hold(&own, &compare_convolutions::<_, _, f32>(&own, &own, &[(shape, 257)]));
    let mut found = compare_convolutions::<_, _, f32>(&cudnn, &own, &[(shape, 257)]);
    found.extend(compare_convolutions::<_, _, f64>(&cudnn, &own, &[(shape, 65)]));
    all_hold(&cudnn, &found);
}

#[test]
fn our_kernels_and_cudnn_agree_for_whole_batches_of_64_channels() {
    whole_batches_agree(64, 32);
}

#[test]
fn our_kernels_and_cudnn_agree_for_whole_batches_of_128_channels() {
    whole_batches_agree(128, 16);
}

#[test]
fn our_kernels_and_cudnn_agree_for_whole_batches_of_256_channels() {
    whole_batches_agree(256, 8);
}

#[test]
fn our_kernels_and_cudnn_agree_for_whole_batches_of_512_channels() {
    whole_batches_agree(512, 4);
}

#[test]
fn networks_and_gradients_agree_with_the_cpu() {
    let Some((_one, gpu)) = gpu() else { return };
    network_agrees(&gpu, "small", &small(), 3, solve("heun", 3, Method::Full));
    every_method_agrees(&gpu);
    adaptive_steps_agree(&gpu);
    all_networks_agree(&gpu, 16);
    coupled_blocks_agree(&gpu);
    evolving_networks_agree(&gpu);
}

#[test]
fn training_gives_the_curves_of_the_cpu() {
    let Some((_one, gpu)) = gpu() else { return };
    training_agrees(&gpu);
    training_of_evolving_weights_agrees(&gpu);
    vectors_of_other_networks_are_refused(&gpu);
}

#[test]
fn convolutions_by_cudnn_agree_with_the_cpu_and_repeat_their_bits() {
    let Some((_one, gpu)) = opened(Convolver::Cudnn(Freedom::Exact)) else { return };
    let shapes = Shapes { convolutions: Shapes::usual().convolutions, ..Shapes::default() };
    let found = compare_both(&gpu, &shapes);
    all_hold(&gpu, &found);
    let (taken, asked) = gpu.cudnn_takes();
    eprintln!("passed: cuDNN takes {taken} of {asked} sweeps; {}", gpu.describe());
    assert!(taken > 0);
    training_agrees(&gpu);
}

#[test]
fn tf32_is_less_exact_and_no_more_wrong_than_that() {
    for freedom in [Freedom::Tf32, Freedom::Fast] {
        let Some((_one, gpu)) = opened(Convolver::Cudnn(freedom)) else { return };
        let shapes = Shapes { convolutions: Shapes::usual().convolutions, ..Shapes::default() };
        let found = compare::<_, f32>(&gpu, &shapes);
        assert!(found.iter().all(|c| c.error < 2e-3), "{found:#?}");
        assert!(freedom == Freedom::Fast || found.iter().all(|c| c.repeats), "{found:#?}");
    }
}

#[test]
fn counted_bytes_are_the_drivers() {
    let Some((_one, gpu)) = gpu() else { return };
    let (before, held) = (gpu.driver().memory().unwrap().0, gpu.held());
    let _buffer = gpu.zeros::<f32>(64 << 20);
    gpu.synchronize().unwrap();
    let counted = gpu.held().live - held.live;
    let fell = before - gpu.driver().memory().unwrap().0;
    // The driver hands out pages of two MiB.
    assert!(counted == 256 << 20 && fell.abs_diff(counted) <= 4 << 20, "counted {counted}, fell {fell}");
}
