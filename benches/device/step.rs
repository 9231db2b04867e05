//! Times on the first NVIDIA GPU: the convolutions of ResNet-18, then training steps of the papers' networks. Prints
//! one JSON object per line. A row that fails holds the message in `failed`, and the next row follows.
//!
//!     cargo run --release --features cuda --example device_step [-- DEVICE...]
//!
//! `DEVICE` is `cuda-own`, `cuda-cudnn`, `cuda-tf32` or `cuda-fast`; without one, all of them are timed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anode::data::{Alteration, DataSet, synthetic};
use anode::gradient::{Ledger, Method};
use anode::kernels::cuda::{Convolver, Gpu, Nvidia};
use anode::kernels::{ConvShape, Device, Part, PartMut};
use anode::net::{Form, Network, Solve, Steps, network};
use anode::ode::{Vector, solver};
use anode::train::{BatchImages, CaptureState, Learner};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;

/// Rows that would start later than this are skipped.
const ALL: Duration = Duration::from_secs(140);
/// The timed calls of one measurement end after this time.
const ONE: Duration = Duration::from_millis(1000);
/// Networks and images per batch.
const NETWORKS: [(&str, usize); 6] =
    [("resnet4", 256), ("resnet10", 256), ("resnet18", 256), ("sqnxt", 64), ("sqnxt", 256), ("alexnet", 256)];
const CONVOLUTIONS: [(usize, usize); 5] = [(16, 32), (64, 32), (128, 16), (256, 8), (512, 4)];
/// Images per call of a convolution.
const BATCH: usize = 256;

/// Seconds per call: how many calls were timed, their median and their minimum.
struct Times {
    calls: usize,
    median: f64,
    least: f64,
}

/// Times at most `times` calls of `work`, after at most three that do not count; fewer calls if they are slow.
fn seconds(times: usize, mut work: impl FnMut() -> Result<(), Failure>) -> Result<Times, Failure> {
    let mut taken = vec![];
    let start = Instant::now();
    for _ in 0..3 {
        work()?;
        if start.elapsed() > ONE / 2 {
            break;
        }
    }
    let start = Instant::now();
    while taken.len() < times && (taken.is_empty() || start.elapsed() < ONE) {
        let start = Instant::now();
        work()?;
        taken.push(start.elapsed().as_secs_f64());
    }
    taken.sort_by(f64::total_cmp);
    Ok(Times { calls: taken.len(), median: taken[taken.len() / 2], least: taken[0] })
}

/// A device, opened again after a row that failed.
struct Rows {
    convolver: Convolver,
    gpu: Option<Gpu<Nvidia>>,
    start: Instant,
    failed: usize,
}

impl Rows {
    fn open(&mut self) -> Result<Gpu<Nvidia>, Failure> {
        let gpu = match self.gpu.take() {
            Some(gpu) => gpu,
            None => Gpu::nvidia(0, self.convolver)?,
        };
        self.gpu = Some(gpu.clone());
        Ok(gpu)
    }

    /// Measures and prints one row: `row` says what, `work` adds the times.
    fn row(&mut self, row: Value, work: impl FnOnce(&Gpu<Nvidia>) -> Result<Value, Failure>) {
        let mut printed = Map::from_iter([("device".to_owned(), json!(self.convolver.name()))]);
        printed.extend(fields(row));
        let start = Instant::now();
        if self.start.elapsed() > ALL {
            printed.insert("skipped".into(), json!("no time left"));
        } else {
            let found = self.open().and_then(|gpu| {
                let panicked = |_| Err("panicked; see stderr".into());
                catch_unwind(AssertUnwindSafe(|| work(&gpu))).unwrap_or_else(panicked)
            });
            match found {
                Ok(times) => printed.extend(fields(times)),
                Err(why) => {
                    printed.insert("failed".into(), json!(why.to_string()));
                    self.failed += 1;
                    // A device that failed once computes nothing more.
                    self.gpu = None;
                }
            }
        }
        printed.insert("row_s".into(), json!(start.elapsed().as_secs_f64()));
        println!("{}", Value::Object(printed));
    }
}

fn fields(row: Value) -> Map<String, Value> {
    match row {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn main() -> Result<(), Failure> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|name| Convolver::named(name).is_none()) {
        let names = Convolver::ALL.map(Convolver::name);
        return Err(format!("no device `{unknown}`; there are {}", names.join(", ")).into());
    }
    let (start, set, mut failed) = (Instant::now(), synthetic(), 0);
    for convolver in Convolver::ALL {
        if !asked.is_empty() && !asked.iter().any(|name| name == convolver.name()) {
            continue;
        }
        let mut rows = Rows { convolver, gpu: None, start, failed: 0 };
        rows.row(json!({}), |gpu| Ok(json!({ "words": gpu.describe() })));
        if rows.gpu.is_none() {
            failed += 1;
            continue;
        }
        for (channels, size) in CONVOLUTIONS {
            let row = json!({ "conv": format!("{channels} x {size} x {size}"), "batch": BATCH });
            rows.row(row, |gpu| convolution(gpu, ConvShape::same([channels, size, size], channels, [3, 3])));
        }
        for (name, batch) in NETWORKS {
            for method in [Method::Anode, Method::Full] {
                let row = json!({ "net": name, "method": method.to_string(), "steps": 2, "batch": batch });
                rows.row(row, |gpu| step(gpu, &set, name, batch, method));
            }
        }
        failed += rows.failed;
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} rows failed").into()) }
}

/// Times of a training step.
fn step(gpu: &Gpu<Nvidia>, set: &DataSet, name: &str, batch: usize, method: Method) -> Result<Value, Failure> {
    let indices: Vec<usize> = (0..batch).map(|i| i % set.train.len()).collect();
    let (images, labels) = set.bytes(&set.train, &indices, |_| Alteration::NONE);
    let images = BatchImages::Bytes(images);
    let tableau = solver("euler")?;
    let registered = network(name).ok_or("no network")?;
    let host = Network::new(&(registered.build)(Form::Ode, registered.width, 10));
    let solve = Solve { tableau, steps: Steps::Fixed(2), method };
    let net = Arc::new(Network::on(&host, gpu.clone()));
    let mut learner = Learner::new(net, host.initial(0), 0.9, 5e-4)?;
    gpu.restart_peak();
    let mut step = || -> Result<(), Failure> {
        let gradient = learner.gradient(images.clone(), &labels, solve, &Ledger::new())?;
        learner.update(0.01, &gradient.theta)?;
        Ok(gpu.synchronize()?)
    };
    // Two plain steps, which have the peak without a graph; the third one is captured.
    (0..2).try_for_each(|_| step())?;
    let peak = gpu.held().peak;
    step()?;
    let Times { calls, median, least } = seconds(15, step)?;
    let captured = match learner.capture_state() {
        CaptureState::Captured => json!(true),
        state => json!(format!("{state:?}")),
    };
    Ok(json!({
        "median_s": median, "least_s": least, "calls": calls, "peak_bytes": peak,
        "in_use_bytes": gpu.held().live, "captured": captured
    }))
}

/// Rates of a convolution and its vjps.
fn convolution(gpu: &Gpu<Nvidia>, shape: ConvShape) -> Result<Value, Failure> {
    let operations = 2.0 * (BATCH * shape.macs()) as f64;
    let x = gpu.upload(vec![0.5f32; BATCH * shape.input_len()]);
    let w = gpu.upload(vec![0.25f32; shape.weight_len()]);
    let (mut y, mut x_bar, mut w_bar) = (gpu.zeros(BATCH * shape.output_len()), x.zeros_like(), w.zeros_like());
    let part = || Part::new(&w, 0..w.len());
    // Ten launches per call, so that waiting for the last one counts little.
    let forward = seconds(10, || {
        (0..10).for_each(|_| gpu.conv(&shape, &x, part(), None, &mut y));
        Ok(gpu.synchronize()?)
    })?;
    let input = seconds(10, || {
        (0..10).for_each(|_| gpu.conv_vjp_input(&shape, part(), &y, &mut x_bar));
        Ok(gpu.synchronize()?)
    })?;
    let weights = seconds(10, || {
        let len = w_bar.len();
        (0..10).for_each(|_| gpu.conv_vjp_weights(&shape, &x, &y, PartMut::new(&mut w_bar, 0..len), false));
        Ok(gpu.synchronize()?)
    })?;
    let rate = |times: Times| (10.0 * operations / times.median / 1e9).round();
    Ok(json!({ "gflops_forward": rate(forward), "gflops_vjp_input": rate(input), "gflops_vjp_weights": rate(weights) }))
}
