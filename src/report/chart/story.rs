//! The figure that opens the report: a panel for each step of its argument, each from a figure of an experiment.

use crate::definition::{FigureKind, Profile, Story, StoryPanel};
use crate::report::ReportError;
use crate::report::results::Results;

use super::canvas::{Anchor, Canvas, Drawing};
use super::lines::Cell;
use super::style::INK;
use super::text::wrapped;

/// Size of the title.
const TITLE: f64 = 17.0;
const COLUMNS: usize = 2;

/// The figure, ready to be drawn.
pub struct StoryChart {
    title: String,
    cells: Vec<Cell>,
}

impl StoryChart {
    /// The panels that have records; `None` if none has.
    pub fn new(story: &Story, results: &[&Results]) -> Option<Self> {
        let cells: Vec<Cell> =
            story.panels.iter().filter_map(|panel| panel.choices().find_map(|p| cell(p, results))).collect();
        (!cells.is_empty()).then(|| Self { title: story.title.clone(), cells })
    }

    /// The title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// A sentence for readers who do not see the figure.
    pub fn description(&self) -> String {
        let cells: Vec<String> = self.cells.iter().map(Cell::description).collect();
        format!("{}: {}", self.title, cells.join("; "))
    }

    /// The cells, each a drawing.
    pub fn parts(&self) -> impl Iterator<Item = OneCell<'_>> {
        self.cells.iter().map(OneCell)
    }

    /// The cells.
    #[cfg(test)]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    fn title_lines(&self) -> Vec<String> {
        wrapped(&self.title, TITLE, self.width() - 32.0, 2)
    }

    fn width(&self) -> f64 {
        self.cells[0].size().0 * COLUMNS.min(self.cells.len()) as f64
    }

    /// The rows of cells: each with the height of its titles and its own.
    fn rows(&self) -> impl Iterator<Item = (&[Cell], f64, f64)> {
        self.cells.chunks(COLUMNS).map(|row| {
            let head = row.iter().map(Cell::head).fold(0.0, f64::max);
            (row, head, row.iter().map(|cell| cell.size_below(head).1).fold(0.0, f64::max))
        })
    }
}

/// A panel of the figure; `None` without records.
fn cell(panel: &StoryPanel, results: &[&Results]) -> Option<Cell> {
    let own = |r: &&&Results| r.definition.id == panel.experiment && panel.profile.is_none_or(|p| p == r.profile);
    let mut found: Vec<&&Results> = results.iter().filter(own).collect();
    found.sort_by_key(|r: &&&Results| std::cmp::Reverse::<Profile>(r.profile));
    found.into_iter().find_map(|results| {
        let figure = results.definition.figures.iter().find(|figure| figure.id == panel.figure)?;
        let FigureKind::Lines(lines) = &figure.draw else { return None };
        if results.is_empty() { None } else { Cell::new(&panel.title, figure, lines, &panel.filter, results) }
    })
}

impl Drawing for StoryChart {
    fn size(&self) -> (f64, f64) {
        let rows: f64 = self.rows().map(|(_, _, height)| height + 8.0).sum();
        (self.width(), 24.0 + 22.0 * self.title_lines().len() as f64 + rows)
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        let mut y = 20.0;
        for line in self.title_lines() {
            canvas.text(&line, (16.0, y), TITLE, INK, Anchor::Left, false)?;
            y += 22.0;
        }
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
pub struct OneCell<'a>(&'a Cell);

impl Drawing for OneCell<'_> {
    fn size(&self) -> (f64, f64) {
        self.0.size()
    }

    fn draw(&self, canvas: &Canvas) -> Result<(), ReportError> {
        self.0.draw(canvas, self.0.head())
    }
}
