//! Times on the first NVIDIA GPU: training steps of the papers' networks, and the convolutions of ResNet-18. One JSON object a line.
//!
//!     cargo run --release --features cuda --example device_step

use std::sync::{Arc, Mutex};
use std::time::Instant;

use anode::data::{Alteration, synthetic};
use anode::gradient::{Ledger, Method};
use anode::kernels::cuda::{Convolver, DeviceError, Gpu, Nvidia};
use anode::kernels::{ConvShape, Device, Part, PartMut};
use anode::net::{Form, Network, Solve, Steps, network};
use anode::ode::{Vector, solver};
use anode::train::DeviceLearner;
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

/// The median and the least of the seconds that `work` takes, after three calls that do not count.
fn seconds(times: usize, mut work: impl FnMut() -> Result<(), Failure>) -> Result<(f64, f64), Failure> {
    let mut taken = vec![];
    for i in 0..times + 3 {
        let start = Instant::now();
        work()?;
        if i >= 3 {
            taken.push(start.elapsed().as_secs_f64());
        }
    }
    taken.sort_by(f64::total_cmp);
    Ok((taken[taken.len() / 2], taken[0]))
}

fn main() -> Result<(), Failure> {
    for convolver in Convolver::ALL {
        match Gpu::nvidia(0, convolver) {
            Ok(gpu) => times(&gpu, convolver.name())?,
            Err(why @ DeviceError::NoCudnn(_)) => {
                println!("{}", json!({ "device": convolver.name(), "skipped": why.to_string() }))
            }
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

/// The times on one device.
fn times(gpu: &Gpu<Nvidia>, device: &str) -> Result<(), Failure> {
    println!("{}", json!({ "device": device, "words": gpu.describe() }));
    let set = synthetic();
    let batch = 256.min(set.train.len());
    let indices: Vec<usize> = (0..batch).collect();
    let (images, labels) = set.batch(&set.train, &indices, |_| Alteration::NONE);
    let tableau = solver("euler").ok_or("no solver")?;
    for name in ["resnet4", "resnet10", "resnet18", "sqnxt", "alexnet"] {
        let registered = network(name).ok_or("no network")?;
        let net = Arc::new(Network::new(&(registered.build)(Form::Ode, registered.width, 10)));
        let theta = net.initial::<f32>(0);
        for method in [Method::Anode, Method::Full] {
            let solve = Solve { tableau, steps: Steps::Fixed(2), method };
            let mut learner = DeviceLearner::new(net.clone(), gpu.clone(), &theta, 0.9, 5e-4)?;
            gpu.restart_peak();
            let (median, least) = seconds(15, || {
                let ledger = Arc::new(Mutex::new(Ledger::new()));
                let gradient = learner.gradient(images.clone(), &labels, solve, &ledger)?;
                learner.update(0.01, &gradient.theta)?;
                Ok(gpu.settle()?)
            })?;
            let peak = gpu.held().peak;
            println!(
                "{}",
                json!({ "device": device, "net": name, "method": method.to_string(), "steps": 2, "batch": batch, "median_s": median,
                        "least_s": least, "peak_bytes": peak })
            );
        }
    }
    for (channels, size) in [(16, 32), (64, 32), (128, 16), (256, 8), (512, 4)] {
        let shape = ConvShape::same([channels, size, size], channels, [3, 3]);
        let operations = 2.0 * (batch * shape.macs()) as f64;
        let x = gpu.upload(vec![0.5f32; batch * shape.input_len()]);
        let w = gpu.upload(vec![0.25f32; shape.weight_len()]);
        let (mut y, mut x_bar, mut w_bar) = (gpu.zeros(batch * shape.output_len()), x.zeros_like(), w.zeros_like());
        let part = || Part::new(&w, 0..w.len());
        // Ten launches a call, so that waiting for the last one counts little.
        let forward = seconds(10, || {
            (0..10).for_each(|_| gpu.conv(&shape, &x, part(), None, &mut y));
            Ok(gpu.settle()?)
        })?;
        let input = seconds(10, || {
            (0..10).for_each(|_| gpu.conv_vjp_input(&shape, part(), &y, &mut x_bar));
            Ok(gpu.settle()?)
        })?;
        let weights = seconds(10, || {
            let len = w_bar.len();
            (0..10).for_each(|_| gpu.conv_vjp_weights(&shape, &x, &y, PartMut::new(&mut w_bar, 0..len), false));
            Ok(gpu.settle()?)
        })?;
        let rate = |(median, _): (f64, f64)| (10.0 * operations / median / 1e9).round();
        println!(
            "{}",
            json!({ "device": device, "conv": format!("{channels} x {size} x {size}"), "batch": batch, "gflops_forward": rate(forward),
                    "gflops_vjp_input": rate(input), "gflops_vjp_weights": rate(weights) })
        );
    }
    Ok(())
}
