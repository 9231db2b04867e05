//! Drawing line charts: whole, or a panel and the legend each alone, for a page that sets them itself.

use plotters::style::RGBColor;

use crate::report::ReportError;
use crate::report::chart::canvas::{Anchor, Canvas, Drawing, LINE, text_width};
use crate::report::chart::style::{GRID, INK, SOFT, Style};
use crate::report::chart::text::wrapped;

use super::frame::{ABOVE, BELOW, LEFT, LINE_HEIGHT, NORMAL, SMALL, TITLE};
use super::series::Point;
use super::{LineChart, Panel, Series};

/// Width of error bars, of theory and of what a paper reports.
const THIN: f64 = 0.9;

impl Drawing for LineChart {
    fn size(&self) -> (f64, f64) {
        let below = self.legend(self.legend_width()).len() + self.note_lines().len();
        (self.width(), self.head() + self.cell().1 * self.panel_rows() as f64 + below as f64 * LINE_HEIGHT + 14.0)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        let y = canvas.lines(&self.title_lines(), (16.0, 18.0), TITLE, INK, 21.0)?;
        let y = canvas.lines(&self.subtitle_lines(), (16.0, y), SMALL, SOFT, 16.0)?;
        if self.panels.iter().all(|p| p.series.is_empty()) {
            return canvas.text("No data for this chart yet", (LEFT, y + 80.0), 14.0, SOFT, Anchor::Left, false);
        }
        let (w, h) = self.cell();
        for (i, panel) in self.panels.iter().enumerate() {
            let corner = (w * (i % self.columns()) as f64, self.head() + h * (i / self.columns()) as f64);
            self.draw_panel(&canvas.moved(corner), panel)?;
        }
        let y = self.head() + h * self.panel_rows() as f64 + 6.0;
        let y = y + self.draw_legend(&canvas.moved((LEFT, y)), self.legend_width())?;
        canvas.lines(&self.note_lines(), (LEFT, y), 11.0, SOFT, LINE_HEIGHT).map(|_| ())
    }
}

/// One panel of a chart.
pub struct OnePanel<'a>(pub &'a LineChart, usize);

impl Drawing for OnePanel<'_> {
    fn size(&self) -> (f64, f64) {
        self.0.cell()
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        self.0.draw_panel(canvas, &self.0.panels[self.1])
    }
}

/// The legend of a chart.
pub struct Legend<'a>(&'a LineChart);

/// Width of a legend that is drawn alone, unless an entry is wider.
const LEGEND: f64 = 430.0;

/// Widest legend that is drawn alone.
const LEGEND_LIMIT: f64 = 600.0;

impl Drawing for Legend<'_> {
    fn size(&self) -> (f64, f64) {
        let width = self.0.lone_width();
        (width, self.0.legend(width).len() as f64 * LINE_HEIGHT + 4.0)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        self.0.draw_legend(&canvas.moved((0.0, 10.0)), self.0.lone_width()).map(|_| ())
    }
}

impl LineChart {
    /// The panels, each a drawing.
    pub fn parts(&self) -> impl Iterator<Item = OnePanel<'_>> {
        (0..self.panels.len()).map(|i| OnePanel(self, i))
    }

    /// The legend as a drawing, if the panels do not have their own.
    pub fn own_legend(&self) -> Option<Legend<'_>> {
        (!self.legend(LEGEND).is_empty()).then_some(Legend(self))
    }

    /// Width of the legend if it is drawn alone.
    fn lone_width(&self) -> f64 {
        let entry = |name: usize| text_width(&self.names[name], NORMAL) + 50.0;
        self.drawn().map(entry).fold(LEGEND, f64::max).min(LEGEND_LIMIT)
    }

    /// Title, subtitle and notes, for a page that sets them itself.
    pub fn words(&self) -> (&str, &str, &[String]) {
        (&self.title, &self.subtitle, &self.notes)
    }

    /// Draws the common legend from the origin on. Returns its height.
    pub(super) fn draw_legend(&self, canvas: &Canvas, width: f64) -> Result<f64, ReportError> {
        let legend = self.legend(width);
        for (n, line) in legend.iter().enumerate() {
            for (name, text, x) in line {
                self.entry(canvas, text, self.styles[*name], (*x, n as f64 * LINE_HEIGHT))?;
            }
        }
        Ok(legend.len() as f64 * LINE_HEIGHT)
    }

    pub(super) fn draw_panel(&self, canvas: &Canvas, panel: &Panel) -> Result<(), ReportError> {
        let (w, h) = self.axes();
        let canvas = &canvas.moved((LEFT, ABOVE));
        if let Some(title) = &panel.title {
            let title = wrapped(title, 12.5, w + self.strip(), 1).join(" ");
            canvas.text(&title, (w / 2.0, 4.0 - ABOVE), 12.5, INK, Anchor::Top, false)?;
        }
        self.draw_axes(canvas, panel, w, h)?;
        let at = |x: f64, y: f64| (w * self.x.place(x), h * (1.0 - panel.y.place(y)));
        for (y, label) in &self.thresholds {
            let y = h * (1.0 - panel.y.place(*y));
            canvas.dotted(&[(0.0, y), (w, y)], INK, 1.2)?;
            // A label that would lie on a line is written below the chart instead.
            if let Some(place) = self.free_place(panel, y, label, &at) {
                canvas.text(label, place, 10.5, INK, Anchor::Left, false)?;
            }
        }
        for series in &panel.series {
            let colour = self.styles[series.name].colour;
            for part in self.unbroken(panel, series.theory.iter().copied()) {
                canvas.line(&part.iter().map(|&(x, y)| at(x, y)).collect::<Vec<_>>(), colour, THIN)?;
            }
        }
        let several = panel.series.iter().flat_map(|s| &s.points).any(|p| p.high > p.low);
        for (order, series) in panel.series.iter().enumerate() {
            // Bars of different lines are offset horizontally.
            let middle = (panel.series.len() as f64 - 1.0) / 2.0;
            let aside = if several && !self.continuous { 2.5 * (order as f64 - middle) } else { 0.0 };
            let place = |x: f64, y: f64| (at(x, y).0 + aside, at(x, y).1);
            self.draw_series(canvas, panel, series, &place)?;
        }
        for (name, points) in &panel.reference {
            let (colour, line) = (self.styles[*name].colour, points.iter().map(|&(x, y)| at(x, y)).collect::<Vec<_>>());
            canvas.dotted(&line, colour, LINE)?;
            line.iter().try_for_each(|place| canvas.dot(*place, 3.2, colour))?;
        }
        self.draw_published(canvas, panel, w, h)?;
        if self.slopes {
            for (order, series) in panel.series.iter().enumerate() {
                let name = &self.names[series.name];
                let text = match series.slope {
                    Some(slope) => format!("{name} (slope {slope:.2})"),
                    None => format!("{name} (no constant slope)"),
                };
                let place = (0.0, h + BELOW + (order as f64 + 0.3) * LINE_HEIGHT);
                self.entry(canvas, &text, self.styles[series.name], place)?;
            }
        }
        Ok(())
    }

    /// Labels of thresholds for which a panel has no free place, each once.
    pub(super) fn unplaced(&self) -> Vec<&str> {
        let (w, h) = self.axes();
        let mut found: Vec<&str> = vec![];
        for panel in &self.panels {
            let at = |x: f64, y: f64| (w * self.x.place(x), h * (1.0 - panel.y.place(y)));
            for (y, label) in &self.thresholds {
                let y = h * (1.0 - panel.y.place(*y));
                if self.free_place(panel, y, label, &at).is_none() && !found.contains(&label.as_str()) {
                    found.push(label);
                }
            }
        }
        found
    }

    /// The end of a threshold's line, above or below, where no line and no point is in the way of its label.
    fn free_place(
        &self,
        panel: &Panel,
        y: f64,
        label: &str,
        at: &impl Fn(f64, f64) -> (f64, f64),
    ) -> Option<(f64, f64)> {
        let w = self.axes().0;
        let long = text_width(label, 10.5);
        let mut taken: Vec<(f64, f64)> = vec![];
        for series in &panel.series {
            let places: Vec<_> =
                series.points.iter().flat_map(|p| [at(p.x, p.y), at(p.x, p.high), at(p.x, p.low)]).collect();
            taken.extend(&places);
            let along = places.iter().step_by(3).zip(places.iter().skip(3).step_by(3));
            let between = |(a, b): (&(f64, f64), &(f64, f64))| {
                let part = |i: i32| (a.0 + (b.0 - a.0) * f64::from(i) / 12.0, a.1 + (b.1 - a.1) * f64::from(i) / 12.0);
                (1..12).map(part).collect::<Vec<_>>()
            };
            taken.extend(along.flat_map(between));
        }
        let candidates = [(6.0, y - 8.0), (w - 6.0 - long, y - 8.0), (6.0, y + 9.0), (w - 6.0 - long, y + 9.0)];
        let crowd = |place: &(f64, f64)| {
            let inside =
                |p: &&(f64, f64)| (place.0 - 6.0..=place.0 + long + 6.0).contains(&p.0) && (p.1 - place.1).abs() < 10.0;
            taken.iter().filter(inside).count()
        };
        candidates.into_iter().find(|place| crowd(place) == 0)
    }

    fn draw_axes(&self, canvas: &Canvas, panel: &Panel, w: f64, h: f64) -> Result<(), ReportError> {
        let (across, along) = (panel.y.ticks(6), self.x.ticks(7));
        for (place, label) in &across {
            let y = h * (1.0 - place);
            canvas.line(&[(0.0, y), (w, y)], GRID, 1.0)?;
            canvas.text(label, (-7.0, y), 11.0, SOFT, Anchor::Right, false)?;
        }
        for (place, label) in &along {
            let x = w * place;
            canvas.line(&[(x, 0.0), (x, h)], GRID, 1.0)?;
            canvas.text(label, (x, h + 7.0), 11.0, SOFT, Anchor::Top, false)?;
        }
        canvas.line(&[(0.0, 0.0), (0.0, h), (w, h)], SOFT, 1.0)?;
        let below = wrapped(&self.labels[0], NORMAL, w, 1).join(" ");
        canvas.text(&below, (w / 2.0, h + 26.0), NORMAL, INK, Anchor::Top, false)?;
        let beside = wrapped(&self.labels[1], NORMAL, h + ABOVE, 2);
        for (i, line) in beside.iter().rev().enumerate() {
            canvas.text(line, (-54.0 - 15.0 * i as f64, h / 2.0), NORMAL, INK, Anchor::Centre, true)?;
        }
        Ok(())
    }

    /// The parts of a line between points that have no place.
    pub(super) fn unbroken(&self, panel: &Panel, points: impl Iterator<Item = (f64, f64)>) -> Vec<Vec<(f64, f64)>> {
        let mut parts = vec![vec![]];
        for (x, y) in points {
            if self.x.is_off(x) || panel.y.is_off(y) {
                parts.push(vec![]);
            } else if let Some(part) = parts.last_mut() {
                part.push((x, y));
            }
        }
        parts.retain(|part| !part.is_empty());
        parts
    }

    fn draw_series(
        &self,
        canvas: &Canvas,
        panel: &Panel,
        series: &Series,
        at: &impl Fn(f64, f64) -> (f64, f64),
    ) -> Result<(), ReportError> {
        let style = self.styles[series.name];
        let shown = |p: &&Point| !self.x.is_off(p.x) && !panel.y.is_off(p.y);
        if self.continuous {
            let parts = series.points.split(|p| !shown(&p));
            for part in parts.filter(|part| part.len() > 1 && part.iter().any(|p| p.high > p.low)) {
                let above = part.iter().map(|p| at(p.x, p.high));
                let below = part.iter().rev().map(|p| at(p.x, p.low));
                canvas.band(&above.chain(below).collect::<Vec<_>>(), style.colour)?;
            }
        }
        for part in self.unbroken(panel, series.points.iter().map(|p| (p.x, p.y))) {
            canvas.line(&part.iter().map(|&(x, y)| at(x, y)).collect::<Vec<_>>(), style.colour, LINE)?;
        }
        let marked = series.points.iter().filter(shown).enumerate();
        // A line of training steps has a few markers, so that it is known without its colour too.
        let every = if self.continuous { 12 } else { 1 };
        for (_, p) in marked.filter(|(i, _)| (i + 3 * series.name).is_multiple_of(every)) {
            if p.high > p.low && !self.continuous {
                self.bar(canvas, at(p.x, p.low), at(p.x, p.high), style.colour, panel.y.is_off(p.low))?;
            }
            canvas.marker(style, at(p.x, p.y))?;
        }
        Ok(())
    }

    /// A bar with an end at each side; an endless one has none below.
    fn bar(
        &self,
        canvas: &Canvas,
        low: (f64, f64),
        high: (f64, f64),
        colour: RGBColor,
        endless: bool,
    ) -> Result<(), ReportError> {
        canvas.line(&[low, high], colour, THIN)?;
        let ends = if endless { vec![high] } else { vec![low, high] };
        for (x, y) in ends {
            canvas.line(&[(x - 3.0, y), (x + 3.0, y)], colour, THIN)?;
        }
        Ok(())
    }

    /// The paper's numbers, in a strip at the right of the axes.
    fn draw_published(&self, canvas: &Canvas, panel: &Panel, w: f64, h: f64) -> Result<(), ReportError> {
        if panel.published.is_empty() {
            return Ok(());
        }
        let (from, width) = (w + 8.0, self.strip() - 8.0);
        canvas.text("paper", (from + width / 2.0, h + 7.0), 11.0, SOFT, Anchor::Top, false)?;
        canvas.line(&[(from, 0.0), (from, h), (from + width, h), (from + width, 0.0), (from, 0.0)], GRID, 1.0)?;
        let count = panel.published.len() as f64;
        for (i, number) in panel.published.iter().enumerate() {
            let Some(style) = number.name.map(|name| self.styles[name]) else { continue };
            let x = from + width * (i as f64 + 0.5) / count;
            let y = |value: f64| h * (1.0 - panel.y.place(value));
            let [low, high] = number.range;
            if high > low {
                self.bar(canvas, (x, y(low)), (x, y(high)), style.colour, false)?;
            }
            canvas.marker(style, (x, y(number.value)))?;
        }
        Ok(())
    }

    fn entry(&self, canvas: &Canvas, name: &str, style: Style, (x, y): (f64, f64)) -> Result<(), ReportError> {
        canvas.line(&[(x, y), (x + 22.0, y)], style.colour, LINE)?;
        canvas.marker(style, (x + 11.0, y))?;
        canvas.text(name, (x + 28.0, y), NORMAL, INK, Anchor::Left, false)
    }
}
