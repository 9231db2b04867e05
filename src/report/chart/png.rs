//! Charts as small PNG files: a palette of the 256 most frequent colours, which a chart hardly exceeds.

use std::collections::{BTreeMap, HashMap};

use crate::report::ReportError;

use super::canvas::drawing;

type Colour = [u8; 3];

/// Encodes `pixels`, RGB, row by row. Colours beyond the palette, shades at the edges of lines, become the nearest in
/// it. The same pixels give the same bytes.
///
/// # Errors
/// The encoder's own.
pub fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, ReportError> {
    let (colours, _) = pixels.as_chunks::<3>();
    let palette = palette(colours);
    let mut places: HashMap<Colour, u8> = palette.iter().enumerate().map(|(i, &c)| (c, i as u8)).collect();
    let indices: Vec<u8> =
        colours.iter().map(|&colour| *places.entry(colour).or_insert_with(|| nearest(&palette, colour))).collect();
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::Best);
    // Indices are names, not numbers: their differences mean nothing.
    encoder.set_filter(png::FilterType::NoFilter);
    let mut writer = encoder.write_header().map_err(drawing)?;
    writer.write_image_data(&indices).map_err(drawing)?;
    writer.finish().map_err(drawing)?;
    Ok(bytes)
}

/// The most frequent colours, at most 256; the smaller one first where two are as frequent.
fn palette(colours: &[Colour]) -> Vec<Colour> {
    let mut counts: BTreeMap<Colour, usize> = BTreeMap::new();
    colours.iter().for_each(|&colour| *counts.entry(colour).or_default() += 1);
    let mut ordered: Vec<(Colour, usize)> = counts.into_iter().collect();
    ordered.sort_by_key(|&(colour, count)| (std::cmp::Reverse(count), colour));
    ordered.into_iter().take(256).map(|(colour, _)| colour).collect()
}

fn nearest(palette: &[Colour], colour: Colour) -> u8 {
    let distance =
        |other: &Colour| other.iter().zip(colour).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>();
    (0..palette.len()).min_by_key(|&i| distance(&palette[i])).unwrap_or(0) as u8
}

#[cfg(test)]
mod tests {
    use super::encode;

    fn decoded(bytes: &[u8]) -> Vec<u8> {
        let mut decoder = png::Decoder::new(bytes);
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        reader.next_frame(&mut pixels).unwrap();
        pixels
    }

    #[test]
    fn few_colours_stay_and_many_become_their_neighbours() {
        let few: Vec<u8> = (0..60u8).flat_map(|i| [i % 7, 200, 255 - i % 5]).collect();
        let bytes = encode(&few, 10, 6).unwrap();
        assert_eq!(decoded(&bytes), few);
        assert_eq!(bytes, encode(&few, 10, 6).unwrap());
        // 1,024 shades, each as frequent: the 256 of least red are the palette, and the others go to the nearest of
        // them.
        let many: Vec<u8> = (0..1024u32).flat_map(|i| [(i / 32 * 8) as u8, (i % 32 * 8) as u8, 0]).collect();
        let found = decoded(&encode(&many, 32, 32).unwrap());
        let expected: Vec<u8> = many.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r.min(56), g, b]).collect();
        assert_eq!(found, expected);
    }
}
