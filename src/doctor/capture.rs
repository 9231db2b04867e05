//! Captured sweeps of a network on a device, compared with the plain sweeps on the same device.

use crate::gradient::Ledger;
use crate::kernels::Device;
use crate::net::{Network, NetworkError};
use crate::ode::{Real, Vector, relative_distance};

use super::Comparison;
use super::training::{SIZES, images, net, solve};

/// Logits, gradient and running statistics, of all batches.
type Swept = [Vec<f64>; 3];

/// Batches: the second one shows that a replay reads its inputs and updates the statistics again.
const BATCHES: u64 = 2;
const WHAT: [&str; 3] = ["captured sweeps, logits", "captured sweeps, gradient", "captured sweeps, statistics"];

/// The inputs of a batch: images and cotangent of the logits, on the device.
fn inputs<D: Device, R: Real>(device: &D, batch: u64) -> [D::Buffer<R>; 2] {
    let up = |numbers: Vec<f32>| device.upload(numbers.into_iter().map(|x| R::of(x.into())).collect());
    let bar = (0..SIZES[0] * SIZES[1]).map(|i| 0.25 - 0.125 * ((i + batch as usize) % 5) as f32).collect();
    [up(images(30 + batch)), up(bar)]
}

fn sweep<D: Device, R: Real>(device: &D, captured: bool) -> Result<Swept, NetworkError> {
    let host = net();
    let theta = device.upload(host.initial::<f32>(20).into_iter().map(|x| R::of(x.into())).collect());
    let (net, solve) = (Network::on(&host, device.clone()), solve()?);
    let mut sweeps = if captured { Some(net.capture::<R>(SIZES[0], solve)?) } else { None };
    let mut found = Swept::default();
    for batch in 0..BATCHES {
        let ([images, bar], ledger) = (inputs::<D, R>(device, batch), Ledger::new());
        let (logits, gradient) = match &mut sweeps {
            Some(sweeps) => {
                sweeps.forward(&images, &theta)?;
                let gradient = sweeps.backward(&bar, &ledger)?.to_f64();
                (sweeps.logits().to_f64(), gradient)
            }
            None => {
                let (logits, kept) = net.forward(&images, &theta, solve, &ledger)?;
                let mut theta_bar = theta.zeros_like();
                net.backward(kept, &theta, &bar, &mut theta_bar, solve, &ledger)?;
                (logits.to_f64(), theta_bar.to_f64())
            }
        };
        for (all, new) in found.iter_mut().zip([logits, gradient, net.statistics()]) {
            all.extend(new);
        }
    }
    // A failed device reads as zeros.
    device.synchronize()?;
    Ok(found)
}

/// Compares captured sweeps with plain ones, whose bits they must have.
///
/// # Errors
/// Returns why sweeps cannot be captured, or what failed.
pub(super) fn compare_capture<D: Device, R: Real>(device: &D) -> Result<Vec<Comparison>, String> {
    let said = |error: NetworkError| error.to_string();
    let plain = sweep::<D, R>(device, false).map_err(said)?;
    let [first, second] = [sweep::<D, R>(device, true).map_err(said)?, sweep::<D, R>(device, true).map_err(said)?];
    let same = |a: &[f64], b: &[f64]| a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()));
    let compared = |i: usize| Comparison {
        kernel: WHAT[i],
        shape: format!("{BATCHES} batches"),
        dtype: R::NAME,
        error: if same(&first[i], &plain[i]) { 0.0 } else { relative_distance(&first[i], &plain[i]).max(f64::EPSILON) },
        bound: 0.0,
        repeats: same(&first[i], &second[i]),
    };
    Ok((0..WHAT.len()).map(compared).collect())
}
