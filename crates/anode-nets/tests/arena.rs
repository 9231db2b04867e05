//! The memory of a training step: after the first two steps nothing is asked of the system, and the ledger's bytes are
//! those that the allocator has out. One test, since it counts the memory of the whole process.

use std::sync::Arc;

use anode_core::gradient::{Ledger, Method};
use anode_core::ode::solver;
use anode_kernels::allocator::ArenaAllocator;
use anode_nets::data::synthetic;
use anode_nets::net::{Form, Network, Solve, Steps, network};
use anode_nets::train::{Learner, Rate, Recipe, Trainer};

#[global_allocator]
static ALLOCATOR: ArenaAllocator = ArenaAllocator::new();

fn net(name: &str) -> Network {
    let registered = network(name).unwrap();
    Network::new(&(registered.build)(Form::Ode, registered.width, 10))
}

fn recipe(batch: usize) -> Recipe {
    Recipe {
        solve: Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(2), method: Method::Anode },
        epochs: 2,
        batch,
        learning_rate: 0.01,
        rate: Rate::Cosine,
        momentum: 0.9,
        weight_decay: 5e-4,
        momentum_restart: false,
        augment: true,
        random_error: None,
        seed: 0,
    }
}

/// Bytes asked of the system by each call.
fn asked(steps: usize, mut step: impl FnMut()) -> Vec<usize> {
    let mut asked = |_| {
        let before = ALLOCATOR.requested_bytes();
        step();
        ALLOCATOR.requested_bytes() - before
    };
    (0..steps).map(&mut asked).collect()
}

/// By steps of descent on one thread, where blocks come and go in one order.
fn asked_alone(name: &str, batch: usize) -> Vec<usize> {
    let (net, recipe) = (Arc::new(net(name)), recipe(batch));
    let mut learner = Learner::new(net.clone(), net.initial(0), recipe.momentum, recipe.weight_decay).unwrap();
    let labels = vec![1; batch];
    asked(6, || {
        let ledger = Ledger::new();
        let gradient = learner.gradient(vec![0.5; batch * 3072], &labels, recipe.solve, &ledger).unwrap();
        learner.update(0.01, &gradient.theta).unwrap();
    })
}

/// By steps of the training loop on all threads.
fn asked_by_training(name: &str, batch: usize) -> Vec<usize> {
    let mut set = synthetic();
    set.train.truncate(batch * 3);
    let mut trainer = Trainer::new(net(name), Arc::new(set), recipe(batch)).unwrap();
    asked(6, || {
        trainer.step().unwrap();
    })
}

/// What the ledger says that a forward sweep keeps, and what the allocator has out more than before.
fn kept(name: &str, batch: usize) -> (f64, f64) {
    let (net, solve, ledger) = (net(name), recipe(batch).solve, Ledger::new());
    let (images, theta) = (vec![0.5f32; batch * 3072], net.initial::<f32>(0));
    let before = ALLOCATOR.live_bytes();
    let kept = net.forward(&images, &theta, solve, &ledger).unwrap();
    let out = ALLOCATOR.live_bytes() - before;
    drop(kept);
    assert_eq!(ALLOCATOR.live_bytes(), before, "{name}: everything is given back");
    (ledger.cost().live_bytes as f64, out as f64)
}

#[test]
fn steps_live_on_the_memory_of_the_first_ones_and_the_ledger_counts_it() {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (name, batch) in [("resnet4", 32), ("sqnxt", 16)] {
        let (ledger, out) = kept(name, batch);
        assert!((out / ledger - 1.0).abs() < 0.02, "{name}: the ledger says {ledger}, the allocator {out}");
        let bytes = alone.install(|| asked_alone(name, batch));
        assert!(bytes[2..].iter().all(|&bytes| bytes == 0), "{name}: {bytes:?}");
        // Threads give blocks back in an order of their own, so gaps differ a little from step to step.
        let bytes = asked_by_training(name, batch);
        let later: usize = bytes[2..].iter().sum();
        assert!(later <= ALLOCATOR.requested_bytes() / 10, "{name}: {bytes:?}");
    }
}
