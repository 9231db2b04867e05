//! The launch that converts images of bytes to numbers.

use anode_core::ode::Real;
use anode_kernels::ByteImages;

use super::address::{Source, Target};
use super::buffer::Buffer;
use super::driver::Driver;
use super::gpu::Gpu;

#[repr(C)]
struct BytesArguments {
    x: Target,
    values: Source,
    crops: Source,
    pixels: Source,
    count: i64,
    shape: [i32; 3],
    padding: i32,
}

/// Computes [`ByteImages::numbers`] on the device. Table, crops and bytes are copied there together, which is about a
/// quarter of the numbers' size.
pub(super) fn images_of_bytes<R: Real, L: Driver>(gpu: &Gpu<L>, images: &ByteImages) -> Buffer<R, L> {
    images.check();
    let mut x = gpu.alloc_uninit::<R>(images.pixels.len());
    gpu.count("a batch", images.pixels.len());
    let crops = images
        .crops
        .iter()
        .map(|crop| f32::from_bits(u32::from(crop.top) | u32::from(crop.left) << 8 | u32::from(crop.mirrored) << 16));
    let pixels = images.pixels.chunks(4).map(|bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        f32::from_ne_bytes(word)
    });
    let words: Vec<f32> = images.values.iter().copied().chain(crops).chain(pixels).collect();
    let packed = Buffer::upload(gpu, &words);
    let arguments = BytesArguments {
        x: x.target(),
        values: packed.source(),
        crops: packed.source_at(images.values.len()),
        pixels: packed.source_at(images.values.len() + images.crops.len()),
        count: images.pixels.len() as i64,
        shape: images.shape.map(|size| size as i32),
        padding: images.padding as i32,
    };
    // SAFETY: the lengths fit the shape, as was checked, and no crop leaves the padded image.
    unsafe { gpu.launch_for::<R, _>("images_of_bytes", images.pixels.len(), &arguments) };
    x
}
