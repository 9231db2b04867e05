//! Average and maximum pooling over square windows side by side, NCHW.

use rayon::prelude::*;

use anode_core::ode::Real;

/// The shape of a pooling of one image: windows of `window` x `window` that do not overlap. Rows and columns after the
/// last whole window are not used, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// Side of a window, from 1 to the height and the width.
    pub window: usize,
}

impl PoolShape {
    /// Channels, height and width of the output.
    ///
    /// # Panics
    /// If the window is 0, or larger than the image.
    pub fn output(&self) -> [usize; 3] {
        let (window, input) = (self.window, self.input);
        let fits = 0 < window && window <= input[1].min(input[2]);
        assert!(fits, "windows of {window} x {window} in images of {input:?}");
        [self.input[0], self.input[1] / self.window, self.input[2] / self.window]
    }

    fn lengths(&self) -> (usize, usize) {
        (self.input.iter().product(), self.output().iter().product())
    }

    /// As [`Self::lengths`], for batches of `inputs` and `outputs` numbers. Panics if they do not fit, or without
    /// channels.
    fn fitting(&self, inputs: usize, outputs: usize) -> (usize, usize) {
        let (input, output) = self.lengths();
        assert!(input > 0, "a pooling without channels");
        let images = inputs / input;
        assert!(inputs == images * input && outputs == images * output, "images that do not fit");
        (input, output)
    }

    /// Where each line of an input image starts, with the line of the output that its windows lie in.
    fn lines(&self) -> impl Iterator<Item = (usize, usize)> {
        let ([channels, height, width], [_, out_height, out_width], window) = (self.input, self.output(), self.window);
        let line = move |c, y| ((c * height + y) * width, (c * out_height + y / window) * out_width);
        (0..channels).flat_map(move |c| (0..out_height * window).map(move |y| line(c, y)))
    }

    /// Calls `visit(input index, output index)` for every input number.
    fn pairs(&self, mut visit: impl FnMut(usize, usize)) {
        let ([channels, height, width], [_, out_height, out_width]) = (self.input, self.output());
        for c in 0..channels {
            for y in 0..out_height * self.window {
                for x in 0..out_width * self.window {
                    let to = (c * out_height + y / self.window) * out_width + x / self.window;
                    visit((c * height + y) * width + x, to);
                }
            }
        }
    }
}

/// Means of the windows of a batch of images.
///
/// # Panics
/// If slices do not fit, without channels, and as [`PoolShape::output`].
pub fn average_pool<R: Real>(shape: &PoolShape, x: &[R], y: &mut [R]) {
    let scale = R::of(1.0 / (shape.window * shape.window) as f64);
    let (input, output) = shape.fitting(x.len(), y.len());
    let (window, width, out_width) = (shape.window, shape.input[2], shape.output()[2]);
    x.par_chunks_exact(input).zip(y.par_chunks_exact_mut(output)).for_each(|(x, y)| {
        y.fill(R::zero());
        for (from, to) in shape.lines() {
            let x = x[from..][..width].chunks_exact(window);
            for (y, x) in y[to..][..out_width].iter_mut().zip(x) {
                *y = x.iter().fold(*y, |sum, &x| sum + x);
            }
        }
        y.iter_mut().for_each(|y| *y = *y * scale);
    });
}

/// The vjp of [`average_pool`]: adds to `x_bar`.
///
/// # Panics
/// If slices do not fit, without channels, and as [`PoolShape::output`].
pub fn average_pool_vjp<R: Real>(shape: &PoolShape, y_bar: &[R], x_bar: &mut [R]) {
    let scale = R::of(1.0 / (shape.window * shape.window) as f64);
    let (input, output) = shape.fitting(x_bar.len(), y_bar.len());
    let (window, width, out_width) = (shape.window, shape.input[2], shape.output()[2]);
    x_bar.par_chunks_exact_mut(input).zip(y_bar.par_chunks_exact(output)).for_each(|(x_bar, y_bar)| {
        for (to, from) in shape.lines() {
            let x_bar = x_bar[to..][..width].chunks_exact_mut(window);
            for (x_bar, &y_bar) in x_bar.zip(&y_bar[from..][..out_width]) {
                x_bar.iter_mut().for_each(|x_bar| *x_bar = *x_bar + y_bar * scale);
            }
        }
    });
}

/// Maxima of the windows of a batch of images. NaN stays NaN.
///
/// # Panics
/// If slices do not fit, without channels, and as [`PoolShape::output`].
pub fn max_pool<R: Real>(shape: &PoolShape, x: &[R], y: &mut [R]) {
    let (input, output) = shape.fitting(x.len(), y.len());
    x.par_chunks_exact(input).zip(y.par_chunks_exact_mut(output)).for_each(|(x, y)| {
        y.fill(R::neg_infinity());
        shape.pairs(|from, to| {
            if exceeds(x[from], y[to]) {
                y[to] = x[from];
            }
        });
    });
}

/// The vjp of [`max_pool`]: adds to `x_bar` at the first maximum of each window.
///
/// # Panics
/// If slices do not fit, without channels, and as [`PoolShape::output`].
pub fn max_pool_vjp<R: Real>(shape: &PoolShape, x: &[R], y_bar: &[R], x_bar: &mut [R]) {
    assert_eq!(x.len(), x_bar.len(), "images that do not fit");
    let (input, output) = shape.fitting(x.len(), y_bar.len());
    let images = x.par_chunks_exact(input).zip(y_bar.par_chunks_exact(output));
    x_bar.par_chunks_exact_mut(input).zip(images).for_each_init(
        || vec![(R::zero(), 0); output],
        |largest, (x_bar, (x, y_bar))| {
            largest.fill((R::neg_infinity(), usize::MAX));
            shape.pairs(|from, to| {
                if largest[to].1 == usize::MAX || exceeds(x[from], largest[to].0) {
                    largest[to] = (x[from], from);
                }
            });
            for (&(_, from), &y_bar) in largest.iter().zip(y_bar) {
                x_bar[from] = x_bar[from] + y_bar;
            }
        },
    );
}

fn exceeds<R: Real>(x: R, y: R) -> bool {
    x > y || (x.is_nan() && !y.is_nan())
}
