//! Average pooling over square windows that tile the image, NCHW.

use rayon::prelude::*;

use crate::ode::Real;

/// The shape of a pooling of one image: windows of `window` x `window` that do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Channels, height and width of the input; height and width are multiples of `window`.
    pub input: [usize; 3],
    /// Side of a window.
    pub window: usize,
}

impl PoolShape {
    /// Channels, height and width of the output.
    pub fn output(&self) -> [usize; 3] {
        [self.input[0], self.input[1] / self.window, self.input[2] / self.window]
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
pub fn average_pool<R: Real>(shape: &PoolShape, x: &[R], y: &mut [R]) {
    let scale = R::of(1.0 / (shape.window * shape.window) as f64);
    let (input, output) = (shape.input.iter().product::<usize>(), shape.output().iter().product::<usize>());
    x.par_chunks_exact(input).zip(y.par_chunks_exact_mut(output)).for_each(|(x, y)| {
        y.fill(R::zero());
        shape.pairs(|from, to| y[to] = y[to] + x[from]);
        y.iter_mut().for_each(|y| *y = *y * scale);
    });
}

/// The vjp of [`average_pool`]: adds to `x_bar`.
pub fn average_pool_vjp<R: Real>(shape: &PoolShape, y_bar: &[R], x_bar: &mut [R]) {
    let scale = R::of(1.0 / (shape.window * shape.window) as f64);
    let (input, output) = (shape.input.iter().product::<usize>(), shape.output().iter().product::<usize>());
    x_bar.par_chunks_exact_mut(input).zip(y_bar.par_chunks_exact(output)).for_each(|(x_bar, y_bar)| {
        shape.pairs(|to, from| x_bar[to] = x_bar[to] + y_bar[from] * scale);
    });
}
