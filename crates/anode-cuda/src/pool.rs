//! Launches of the poolings.

use anode_core::ode::{Real, Vector};
use anode_kernels::PoolShape;

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::driver::Driver;

#[repr(C)]
struct PoolArguments {
    x: Source,
    y: Target,
    y_bar: Source,
    x_bar: Target,
    windows: i64,
    input: [i32; 2],
    output: [i32; 2],
    window: i32,
}

/// The buffers of a pooling, those of them that it uses.
pub(super) struct Pooling<'a, R: Real, L: Driver> {
    pub shape: &'a PoolShape,
    pub x: Option<&'a Buffer<R, L>>,
    pub y_bar: Option<&'a Buffer<R, L>>,
}

impl<R: Real, L: Driver> Pooling<'_, R, L> {
    /// Launches a kernel that writes an output, or adds to the cotangent of an input.
    pub fn run(&self, kernel: &str, y: Option<&mut Buffer<R, L>>, x_bar: Option<&mut Buffer<R, L>>) {
        let ([channels, height, width], [_, out_height, out_width]) = (self.shape.input, self.shape.output());
        let Some(gpu) = y.as_deref().or(x_bar.as_deref()).map(|any| any.gpu().clone()) else { return };
        let a_channel = out_height * out_width;
        let inputs = self.x.or(x_bar.as_deref()).map_or(0, Vector::len) / (height * width);
        let outputs = self.y_bar.or(y.as_deref()).map_or(0, Vector::len) / a_channel;
        assert!(inputs == outputs && inputs.is_multiple_of(channels), "images that do not fit");
        let fits = |v: Option<&Buffer<R, L>>, pixels: usize| v.is_none_or(|v| v.len() == inputs * pixels);
        let whole = height * width;
        let all = [(self.x, whole), (x_bar.as_deref(), whole), (self.y_bar, a_channel), (y.as_deref(), a_channel)];
        assert!(all.into_iter().all(|(v, pixels)| fits(v, pixels)), "images that do not fit");
        let source = |v: Option<&Buffer<R, L>>| v.map_or(Source::NULL, Buffer::source);
        let target = |v: Option<&mut Buffer<R, L>>| v.map_or(Target::NULL, Buffer::target);
        let arguments = PoolArguments {
            x: source(self.x),
            y: target(y),
            y_bar: source(self.y_bar),
            x_bar: target(x_bar),
            windows: (outputs * a_channel) as i64,
            input: [height as i32, width as i32],
            output: [out_height as i32, out_width as i32],
            window: self.shape.window as i32,
        };
        // SAFETY: all images fit the shape.
        unsafe { gpu.launch_for::<R, _>(kernel, outputs * a_channel, &arguments) };
    }
}
