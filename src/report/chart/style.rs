//! Colour and marker of a line: those of its name wherever it is drawn, or of its place among the others.

use plotters::style::RGBColor;

use crate::definition::style_label;

/// Text colour.
pub const INK: RGBColor = RGBColor(32, 33, 36);
/// Colour of axes and notes.
pub const SOFT: RGBColor = RGBColor(95, 99, 104);
/// Colour of the grid.
pub const GRID: RGBColor = RGBColor(225, 227, 230);
/// Colour of the life of a snapshot.
pub const PALE: RGBColor = RGBColor(176, 180, 186);

/// The colours of Okabe and Ito, distinct for colour-blind readers; yellow is left out on white.
pub const COLOURS: [(&str, RGBColor); 7] = [
    ("blue", RGBColor(0, 114, 178)),
    ("vermilion", RGBColor(213, 94, 0)),
    ("green", RGBColor(0, 158, 115)),
    ("purple", RGBColor(204, 121, 167)),
    ("black", RGBColor(0, 0, 0)),
    ("orange", RGBColor(230, 159, 0)),
    ("sky", RGBColor(86, 180, 233)),
];

/// Shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A circle.
    Circle,
    /// A square.
    Square,
    /// A triangle.
    Triangle,
    /// A diamond.
    Diamond,
    /// A cross.
    Cross,
    /// A triangle that points down.
    Down,
    /// An upright cross.
    Plus,
}

const MARKERS: [(&str, Marker); 7] = [
    ("circle", Marker::Circle),
    ("triangle", Marker::Triangle),
    ("square", Marker::Square),
    ("diamond", Marker::Diamond),
    ("cross", Marker::Cross),
    ("down", Marker::Down),
    ("plus", Marker::Plus),
];

/// Colour and marker of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colour.
    pub colour: RGBColor,
    /// Marker.
    pub marker: Marker,
}

/// The style that `labels.json` gives a name.
fn named(name: &str) -> Option<Style> {
    let (colour, marker) = style_label(name)?.split_once(' ')?;
    let colour = COLOURS.iter().find(|(name, _)| *name == colour)?.1;
    let marker = MARKERS.iter().find(|(name, _)| *name == marker)?.1;
    Some(Style { colour, marker })
}

/// Styles for lines with these names: no two alike, nor of one colour as long as there are colours left.
pub fn styles(names: &[String]) -> Vec<Style> {
    let mut found: Vec<Option<Style>> = vec![];
    for name in names {
        let own = named(name).filter(|style| !found.contains(&Some(*style)));
        found.push(own);
    }
    for i in 0..found.len() {
        if found[i].is_none() {
            let style = free(&found);
            found[i] = Some(style);
        }
    }
    found.into_iter().flatten().collect()
}

/// The first style with a colour and a marker that are used least.
fn free(used: &[Option<Style>]) -> Style {
    let uses = |style: &Style| {
        let of = |same: &dyn Fn(&Style) -> bool| used.iter().flatten().filter(|other| same(other)).count();
        let (both, colour) = (of(&|other| other == style), of(&|other| other.colour == style.colour));
        (both, colour, of(&|other| other.marker == style.marker))
    };
    let all = COLOURS
        .iter()
        .flat_map(|(_, colour)| MARKERS.iter().map(|(_, marker)| Style { colour: *colour, marker: *marker }));
    all.min_by_key(uses).unwrap_or(Style { colour: INK, marker: Marker::Circle })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::all_labels;

    #[test]
    fn a_name_looks_the_same_whatever_stands_beside_it() {
        let names = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let few = styles(&names(&["ANODE", "Reverse time"]));
        let many = styles(&names(&["c = 10", "Baseline", "Reverse time", "c = 100", "ANODE"]));
        assert_eq!((few[0], few[1]), (many[4], many[2]));
        assert!(many.iter().enumerate().all(|(i, a)| many[..i].iter().all(|b| a.colour != b.colour)), "{many:?}");
    }

    #[test]
    fn forty_lines_have_forty_styles() {
        let names: Vec<String> = (0..40).map(|i| format!("c = {i}")).collect();
        let styles = styles(&names);
        assert!(styles.iter().enumerate().all(|(i, a)| !styles[..i].contains(a)));
    }

    #[test]
    fn every_style_of_the_table_is_one() {
        for (_, _, name) in all_labels() {
            assert!(style_label(name).is_none() || named(name).is_some(), "{name}");
        }
    }
}
