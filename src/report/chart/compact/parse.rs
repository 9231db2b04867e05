//! The elements of a drawing as plotters writes it, one per line.

use super::Element::{self, Line, Marker, Other, Polygon, Rectangle, Text};
use super::Point;

/// The elements, in order.
pub fn parsed(svg: &str) -> Vec<Element> {
    let mut elements: Vec<Element> = vec![];
    let mut lines = svg.lines();
    while let Some(line) = lines.next() {
        let element = if line.starts_with("<text ") {
            let letters: Vec<&str> = lines.by_ref().take_while(|l| *l != "</text>").collect();
            text(line, letters.join(" "))
        } else {
            shape(line).unwrap_or_else(|| Other(line.to_owned()))
        };
        // plotters draws a marker as a polygon, then its outline.
        if let (Some(Polygon(inside, fill)), Line(outline, stroke, width)) = (elements.last(), &element)
            && outline.len() == inside.len() + 1
            && outline.starts_with(inside)
            && outline.last() == inside.first()
        {
            let marker = Marker(inside.clone(), fill.clone(), stroke.clone(), width.clone());
            elements.pop();
            elements.push(marker);
        } else {
            elements.push(element);
        }
    }
    elements
}

/// The value of an attribute.
pub fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let start = line.find(&format!(" {name}=\""))? + name.len() + 3;
    line[start..].split('"').next()
}

fn shape(line: &str) -> Option<Element> {
    let text = |name| attribute(line, name).map(str::to_owned);
    if attribute(line, "opacity") != Some("1") {
        return None;
    }
    let number = |name| attribute(line, name)?.parse::<i32>().ok();
    let points = || -> Option<Vec<Point>> {
        let pair = |pair: &str| pair.split_once(',').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
        attribute(line, "points")?.split_whitespace().map(pair).collect()
    };
    if line.starts_with("<rect ") && attribute(line, "stroke") == Some("none") {
        let (corner, size) = ((number("x")?, number("y")?), (number("width")?, number("height")?));
        Some(Rectangle(corner, size, text("fill")?))
    } else if line.starts_with("<polyline ") && attribute(line, "fill") == Some("none") {
        Some(Line(points()?, text("stroke")?, text("stroke-width")?))
    } else if line.starts_with("<polygon ") {
        Some(Polygon(points()?, text("fill")?))
    } else {
        None
    }
}

/// A text: its colour, size, family and anchor go to the group; its place stays.
fn text(line: &str, letters: String) -> Element {
    let given = |name: &str| attribute(line, name).map(|value| (name.to_owned(), value.to_owned()));
    let written = |(name, value): (String, String)| format!(" {name}=\"{value}\"");
    let size = attribute(line, "font-size").and_then(|s| s.parse::<f64>().ok()).map(|s| format!("{s:.2}"));
    let anchor = given("text-anchor").filter(|(_, value)| value != "start");
    let group = [given("font-family"), size.map(|s| ("font-size".to_owned(), s)), anchor, given("fill")];
    let group: String = group.into_iter().flatten().map(written).collect();
    let own: String = ["x", "y", "dy", "transform"].into_iter().filter_map(given).map(written).collect();
    Text(group.trim_start().to_owned(), own, letters.trim().to_owned())
}
