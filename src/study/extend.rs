//! Extending a training run: continuing from the checkpoint of a shorter or unfinished run that took the same steps.
//!
//! Two runs take the same steps if their settings agree in everything but the length of the run and what is only
//! observed, and if both recipes have the same learning rate at every step. Seed, inputs, device and numerics are part
//! of a run's id, which the caller has checked.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::definition::StudyKind;
use crate::definition::settings::TrainingSettings;
use crate::digest::sha256;
use crate::files;
use crate::net::Network;
use crate::record::{
    CHECKPOINTS, RecordError, STEPS, StepLog, TIMES, change_of_instructions, origins, read_at_most, write_atomically,
};
use crate::train::{Saved, keep_newest};

use super::images::load;
use super::network::{Chosen, network};
use super::parts::{parsed, typed};
use super::training::{columns, rate};
use super::{Context, StudyError, tensor_file};

/// Settings that decide how long a run is, and with it the learning rate, which is compared step by step.
const LENGTH: &[&str] = &["epochs", "drops"];

/// Settings that change no bit of training: they add columns to the log, or decide when the state is saved.
const OBSERVED: &[&str] = &["checkpoint_every", "evaluations", "evaluate_every", "block_reversal"];

/// Longest run, in epochs, that is recognised without a header.
const MOST_EPOCHS: u64 = 1000;

/// Largest log that is read, in bytes.
const MOST_LOG: u64 = 1 << 30;

/// Another run with a state from which a run may be able to continue.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// Folder of the run.
    pub folder: PathBuf,
    /// Id of the run.
    pub run: String,
    /// Settings of the run.
    pub settings: Map<String, Value>,
}

/// Whether two runs take the same steps as long as their learning rates agree.
pub fn takes_same_steps(settings: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let decides = |name: &&String| !LENGTH.contains(&name.as_str()) && !OBSERVED.contains(&name.as_str());
    let names = || settings.keys().chain(other.keys()).filter(decides);
    names().all(|name| settings.get(name) == other.get(name))
}

/// Whether a training run with `settings` takes every step of a run with the settings `other`. False if that run is
/// longer.
pub fn covers(settings: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let both = [settings, other].map(|settings| parsed(StudyKind::Training, settings).ok());
    let [Some(own), Some(theirs)] = both else { return false };
    let (Ok(own), Ok(theirs)) = (typed::<TrainingSettings>(&own), typed::<TrainingSettings>(&theirs)) else {
        return false;
    };
    // The rates of a few steps per epoch tell schedules apart; how many steps an epoch has is not known here.
    const PER_EPOCH: u64 = 4;
    let rate_of = |of: &TrainingSettings, step: u64| {
        let all = PER_EPOCH.saturating_mul(of.epochs as u64);
        rate(of).at(of.learning_rate, (step, all), (step / PER_EPOCH, of.epochs)).to_bits()
    };
    takes_same_steps(settings, other)
        && theirs.epochs <= own.epochs
        && (0..PER_EPOCH.saturating_mul(theirs.epochs as u64)).all(|step| rate_of(own, step) == rate_of(theirs, step))
}

/// The newest checkpoint of at most `most` bytes in the folder of an unfinished run from which the run can continue:
/// its name, and how many steps it has taken. It is a checkpoint of the run after which the folder is named, and the
/// log of its steps is next to it.
pub fn newest_state(folder: &Path, most: u64) -> Option<(&'static str, u64)> {
    let id = folder.file_name()?.to_str()?;
    CHECKPOINTS.into_iter().find_map(|name| {
        let file = files::open_unlinked(&folder.join(name)).ok()?;
        let saved = Saved::decode(&tensor_file::read(file, most).ok()?).ok()?.filter(|saved| saved.run() == id)?;
        let log = prefix(folder, STEPS, saved.next_step()).ok()?;
        let digest = saved.past().log.as_ref();
        digest.is_none_or(|digest| *digest == sha256(log.as_bytes())).then(|| (name, saved.next_step()))
    })
}

/// Settings that a shorter run may have had, for folders that hold no header: other numbers of epochs, with the same
/// drops or none, and with what is observed or without.
pub(super) fn relatives(settings: &Map<String, Value>) -> impl Iterator<Item = Map<String, Value>> + use<> {
    let plain: Map<String, Value> =
        settings.clone().into_iter().filter(|(k, _)| !OBSERVED.contains(&k.as_str())).collect();
    let saved =
        |every: Value| Map::from_iter(plain.clone().into_iter().chain([("checkpoint_every".to_owned(), every)]));
    let own_interval = settings.get("checkpoint_every").cloned().unwrap_or(json!(50));
    let mut bases = vec![settings.clone(), saved(own_interval), saved(json!(50))];
    bases.dedup();
    bases.into_iter().flat_map(|base| {
        let constant = Map::from_iter(base.clone().into_iter().chain([("drops".to_owned(), json!([]))]));
        [base, constant].into_iter().flat_map(|base| {
            (1..=MOST_EPOCHS).map(move |epochs| {
                Map::from_iter(base.clone().into_iter().chain([("epochs".to_owned(), json!(epochs))]))
            })
        })
    })
}

/// A state that was found, with the logs of the steps before it.
struct Found<'a> {
    from: &'a Earlier,
    saved: Saved,
    steps: String,
    times: String,
}

/// Carries the furthest state among `earlier` over into the run's folder, if it is further than the run's own. Before
/// anything is written there, `chosen` receives the run that is continued. Runs that cannot be continued are passed
/// over; `warn` receives why, if their files are at fault.
///
/// # Errors
/// The run's own folder cannot be read or written; its settings or inputs are unusable.
pub(super) fn extend(
    context: &Context<'_>,
    earlier: &[Earlier],
    chosen: &mut dyn FnMut(&Earlier) -> Result<(), StudyError>,
    warn: &dyn Fn(&str),
) -> Result<bool, StudyError> {
    let settings: &TrainingSettings = typed(context.settings)?;
    let data = load(context.place, settings)?;
    let per_epoch = data.train.len().div_ceil(settings.batch.max(1)) as u64;
    let (network, _) = network(&Chosen::from(settings), data.classes)?;
    let coefficients = network.coefficients(&network.initial::<f32>(context.seed));
    let coefficients = coefficients.map_err(|e| StudyError::failed("the coefficients of the network", e))?;
    let columns = columns(settings, &network, &coefficients);
    let named: Vec<&str> = columns.iter().map(String::as_str).collect();
    let accept =
        |saved: &Saved| match StepLog::holds(context.folder, &named, saved.next_step(), saved.past().log.as_deref()) {
            true => Ok(()),
            false => Err(format!("{STEPS} is not its log, or has other columns")),
        };
    let mine = Saved::read(context.folder, &context.fingerprint(), &network, accept);
    let (mine, fault) = mine.map_or_else(|why| (None, Some(why)), |mine| (mine, None));
    let own = mine.as_ref().map_or(0, Saved::next_step);
    let candidates = earlier.iter().filter(|other| takes_same_steps(context.settings, &other.settings));
    let mut best: Option<Found> = None;
    for from in candidates {
        let least = best.as_ref().map_or(own, |best| best.saved.next_step());
        match usable(context, from, (settings, per_epoch, &network), least) {
            Ok(found) => best = found.or(best),
            Err(why) => warn(&format!("{}: not continued: {why}", from.folder.display())),
        }
    }
    if let Some(why) = fault {
        let from = best.as_ref().map_or("it starts again from step 0".to_owned(), |best| {
            format!("it continues {}", best.from.folder.display())
        });
        warn(&format!("{}: its own state cannot be used: {why}; {from}", context.folder.display()));
    }
    if let Some(text) = best.as_ref().map(|best| &best.saved).or(mine.as_ref()).and_then(|s| elsewhere(context, s)) {
        warn(&format!("{}: {text}", context.folder.display()));
    }
    let Some(mut found) = best else { return Ok(own > 0) };
    chosen(found.from)?;
    let log = mapped(&found.steps, &columns);
    write(context, STEPS, &log)?;
    write(context, TIMES, &found.times)?;
    // Last: only a folder with a checkpoint is resumed. One from before belongs to fewer steps than the log has now.
    let saved = found.saved.write(context.folder, &context.fingerprint(), sha256(log.as_bytes()));
    let saved = saved.and_then(|()| keep_newest(context.folder));
    saved.map(|()| true).map_err(super::training::checkpoint)
}

/// What to tell if the steps of `saved` were computed with other vector instructions than those that follow.
fn elsewhere(context: &Context<'_>, saved: &Saved) -> Option<String> {
    let step = saved.next_step();
    let all = origins(saved.past().origins.as_deref(), step, &context.environment());
    let [before, now] = change_of_instructions(&all, step)?;
    Some(format!(
        "steps {} to {} were computed on {}; those from step {step} on are computed on {}, which may round \
         differently. The record names both",
        before.from_step,
        step - 1,
        before.processor,
        now.processor
    ))
}

fn write(context: &Context<'_>, name: &str, text: &str) -> Result<(), StudyError> {
    write_atomically(&context.folder.join(name), text.as_bytes()).map_err(super::training::log_error)
}

/// The state of `from`, if it can be used and has more than `least` steps.
fn usable<'a>(
    context: &Context<'_>,
    from: &'a Earlier,
    (settings, per_epoch, network): (&TrainingSettings, u64, &Network),
    least: u64,
) -> Result<Option<Found<'a>>, String> {
    let theirs = parsed(StudyKind::Training, &from.settings).map_err(|e| e.to_string())?;
    let theirs: &TrainingSettings = typed(&theirs).map_err(|e| e.to_string())?;
    let rates = |of: &TrainingSettings| {
        let (base, rate, epochs) = (of.learning_rate, rate(of), of.epochs);
        let steps = per_epoch.saturating_mul(epochs as u64);
        (steps, move |step: u64| rate.at(base, (step, steps), (step / per_epoch, epochs)))
    };
    let ((total, ours), (their_total, theirs)) = (rates(settings), rates(theirs));
    let accept = |saved: &Saved| {
        let next = saved.next_step();
        if next > their_total {
            return Err(format!("it has taken {next} steps of a run of {their_total}"));
        }
        Ok(())
    };
    let fingerprint = context.fingerprint_of(&from.run);
    let Some(saved) = Saved::read(&from.folder, &fingerprint, network, accept)? else { return Ok(None) };
    let next = saved.next_step();
    // A longer run, or another learning rate on the way, is no fault of its files.
    if next <= least || next > total || (0..next).any(|step| ours(step).to_bits() != theirs(step).to_bits()) {
        return Ok(None);
    }
    let steps = prefix(&from.folder, STEPS, next)?;
    if saved.past().log.as_ref().is_some_and(|digest| *digest != sha256(steps.as_bytes())) {
        return Err(format!("{STEPS} is not the log that belongs to its checkpoint"));
    }
    // Times are no part of a record: without them the log of times starts here.
    let times = prefix(&from.folder, TIMES, next).unwrap_or_default();
    Ok(Some(Found { from, saved, steps, times }))
}

/// The header and the lines of the first `steps` steps of a log.
fn prefix(folder: &Path, name: &str, steps: u64) -> Result<String, String> {
    let bytes = read_at_most(&folder.join(name), MOST_LOG).map_err(|e: RecordError| e.to_string())?;
    let text = String::from_utf8(bytes.unwrap_or_default()).map_err(|_| format!("{name} is not text"))?;
    let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let header = lines.next().unwrap_or_default();
    let width = header.split(',').count();
    if header.split(',').next() != Some("step") {
        return Err(format!("{name} has no column `step` in front"));
    }
    let mut kept = header.to_owned();
    for step in 0..steps {
        let line = lines.next().unwrap_or_default();
        let number = line.split(',').next().and_then(|cell| cell.parse::<u64>().ok());
        if number != Some(step) || line.split(',').count() != width || line.contains('"') {
            return Err(format!("{name} lacks the line of step {step}, or it is damaged"));
        }
        kept += line;
    }
    Ok(kept)
}

/// A log with these columns: those that it lacks stay empty, and those that are not asked for are dropped.
fn mapped(log: &str, columns: &[String]) -> String {
    let mut lines = log.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let places: Vec<Option<usize>> = columns.iter().map(|c| header.iter().position(|h| h == c)).collect();
    let mut text = columns.join(",") + "\n";
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let cell = |place: &Option<usize>| place.and_then(|place| cells.get(place).copied()).unwrap_or_default();
        text += &(places.iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Map<String, Value> {
        let settings = json!({
            "net": "resnet4", "data": "synthetic", "solver": "euler", "steps": 2, "method": "anode", "epochs": 4,
            "batch": 8,
            "learning_rate": 0.05, "drops": [0.5], "momentum": 0.9, "weight_decay": 0.0, "augment": true
        });
        let typed: TrainingSettings = serde_json::from_value(settings).unwrap();
        serde_json::from_value(serde_json::to_value(typed).unwrap()).unwrap()
    }

    #[test]
    fn every_setting_but_those_named_must_agree() {
        let own = settings();
        let mut names: Vec<String> = own.keys().cloned().collect();
        names.extend(LENGTH.iter().chain(OBSERVED).chain(&["quality_every", "new"]).map(|name| (*name).to_owned()));
        for name in names {
            let mut other = own.clone();
            other.insert(name.clone(), json!("another"));
            let may_differ = LENGTH.contains(&&*name) || OBSERVED.contains(&&*name);
            assert_eq!(
                (takes_same_steps(&own, &other), takes_same_steps(&other, &own)),
                (may_differ, may_differ),
                "{name}"
            );
        }
        assert!(relatives(&own).all(|other| takes_same_steps(&own, &other)));
    }

    #[test]
    fn a_run_covers_shorter_ones_with_its_learning_rates() {
        let with = |epochs: u64, drops: Value, schedule: Option<&str>| {
            let mut settings = settings();
            settings.insert("epochs".into(), json!(epochs));
            settings.insert("drops".into(), drops);
            settings.extend(schedule.map(|name| ("schedule".to_owned(), json!(name))));
            settings
        };
        let long = with(4, json!([0.5]), None);
        assert!(covers(&long, &long) && covers(&long, &with(2, json!([]), None)));
        assert!(!covers(&with(2, json!([]), None), &long), "it is longer");
        assert!(!covers(&long, &with(4, json!([]), None)) && !covers(&long, &with(2, json!([0.5]), None)));
        let constant = with(4, json!([]), None);
        assert!(covers(&constant, &with(1, json!([]), None)));
        let cosine = |epochs| with(epochs, json!([]), Some("cosine"));
        assert!(covers(&cosine(4), &cosine(4)) && !covers(&cosine(4), &cosine(1)));
        let mut other = with(2, json!([]), None);
        other.insert("momentum".into(), json!(0.8));
        assert!(!covers(&long, &other) && !covers(&long, &Map::new()));
    }

    #[test]
    fn a_log_takes_the_columns_that_are_asked_for() {
        let columns = ["step", "new", "loss"].map(str::to_owned);
        assert_eq!(mapped("step,loss,old\n0,2.5,7\n1,,8\n", &columns), "step,new,loss\n0,,2.5\n1,,\n");
    }
}
