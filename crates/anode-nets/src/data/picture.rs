//! One compressed picture, 32 x 32 in colour, to bytes in NCHW order.

use std::path::Path;

use jpeg_decoder::PixelFormat;
use png::{ColorType, Transformations};

use super::error::DataError;
use super::images::{IMAGE, IMAGE_LEN};

/// Decodes a JPEG file of 32 x 32 pixels in colour: `IMAGE_LEN` bytes, channel by channel.
///
/// The decoder works in integers without vector registers, so that the pixels are the same on every machine.
///
/// # Errors
/// `path` names the file in messages: one that is damaged, of another size or grey.
pub fn decode_jpeg(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let damaged = |e: jpeg_decoder::Error| DataError::format(path, e.to_string(), "a sound JPEG file");
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.read_info().map_err(damaged)?;
    let [_, height, width] = IMAGE;
    let info = decoder.info().ok_or_else(|| DataError::format(path, "no header", "a sound JPEG file"))?;
    let size = (usize::from(info.height), usize::from(info.width));
    if size != (height, width) || info.pixel_format != PixelFormat::RGB24 {
        let found = format!("{} x {} pixels, {:?}", size.1, size.0, info.pixel_format);
        return Err(DataError::format(path, found, format!("{width} x {height} pixels in colour")));
    }
    planes(path, &decoder.decode().map_err(damaged)?)
}

/// Decodes a PNG file of 32 x 32 pixels in colour, as [`decode_jpeg`]. Palettes are looked up, 16 bits become 8.
///
/// # Errors
/// As [`decode_jpeg`]; and one with transparency.
pub fn decode_png(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
    let damaged = |e: png::DecodingError| DataError::format(path, e.to_string(), "a sound PNG file");
    let mut decoder = png::Decoder::new_with_limits(bytes, png::Limits { bytes: 1 << 20 });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    // The size first, so that nothing is allocated for a picture of another one.
    let header = decoder.read_header_info().map_err(damaged)?;
    let (found_width, found_height) = header.size();
    let [_, height, width] = IMAGE;
    let expected = || format!("{width} x {height} pixels in colour, without transparency");
    if (found_height as usize, found_width as usize) != (height, width) {
        return Err(DataError::format(path, format!("{found_width} x {found_height} pixels"), expected()));
    }
    let mut reader = decoder.read_info().map_err(damaged)?;
    if reader.output_color_type().0 != ColorType::Rgb {
        return Err(DataError::format(path, format!("{:?} pixels", reader.output_color_type().0), expected()));
    }
    let mut pixels = vec![0; reader.output_buffer_size()];
    reader.next_frame(&mut pixels).map_err(damaged)?;
    planes(path, &pixels)
}

/// From red, green, blue pixel by pixel to channel by channel.
fn planes(path: &Path, pixels: &[u8]) -> Result<Vec<u8>, DataError> {
    if pixels.len() != IMAGE_LEN {
        return Err(DataError::format(path, format!("{} bytes of pixels", pixels.len()), IMAGE_LEN.to_string()));
    }
    let mut planes = vec![0; IMAGE_LEN];
    let (red, rest) = planes.split_at_mut(IMAGE_LEN / 3);
    let (green, blue) = rest.split_at_mut(IMAGE_LEN / 3);
    for (((pixel, red), green), blue) in pixels.chunks_exact(3).zip(red).zip(green).zip(blue) {
        (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
    }
    Ok(planes)
}
