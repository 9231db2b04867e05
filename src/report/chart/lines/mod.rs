//! Line charts: a panel for each value of a column or each selection of rows, a line for each series, the spread over
//! seeds, and the paper's numbers beside them.

mod cell;
mod draw;
mod frame;
mod names;
mod notes;
mod published;
mod series;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::definition::{EPOCHS_DONE, Figure, Filter, Lines, PanelRows, Scale, Source, Wanted, value_label};
use crate::record::{Row, cell};
use crate::report::results::{Results, as_number, matches, short};
use crate::report::text;

use super::scale::AxisScale;
use super::style::{Style, styles};
pub use cell::ChartCell;
use names::Names;
pub use names::{named, of_value as value_name};
use published::PublishedNumber;
use series::{MOST_POINTS, Point, Sample};

/// Most lines of a panel; more are spread over several.
pub const MOST_SERIES: usize = 6;

/// A line with its points.
struct Series {
    /// Place among the names of the chart.
    name: usize,
    points: Vec<Point>,
    theory: Vec<(f64, f64)>,
    slope: Option<f64>,
}

/// A panel with its lines.
struct Panel {
    title: Option<String>,
    y: AxisScale,
    series: Vec<Series>,
    published: Vec<PublishedNumber>,
    /// Digitised points of the paper, by the name of their series.
    reference: Vec<(usize, Vec<(f64, f64)>)>,
}

/// A chart ready to be drawn.
pub struct LineChart {
    title: String,
    subtitle: String,
    notes: Vec<String>,
    labels: [String; 2],
    x: AxisScale,
    panels: Vec<Panel>,
    /// Names of lines that are zero at every point of a logarithmic axis, and are not drawn.
    zero: Vec<String>,
    thresholds: Vec<(f64, String)>,
    names: Vec<String>,
    styles: Vec<Style>,
    /// Lines of training steps have bands and no markers.
    continuous: bool,
    /// A legend below each panel, with slopes, instead of one below the chart.
    slopes: bool,
    /// One of several charts in a figure: a single panel is no larger than one of many.
    small: bool,
}

/// A row with its place.
struct Placed<'a> {
    row: &'a Row,
    name: usize,
    x: f64,
    y: f64,
    /// The column of `y`.
    column: &'a str,
}

/// A panel to be: its title, the rows that it shows, and the column of its vertical axis.
struct Wish {
    title: Option<String>,
    filter: Filter,
    column: String,
}

impl LineChart {
    /// The chart of a figure over results.
    pub fn new(figure: &Figure, lines: &Lines, results: &Results) -> Self {
        let rows = match lines.source {
            Source::Rows => Cow::Borrowed(results.rows()),
            Source::Steps => Cow::Owned(results.steps_drawn()),
        };
        let (x_axis, y_axis) = (names::axis(&lines.x, results), names::axis(&lines.y, results));
        let x_of = |row: &Row| match as_number(row.get(&lines.x.column)) {
            None if lines.x.column == EPOCHS_DONE => series::epochs(row),
            x => x.map(|x| x / x_axis.per_unit),
        };
        let y_of = |row: &Row, column: &str| as_number(row.get(column)).map(|y| y / y_axis.per_unit);
        let chosen: Vec<&Row> = rows.iter().filter(|row| matches(row, &lines.filter)).collect();
        let mut names = Names::new(lines, results, &chosen);
        let (mut placed, mut empty): (Vec<Placed>, usize) = (vec![], 0);
        for row in chosen {
            for column in columns(lines) {
                let (x, y) = (x_of(row), y_of(row, column));
                empty += usize::from(x.is_some() && y.is_none());
                if let (Some(x), Some(y)) = (x, y)
                    && let Some(name) = names.of(row)
                {
                    placed.push(Placed { row, name, x, y, column });
                }
            }
        }
        let continuous = lines.source == Source::Steps && longest(&placed) > MOST_POINTS;
        let log = lines.y.scale == Scale::Log;
        let y_scale = AxisScale::new(lines.y.scale, std::iter::empty());
        let mut zero: Vec<String> = vec![];
        let range = placed.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[l, h], p| [l.min(p.x), h.max(p.x)]);
        let mut panels = vec![];
        let (wishes, more_panels) = wishes(lines, results, &placed);
        for Wish { title, filter, column } in wishes {
            let own = |p: &&Placed| p.column == column && matches(p.row, &filter);
            let mine: Vec<&Placed> = placed.iter().filter(own).collect();
            let mut each: Vec<Vec<&Placed>> = vec![vec![]; names.all.len()];
            mine.iter().for_each(|p| each[p.name].push(p));
            let of_name = |(name, own): (usize, Vec<&Placed>)| {
                let sample = |p: &&Placed, y: f64| Sample { seed: series::seed(p.row), x: p.x, y };
                let mut samples: Vec<Sample> = own.iter().map(|p| sample(p, p.y)).collect();
                if continuous {
                    samples = series::in_parts(&samples, range, MOST_POINTS, log);
                }
                let points = match &lines.share {
                    Some(share) => series::shares(samples, share),
                    None => series::over_seeds(samples, log),
                };
                let theory = lines.theory.as_ref().map(|column| {
                    let samples = own.iter().filter_map(|p| Some(sample(p, y_of(p.row, column)?)));
                    series::over_seeds(samples.collect(), log).iter().map(|p| (p.x, p.y)).collect()
                });
                let slope = lines.slope_over.and_then(|over| series::slope(&points, over));
                Series { name, points, theory: theory.unwrap_or_default(), slope }
            };
            let found = each.into_iter().enumerate().map(of_name).filter(|s: &Series| !s.points.is_empty());
            let is_zero = |s: &Series| s.points.iter().all(|p| p.y == 0.0 && y_scale.is_off(p.y));
            let (none, series): (Vec<Series>, Vec<Series>) = found.partition(is_zero);
            zero.extend(none.into_iter().map(|s| names.all[s.name].clone()));
            // The paper's numbers are those of the figure's own column.
            let known = if column == lines.y.column { &mine[..] } else { &[] };
            let published = published::beside(lines, results, known, y_axis.per_unit);
            let reference = published::digitised(lines, known, y_axis.per_unit);
            panels.extend(split(Panel { title, y: y_scale.clone(), series, published, reference }));
        }
        // A panel of a column that no run has yet shows nothing.
        if panels.iter().any(|p: &Panel| !p.series.is_empty()) {
            panels.retain(|p| !p.series.is_empty() || lines.panels.iter().all(|own| own.y.is_none()));
        }
        let (styles, more) = (styles(&names.all), names.more);
        let mut chart = Self {
            title: figure.title.clone(),
            subtitle: String::new(),
            notes: vec![],
            labels: [x_axis.label, y_axis.label],
            x: AxisScale::new(lines.x.scale, std::iter::empty()),
            panels,
            zero,
            thresholds: lines.thresholds.iter().map(|t| (t.y / y_axis.per_unit, t.label.clone())).collect(),
            names: names.all,
            styles,
            continuous,
            slopes: lines.slope_over.is_some(),
            small: false,
        };
        chart.scale(lines);
        chart.drop_repeated_title();
        chart.subtitle = chart.spread(lines, results);
        chart.notes = chart.footnotes(lines, results);
        if lines.share.is_some() && empty > 0 {
            chart.notes.push(format!("Not counted: {empty} rows without a value."));
        }
        if more_panels {
            chart.notes.push(format!("Only the first {MOST_PANELS} panels are drawn. Select fewer rows with `where`."));
        }
        if more {
            let count = names::MOST_LINES;
            chart.notes.push(format!("Only the first {count} lines are drawn. Select fewer rows with `where`."));
        }
        chart
    }

    /// Whether there is something to see: a line of two points at least, or points at two places.
    pub fn is_worth_drawing(&self) -> bool {
        let mut xs: Vec<f64> =
            self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points).map(|p| p.x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        xs.len() > 1
    }

    /// Most lines of a panel.
    #[cfg(test)]
    pub fn most_series(&self) -> usize {
        self.panels.iter().map(|p| p.series.len()).max().unwrap_or(0)
    }

    /// Every text of the chart.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<String> {
        let panels = self.panels.iter().filter_map(|p| p.title.clone());
        let thresholds = self.thresholds.iter().map(|(_, label)| label.clone());
        let fixed = [&self.title, &self.subtitle, &self.labels[0], &self.labels[1]];
        let all = fixed.into_iter().chain(&self.names).chain(&self.notes).cloned();
        all.chain(panels).chain(thresholds).collect()
    }

    /// Removes the title of an only panel if the chart's title contains it.
    fn drop_repeated_title(&mut self) {
        if let [Panel { title, .. }] = &mut self.panels[..] {
            *title = title.take().filter(|title| !self.title.contains(title.as_str()));
        }
    }

    fn scale(&mut self, lines: &Lines) {
        let points = self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points).map(|p| p.x);
        let digitised = self.panels.iter().flat_map(|p| &p.reference).flat_map(|(_, points)| points).map(|p| p.0);
        self.x = AxisScale::new(lines.x.scale, points.chain(digitised));
        let thresholds = self.thresholds.iter().map(|(y, _)| *y);
        let each: Vec<Vec<f64>> = self.panels.iter().map(|p| p.heights().chain(thresholds.clone()).collect()).collect();
        for (i, panel) in self.panels.iter_mut().enumerate() {
            let shown = if lines.own_y { &each[i..=i] } else { &each[..] };
            panel.y = AxisScale::new(lines.y.scale, shown.iter().flatten().copied());
        }
    }

    /// Names of lines that are drawn.
    fn drawn(&self) -> impl Iterator<Item = usize> {
        let has = |name: usize| {
            let of = |p: &Panel| p.series.iter().any(|s| s.name == name) || p.reference.iter().any(|r| r.0 == name);
            self.panels.iter().any(of)
        };
        (0..self.names.len()).filter(move |name| has(*name))
    }

    /// Profile, seeds, and what a point is.
    fn spread(&mut self, lines: &Lines, results: &Results) -> String {
        let counts = |panel: &Panel| {
            let all = panel.series.iter().flat_map(|s| &s.points).map(|p| p.count);
            all.fold((usize::MAX, 0), |(a, b), n| (a.min(n), b.max(n)))
        };
        let each: Vec<(usize, usize)> = self.panels.iter().filter(|p| !p.series.is_empty()).map(counts).collect();
        let uniform = each.windows(2).all(|pair| pair[0] == pair[1]);
        let seeds = |(least, most): (usize, usize)| match (least, most) {
            (1, 1) => "1 seed".to_owned(),
            (a, b) if a == b => format!("{a} seeds"),
            (a, b) => format!("{a} to {b} seeds"),
        };
        let data: Vec<String> = data_sets(results);
        let several = each.iter().any(|(_, most)| *most > 1);
        let (centre, ends) = match (&lines.share, lines.y.scale) {
            (Some(_), _) => ("share", format!("{} % interval (Clopper and Pearson)", 100.0 * series::CONFIDENCE)),
            (None, Scale::Log) => ("median", "minimum to maximum".to_owned()),
            (None, Scale::Linear) => ("mean", "minimum to maximum".to_owned()),
        };
        let mut parts = data;
        match each.first() {
            Some(&first) if uniform && several => parts.push(format!("{centre} of {}", seeds(first))),
            Some(&first) if uniform && lines.share.is_some() => parts.push(format!("{centre} of {}", seeds(first))),
            // What is computed once has no seed worth a word.
            Some(&first) if uniform && !parts.is_empty() => parts.push(seeds(first)),
            Some(_) if several => parts.push(format!("{centre} over seeds")),
            _ => {}
        }
        if !uniform {
            for panel in &mut self.panels {
                let count = seeds(counts(panel));
                panel.title = Some(panel.title.take().map_or(count.clone(), |title| format!("{title} ({count})")));
            }
        }
        if several || lines.share.is_some() {
            let what = if self.continuous { "bands" } else { "bars" };
            parts.push(format!("{what}: {ends}"));
        }
        if self.continuous {
            parts.push(format!("each point: {centre} of the steps in 1/{MOST_POINTS} of the run"));
        }
        std::iter::once(text::profile(results.profile)).chain(parts).collect::<Vec<_>>().join("; ")
    }

    /// A sentence for readers who do not see the chart.
    pub fn description(&self) -> String {
        let names = self.drawn().map(|name| self.names[name].as_str()).filter(|name| !name.is_empty());
        let series = names.collect::<Vec<_>>().join("; ");
        let range = |points: Vec<f64>| {
            let finite = points.into_iter().filter(|x| x.is_finite());
            let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
            if low > high { "nothing".to_owned() } else { format!("{} to {}", short(low), short(high)) }
        };
        let all = || self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points);
        let (x, y) = (range(all().map(|p| p.x).collect()), range(all().flat_map(|p| [p.low, p.high]).collect()));
        let lines = if series.is_empty() { String::new() } else { format!("; lines: {series}") };
        let notes =
            std::iter::once(&self.subtitle).chain(&self.notes).map(|text| format!(". {}", text.trim_end_matches('.')));
        let notes = notes.collect::<String>();
        format!("{}: {} ({y}) against {} ({x}){lines}{notes}", self.title, self.labels[1], self.labels[0])
    }
}

impl Panel {
    /// Every y that is drawn.
    fn heights(&self) -> impl Iterator<Item = f64> {
        let points = self.series.iter().flat_map(|s| &s.points).flat_map(|p| [p.y, p.low, p.high]);
        let theory = self.series.iter().flat_map(|s| &s.theory).map(|p| p.1);
        let digitised = self.reference.iter().flat_map(|(_, points)| points).map(|p| p.1);
        points.chain(theory).chain(digitised).chain(self.published.iter().flat_map(|p| p.range))
    }
}

/// The greatest number of rows that one run has in a line.
fn longest(placed: &[Placed]) -> usize {
    let mut counts = std::collections::HashMap::new();
    for p in placed {
        *counts.entry((p.name, series::seed(p.row), p.column)).or_insert(0) += 1;
    }
    counts.into_values().max().unwrap_or(0)
}

/// The data sets that the runs were trained on.
fn data_sets(results: &Results) -> Vec<String> {
    let mut found: Vec<String> = vec![];
    for run in &results.runs {
        if let Some(data) = run.loaded.rows.first().and_then(|row| row.get("data")) {
            let text = cell(data);
            let name = value_label("data", &text).unwrap_or(text);
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// The columns that the vertical axes of the panels show.
fn columns(lines: &Lines) -> BTreeSet<&str> {
    let own = lines.panels.iter().map(|panel| panel.y.as_ref().unwrap_or(&lines.y.column));
    if lines.panels.is_empty() { BTreeSet::from([lines.y.column.as_str()]) } else { own.map(String::as_str).collect() }
}

/// The panels: their titles, which rows each has, and of which column; and whether there are more than can be drawn.
fn wishes(lines: &Lines, results: &Results, placed: &[Placed]) -> (Vec<Wish>, bool) {
    let mut more = false;
    let wish = |title, filter| Wish { title, filter, column: lines.y.column.clone() };
    let mut each: Vec<Wish> = vec![wish(None, Filter::new())];
    if let Some(column) = &lines.panel {
        each.clear();
        for p in placed {
            let value = p.row.get(column).cloned().unwrap_or_default();
            let filter = Filter::from([(column.clone(), Wanted::One(value))]);
            if each.iter().any(|other| other.filter == filter) {
                continue;
            }
            if each.len() == MOST_PANELS {
                more = true;
                break;
            }
            each.push(wish(Some(names::of_value(results, p.row, column)), filter));
        }
    }
    if lines.panels.is_empty() {
        return (each, more);
    }
    let of = |Wish { title, filter, column }: &Wish| -> Vec<Wish> {
        let join = |own: &PanelRows| Wish {
            title: Some(title.iter().chain([&own.title]).cloned().collect::<Vec<_>>().join(", ")),
            filter: filter.clone().into_iter().chain(own.filter.clone()).collect(),
            column: own.y.clone().unwrap_or_else(|| column.clone()),
        };
        lines.panels.iter().map(join).collect()
    };
    more |= each.len() * lines.panels.len() > MOST_PANELS;
    (each.iter().flat_map(of).take(MOST_PANELS).collect(), more)
}

/// Most panels of a chart. A chart of more would be too large to draw.
const MOST_PANELS: usize = 200;

/// A panel as several of at most [`MOST_SERIES`] lines.
fn split(panel: Panel) -> Vec<Panel> {
    if panel.series.len() <= MOST_SERIES {
        return vec![panel];
    }
    let Panel { title, y, series, published, reference } = panel;
    let parts = series.len().div_ceil(MOST_SERIES);
    // Parts of about the same size.
    let size = series.len().div_ceil(parts);
    let mut rest = series.into_iter().peekable();
    let mut found = vec![];
    while rest.peek().is_some() {
        let number = found.len() + 1;
        let part = format!("{number} of {parts}");
        let title = title.as_ref().map_or(part.clone(), |title| format!("{title}, {part}"));
        let series: Vec<Series> = rest.by_ref().take(size).collect();
        let has = |name: usize| series.iter().any(|s| s.name == name);
        let published = published.iter().filter(|p| p.name.is_some_and(has)).cloned().collect();
        let reference = reference.iter().filter(|(name, _)| has(*name)).cloned().collect();
        found.push(Panel { title: Some(title), y: y.clone(), series, published, reference });
    }
    found
}

#[cfg(test)]
mod tests;
