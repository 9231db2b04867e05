//! Curves drawn with Braille characters, two by four dots each.

/// A curve of points from left to right, in `height` lines of `width` characters, with its largest and smallest value
/// at the left. Points that share a column of dots are averaged. Empty if there are no finite points.
pub fn plot(points: &[(f64, f64)], width: usize, height: usize) -> Vec<String> {
    const LABEL: usize = 9;
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)))
    };
    if points.is_empty() || height == 0 {
        return vec![];
    }
    let columns = width.saturating_sub(LABEL + 2).max(1);
    let (dots_x, dots_y) = (2 * columns, 4 * height);
    let (left, right) = bounds(&mut points.iter().map(|p| p.0));
    let place = |value: f64, least: f64, most: f64, dots: usize| {
        let share = if most > least { (value - least) / (most - least) } else { 0.5 };
        ((share * dots as f64) as usize).min(dots - 1)
    };
    let mut sums = vec![(0.0, 0usize); dots_x];
    for (x, y) in points {
        let (sum, count) = &mut sums[place(x, left, right, dots_x)];
        *sum += y;
        *count += 1;
    }
    let means: Vec<Option<f64>> = sums.iter().map(|(sum, n)| (*n > 0).then(|| sum / *n as f64)).collect();
    let (least, most) = bounds(&mut means.iter().flatten().copied());
    let mut cells = vec![vec![0u8; columns]; height];
    for (x, mean) in means.iter().enumerate() {
        let Some(mean) = mean else { continue };
        let y = dots_y - 1 - place(*mean, least, most, dots_y);
        // Dots are numbered down the left column, then down the right one; the fourth row came later.
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        cells[y / 4][x / 2] |= BITS[x % 2][y % 4];
    }
    let braille = |cell: &u8| char::from_u32(0x2800 + u32::from(*cell)).unwrap_or(' ');
    let label = |line: usize| match line {
        0 => crate::report::short(most),
        n if n + 1 == height => crate::report::short(least),
        _ => String::new(),
    };
    let line = |(number, cells): (usize, &Vec<u8>)| {
        format!("{:>LABEL$} │{}", label(number), cells.iter().map(braille).collect::<String>())
    };
    cells.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::plot;

    #[test]
    fn a_falling_line_falls() {
        let points: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i), 7.0 - f64::from(i))).collect();
        // Four characters of eight dots, two lines of eight dots.
        assert_eq!(plot(&points, 15, 2), ["        7 │⠑⢄⠀⠀", "        0 │⠀⠀⠑⢄"]);
        assert_eq!(plot(&[(1.0, 2.0)], 12, 1).len(), 1, "a single point");
        assert!(plot(&[], 40, 5).is_empty() && plot(&[(0.0, f64::NAN)], 40, 5).is_empty());
    }
}
