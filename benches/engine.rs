//! What the gradient engine costs beside the field it drives, as ratios within one run, and the speed of the kernels.

#![allow(missing_docs, reason = "criterion makes public functions")]

use std::hint::black_box;
use std::time::Instant;

use anode::allocator::ArenaAllocator;
use anode::gradient::{Block, Ledger, Method};
use anode::kernels::{ConvShape, conv, conv_vjp_input, conv_vjp_weights, linear, linear_vjp};
use anode::net::{Form, Network, Solve, Steps, network};
use anode::ode::{At, DifferentiableField, FieldError, Grid, Pass, Vector, VectorField, solver};
use anode::problems::Dense;
use anode::random::{Stream, normal, stream};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// The program's.
#[global_allocator]
static ALLOCATOR: ArenaAllocator = ArenaAllocator::new();

fn numbers(n: usize) -> Vec<f32> {
    normal(&mut stream(1, Stream::Data), n, 0.05).into_iter().map(|x| x as f32).collect()
}

/// dz/dt = max(0, W z) for a batch of states: the field that the engine's overhead is measured against.
struct Batched {
    n: usize,
    bias: Vec<f32>,
}

impl VectorField for Batched {
    type Vector = Vec<f32>;

    fn eval(&self, _: At, z: &Vec<f32>, w: &Vec<f32>, dz: &mut Vec<f32>) -> Result<(), FieldError> {
        linear(self.n, self.n, z, w, &self.bias, dz);
        dz.iter_mut().for_each(|x| *x = x.max(0.0));
        Ok(())
    }
}

/// The state and the activations.
type Tape = (Vec<f32>, Vec<f32>);

impl DifferentiableField for Batched {
    type Tape = Tape;

    fn eval_taped(&self, at: At, z: &Vec<f32>, w: &Vec<f32>, dz: &mut Vec<f32>) -> Result<Tape, FieldError> {
        self.eval(at, z, w, dz)?;
        Ok((z.clone(), dz.clone()))
    }

    fn vjp(
        &self,
        (z, y): &Tape,
        w: &Vec<f32>,
        cotangent: &Vec<f32>,
        z_bar: &mut Vec<f32>,
        w_bar: &mut Vec<f32>,
    ) -> Result<(), FieldError> {
        let y_bar: Vec<f32> = y.iter().zip(cotangent).map(|(&y, &c)| if y > 0.0 { c } else { 0.0 }).collect();
        linear_vjp(self.n, self.n, z, w, &y_bar, z_bar, w_bar, &mut self.bias.clone());
        Ok(())
    }

    fn tape_bytes(&self, tape: &Tape) -> usize {
        4 * (tape.0.len() + tape.1.len())
    }
}

/// The same Euler gradient by the engine and by a loop written for it alone, in turn within one run: what the engine
/// adds to a step, as a share of one evaluation of the field.
fn overhead(_: &mut Criterion) {
    let (n, batch, nt) = (256, 256, 16);
    let field = Batched { n, bias: vec![0.0; n] };
    let (z0, w) = (numbers(n * batch), numbers(n * n));
    let tableau = solver("euler").expect("a registered solver");
    let block = Block { field: &field, tableau, grid: Grid::unit(nt) };
    let cotangent = numbers(z0.len());
    let h = 1.0 / nt as f32;
    let at = |n| block.grid.forward(n, Pass::Forward).at(tableau, 0);
    let by_hand = || {
        let (mut z, mut dz, mut tapes) = (z0.clone(), vec![0.0; z0.len()], vec![]);
        for n in 0..nt {
            tapes.push(field.eval_taped(at(n), &z, &w, &mut dz).expect("it evaluates"));
            z.axpy(h, &dz);
        }
        let (mut z_bar, mut w_bar) = (cotangent.clone(), vec![0.0; w.len()]);
        let (mut k_bar, mut bar) = (vec![0.0; z.len()], vec![0.0; z.len()]);
        for tape in tapes.iter().rev() {
            k_bar.set_zero();
            k_bar.axpy(h, &z_bar);
            bar.set_zero();
            field.vjp(tape, &w, &k_bar, &mut bar, &mut w_bar).expect("it has a vjp");
            z_bar.axpy(1.0, &bar);
        }
        black_box((z_bar, w_bar));
    };
    let engine = || {
        let ledger = Ledger::new();
        let forward = Method::Full.forward(&block, &z0, &w, &ledger).expect("it solves");
        let mut w_bar = vec![0.0; w.len()];
        let z_bar = forward.backward(&block, &w, &cotangent, &mut w_bar, &ledger).expect("it has a gradient");
        black_box((z_bar, w_bar));
    };
    let evaluation = || {
        let mut dz = vec![0.0; z0.len()];
        for n in 0..nt {
            field.eval(at(n), black_box(&z0), &w, &mut dz).expect("it evaluates");
        }
        black_box(dz);
    };
    let timed = |work: &dyn Fn()| {
        let clock = Instant::now();
        work();
        clock.elapsed().as_secs_f64()
    };
    let mut times: [Vec<f64>; 3] = Default::default();
    for _ in 0..100 {
        for (times, work) in times.iter_mut().zip([&by_hand as &dyn Fn(), &engine, &evaluation]) {
            times.push(timed(work));
        }
    }
    let [hand, engine, evaluation] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2] / nt as f64
    });
    println!(
        "overhead of the executor, dense {n}x{n}, batch {batch}, f32, {nt} Euler steps, medians of 100 in turn: \
         {:.2} % of an evaluation a step\n  a step by hand {:.1} us, by the executor {:.1} us; an evaluation {:.1} us",
        100.0 * (engine - hand) / evaluation,
        1e6 * hand,
        1e6 * engine,
        1e6 * evaluation
    );
}

/// A gradient by each method.
fn gradients(c: &mut Criterion) {
    let (n, nt) = (256, 16);
    let field = Dense::<f32>::tanh(n);
    let (z0, w) = (numbers(n), numbers(n * n));
    let tableau = solver("euler").expect("a registered solver");
    let mut group = c.benchmark_group("gradient of 16 Euler steps, dense 256");
    let methods = [Method::Full, Method::Anode, Method::Revolve(3), Method::Online(3), Method::ReverseTime];
    for method in methods.into_iter().chain([Method::InterpolatedAdjoint, Method::Leapfrog, Method::Reversible]) {
        group.bench_function(method.to_string(), |b| {
            let block = Block { field: &field, tableau, grid: Grid::unit(nt) };
            b.iter(|| {
                let ledger = Ledger::new();
                let forward = method.forward(&block, &z0, &w, &ledger).expect("it solves");
                let cotangent = forward.end().clone();
                let mut w_bar = vec![0.0; w.len()];
                forward.backward(&block, &w, &cotangent, &mut w_bar, &ledger).expect("it has a gradient")
            });
        });
    }
    group.finish();
}

fn convolutions(c: &mut Criterion) {
    let mut group = c.benchmark_group("3x3 convolution, batch 32");
    group.sample_size(20);
    for (channels, size) in [(16, 32), (32, 16), (64, 32), (128, 16), (256, 8), (512, 4)] {
        let shape = ConvShape::same([channels, size, size], channels, [3, 3]);
        let (x, w) = (numbers(32 * shape.input_len()), numbers(shape.weight_len()));
        let (mut y, mut w_bar) = (vec![0.0; 32 * shape.output_len()], vec![0.0; w.len()]);
        group.throughput(Throughput::Elements(2 * 32 * shape.macs() as u64));
        let name = |what: &str| format!("{channels} x {size}x{size}, {what}");
        group.bench_function(name("forward"), |b| b.iter(|| conv(&shape, &x, &w, None, &mut y)));
        group.bench_function(name("input vjp"), |b| b.iter(|| conv_vjp_input(&shape, &w, &x, &mut y)));
        group.bench_function(name("weight vjp"), |b| b.iter(|| conv_vjp_weights(&shape, &x, &x, &mut w_bar, None)));
    }
    group.finish();
}

/// A training step of ResNet-4 as the experiments take it.
fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("gradient of ResNet-4, Euler, Nt = 2");
    group.sample_size(20);
    let tableau = solver("euler").expect("a registered solver");
    let registered = network("resnet4").expect("a registered network");
    for (batch, method) in [(50, Method::Anode), (256, Method::Anode), (256, Method::Full), (256, Method::ReverseTime)]
    {
        let net = Network::new(&(registered.build)(Form::Ode, registered.width, 10));
        let (images, theta) = (numbers(batch * 3072), net.initial::<f32>(0));
        let solve = Solve { tableau, steps: Steps::Fixed(2), method };
        group.bench_function(format!("{method}, batch {batch}"), |b| {
            b.iter(|| {
                let ledger = Ledger::new();
                let (logits, kept) = net.forward(&images, &theta, solve, &ledger).expect("it solves");
                let mut theta_bar = vec![0.0; theta.len()];
                net.backward(kept, &theta, &logits, &mut theta_bar, solve, &ledger).expect("it has a gradient");
                black_box(theta_bar)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, overhead, gradients, convolutions, training);
criterion_main!(benches);
