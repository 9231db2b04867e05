//! The first NVIDIA GPU against the CPU: kernels, networks, training, memory. Skipped, with a line that says why, where there is none.
#![cfg(feature = "cuda")]

mod device;

use anode::doctor::{Comparison, Shapes, compare, diagnose_device};
use anode::gradient::Method;
use anode::kernels::Device;
use anode::kernels::cuda::{Driver, Gpu, Nvidia};
use device::{
    all_networks_agree, coupled_blocks_agree, every_method_agrees, evolving_networks_agree, network_agrees, small,
    solve, training_agrees, training_of_evolving_weights_agrees,
};

/// The GPU, one test at a time: they measure memory.
fn gpu() -> Option<(std::sync::MutexGuard<'static, ()>, Gpu<Nvidia>)> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match Gpu::nvidia(0) {
        Ok(gpu) => Some((guard, gpu)),
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
    let mut found = compare::<_, f32>(&gpu, &Shapes::usual());
    found.extend(compare::<_, f64>(&gpu, &Shapes::usual()));
    let faults: Vec<_> = found.iter().filter(|c| !c.holds()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let diagnosis = diagnose_device(&gpu, &Shapes::usual(), None).unwrap();
    assert!(diagnosis.kernels.iter().all(Comparison::holds));
}

#[test]
fn networks_and_gradients_agree_with_the_cpu() {
    let Some((_one, gpu)) = gpu() else { return };
    network_agrees(&gpu, "small", &small(), 3, solve("heun", 3, Method::Full));
    every_method_agrees(&gpu);
    all_networks_agree(&gpu, 16);
    coupled_blocks_agree(&gpu);
    evolving_networks_agree(&gpu);
}

#[test]
fn training_gives_the_curves_of_the_cpu() {
    let Some((_one, gpu)) = gpu() else { return };
    training_agrees(&gpu);
    training_of_evolving_weights_agrees(&gpu);
}

#[test]
fn counted_bytes_are_the_drivers() {
    let Some((_one, gpu)) = gpu() else { return };
    let (before, held) = (gpu.driver().memory().unwrap().0, gpu.held());
    let _buffer = gpu.zeros::<f32>(64 << 20);
    gpu.settle().unwrap();
    let counted = gpu.held().live - held.live;
    let fell = before - gpu.driver().memory().unwrap().0;
    // The driver hands out pages of two MiB.
    assert!(counted == 256 << 20 && fell.abs_diff(counted) <= 4 << 20, "counted {counted}, fell {fell}");
}
