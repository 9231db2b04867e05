//! TensorBoard event files hold the numbers of the log of training steps.

use crate::common;

use std::path::Path;
use std::process::Command;

use anode::tensorboard::{EVENTS, Event, EventLog, What, records};
use common::{Workplace, training};
use prost::Message;

/// The events of a run's folder: step, then name and value of each scalar.
fn events(folder: &Path) -> Vec<(i64, Vec<(String, f32)>)> {
    let bytes = std::fs::read(folder.join(EVENTS)).expect("an event file");
    let records = records(&bytes).expect("sound records");
    let events: Vec<Event> = records.into_iter().map(|data| Event::decode(data).expect("an event")).collect();
    assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".into())));
    let scalars = |event: &Event| match &event.what {
        Some(What::Summary(summary)) => (
            event.step,
            summary.value.iter().map(|one| (one.tag.clone(), one.simple_value.expect("a number"))).collect(),
        ),
        other => panic!("{other:?}"),
    };
    events[1..].iter().map(scalars).collect()
}

/// What the log of steps holds, in the same form.
fn logged(folder: &Path) -> Vec<(i64, Vec<(String, f32)>)> {
    let mut reader = csv::Reader::from_path(folder.join("steps.csv")).expect("a log");
    let columns = reader.headers().expect("columns").clone();
    let numbers = |row: csv::StringRecord| {
        let cells = columns.iter().zip(row.iter()).skip(1);
        let numbers = cells.filter_map(|(column, cell)| Some((column.to_owned(), cell.parse::<f64>().ok()? as f32)));
        (row[0].parse().expect("a step"), numbers.collect())
    };
    reader.records().map(|row| numbers(row.expect("a row"))).collect()
}

fn trained() -> Workplace {
    let place = Workplace::new();
    place.define(&training("train")).expect(0, &["run", "train", "--tensorboard"]);
    place
}

#[test]
fn events_are_written_beside_the_log_when_asked() {
    let place = trained();
    let folder = place.run_folder("train");
    let found = events(&folder);
    assert_eq!(found.len(), 48, "four epochs of twelve steps");
    assert_eq!(found, logged(&folder));
    assert!(found.iter().any(|(_, scalars)| scalars.iter().any(|(tag, _)| tag == "test_accuracy")));

    // A recorded run gets them as well, and a run gets none unless asked.
    std::fs::remove_file(folder.join(EVENTS)).expect("it was there");
    place.expect(0, &["run", "train"]);
    assert!(!folder.join(EVENTS).exists());
    place.expect(0, &["run", "train", "--tensorboard"]);
    assert_eq!(events(&folder), found);
    place.expect(0, &["report"]);
    place.expect(0, &["report", "--verify"]);
}

#[test]
fn events_follow_a_log_that_grows_and_one_that_was_cut_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = |text: &str| std::fs::write(folder.path().join("steps.csv"), text).expect("a log");
    let mut events_of = EventLog::new(folder.path());
    assert_eq!(events_of.update().expect("no log yet"), 0);
    assert!(!folder.path().join(EVENTS).exists());
    let steps = |events: &[(i64, Vec<(String, f32)>)]| events.iter().map(|(step, _)| *step).collect::<Vec<_>>();
    log("step,loss\n0,2.5\n1,2.");
    assert_eq!(events_of.update().expect("events"), 1, "a line that is half written is left out");
    log("step,loss\n0,2.5\n1,2.25\n2,\n3,NaN\n");
    assert_eq!(events_of.update().expect("events"), 3);
    let found = events(folder.path());
    assert_eq!(steps(&found), [0, 1, 2, 3]);
    assert_eq!((&found[1].1, &found[2].1), (&vec![("loss".to_owned(), 2.25)], &vec![]));
    assert!(found[3].1[0].1.is_nan());
    log("step,loss\n0,2.5\n");
    assert_eq!(events_of.update().expect("events"), 1);
    assert_eq!(steps(&events(folder.path())), [0]);
    log("loss\n0.1\n");
    let refused = EventLog::new(folder.path()).update().expect_err("no column of steps").to_string();
    assert!(refused.contains("no log of training steps") && refused.contains("compute it again"), "{refused}");
}

#[test]
fn tensorboard_reads_the_events() {
    let python = std::env::var("ANODE_PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |code: &str, argument: &Path| Command::new(&python).args(["-c", code]).arg(argument).output();
    if !run("import tensorboard", Path::new("")).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {python} has no package tensorboard; ANODE_PYTHON names another interpreter");
        return;
    }
    let place = trained();
    let folder = place.run_folder("train");
    let code = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
for tag in sorted(events.Tags()['scalars']):
    for event in events.Scalars(tag):
        print(tag, event.step, repr(float(event.value)))
";
    let output = run(code, &folder).expect("it started before");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut expected: Vec<(String, i64, f32)> = logged(&folder)
        .into_iter()
        .flat_map(|(step, scalars)| scalars.into_iter().map(move |(tag, value)| (tag, step, value)))
        .collect();
    expected.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let line = |line: &str| {
        let parts: Vec<&str> = line.split(' ').collect();
        (parts[0].to_owned(), parts[1].parse().expect("a step"), parts[2].parse::<f64>().expect("a value") as f32)
    };
    let found: Vec<(String, i64, f32)> = String::from_utf8_lossy(&output.stdout).lines().map(line).collect();
    assert_eq!(found, expected);
}
