//! Evaluation of a network on the test images, with a choice of batch norm's statistics.

use crate::data::{Alteration, DataSet};
use crate::kernels::Device;
use crate::net::{EvaluationMode, Network, NetworkError, Solve};
use crate::ode::Real;

use super::learner::StepError;
use super::trainer::TrainError;

/// Images per batch of an evaluation. On fixed steps it decides no bits of the mode `running`, which treats images one
/// by one. Adaptive steps and statistics are chosen for a batch, so it is always the same one.
pub const EVALUATION_BATCH: usize = 250;

/// Training images from which statistics are estimated again: the first ones, in batches of [`EVALUATION_BATCH`].
pub const RECALIBRATION_IMAGES: usize = 10_000;

/// Mean cross-entropy and accuracy of `network` with the parameters `theta` on the test images of `data`, on the device
/// of `network` and in the precision of `theta`. The running statistics are those of the network
/// ([`Network::set_statistics`]); no mode changes them.
///
/// Statistics are estimated again from the first [`RECALIBRATION_IMAGES`] training images of `data`, see
/// [`recalibration_images`] and [`Network::recalibrated`]. If that leaves the finite, the loss is NaN and no image
/// counts as classified rightly. Without test images both numbers are NaN.
///
/// # Errors
/// Statistics for each evaluation with adaptive steps; a broken field; a device that failed.
pub fn evaluate<D: Device, R: Real>(
    network: &Network<D>,
    theta: &D::Buffer<R>,
    solve: Solve,
    data: &DataSet,
    mode: EvaluationMode,
) -> Result<(f64, f64), TrainError> {
    let real = |images: Vec<f32>| images.into_iter().map(|x| R::of(x.into())).collect::<Vec<R>>();
    let estimated = match mode {
        EvaluationMode::Running | EvaluationMode::TestBatch => None,
        mode => {
            let batches = recalibration_images(data, mode).map(|(images, _)| real(images));
            Some(network.recalibrated(mode.is_per_evaluation(), theta, solve, batches))
        }
    };
    let network = match &estimated {
        None => network,
        Some(Ok(estimated)) => estimated,
        Some(Err(error)) if error.is_divergence() => return Ok((f64::NAN, 0.0)),
        Some(Err(error)) => return Err(StepError::from(error.clone()).into()),
    };
    score(data, |images| {
        let images = network.device().upload(real(images));
        match mode {
            EvaluationMode::TestBatch => network.evaluate_batch(&images, theta, solve),
            _ => network.evaluate(&images, theta, solve),
        }
    })
}

/// The training images from which `mode` estimates statistics again, normalised, in batches of [`EVALUATION_BATCH`],
/// `[250, 3, 32, 32]`, with their labels. Augmented images are cropped and mirrored as in the first epoch of training
/// with seed 0.
pub fn recalibration_images(data: &DataSet, mode: EvaluationMode) -> impl Iterator<Item = (Vec<f32>, Vec<u8>)> {
    let alter = move |i| if mode.is_augmented() { Alteration::random(0, 0, i) } else { Alteration::NONE };
    let indices: Vec<usize> = (0..data.train.len().min(RECALIBRATION_IMAGES)).collect();
    let batches: Vec<Vec<usize>> = indices.chunks(EVALUATION_BATCH).map(<[usize]>::to_vec).collect();
    batches.into_iter().map(move |indices| data.batch(&data.train, &indices, alter))
}

/// Mean cross-entropy and accuracy on the test images, for a function from images to logits. An image whose logits are
/// not all finite counts as wrong. Both are NaN without images. Refuses labels that the logits have no class for.
pub(super) fn score<R: Real>(
    data: &DataSet,
    mut logits: impl FnMut(Vec<f32>) -> Result<Vec<R>, NetworkError>,
) -> Result<(f64, f64), TrainError> {
    let indices: Vec<usize> = (0..data.test.len()).collect();
    let (mut loss, mut right) = (0.0, 0.0);
    for indices in indices.chunks(EVALUATION_BATCH) {
        let (images, labels) = data.batch(&data.test, indices, |_| Alteration::NONE);
        match logits(images) {
            Ok(logits) => {
                let classes = logits.len() / labels.len().max(1);
                if let Some(&label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
                    return Err(StepError::Label { label, classes }.into());
                }
                loss += cross_entropy_sum(&logits, &labels);
                right += accuracy(&logits, &labels) * labels.len() as f64;
            }
            Err(error) if error.is_divergence() => loss = f64::NAN,
            Err(error) => return Err(StepError::from(error).into()),
        }
    }
    let n = data.test.len() as f64;
    Ok((loss / n, right / n))
}

/// Share of the images with these `labels` whose logits are finite and whose own logit is the largest.
pub(super) fn accuracy<R: Real>(logits: &[R], labels: &[u8]) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    let right = logits.chunks_exact(classes.max(1)).zip(labels).filter(|(row, label)| {
        let own = row[usize::from(**label)];
        row.iter().all(|x| x.is_finite()) && row.iter().enumerate().all(|(i, &x)| i == usize::from(**label) || x < own)
    });
    right.count() as f64 / labels.len().max(1) as f64
}

/// The sum of the images' cross-entropies, in double precision and in order.
pub(super) fn cross_entropy_sum<R: Real>(logits: &[R], labels: &[u8]) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    let of = |(row, &label): (&[R], &u8)| {
        let largest = row.iter().map(|x| x.f64()).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|x| (x.f64() - largest).exp()).sum();
        largest + sum.ln() - row[usize::from(label)].f64()
    };
    logits.chunks_exact(classes.max(1)).zip(labels).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic;

    #[test]
    fn an_image_with_a_logit_that_is_not_finite_counts_as_wrong() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(accuracy(&[2.0, bad, 2.0, 1.0], &[0, 0]), 0.5, "{bad}");
        }
        assert_eq!(accuracy(&[2.0, 1.0, 2.0, 1.0], &[0, 1]), 0.5);
    }

    #[test]
    fn no_test_images_have_no_loss_and_no_accuracy() {
        let mut data = synthetic();
        data.test.truncate(0);
        let (loss, accuracy) = score(&data, |_| Ok::<Vec<f32>, _>(vec![])).unwrap();
        assert!(loss.is_nan() && accuracy.is_nan(), "{loss} {accuracy}");
    }
}
