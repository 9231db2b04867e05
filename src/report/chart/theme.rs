//! Charts on a dark page: each colour of the light one has a counterpart.

/// Colours on white, with those on a dark page. White is the page itself; pixels of images are written otherwise.
const DARK: [(&str, &str); 12] = [
    ("#FFFFFF", "#15171A"),
    ("#202124", "#E6E7EA"),
    ("#5F6368", "#ADB2BA"),
    ("#E1E3E6", "#33373D"),
    ("#B0B4BA", "#5F646C"),
    ("#0072B2", "#4DA6E0"),
    ("#D55E00", "#F5834A"),
    ("#009E73", "#35C79B"),
    ("#CC79A7", "#DE94BC"),
    ("#000000", "#F2F3F5"),
    ("#E69F00", "#F0B23C"),
    ("#56B4E9", "#8FD0F5"),
];

/// Style rules for a dark page; `inside` selects the charts.
pub fn dark_rules(inside: &str) -> String {
    rules(inside, |_| true)
}

/// The rules for those attributes that `used` has.
fn rules(inside: &str, used: impl Fn(&str) -> bool) -> String {
    let rule = |(name, (light, dark)): (&str, &(&str, &str))| {
        let attribute = format!("{name}=\"{light}\"");
        if used(&attribute) { format!("{inside}[{attribute}]{{{name}:{dark}}}") } else { String::new() }
    };
    let each = DARK.iter().flat_map(|pair| [("fill", pair), ("stroke", pair)]);
    format!("@media screen and (prefers-color-scheme:dark){{{}}}", each.map(rule).collect::<String>())
}

/// A drawing with the rules inside, for a separate file.
pub fn themed(svg: &str) -> String {
    match svg.find('>') {
        Some(end) => {
            let rules = rules("", |attribute| svg.contains(attribute));
            format!("{}<style>{rules}</style>{}", &svg[..=end], &svg[end + 1..])
        }
        None => svg.to_owned(),
    }
}

/// A drawing without them, for a page that has them once.
pub fn plain(svg: &str) -> String {
    match (svg.find("<style>"), svg.find("</style>")) {
        (Some(from), Some(to)) => format!("{}{}", &svg[..from], &svg[to + 8..]),
        _ => svg.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::style::{COLOURS, GRID, INK, PALE, SOFT};

    #[test]
    fn every_colour_of_a_chart_has_a_counterpart_that_can_be_read() {
        let luminance = |hex: &str| -> f64 {
            let channel = |i: usize| {
                let c = f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0;
                if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let contrast = |hex: &str| (luminance(hex) + 0.05) / (luminance(DARK[0].1) + 0.05);
        for colour in COLOURS.iter().map(|(_, c)| c).chain([&INK, &SOFT, &GRID, &PALE]) {
            let light = format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
            let (_, dark) = DARK.iter().find(|(l, _)| *l == light).unwrap_or_else(|| panic!("{light}"));
            assert!(contrast(dark) > 3.0 || [GRID, PALE].contains(colour), "{light}: {}", contrast(dark));
        }
    }
}
