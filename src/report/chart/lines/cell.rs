//! A chart as a cell of a larger figure: some rows of a figure in one panel, with its own title and legend.

use crate::definition::{Figure, Filter, Lines};
use crate::report::ReportError;
use crate::report::chart::canvas::Canvas;
use crate::report::chart::style::{INK, SOFT};
use crate::report::chart::text::wrapped;
use crate::report::results::Results;

use super::LineChart;
use super::frame::{LEFT, LINE_HEIGHT, MARGIN, STRIP};

/// Width of a cell, which holds the paper's numbers too.
pub const WIDTH: f64 = LEFT + 330.0 + STRIP + MARGIN;
/// Size of the title.
const TITLE: f64 = 13.5;
/// Size of the lines below it, and of notes.
const SMALL: f64 = 10.5;

/// A cell.
pub struct ChartCell {
    title: String,
    chart: LineChart,
}

impl ChartCell {
    /// The rows of a figure that have the values of a filter; `None` if there is too little to see.
    pub fn new(title: &str, figure: &Figure, lines: &Lines, filter: &Filter, results: &Results) -> Option<Self> {
        let mut own = lines.clone();
        own.filter.extend(filter.clone());
        (own.panel, own.panels) = (None, vec![]);
        let mut chart = LineChart::new(figure, &own, results);
        chart.small = true;
        chart.subtitle = format!("{}. {}", results.definition.id, chart.subtitle);
        chart.is_worth_drawing().then(|| Self { title: title.to_owned(), chart })
    }

    /// Size with the title.
    pub fn size(&self) -> (f64, f64) {
        (WIDTH, self.size_below(self.head()).1)
    }

    /// Size with this height of title.
    pub fn size_below(&self, head: f64) -> (f64, f64) {
        let lines = self.chart.legend(self.legend_width()).len() + self.notes().len();
        (WIDTH, head + self.chart.cell().1 + lines as f64 * LINE_HEIGHT + 8.0)
    }

    /// Height of the title and the lines below it.
    pub fn head(&self) -> f64 {
        18.0 * self.titles().len() as f64 + 14.0 * self.subtitles().len() as f64
    }

    fn titles(&self) -> Vec<String> {
        wrapped(&self.title, TITLE, WIDTH - 2.0 * MARGIN, 2)
    }

    fn subtitles(&self) -> Vec<String> {
        wrapped(&self.chart.subtitle, SMALL, WIDTH - 2.0 * MARGIN, 2)
    }

    fn notes(&self) -> Vec<String> {
        let width = self.legend_width();
        self.chart.notes.iter().flat_map(|note| wrapped(note, SMALL, width, 2)).collect()
    }

    fn legend_width(&self) -> f64 {
        WIDTH - LEFT - MARGIN
    }

    /// Draws the cell with this height of title, which is at least its own.
    pub fn draw(&self, canvas: &Canvas, head: f64) -> Result<(), ReportError> {
        let y = canvas.lines(&self.titles(), (MARGIN, 10.0), TITLE, INK, 18.0)?;
        canvas.lines(&self.subtitles(), (MARGIN, y), SMALL, SOFT, 14.0)?;
        if let Some(panel) = self.chart.panels.first() {
            self.chart.draw_panel(&canvas.moved((0.0, head)), panel)?;
        }
        let y = head + self.chart.cell().1 + 4.0;
        let y = y + self.chart.draw_legend(&canvas.moved((LEFT, y)), self.legend_width())?;
        canvas.lines(&self.notes(), (LEFT, y), SMALL, SOFT, LINE_HEIGHT).map(|_| ())
    }

    /// A sentence for readers who do not see the cell.
    pub fn description(&self) -> String {
        format!("{}. {}", self.title, self.chart.description())
    }

    /// Every text of the cell.
    #[cfg(test)]
    pub fn texts(&self) -> Vec<String> {
        self.chart.texts().into_iter().chain([self.title.clone()]).collect()
    }

    /// Lines of the panel.
    #[cfg(test)]
    pub fn series(&self) -> usize {
        self.chart.panels.iter().map(|p| p.series.len()).sum()
    }
}
