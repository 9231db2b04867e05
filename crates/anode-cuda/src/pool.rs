//! Launches of the poolings.

use anode_core::ode::{Real, Vector};
use anode_kernels::PoolShape;

use super::buffer::Buffer;
use super::driver::Driver;

#[repr(C)]
struct PoolArguments {
    x: u64,
    y: u64,
    y_bar: u64,
    x_bar: u64,
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
        let (y, x_bar) = (y.as_deref(), x_bar.as_deref());
        let Some(any) = y.or(x_bar) else { return };
        let a_channel = out_height * out_width;
        let inputs = self.x.or(x_bar).map_or(0, Vector::len) / (height * width);
        let outputs = self.y_bar.or(y).map_or(0, Vector::len) / a_channel;
        assert!(inputs == outputs && inputs.is_multiple_of(channels), "images that do not fit");
        let fits = |v: Option<&Buffer<R, L>>, pixels: usize| v.is_none_or(|v| v.len() == inputs * pixels);
        let whole = height * width;
        let all = fits(self.x, whole) && fits(x_bar, whole) && fits(self.y_bar, a_channel) && fits(y, a_channel);
        assert!(all, "images that do not fit");
        let address = |v: Option<&Buffer<R, L>>| v.map_or(0, Buffer::address);
        let arguments = PoolArguments {
            x: address(self.x),
            y: address(y),
            y_bar: address(self.y_bar),
            x_bar: address(x_bar),
            windows: (outputs * a_channel) as i64,
            input: [height as i32, width as i32],
            output: [out_height as i32, out_width as i32],
            window: self.shape.window as i32,
        };
        // SAFETY: all images fit the shape.
        unsafe { any.gpu().launch_for::<R, _>(kernel, outputs * a_channel, &arguments) };
    }
}
