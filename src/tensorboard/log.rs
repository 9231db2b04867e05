//! The event file of a run, extended as its log of steps grows.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::record::STEPS;

use super::events::{Event, Scalar, Summary, What};
use super::{EVENTS, frame};

/// Most bytes of one line of a log.
const LINE: u64 = 1 << 16;

/// Why events could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The log is no table with a column `step`.
    #[error("{0}: no log of training steps; remove the folder of the run and compute it again")]
    NoLog(PathBuf),
}

/// Converts a log of steps to events.
///
/// Remembers how much of the log was converted, so that each call of [`EventLog::update`] reads only what was appended.
#[derive(Debug)]
pub struct EventLog {
    folder: PathBuf,
    columns: Vec<String>,
    read: u64,
    wall_time: f64,
}

impl EventLog {
    /// The events of the run in `folder`. A file of an earlier call is replaced at the first update.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), columns: vec![], read: 0, wall_time: 0.0 }
    }

    /// Appends the steps that the log has gained, and returns their number. A run without a log has none. Steps get the
    /// current time. If the log became shorter, because a run was resumed from its checkpoint, the file is written
    /// again.
    ///
    /// # Errors
    /// A file that cannot be read or written, or a log without steps.
    pub fn update(&mut self) -> Result<usize, EventsError> {
        let (log, events) = (self.folder.join(STEPS), self.folder.join(EVENTS));
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| EventsError::Io { path, source }
        };
        let mut file = match crate::files::open(&log) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            opened => opened.map_err(io(&log))?,
        };
        if file.metadata().map_err(io(&log))?.len() < self.read {
            (self.read, self.columns) = (0, vec![]);
        }
        let fresh = self.read == 0;
        file.seek(SeekFrom::Start(self.read)).map_err(io(&log))?;
        let mut reader = BufReader::new(file);
        let mut out = None;
        self.wall_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
        let mut steps = 0;
        loop {
            let line = whole_line(&mut reader).map_err(io(&log))?;
            let Some(line) = line else { break };
            self.read += line.len() as u64 + 1;
            let cells: Vec<&str> = line.split(',').collect();
            if self.columns.is_empty() {
                if cells.first() != Some(&"step") {
                    return Err(EventsError::NoLog(log));
                }
                self.columns = cells.into_iter().map(str::to_owned).collect();
                continue;
            }
            let event = self.event(&cells).ok_or_else(|| EventsError::NoLog(log.clone()))?;
            if out.is_none() {
                out = Some(open(&events, fresh).map_err(io(&events))?);
            }
            if let Some(out) = &mut out {
                frame(&event.encode_to_vec(), out).map_err(io(&events))?;
            }
            steps += 1;
        }
        out.map_or(Ok(()), |mut out| out.flush()).map_err(io(&events))?;
        Ok(steps)
    }

    /// The numbers of a line as an event; `None` if its first cell is no step.
    fn event(&self, cells: &[&str]) -> Option<Event> {
        let step: i64 = cells.first()?.parse().ok()?;
        let scalar = |(column, cell): (&String, &&str)| {
            Some(Scalar { tag: column.clone(), simple_value: Some(cell.parse::<f64>().ok()? as f32) })
        };
        let value = self.columns.iter().zip(cells).skip(1).filter_map(scalar).collect();
        Some(Event { wall_time: self.wall_time, step, what: Some(What::Summary(Summary { value })) })
    }
}

/// The event file, ready for more events; a new one begins with the version of the format.
fn open(path: &Path, fresh: bool) -> std::io::Result<BufWriter<File>> {
    if !fresh {
        return Ok(BufWriter::new(File::options().append(true).open(path)?));
    }
    // A link in its place is removed, not followed.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = BufWriter::new(File::create_new(path)?);
    frame(&Event::file_version().encode_to_vec(), &mut out)?;
    Ok(out)
}

/// The next line without its end; `None` at the end of the file and for a line that is not complete yet.
fn whole_line(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<String>> {
    let mut line = vec![];
    std::io::BufRead::read_until(&mut Read::take(reader, LINE), b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Ok(None);
    }
    String::from_utf8(line).map(Some).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))
}
