//! Writes what `evaluate_modes.py` and `odeint_adjoint.py` compare with PyTorch.
//!
//! Usage:
//!   peer modes CHECKPOINT DATA NET WIDTH SOLVER NT TRAINING TEST OUT   (DATA: a folder with cifar10-jpeg)
//!   peer gradient NET WIDTH SOLVER NT BATCH f32|f64 OUT

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

use anode::data::{Source, cifar10_jpeg_path};
use anode::gradient::{Ledger, Method};
use anode::net::{EvaluationMode, Form, Network, Solve, Steps, network};
use anode::ode::{Real, solver};
use anode::random::{Stream, normal, stream};
use anode::train::evaluate;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["modes", checkpoint, data, net, width, solver, steps, training, test, out] => modes(
            [checkpoint, data],
            (net, width.parse()?),
            (solver, steps.parse()?),
            [training.parse()?, test.parse()?],
            out,
        ),
        ["gradient", net, width, solver, steps, batch, real, out] => {
            let (net, solve) = ((net, width.parse()?), (solver, steps.parse()?));
            match real {
                "f32" => gradient::<f32>(net, solve, batch.parse()?, out),
                _ => gradient::<f64>(net, solve, batch.parse()?, out),
            }
        }
        _ => Err("usage: see the first lines of benches/peer/peer.rs".into()),
    }
}

fn build((net, width): (&str, usize)) -> Result<Network, Box<dyn Error>> {
    let registered = network(net).ok_or("no such network")?;
    Ok(Network::new(&(registered.build)(Form::Ode, width, 10)))
}

fn solve((name, steps): (&str, usize), method: Method) -> Result<Solve, Box<dyn Error>> {
    Ok(Solve { tableau: solver(name)?, steps: Steps::Fixed(steps), method })
}

/// A tensor by name, as bytes.
type Part = (&'static str, Dtype, Vec<u8>);

fn part<R: Real>(name: &'static str, numbers: &[R]) -> Part {
    if R::NAME == "f32" {
        (name, Dtype::F32, numbers.iter().flat_map(|x| (x.f64() as f32).to_le_bytes()).collect())
    } else {
        (name, Dtype::F64, numbers.iter().flat_map(|x| x.f64().to_le_bytes()).collect())
    }
}

fn write(out: &str, parts: Vec<Part>, about: &Value) -> Result<(), Box<dyn Error>> {
    let size = |dtype: &Dtype| match dtype {
        Dtype::F64 => 8,
        Dtype::F32 => 4,
        _ => 1,
    };
    let views = parts.iter().map(|(name, dtype, bytes)| {
        TensorView::new(*dtype, vec![bytes.len() / size(dtype)], bytes).map(|view| (*name, view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let metadata = HashMap::from([("about".to_owned(), about.to_string())]);
    std::fs::write(out, safetensors::serialize(views, Some(metadata))?)?;
    Ok(())
}

fn modes(
    [checkpoint, data]: [&str; 2],
    net: (&str, usize),
    steps: (&str, usize),
    [training, test]: [usize; 2],
    out: &str,
) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(checkpoint)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let theta: Vec<f32> =
        tensors.tensor("theta")?.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let statistics = tensors.tensor("statistics")?.data();
    let statistics: Vec<f64> = statistics.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
    let network = build(net)?;
    network.set_statistics(&statistics)?;
    let mut set = Source::Cifar10Jpeg(cifar10_jpeg_path(Path::new(data))?).read()?;
    set.train.truncate(training);
    set.test.truncate(test);
    let how = solve(steps, Method::Anode)?;
    let mut found = Map::new();
    for mode in EvaluationMode::ALL {
        let (loss, accuracy) = evaluate(&network, &theta, how, &set, mode)?;
        eprintln!("{mode}: loss {loss}, accuracy {accuracy}");
        found.insert(mode.name().to_owned(), json!([loss, accuracy]));
    }
    let about = json!({
        "net": net.0, "width": net.1, "classes": 10, "form": "ode", "solver": steps.0, "steps": steps.1,
        "mean": set.mean, "deviation": set.deviation, "found": found,
    });
    let images = [
        ("train_pixels", Dtype::U8, set.train.pixels),
        ("test_pixels", Dtype::U8, set.test.pixels),
        ("test_labels", Dtype::U8, set.test.labels),
    ];
    write(out, [part("theta", &theta), part("statistics", &statistics)].into_iter().chain(images).collect(), &about)
}

/// Mean cross-entropy and its cotangent with respect to the logits.
fn cross_entropy<R: Real>(logits: &[R], labels: &[u8]) -> (f64, Vec<R>) {
    let classes = logits.len() / labels.len();
    let (mut loss, mut bar) = (0.0, vec![]);
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        let largest = row.iter().map(|x| x.f64()).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|x| (x.f64() - largest).exp()).sum();
        loss += largest + sum.ln() - row[usize::from(label)].f64();
        bar.extend(row.iter().enumerate().map(|(c, x)| {
            let target = if c == usize::from(label) { 1.0 } else { 0.0 };
            R::of(((x.f64() - largest).exp() / sum - target) / labels.len() as f64)
        }));
    }
    (loss / labels.len() as f64, bar)
}

fn gradient<R: Real>(net: (&str, usize), steps: (&str, usize), batch: usize, out: &str) -> Result<(), Box<dyn Error>> {
    let fresh = || build(net);
    let theta: Vec<R> = fresh()?.initial::<f32>(0).into_iter().map(|x| R::of(x.into())).collect();
    let images = normal(&mut stream(0, Stream::Data), batch * 3072, 1.0);
    let images: Vec<R> = images.into_iter().map(|x| R::of(f64::from(x as f32))).collect();
    let labels: Vec<u8> = (0..batch).map(|i| (i % 10) as u8).collect();
    let step = |network: &Network, method| -> Result<(f64, Vec<R>), Box<dyn Error>> {
        let (how, ledger) = (solve(steps, method)?, Ledger::new());
        let (logits, kept) = network.forward(&images, &theta, how, &ledger)?;
        let (loss, bar) = cross_entropy(&logits, &labels);
        let mut theta_bar = vec![R::zero(); theta.len()];
        network.backward(kept, &theta, &bar, &mut theta_bar, how, &ledger)?;
        Ok((loss, theta_bar))
    };
    let (plain, mut updating) = (fresh()?, fresh()?);
    let before = plain.statistics();
    updating.update_in_reverse();
    let (loss, found) = step(&plain, Method::ReverseTime)?;
    step(&updating, Method::ReverseTime)?;
    let (_, exact) = step(&fresh()?, Method::Anode)?;
    let about = json!({
        "net": net.0, "width": net.1, "classes": 10, "solver": steps.0, "steps": steps.1, "loss": loss,
    });
    let parts = vec![
        part("theta", &theta),
        part("statistics", &before),
        part("images", &images),
        ("labels", Dtype::U8, labels.clone()),
        part("gradient", &found),
        part("exact", &exact),
        part("after", &plain.statistics()),
        part("after_reverse", &updating.statistics()),
    ];
    write(out, parts, &about)
}
