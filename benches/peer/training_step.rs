//! One training step at a time: reads a line, takes a step, prints its seconds. The peer of `torch_step.py`.
//!
//! Usage: training_step NET BATCH NT METHOD

use std::io::BufRead;
use std::sync::Arc;
use std::time::Instant;

use anode::gradient::{Ledger, Method};
use anode::net::{Form, Network, Solve, Steps, network};
use anode::ode::solver;
use anode::random::{Stream, normal, stream};
use anode::train::Learner;

#[global_allocator]
static ALLOCATOR: anode::allocator::ArenaAllocator = anode::allocator::ArenaAllocator::new();

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, net, batch, steps, method] = &arguments[..] else { panic!("usage: training_step NET BATCH NT METHOD") };
    let batch: usize = batch.parse().expect("a number of images");
    let method: Method = method.parse().expect("a gradient method");
    let steps = Steps::Fixed(steps.parse().expect("a number"));
    let solve = Solve { tableau: solver("euler").expect("Euler"), steps, method };
    let registered = network(net).expect("a network");
    let net = Arc::new(Network::new(&(registered.build)(Form::Ode, registered.width, 10)));
    let mut learner = Learner::new(net.clone(), net.initial(0), 0.9, 5e-4).expect("a learner");
    let images = normal(&mut stream(0, Stream::Data), batch * 3072, 1.0);
    let images: Vec<f32> = images.into_iter().map(|x| x as f32).collect();
    let labels: Vec<u8> = (0..batch).map(|i| (i % 10) as u8).collect();
    println!("ready {}", peak_kibibytes());
    for _ in std::io::stdin().lock().lines() {
        let images = images.clone();
        let start = Instant::now();
        let ledger = Ledger::new();
        let gradient = learner.gradient(images, &labels, solve, &ledger).expect("a gradient");
        learner.update(0.01, &gradient.theta).expect("an update");
        let seconds = start.elapsed().as_secs_f64();
        println!("{seconds} {} {}", peak_kibibytes(), gradient.loss);
    }
}

/// The most memory this process ever held; 0 where the system does not tell.
fn peak_kibibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
