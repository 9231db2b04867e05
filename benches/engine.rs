//! What the gradient engine costs beside the field it drives, as ratios within one run, and the speed of the kernels.

#![allow(missing_docs, reason = "criterion makes public functions")]

use std::hint::black_box;

use anode::gradient::{Block, Ledger, Method};
use anode::kernels::{ConvShape, conv};
use anode::ode::{DifferentiableField, Grid, Pass, Step, VectorField, solver};
use anode::problems::Dense;
use anode::random::{Stream, normal, stream};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn numbers(n: usize) -> Vec<f32> {
    normal(&mut stream(1, Stream::Data), n, 0.05).into_iter().map(|x| x as f32).collect()
}

/// A gradient by each method against the bare evaluations and vjps that it needs.
fn gradients(c: &mut Criterion) {
    let (n, nt) = (256, 16);
    let field = Dense::<f32>::tanh(n);
    let (z0, w) = (numbers(n), numbers(n * n));
    let tableau = solver("euler").expect("a registered solver");
    let mut group = c.benchmark_group("gradient of 16 Euler steps, dense 256");
    group.bench_function("bare evaluations and vjps", |b| {
        let at = Step { t: 0.0, h: 0.1, index: 0, pass: Pass::Forward }.at(tableau, 0);
        let (mut dz, mut z_bar, mut w_bar) = (vec![0.0; n], vec![0.0; n], vec![0.0; n * n]);
        b.iter(|| {
            for _ in 0..nt {
                field.eval(at, black_box(&z0), &w, &mut dz).expect("it evaluates");
                let tape = field.eval_taped(at, black_box(&z0), &w, &mut dz).expect("it evaluates");
                field.vjp(&tape, &w, &dz, &mut z_bar, &mut w_bar).expect("it has a vjp");
            }
        });
    });
    for method in [Method::Full, Method::Anode, Method::Revolve(3), Method::ReverseTime] {
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
    for (channels, size) in [(16, 32), (64, 32), (128, 16), (256, 8)] {
        let shape = ConvShape::same([channels, size, size], channels, [3, 3]);
        let (x, w) = (numbers(32 * shape.input_len()), numbers(shape.weight_len()));
        let mut y = vec![0.0; 32 * shape.output_len()];
        group.throughput(Throughput::Elements(2 * 32 * shape.macs() as u64));
        group.bench_function(format!("{channels} x {size}x{size}"), |b| b.iter(|| conv(&shape, &x, &w, None, &mut y)));
    }
    group.finish();
}

criterion_group!(benches, gradients, convolutions);
criterion_main!(benches);
