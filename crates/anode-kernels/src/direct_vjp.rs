//! The whole vjp of a direct convolution whose images stand alone: one pass over its images and cotangents for the
//! gradient of the weights, that of the images, and the sums of the batch norms around it.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::direct::{Convolve, Start, lanes};
use super::direct_weights::{GROUP, WeightVjp, summed_at_a_time};
use super::fused::{ConvBars, Images};
use super::norm::{Line, plain};
use super::plan::DirectPlan;
use super::{ConvShape, Cotangent, Cpu};

/// The layouts of a convolution and of its vjp.
pub(super) struct Plans {
    forward: DirectPlan,
    /// Numbers of an input and of an output image.
    lengths: (usize, usize),
    /// Where the cotangent of the images is asked for.
    turned: Option<DirectPlan>,
}

/// What a group of images adds.
struct Sums {
    weights: Vec<f32>,
    /// The sum of each channel of each image's cotangent, where there is a bias.
    bias: Vec<f64>,
    /// What the images' norm asks of each channel of each image.
    norm: Vec<(f64, f64)>,
}

/// Scratch memory for the images of a group. It starts as zeros and only numbers are written, so all of it is
/// initialised.
struct GroupBuffers {
    padded: Box<[MaybeUninit<f32>]>,
    cotangents: Box<[MaybeUninit<f32>]>,
    turned: Box<[MaybeUninit<f32>]>,
}

/// Everything that the groups share.
struct Work<'a, 'b> {
    plans: &'a Plans,
    images: Images<'a, f32>,
    lines: Vec<Line<f32>>,
    cotangent: &'a Cotangent<'b, Cpu, f32>,
    /// The weights of the convolution that gives the cotangent of the images.
    packed: Vec<f32>,
    has_bias: bool,
}

impl Plans {
    /// The plans, where images stand alone in all of them.
    pub fn new(shape: &ConvShape, wants_images: bool) -> Option<Self> {
        let alone = |plan: &DirectPlan| plan.images == 1;
        let forward = DirectPlan::new(shape, lanes()).filter(alone)?;
        let turned = if wants_images { Some(DirectPlan::of_vjp(shape, lanes()).filter(alone)?) } else { None };
        Some(Self { forward, lengths: (shape.input_len(), shape.output_len()), turned })
    }

    /// See [`super::norm_conv_vjp`]. Writes every number of `images_bar`.
    pub fn vjp(
        &self,
        images: Images<f32>,
        w: &[f32],
        cotangent: &Cotangent<Cpu, f32>,
        bars: ConvBars<f32>,
        images_bar: Option<&mut [MaybeUninit<f32>]>,
    ) -> Vec<(f64, f64)> {
        let (input, output) = self.lengths;
        let n = images.numbers.len() / input;
        let fits = images.numbers.len() == n * input && cotangent.numbers.len() == n * output;
        assert!(fits && images_bar.as_ref().is_none_or(|bar| bar.len() == n * input), "images that do not fit");
        assert_eq!(images_bar.is_some(), self.turned.is_some(), "a plan for another task");
        let lines = images.norm.map_or(vec![], |norm| norm.lines());
        let packed = self.turned.as_ref().map_or(vec![], |turned| turned.pack_turned(w));
        let work = Work { plans: self, images, lines, cotangent, packed, has_bias: bars.bias.is_some() };
        let images_bars: Vec<_> = match images_bar {
            Some(bar) => bar.chunks_mut(input * GROUP).map(Some).collect(),
            None => (0..n.div_ceil(GROUP)).map(|_| None).collect(),
        };
        let sums: Vec<Sums> = images_bars
            .into_par_iter()
            .enumerate()
            .map_init(|| work.group_buffers(), |buffers, (group, bar)| work.group(buffers, group * GROUP, bar, w.len()))
            .collect();
        for group in &sums {
            bars.weights.iter_mut().zip(&group.weights).for_each(|(w, g)| *w += g);
        }
        if let Some(bias) = bars.bias {
            let channels = bias.len();
            for (c, bias) in bias.iter_mut().enumerate() {
                *bias += sums.iter().flat_map(|s| s.bias.iter().skip(c).step_by(channels)).sum::<f64>() as f32;
            }
        }
        sums.into_iter().flat_map(|group| group.norm).collect()
    }
}

impl Work<'_, '_> {
    /// The scratch memory of a group, without that for copies which this convolution does not need.
    fn group_buffers(&self) -> GroupBuffers {
        let Plans { forward, lengths: (_, output), turned } = self.plans;
        let at_a_time = summed_at_a_time(forward);
        let copied = |plan: &DirectPlan, through: bool| through || !plan.needs_no_copy();
        let padded = if copied(forward, !self.lines.is_empty()) { at_a_time * forward.padded_len() } else { 0 };
        let cotangents = if self.cotangent.norm.is_some() { at_a_time * output } else { 0 };
        let turned = turned.as_ref().filter(|plan| copied(plan, false)).map_or(0, DirectPlan::padded_len);
        GroupBuffers {
            padded: Box::new_zeroed_slice(padded),
            cotangents: Box::new_zeroed_slice(cotangents),
            turned: Box::new_zeroed_slice(turned),
        }
    }

    /// The images from number `first` on. Writes every number of `bar`.
    fn group(
        &self,
        buffers: &mut GroupBuffers,
        first: usize,
        bar: Option<&mut [MaybeUninit<f32>]>,
        weights: usize,
    ) -> Sums {
        let Plans { forward, lengths: (input, output), turned } = self.plans;
        let (input, output) = (*input, *output);
        let mut sums = Sums { weights: vec![0.0; weights], bias: vec![], norm: vec![] };
        let count = (self.images.numbers.len() / input - first).min(GROUP);
        let mut bars = bar.into_iter().flat_map(|bar| bar.chunks_exact_mut(input));
        let at_a_time = summed_at_a_time(forward);
        for from in (first..first + count).step_by(at_a_time) {
            let n = at_a_time.min(first + count - from);
            let x = &self.images.numbers[from * input..][..n * input];
            let y_bar = &self.cotangent.numbers[from * output..][..n * output];
            let y_bar = match &self.cotangent.norm {
                None => y_bar,
                Some(norm) => {
                    norm.apply_from(from, y_bar, &mut buffers.cotangents[..n * output]);
                    // SAFETY: zeros when it was made, and only numbers are written.
                    unsafe { buffers.cotangents[..n * output].assume_init_ref() }
                }
            };
            let padded = if buffers.padded.is_empty() {
                x
            } else {
                let places = buffers.padded.chunks_exact_mut(forward.padded_len());
                x.chunks_exact(input).zip(places).for_each(|(x, padded)| forward.pad(x, &self.lines, padded));
                // SAFETY: zeros when it was made, and only numbers are written.
                unsafe { buffers.padded.assume_init_ref() }
            };
            let sets: Vec<_> = padded.chunks_exact(forward.padded_len()).zip(y_bar.chunks_exact(output)).collect();
            WeightVjp { plan: forward, sets: &sets, outputs: 0..forward.channels.1, w_bar: &mut sums.weights }.run();
            if self.has_bias {
                sums.bias.extend(plain(y_bar.chunks_exact(forward.pixels)));
            }
            let Some(turned) = turned else { continue };
            for ((x, y_bar), bar) in x.chunks_exact(input).zip(y_bar.chunks_exact(output)).zip(&mut bars) {
                let padded = if buffers.turned.is_empty() {
                    y_bar
                } else {
                    turned.pad(y_bar, &[], &mut buffers.turned);
                    // SAFETY: zeros when it was made, and only numbers are written.
                    unsafe { buffers.turned.assume_init_ref() }
                };
                // SAFETY: a bias reads nothing of `bar`, and all of it is written.
                let bar = unsafe {
                    let start = Start::Bias(None);
                    Convolve { plan: turned, padded, packed: &self.packed, y: &mut *bar, start }.run();
                    bar.assume_init_ref()
                };
                if let Some(norm) = self.images.norm {
                    sums.norm.extend(norm.image_sums(&self.lines, x, bar));
                }
            }
        }
        sums
    }
}
