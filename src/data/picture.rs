//! One compressed picture, 32 x 32 in colour, to bytes in NCHW order.

use std::path::Path;

use jpeg_decoder::PixelFormat;

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

/// From red, green, blue pixel by pixel to channel by channel.
fn planes(path: &Path, pixels: &[u8]) -> Result<Vec<u8>, DataError> {
    if pixels.len() != IMAGE_LEN {
        return Err(DataError::format(path, format!("{} bytes of pixels", pixels.len()), IMAGE_LEN.to_string()));
    }
    Ok((0..IMAGE[0]).flat_map(|c| pixels.iter().skip(c).step_by(IMAGE[0]).copied()).collect())
}
