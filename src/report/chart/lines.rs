//! Line charts: a panel for each value of a column, a line for each series, error bars over seeds.

use std::collections::BTreeSet;

use plotters::prelude::DrawingBackend;
use plotters::style::RGBColor;

use crate::definition::{Figure, Lines, Profile, Scale, Source};
use crate::record::{Row, cell};
use crate::report::ReportError;
use crate::report::results::{Results, as_number, matches, short, shown};
use crate::report::verdict::log_slope;
use serde_json::Value;

use super::canvas::{Anchor, COLOURS, Canvas, Drawing, GRID, INK, MARKERS, SOFT, text_width};
use super::scale::AxisScale;

const PANEL: (f64, f64) = (330.0, 250.0);
const LEFT: f64 = 66.0;
const BELOW: f64 = 50.0;
const ABOVE: f64 = 26.0;
const HEAD: f64 = 56.0;
const LEGEND_LINE: f64 = 17.0;
/// More points than this are drawn as a thin line without markers.
const MOST_MARKERS: usize = 40;

/// A line with its points: x, and the centre, least and greatest y over the seeds.
struct Series {
    name: String,
    /// Place among all series of the figure: decides colour and marker.
    style: usize,
    points: Vec<(f64, [f64; 3])>,
}

struct Panel {
    name: Option<String>,
    series: Vec<Series>,
}

/// A chart ready to be drawn.
pub struct LineChart {
    title: String,
    subtitle: String,
    labels: [String; 2],
    x: AxisScale,
    y: AxisScale,
    panels: Vec<Panel>,
    /// A legend below each panel, with slopes, instead of one below the chart.
    legend_per_panel: bool,
    names: Vec<String>,
    /// Points, and ends of bars, that have no true place.
    off: [usize; 2],
}

impl LineChart {
    /// The chart of a figure over results.
    pub fn new(figure: &Figure, lines: &Lines, results: &Results) -> Self {
        let rows = match lines.source {
            Source::Rows => results.rows(),
            Source::Steps => results.steps_drawn(),
        };
        let has_a_place =
            |row: &&Row| [&lines.x, &lines.y].iter().all(|axis| as_number(row.get(&axis.column)).is_some());
        let rows: Vec<&Row> = rows.iter().filter(|row| matches(row, &lines.filter)).filter(has_a_place).collect();
        let text = |row: &Row, column: &String| row.get(column).map(cell).unwrap_or_default();
        let log = lines.y.scale == Scale::Log;
        // A number alone says nothing, and two texts may not tell what they are of.
        let called = |row: &Row, column: &String, alone: bool| {
            let label = results.definition.metrics.iter().find(|m| m.column == *column).map_or(column, |m| &m.label);
            match row.get(column) {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(text)) if alone => text.clone(),
                Some(value) => format!("{label} {}", shown(Some(value))),
            }
        };
        let several = lines.series.len() > 1;
        let key = |row: &Row| {
            let parts = lines.series.iter().map(|c| called(row, c, !several));
            parts.filter(|t| !t.is_empty()).collect::<Vec<_>>().join(", ")
        };
        let (mut names, mut panel_names) = (vec![], vec![]);
        for row in &rows {
            push_new(&mut names, key(row));
            push_new(&mut panel_names, lines.panel.as_ref().map(|c| (text(row, c), called(row, c, true))));
        }
        let panels: Vec<Panel> = panel_names
            .into_iter()
            .map(|name| {
                let of = |r: &Row| lines.panel.as_ref().map(|c| text(r, c));
                let mine: Vec<&&Row> = rows.iter().filter(|r| of(r) == name.as_ref().map(|n| n.0.clone())).collect();
                let series = names.iter().enumerate().map(|(style, series)| {
                    let own = mine.iter().filter(|r| key(r) == *series);
                    let pairs = own
                        .filter_map(|r| Some((as_number(r.get(&lines.x.column))?, as_number(r.get(&lines.y.column))?)));
                    let points = over_seeds(pairs, log);
                    let slope = lines.slope_over.and_then(|[from, to]| {
                        let inside = points.iter().filter(|(x, _)| (from..=to).contains(x)).map(|(x, y)| (*x, y[0]));
                        log_slope(&inside.collect::<Vec<_>>())
                    });
                    let name = slope.map_or(series.clone(), |s| format!("{series} (slope {s:.2})"));
                    Series { name, style, points }
                });
                Panel { name: name.map(|n| n.1), series: series.filter(|s| !s.points.is_empty()).collect() }
            })
            .collect();
        let all = || panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points);
        let x = AxisScale::new(lines.x.scale, all().map(|(x, _)| *x));
        let y = AxisScale::new(lines.y.scale, all().flat_map(|(_, y)| *y));
        let off = [0, 1].map(|i| all().filter(|(px, py)| x.is_off(*px) || y.is_off(py[i])).count());
        let bars = panels.iter().flat_map(|p| &p.series).any(|s| s.points.len() <= MOST_MARKERS);
        let seeds = match lines.source {
            Source::Rows => results.runs.iter().map(|r| r.loaded.record.seed).collect::<BTreeSet<_>>().len(),
            Source::Steps => results.seeds_drawn().len(),
        };
        Self {
            title: figure.title.clone(),
            subtitle: subtitle(results.profile, seeds, bars, log),
            labels: [lines.x.label.clone(), lines.y.label.clone()],
            x,
            y,
            panels,
            legend_per_panel: lines.slope_over.is_some(),
            names,
            off,
        }
    }

    fn columns(&self) -> usize {
        match self.panels.len() {
            0 | 1 => 1,
            2 | 4 => 2,
            _ => 3,
        }
    }

    fn panel_size(&self) -> (f64, f64) {
        // A chart of one panel has room for a larger one.
        if self.panels.len() <= 1 { (560.0, 320.0) } else { PANEL }
    }

    /// Lines of the legend below each panel.
    fn panel_legend(&self) -> usize {
        if self.legend_per_panel { self.panels.iter().map(|p| p.series.len()).max().unwrap_or(0) } else { 0 }
    }

    fn cell_size(&self) -> (f64, f64) {
        let (w, h) = self.panel_size();
        (LEFT + w + 16.0, ABOVE + h + BELOW + self.panel_legend() as f64 * LEGEND_LINE + 8.0)
    }

    /// The common legend as lines of entries that fit the width.
    fn legend_lines(&self) -> Vec<Vec<(usize, f64)>> {
        if self.legend_per_panel || self.names.iter().all(String::is_empty) {
            return vec![];
        }
        let width = self.size().0 - LEFT;
        let (mut lines, mut x) = (vec![vec![]], 0.0);
        for (i, name) in self.names.iter().enumerate() {
            let own = 44.0 + text_width(name, 12.0);
            if x > 0.0 && x + own > width {
                lines.push(vec![]);
                x = 0.0;
            }
            if let Some(line) = lines.last_mut() {
                line.push((i, x));
            }
            x += own;
        }
        lines
    }

    fn rows(&self) -> usize {
        self.panels.len().max(1).div_ceil(self.columns())
    }

    fn note(&self) -> Option<String> {
        let [points, bars] = self.off;
        let text =
            format!("at the edge stand zero and what is not finite: {points} points, the lower ends of {bars} bars");
        (points + bars > 0).then_some(text)
    }
}

fn subtitle(profile: Profile, seeds: usize, bars: bool, log: bool) -> String {
    let centre = if log { "median" } else { "mean" };
    let spread = match (seeds, bars) {
        (2.., true) => format!("; {centre} of {seeds} seeds, bars from least to greatest"),
        (2.., false) => format!("; {centre} of {seeds} seeds"),
        _ => String::new(),
    };
    format!("profile {}{spread}", profile.name())
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// Groups by x: mean (median where y is logarithmic), least and greatest y; in rising order of x.
fn over_seeds(pairs: impl Iterator<Item = (f64, f64)>, log: bool) -> Vec<(f64, [f64; 3])> {
    let mut pairs: Vec<(f64, f64)> = pairs.collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let groups = pairs.chunk_by(|a, b| a.0 == b.0);
    groups
        .map(|group| {
            let mut ys: Vec<f64> = group.iter().map(|p| p.1).collect();
            ys.sort_by(f64::total_cmp);
            let (n, low, high) = (ys.len(), ys[0], ys[ys.len() - 1]);
            // On a logarithmic axis a mean would be the largest value and nothing else.
            let centre = if log { (ys[(n - 1) / 2] + ys[n / 2]) / 2.0 } else { ys.iter().sum::<f64>() / n as f64 };
            (group[0].0, [centre, low, high])
        })
        .collect()
}

impl Drawing for LineChart {
    fn size(&self) -> (f64, f64) {
        let (w, h) = self.cell_size();
        let width = (w * self.columns() as f64 + 8.0).max(text_width(&self.title, 16.0) + 32.0);
        // The legend's own height needs the width, so it is counted from names here.
        let names: f64 = self.names.iter().map(|n| 44.0 + text_width(n, 12.0)).sum();
        let legend = if self.legend_per_panel { 0.0 } else { (names / (width - LEFT - 120.0)).ceil() };
        (
            width,
            HEAD + h * self.rows() as f64
                + legend * LEGEND_LINE
                + 12.0
                + if self.note().is_some() { 18.0 } else { 0.0 },
        )
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Result<(), ReportError> {
        canvas.text(&self.title, (16.0, 18.0), 16.0, INK, Anchor::Left, false)?;
        canvas.text(&self.subtitle, (16.0, 39.0), 11.5, SOFT, Anchor::Left, false)?;
        if self.panels.iter().all(|p| p.series.is_empty()) {
            return canvas.text("No data for this chart yet", (LEFT, HEAD + 100.0), 14.0, SOFT, Anchor::Left, false);
        }
        let (w, h) = self.cell_size();
        for (i, panel) in self.panels.iter().enumerate() {
            let corner = (w * (i % self.columns()) as f64, HEAD + h * (i / self.columns()) as f64);
            self.draw_panel(canvas, panel, corner)?;
        }
        let bottom = HEAD + h * self.rows() as f64;
        let legend = self.legend_lines();
        for (n, line) in legend.iter().enumerate() {
            for (series, x) in line {
                self.entry(canvas, &self.names[*series], *series, (LEFT + x, bottom + 8.0 + n as f64 * LEGEND_LINE))?;
            }
        }
        if let Some(note) = self.note() {
            let y = bottom + 12.0 + legend.len() as f64 * LEGEND_LINE;
            canvas.text(&note, (LEFT, y), 11.0, SOFT, Anchor::Left, false)?;
        }
        Ok(())
    }
}

impl LineChart {
    fn draw_panel<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        panel: &Panel,
        (x0, y0): (f64, f64),
    ) -> Result<(), ReportError> {
        let (w, h) = self.panel_size();
        let (left, top) = (x0 + LEFT, y0 + ABOVE);
        let at = |x: f64, y: f64| (left + w * self.x.place(x), top + h * (1.0 - self.y.place(y)));
        if let Some(name) = &panel.name {
            canvas.text(name, (left + w / 2.0, y0 + 4.0), 12.5, INK, Anchor::Top, false)?;
        }
        let (across, along) = (self.y.ticks(6), self.x.ticks(7));
        for y in across.iter().map(|(place, _)| top + h * (1.0 - place)) {
            canvas.line(&[(left, y), (left + w, y)], GRID, 1.0)?;
        }
        for x in along.iter().map(|(place, _)| left + w * place) {
            canvas.line(&[(x, top), (x, top + h)], GRID, 1.0)?;
        }
        for (place, label) in &across {
            canvas.text(label, (left - 7.0, top + h * (1.0 - place)), 11.0, SOFT, Anchor::Right, false)?;
        }
        for (place, label) in &along {
            canvas.text(label, (left + w * place, top + h + 7.0), 11.0, SOFT, Anchor::Top, false)?;
        }
        canvas.line(&[(left, top), (left, top + h), (left + w, top + h)], SOFT, 1.0)?;
        canvas.text(&self.labels[0], (left + w / 2.0, top + h + 26.0), 12.0, INK, Anchor::Top, false)?;
        canvas.text(&self.labels[1], (x0 + 14.0, top + h / 2.0), 12.0, INK, Anchor::Centre, true)?;
        for (order, series) in panel.series.iter().enumerate() {
            let colour = COLOURS[series.style % COLOURS.len()];
            let line: Vec<_> = series.points.iter().map(|(x, y)| at(*x, y[0])).collect();
            let many = line.len() > MOST_MARKERS;
            // Each later series is thinner and has smaller markers, so that coinciding lines all show.
            let under = (panel.series.len() - 1 - order) as f64;
            canvas.line(&line, colour, (if many { 1.1 } else { 1.6 }) + (0.8 * under).min(2.4))?;
            for (x, [mean, low, high]) in series.points.iter().filter(|_| !many) {
                if high > low {
                    let (px, _) = at(*x, *mean);
                    let (a, b) = (at(*x, *low).1, at(*x, *high).1);
                    canvas.line(&[(px, a), (px, b)], colour, 1.2)?;
                    canvas.line(&[(px - 3.0, a), (px + 3.0, a)], colour, 1.2)?;
                    canvas.line(&[(px - 3.0, b), (px + 3.0, b)], colour, 1.2)?;
                }
                let radius = 3.4 + (0.8 * under).min(2.4);
                canvas.marker(MARKERS[series.style % MARKERS.len()], at(*x, *mean), radius, colour, order % 2 == 0)?;
            }
            if self.legend_per_panel {
                let y = top + h + BELOW + order as f64 * LEGEND_LINE;
                self.entry(canvas, &series.name, series.style, (left, y))?;
            }
        }
        Ok(())
    }

    fn entry<DB: DrawingBackend>(
        &self,
        canvas: &Canvas<DB>,
        name: &str,
        style: usize,
        (x, y): (f64, f64),
    ) -> Result<(), ReportError> {
        let colour: RGBColor = COLOURS[style % COLOURS.len()];
        canvas.line(&[(x, y), (x + 22.0, y)], colour, 1.8)?;
        canvas.marker(MARKERS[style % MARKERS.len()], (x + 11.0, y), 4.0, colour, style.is_multiple_of(2))?;
        canvas.text(name, (x + 28.0, y), 12.0, INK, Anchor::Left, false)
    }

    /// A sentence for readers who do not see the chart.
    pub fn description(&self) -> String {
        let series = self.names.iter().filter(|n| !n.is_empty()).cloned().collect::<Vec<_>>().join("; ");
        let range = |points: Vec<f64>| {
            let (low, high) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
            if low > high { "nothing".to_owned() } else { format!("{} to {}", short(low), short(high)) }
        };
        let all = || self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points);
        let (x, y) = (range(all().map(|p| p.0).collect()), range(all().map(|p| p.1[0]).collect()));
        format!("{}: {} ({y}) against {} ({x}); lines: {series}", self.title, self.labels[1], self.labels[0])
    }
}
