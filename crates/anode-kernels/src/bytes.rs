//! Converts images of bytes to numbers: each image is padded, cropped, possibly mirrored, and normalised by a table.

/// The crop of a padded image, and whether the crop is mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Rows of the padded image above the crop.
    pub top: u8,
    /// Columns of the padded image to the left of the crop.
    pub left: u8,
    /// Whether left and right of the crop are exchanged.
    pub mirrored: bool,
}

/// A batch of images, each with its crop.
#[derive(Clone, Debug, PartialEq)]
pub struct ByteImages {
    /// Channels, height and width of an image, and of its crop.
    pub shape: [usize; 3],
    /// Black pixels on each side of an image before it is cropped.
    pub padding: usize,
    /// The number that stands for each byte in each channel, `[channels, 256]`. Padding is byte 0.
    pub values: Vec<f32>,
    /// One crop per image; at most `2 * padding` from the top and from the left.
    pub crops: Vec<Crop>,
    /// The images, `[n, channels, height, width]`.
    pub pixels: Vec<u8>,
}

impl ByteImages {
    /// Returns the numbers of the cropped images, `[n, channels, height, width]`.
    ///
    /// # Panics
    /// See [`Self::check`].
    pub fn numbers(&self) -> Vec<f32> {
        self.check();
        let [channels, height, width] = self.shape;
        let mut x = Vec::with_capacity(self.pixels.len());
        let images = self.pixels.chunks_exact((channels * height * width).max(1));
        for (crop, image) in self.crops.iter().zip(images) {
            for (values, plane) in self.values.chunks_exact(256).zip(image.chunks_exact(height * width)) {
                self.add_plane(*crop, values, plane, &mut x);
            }
        }
        x
    }

    /// Adds a cropped channel of an image to `x`.
    fn add_plane(&self, crop: Crop, values: &[f32], plane: &[u8], x: &mut Vec<f32>) {
        let [_, height, width] = self.shape;
        let (top, left, black) = (usize::from(crop.top), usize::from(crop.left), values[0]);
        for row in 0..height {
            let from_row = (row + top).checked_sub(self.padding).filter(|&row| row < height);
            let Some(from_row) = from_row else {
                x.resize(x.len() + width, black);
                continue;
            };
            let line = &plane[from_row * width..][..width];
            x.extend((0..width).map(|column| {
                let seen = if crop.mirrored { width - 1 - column } else { column };
                let byte = (seen + left).checked_sub(self.padding).and_then(|column| line.get(column));
                byte.map_or(black, |&byte| values[usize::from(byte)])
            }));
        }
    }

    /// Checks the lengths and the crops.
    ///
    /// # Panics
    /// If a length does not fit the shape, or a crop is not within the padded image.
    pub fn check(&self) {
        let [channels, height, width] = self.shape;
        let fits = self.pixels.len() == self.crops.len() * channels * height * width;
        assert!(fits && self.values.len() == 256 * channels, "images that do not fit");
        let within = |crop: &Crop| usize::from(crop.top.max(crop.left)) <= 2 * self.padding;
        assert!(self.crops.iter().all(within), "a crop outside of the padded image");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_part_of_the_padded_image() {
        let (shape, padding) = ([2, 3, 4], 2_usize);
        let [channels, height, width] = shape;
        let values: Vec<f32> = (0..channels * 256).map(|i| i as f32 - 7.5).collect();
        let sides = |n: usize| 0..=(2 * n) as u8;
        let crops: Vec<Crop> = sides(padding)
            .flat_map(|top| sides(padding).map(move |left| (top, left)))
            .flat_map(|(top, left)| [false, true].map(|mirrored| Crop { top, left, mirrored }))
            .collect();
        let pixels: Vec<u8> = (0..crops.len() * channels * height * width).map(|i| (i * 31 % 256) as u8).collect();
        let images =
            ByteImages { shape, padding, values: values.clone(), crops: crops.clone(), pixels: pixels.clone() };
        let mut expected = vec![];
        for (i, crop) in crops.iter().enumerate() {
            for c in 0..channels {
                let mut padded = vec![vec![0_u8; width + 2 * padding]; height + 2 * padding];
                for y in 0..height {
                    for x in 0..width {
                        padded[y + padding][x + padding] = pixels[((i * channels + c) * height + y) * width + x];
                    }
                }
                for row in &padded[crop.top.into()..][..height] {
                    let mut row = row[crop.left.into()..][..width].to_vec();
                    if crop.mirrored {
                        row.reverse();
                    }
                    expected.extend(row.iter().map(|&byte| values[c * 256 + usize::from(byte)]));
                }
            }
        }
        assert_eq!(images.numbers(), expected);
    }

    #[test]
    #[should_panic(expected = "a crop outside of the padded image")]
    fn a_crop_outside_is_refused() {
        let crops = vec![Crop { top: 0, left: 3, mirrored: false }];
        ByteImages { shape: [1, 1, 1], padding: 1, values: vec![0.0; 256], crops, pixels: vec![0] }.check();
    }
}
