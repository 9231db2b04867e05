//! Layers and networks against PyTorch: `crates/anode-nets/tests/fixtures/torch.json`, made by
//! `crates/anode-nets/tests/fixtures/make_torch.py`; choices of batch norm's statistics:
//! `crates/anode-nets/tests/fixtures/modes.json`, made by `crates/anode-nets/tests/fixtures/make_modes.py`.

use anode_core::gradient::{Ledger, Method};
use anode_core::ode::{Real, solver};
use anode_kernels::{
    ConvShape, Norm, PoolShape, average_pool, average_pool_vjp, conv, conv_vjp_input, conv_vjp_weights, linear,
    linear_vjp, max_pool, max_pool_vjp, moments,
};
use anode_nets::data::{Alteration, DataSet, IMAGE_LEN, Images};
use anode_nets::net::{EvaluationMode, Form, Network, Parameter, Solve, Steps, network};
use anode_nets::train::evaluate;
use serde_json::Value;

fn fixtures() -> Value {
    serde_json::from_str(include_str!("../fixtures/torch.json")).unwrap()
}

/// The numbers of the script: uniform on +-1, rounded to single precision (splitmix64).
fn numbers<R: Real>(seed: u64, n: usize) -> Vec<R> {
    let number = |i: u64| {
        let step = i.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add(0x632B_E59B_D9B4_E019);
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(step);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^= x >> 31;
        f64::from(((x >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0) as f32)
    };
    (0..n as u64).map(|i| R::of(number(i))).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The bound on an error relative to the length of the whole.
fn tolerance<R: Real>() -> f64 {
    if R::NAME == "f32" { 1e-5 } else { 1e-12 }
}

fn close<R: Real>(what: &str, found: &[R], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let difference: f64 = found.iter().zip(expected).map(|(f, e)| (f.f64() - e).powi(2)).sum();
    let size: f64 = expected.iter().map(|e| e * e).sum();
    let error = (difference / size).sqrt();
    assert!(error < tolerance::<R>(), "{what} in {}: {error:e}", R::NAME);
}

/// y, x_bar and theta_bar of a layer of the fixtures, from x and the cotangent; batch norm's running statistics are
/// checked here.
fn layer<R: Real>(fixture: &Value) -> (Vec<R>, Vec<R>, Vec<R>) {
    let (name, seed) = (fixture["name"].as_str().unwrap(), fixture["seed"].as_u64().unwrap());
    let outputs = fixture["y"].as_array().unwrap().len();
    let x: Vec<R> = numbers(seed, fixture["x_bar"].as_array().unwrap().len());
    let bar: Vec<R> = numbers(seed + 10, outputs);
    let (mut y, mut x_bar) = (vec![R::zero(); outputs], vec![R::zero(); x.len()]);
    let pool = PoolShape { input: [3, 4, 4], window: 2 };
    let theta_bar = match name.split(' ').next().unwrap() {
        "conv" => {
            let digit = |i: usize| usize::from(name.as_bytes()[i] - b'0');
            let (kernel, bias) = ([digit(5), digit(7)], name.ends_with("bias"));
            let padding = [kernel[0] / 2, kernel[1] / 2];
            let shape = ConvShape { input: [3, 4, 6], channels: 4, kernel, stride: digit(16), padding };
            let (w, b): (Vec<R>, Vec<R>) = (numbers(seed + 1, shape.weight_len()), numbers(seed + 2, 4));
            conv(&shape, &x, &w, bias.then_some(&b[..]), &mut y);
            let (mut w_bar, mut b_bar) = (vec![R::zero(); w.len()], vec![R::zero(); if bias { 4 } else { 0 }]);
            conv_vjp_input(&shape, &w, &bar, &mut x_bar);
            conv_vjp_weights(&shape, &x, &bar, &mut w_bar, bias.then_some(&mut b_bar[..]));
            [w_bar, b_bar].concat()
        }
        "batch" => {
            let (weight, bias): (Vec<R>, Vec<R>) = (numbers(seed + 1, 3), numbers(seed + 2, 3));
            let moments = moments(&x, 3, 4, &[]);
            let mut running = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
            moments.move_running(&mut running, 0.1);
            close::<R>("batch norm, running statistics", &running.map(R::of), &floats(&fixture["running"]));
            let norm = Norm { pixels: 4, moments: &moments, weight: &weight, bias: &bias, relu: false };
            norm.apply(&x, &mut y);
            let (mut w_bar, mut b_bar) = (vec![R::zero(); 3], vec![R::zero(); 3]);
            norm.vjp(&x, &bar, &[], &mut w_bar, &mut b_bar).apply(&bar, &mut x_bar);
            [w_bar, b_bar].concat()
        }
        "average" => {
            average_pool(&pool, &x, &mut y);
            average_pool_vjp(&pool, &bar, &mut x_bar);
            vec![]
        }
        "max" => {
            max_pool(&pool, &x, &mut y);
            max_pool_vjp(&pool, &x, &bar, &mut x_bar);
            vec![]
        }
        _ => {
            let (w, b): (Vec<R>, Vec<R>) = (numbers(seed + 1, 60), numbers(seed + 2, 5));
            linear(12, 5, &x, &w, &b, &mut y);
            let (mut w_bar, mut b_bar) = (vec![R::zero(); 60], vec![R::zero(); 5]);
            linear_vjp(12, 5, &x, &w, &bar, &mut x_bar, &mut w_bar, &mut b_bar);
            [w_bar, b_bar].concat()
        }
    };
    (y, x_bar, theta_bar)
}

fn layers_agree<R: Real>() {
    let fixtures = fixtures();
    let layers = fixtures["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 11);
    for fixture in layers {
        let name = fixture["name"].as_str().unwrap();
        let (y, x_bar, theta_bar) = layer::<R>(fixture);
        close(&format!("{name}, output"), &y, &floats(&fixture["y"]));
        close(&format!("{name}, input gradient"), &x_bar, &floats(&fixture["x_bar"]));
        let expected = floats(&fixture["theta_bar"]);
        if !expected.is_empty() {
            close(&format!("{name}, weight gradient"), &theta_bar, &expected);
        }
    }
}

#[test]
fn layers_agree_with_pytorch() {
    layers_agree::<f64>();
    layers_agree::<f32>();
}

/// The parameters of the script: weights of size sqrt(3 / fan in), all others of 0.1, those of batch norm around one.
fn parameters<R: Real>(net: &Network) -> Vec<R> {
    let drawn: Vec<f64> = numbers(7, net.parameter_count());
    let mut theta = vec![R::zero(); drawn.len()];
    let layer = |p: &Parameter| p.name.rsplit_once('.').unwrap().0.to_owned();
    // A vector of weights is batch norm's.
    let of_norm = |p: &&Parameter| p.shape.len() == 1 && p.name.ends_with("weight");
    let norms: Vec<String> = net.parameters().iter().filter(of_norm).map(layer).collect();
    for p in net.parameters() {
        let norm = norms.contains(&layer(p));
        let fan_in: usize = p.shape[1..].iter().product();
        for i in p.range.clone() {
            let x = if p.shape.len() > 1 { drawn[i] * (3.0 / fan_in as f64).sqrt() } else { 0.1 * drawn[i] };
            let x = f64::from(x as f32);
            theta[i] = R::of(if norm { f64::from((x + 1.0) as f32) } else { x });
        }
    }
    theta
}

fn cross_entropy<R: Real>(logits: &[R], batch: usize) -> (f64, Vec<R>) {
    let classes = logits.len() / batch;
    let (mut loss, mut bar) = (0.0, vec![]);
    for (i, row) in logits.chunks_exact(classes).enumerate() {
        let sum: f64 = row.iter().map(|x| x.f64().exp()).sum();
        loss += sum.ln() - row[i % 10].f64();
        let of = |(c, x): (usize, &R)| (x.f64().exp() / sum - f64::from(u8::from(c == i % 10))) / batch as f64;
        bar.extend(row.iter().enumerate().map(of).map(R::of));
    }
    (loss / batch as f64, bar)
}

fn networks_agree<R: Real>() {
    let fixtures = fixtures();
    let networks = fixtures["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 10);
    let margin = fixtures["rule"]["margin"].as_f64().unwrap();
    for fixture in networks {
        let name = fixture["name"].as_str().unwrap();
        let form = if fixture["form"] == "ode" { Form::Ode } else { Form::Baseline };
        let what = format!("{name}, {}", fixture["form"].as_str().unwrap());
        let [width, batch] = ["width", "batch"].map(|n| fixture[n].as_u64().unwrap() as usize);
        let net = Network::new(&(network(name).unwrap().build)(form, width, 10));
        let theta: Vec<R> = parameters(&net);
        // No number of the forward sweep may fall to the other side of a kink: the script's rule.
        let image = |name: &str| fixture["images"][name].as_f64().unwrap();
        assert!(image("distance") > margin && image("rounding") < margin, "{what}: images at a kink");
        let images: Vec<R> = numbers(image("seed") as u64, batch * 3072);
        let solve = Solve { tableau: solver("euler").unwrap(), steps: Steps::Fixed(2), method: Method::Anode };
        let ledger = Ledger::new();
        let (logits, kept) = net.forward(&images, &theta, solve, &ledger).unwrap();
        close(&format!("{what}: logits"), &logits, &floats(&fixture["logits"]));
        let (loss, bar) = cross_entropy(&logits, batch);
        close(&format!("{what}: loss"), &[loss as f32], &[fixture["loss"].as_f64().unwrap()]);
        let mut theta_bar = vec![R::zero(); theta.len()];
        net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();

        let (norms, parts) = (floats(&fixture["norms"]), floats(&fixture["parts"]));
        assert_eq!(norms.len(), net.parameters().len(), "{what}: tensors");
        let (mut found, mut expected) = (vec![], vec![]);
        for (i, p) in net.parameters().iter().enumerate() {
            let gradient: Vec<f64> = theta_bar[p.range.clone()].iter().map(|g| g.f64()).collect();
            let direction: Vec<f64> = numbers(1000 + i as u64, gradient.len());
            let part: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            found.extend([R::of(norm), R::of(part)]);
            expected.extend([norms[i], parts[i]]);
        }
        close(&format!("{what}: gradient"), &found, &expected);

        let running = net.statistics();
        let direction: Vec<f64> = numbers(2000, running.len());
        let part: f64 = running.iter().zip(&direction).map(|(r, d)| r * d).sum();
        let norm = running.iter().map(|r| r * r).sum::<f64>().sqrt();
        let of = |name: &str| fixture[name].as_f64().unwrap();
        close(
            &format!("{what}: running statistics"),
            &[R::of(norm), R::of(part)],
            &[of("running_norm"), of("running_part")],
        );
        let evaluated = net.evaluate(&images, &theta, solve).unwrap();
        close(&format!("{what}: evaluation"), &evaluated, &floats(&fixture["evaluated"]));
    }
}

#[test]
fn networks_agree_with_pytorch_in_double_precision() {
    networks_agree::<f64>();
}

#[test]
fn networks_agree_with_pytorch_in_single_precision() {
    networks_agree::<f32>();
}

/// Length, norm, and part along a fixed random direction, as `make_modes.py` writes them.
fn agree<R: Real>(what: &str, found: &[f64], expected: &Value, tolerance: f64) {
    let expected = floats(expected);
    assert_eq!(found.len(), expected[0] as usize, "{what}");
    let direction: Vec<f64> = numbers(2000, found.len());
    let norm = found.iter().map(|x| x * x).sum::<f64>().sqrt();
    let part: f64 = found.iter().zip(&direction).map(|(x, d)| x * d).sum();
    let error = (norm - expected[1]).abs().max((part - expected[2]).abs()) / expected[1];
    assert!(error < tolerance, "{what} in {}: {error:e}", R::NAME);
}

/// The images of `make_modes.py`.
fn pictures(seed: u64, n: usize) -> Images {
    let byte = |(i, x): (usize, f64)| {
        let contrast = if (i / IMAGE_LEN / 100).is_multiple_of(2) { 1.0 } else { 0.5 };
        ((x * contrast + 1.0) * 128.0).floor().min(255.0) as u8
    };
    let pixels = numbers::<f64>(seed, n * IMAGE_LEN).into_iter().enumerate().map(byte).collect();
    Images { pixels, labels: (0..n).map(|i| (i % 10) as u8).collect() }
}

fn statistics_agree<R: Real>(tolerance: f64, gradient_tolerance: f64) {
    let fixtures: Value = serde_json::from_str(include_str!("../fixtures/modes.json")).unwrap();
    let normal = ["mean", "deviation"].map(|name| floats(&fixtures[name]).try_into().unwrap());
    let networks = fixtures["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 2);
    for fixture in networks {
        let name = fixture["name"].as_str().unwrap();
        let [width, training, test] = ["width", "training", "test"].map(|n| fixture[n].as_u64().unwrap() as usize);
        let net = Network::new(&(network(name).unwrap().build)(Form::Ode, width, 10));
        let theta: Vec<R> = parameters(&net);
        let set = DataSet::new("", 10, (normal[0], normal[1]), pictures(41, training), pictures(42, test));
        let solve = Solve { tableau: solver("midpoint").unwrap(), steps: Steps::Fixed(2), method: Method::ReverseTime };

        // Running statistics as the script draws them; `with_norms` starts every mean at 0 and every variance at 1.
        let start = net.statistics();
        let drawn: Vec<f64> = numbers(3000, start.len());
        let running: Vec<f64> =
            start.iter().zip(&drawn).map(|(s, d)| if *s == 0.0 { 0.1 * d } else { s + 0.5 * d }).collect();
        net.set_statistics(&running).unwrap();
        let mut losses = vec![];
        for mode in EvaluationMode::ALL.into_iter().filter(|mode| !mode.is_augmented()) {
            let (loss, accuracy) = evaluate(&net, &theta, solve, &set, mode).unwrap();
            let expected = floats(&fixture["modes"][mode.name()]);
            let error = (loss - expected[0]).abs() / expected[0];
            assert!(error < tolerance, "{name}, {mode} in {}: {error:e}", R::NAME);
            // An image on the edge between two classes may fall to either side.
            assert!((accuracy - expected[1]).abs() * test as f64 <= 1.5, "{name}, {mode}: {accuracy}");
            losses.push(loss);
        }
        let apart = |a: usize, b: usize| (losses[a] - losses[b]).abs() / losses[a];
        assert!((0..4).all(|a| (0..a).all(|b| apart(a, b) > 20.0 * tolerance)), "{name}: modes agree: {losses:?}");
        assert_eq!(net.statistics(), running, "{name}: an evaluation moved the running statistics");

        // One training step with separate statistics for each evaluation, and one by the reverse-time gradient with
        // updates in its reverse pass, which is what `odeint_adjoint` computes.
        let indices: Vec<usize> = (0..8).collect();
        let (images, labels) = set.batch(&set.train, &indices, |_| Alteration::NONE);
        let images: Vec<R> = images.into_iter().map(|x| R::of(x.into())).collect();
        net.set_statistics(&start).unwrap();
        let separate = net.with_statistics_per_evaluation(solve).unwrap();
        separate.forward(&images, &theta, solve, &Ledger::new()).unwrap();
        agree::<R>(&format!("{name}: per evaluation"), &separate.statistics(), &fixture["per_evaluation"], tolerance);

        let (mut reversed, ledger) = (net, Ledger::new());
        reversed.update_in_reverse();
        let (logits, kept) = reversed.forward(&images, &theta, solve, &ledger).unwrap();
        let (loss, bar) = cross_entropy(&logits, labels.len());
        let expected = fixture["adjoint"]["loss"].as_f64().unwrap();
        assert!((loss - expected).abs() < tolerance * expected, "{name}: loss {loss}");
        let mut theta_bar = vec![R::zero(); theta.len()];
        reversed.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger).unwrap();
        let gradient: Vec<f64> = theta_bar.iter().map(|g| g.f64()).collect();
        agree::<R>(&format!("{name}: adjoint"), &gradient, &fixture["adjoint"]["gradient"], gradient_tolerance);
        let (what, statistics) = (format!("{name}: statistics of the adjoint"), reversed.statistics());
        agree::<R>(&what, &statistics, &fixture["adjoint"]["statistics"], tolerance);
    }
}

#[test]
fn evaluation_modes_and_adjoint_steps_agree_with_pytorch_in_double_precision() {
    statistics_agree::<f64>(1e-10, 1e-10);
}

#[test]
fn evaluation_modes_and_adjoint_steps_agree_with_pytorch_in_single_precision() {
    // The gradient jumps where rounding moves a number across a kink of ReLU.
    statistics_agree::<f32>(1e-4, 1e-2);
}
