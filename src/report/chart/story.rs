//! The figure that opens the report: a panel for each step of its argument, each from a figure of an experiment.

use std::collections::HashMap;

use crate::definition::{FigureKind, Outline, StoryPanel};
use crate::report::ReportError;
use crate::report::results::Results;

use super::canvas::{Canvas, Drawing};
use super::lines::ChartCell;
use super::style::INK;
use super::text::wrapped;

/// Size of the title.
const TITLE: f64 = 17.0;
const COLUMNS: usize = 2;

/// The figure, ready to be drawn.
pub struct StoryChart {
    title: String,
    cells: Vec<ChartCell>,
}

/// The panels of an outline's figure, drawn from the results of one experiment and profile after another.
#[derive(Default)]
pub struct Panels(HashMap<String, ChartCell>);

impl Panels {
    /// Adds the panels that results have. Of several profiles of an experiment, the largest comes first.
    pub fn add(&mut self, outline: &Outline, results: &Results) {
        for (at, panel) in outline.panels().filter(|(_, panel)| panel.experiment == results.definition.id) {
            if !self.0.contains_key(&at) {
                self.0.extend(cell(panel, results).map(|cell| (at, cell)));
            }
        }
    }
}

impl StoryChart {
    /// The panels that have records; `None` if none has.
    pub fn new(outline: &Outline, mut panels: Panels) -> Option<Self> {
        let story = outline.story.as_ref()?;
        let mut cells = vec![];
        for (i, panel) in story.panels.iter().enumerate() {
            let mut places = (0..panel.choices().count()).map(|depth| Outline::panel_path(i, depth));
            cells.extend(places.find_map(|at| panels.0.remove(&at)));
        }
        (!cells.is_empty()).then(|| Self { title: story.title.clone(), cells })
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// A sentence for readers who do not see the figure.
    pub fn description(&self) -> String {
        let cells: Vec<String> = self.cells.iter().map(ChartCell::description).collect();
        format!("{}: {}", self.title, cells.join("; "))
    }

    /// The cells, each a drawing.
    pub fn parts(&self) -> impl Iterator<Item = OneCell<'_>> {
        self.cells.iter().map(OneCell)
    }

    /// The cells.
    #[cfg(test)]
    pub fn cells(&self) -> &[ChartCell] {
        &self.cells
    }

    fn title_lines(&self) -> Vec<String> {
        wrapped(&self.title, TITLE, self.width() - 32.0, 2)
    }

    fn width(&self) -> f64 {
        self.cells[0].size().0 * COLUMNS.min(self.cells.len()) as f64
    }

    /// The rows of cells: each with the height of its titles and its own.
    fn rows(&self) -> impl Iterator<Item = (&[ChartCell], f64, f64)> {
        self.cells.chunks(COLUMNS).map(|row| {
            let head = row.iter().map(ChartCell::head).fold(0.0, f64::max);
            (row, head, row.iter().map(|cell| cell.size_below(head).1).fold(0.0, f64::max))
        })
    }
}

/// A panel of the figure; `None` without records.
fn cell(panel: &StoryPanel, results: &Results) -> Option<ChartCell> {
    if results.is_empty() || panel.profile.is_some_and(|profile| profile != results.profile) {
        return None;
    }
    let figure = results.definition.figures.iter().find(|figure| figure.id == panel.figure)?;
    let FigureKind::Lines(lines) = &figure.draw else { return None };
    ChartCell::new(&panel.title, figure, lines, &panel.filter, results)
}

impl Drawing for StoryChart {
    fn size(&self) -> (f64, f64) {
        let rows: f64 = self.rows().map(|(_, _, height)| height + 8.0).sum();
        (self.width(), 24.0 + 22.0 * self.title_lines().len() as f64 + rows)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        let mut y = canvas.lines(&self.title_lines(), (16.0, 20.0), TITLE, INK, 22.0)?;
        for (row, head, height) in self.rows() {
            for (i, cell) in row.iter().enumerate() {
                cell.draw(&canvas.moved((i as f64 * cell.size().0, y)), head)?;
            }
            y += height + 8.0;
        }
        Ok(())
    }
}

/// One cell of the figure.
pub struct OneCell<'a>(&'a ChartCell);

impl Drawing for OneCell<'_> {
    fn size(&self) -> (f64, f64) {
        self.0.size()
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        self.0.draw(canvas, self.0.head())
    }
}
