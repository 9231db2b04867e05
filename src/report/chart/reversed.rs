//! What comes back from the ODE blocks of a trained network, as ANODE's figure 1 shows it for one random block.

use crate::ode::reversal_error;
use crate::record::Image;

use super::images::ImageChart;

/// Channels of each block that are drawn: those with the greatest spread over the first image.
const CHANNELS: usize = 3;
/// Blocks that are drawn.
const MOST: usize = 8;

/// An ODE block of a trained network, reversed on a batch of images.
#[derive(Clone, Copy, Debug)]
pub struct ReversedBlock<'a> {
    /// Channels, height and width of the state of one image.
    pub shape: [usize; 3],
    /// z(0), image by image.
    pub start: &'a [f32],
    /// What the reverse solve finds of z(0); `None` if it does not end.
    pub back: Option<&'a [f32]>,
}

/// The states of each block for the first image of a batch; `title` names the network. Each row has the grey scale of
/// its own input.
pub fn chart(title: String, blocks: &[ReversedBlock]) -> ImageChart {
    let mut rows = vec![];
    for (block, reversed) in blocks.iter().enumerate().take(MOST) {
        let [channels, height, width] = reversed.shape;
        let plane = height * width;
        let of = |states: &[f32], channel: usize| -> Vec<f64> {
            states[channel * plane..][..plane].iter().map(|&x| x.into()).collect()
        };
        let mut widest: Vec<(usize, f64)> =
            (0..channels).map(|channel| (channel, deviation(&of(reversed.start, channel)))).collect();
        widest.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (channel, _) in widest.into_iter().take(CHANNELS) {
            let start = of(reversed.start, channel);
            let back = reversed.back.map(|back| of(back, channel));
            let rho = back.as_ref().map_or(f64::INFINITY, |back| reversal_error(&start, back));
            let lines = vec![
                format!("ODE block {}, channel {}", block + 1, channel + 1),
                format!("relative round-trip error {}", crate::report::results::short(rho)),
            ];
            let (low, high) = start.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
            let range = (high - low).max(f64::MIN_POSITIVE);
            let image = |pixels: Vec<f64>| {
                let finite = |x: f64| x.is_finite().then_some(x);
                Image { name: String::new(), height, width, pixels: pixels.into_iter().map(finite).collect() }
            };
            let scaled = |state: &[f64]| image(state.iter().map(|x| (x - low) / range).collect());
            let apart = |back: &Vec<f64>| {
                image(back.iter().zip(&start).map(|(back, start)| (back - start).abs() / range).collect())
            };
            rows.push((lines, vec![Some(scaled(&start)), back.as_deref().map(scaled), back.as_ref().map(apart)]));
        }
    }
    let subtitle = "First test image. Grey scale of a row: the smallest number of z(0) is black, the greatest white; \
                    of the difference: 0 is black, the range of z(0) white.";
    ImageChart::of(title, subtitle.into(), ["z(0)", "recovered", "difference"].map(String::from).into(), rows)
}

/// Standard deviation.
fn deviation(numbers: &[f64]) -> f64 {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    (numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt()
}
