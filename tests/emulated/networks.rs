//! Networks and training on the CUDA device, emulated, against the CPU.

use std::sync::atomic::Ordering;

use crate::device::{
    adaptive_steps_agree, all_networks_agree, coupled_blocks_agree, every_method_agrees, evolving_networks_agree,
    network_agrees, small, solve, training_agrees, training_of_evolving_weights_agrees,
    vectors_of_other_networks_are_refused,
};
use crate::emulator;
use anode::gradient::{Ledger, Method};
use anode::kernels::{ComputeError, Cpu, Device};
use anode::net::Network;
use anode::ode::SolveError;

const MEMORY: usize = 1 << 30;

#[test]
fn a_network_with_every_layer_agrees_and_every_method_with_it() {
    let Some(gpu) = emulator::device(0, MEMORY) else { return };
    network_agrees(&gpu, "small", &small(), 3, solve("heun", 3, Method::Full));
    every_method_agrees(&gpu);
    adaptive_steps_agree(&gpu);
}

#[test]
fn every_registered_network_agrees() {
    let Some(gpu) = emulator::device(7, MEMORY) else { return };
    all_networks_agree(&gpu, 2);
}

/// Training on a device is code of its own: here on the CPU's buffers.
#[test]
fn training_on_the_cpu_as_a_device_agrees() {
    training_agrees(&Cpu);
    training_of_evolving_weights_agrees(&Cpu);
}

#[test]
fn vectors_that_do_not_fit_the_network_are_refused() {
    vectors_of_other_networks_are_refused(&Cpu);
    let Some(gpu) = emulator::device(5, MEMORY) else { return };
    vectors_of_other_networks_are_refused(&gpu);
}

#[test]
fn training_gives_the_curves_of_the_cpu() {
    let Some(gpu) = emulator::device(3, MEMORY) else { return };
    training_agrees(&gpu);
    assert!(gpu.held().live < 1 << 20, "buffers are given back: {:?}", gpu.held());
}

#[test]
fn a_state_that_overflows_and_a_lost_device_are_told_at_the_end_of_a_sweep() {
    let Some(gpu) = emulator::device(0, MEMORY) else { return };
    let host = Network::new(&small());
    let theta = gpu.upload(host.initial::<f32>(1));
    let net = Network::on(&host, gpu.clone());
    let images = gpu.upload(vec![f32::MAX; 2 * 2 * 64]);
    let how = solve("euler", 2, Method::Anode);
    assert!(net.forward(&images, &theta, how, &Ledger::new()).is_ok());
    let error = gpu.synchronize().unwrap_err();
    assert!(error.is_divergence() && matches!(error, ComputeError::Solve(SolveError::Overflow)));
    gpu.driver().launches_left.store(5, Ordering::Relaxed);
    let images = gpu.upload(vec![1.0f32; 2 * 2 * 64]);
    let error = net.evaluate(&images, &theta, how).unwrap_err();
    assert!(!error.is_divergence() && error.to_string().contains("lost"), "{error}");
}

#[test]
fn weights_evolve_in_host_memory_around_activations_on_the_device() {
    let Some(gpu) = emulator::device(5, MEMORY) else { return };
    coupled_blocks_agree(&gpu);
    evolving_networks_agree(&gpu);
    training_of_evolving_weights_agrees(&gpu);
    assert!(gpu.held().live < 1 << 20, "buffers are given back: {:?}", gpu.held());
}
