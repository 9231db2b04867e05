//! `anode repeat`: the first steps of an archived record, taken again and compared bit by bit.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::data::data_folder;
use crate::definition::Profile;
use crate::record::{
    self, Agreement, ComparedRow, Environment, Origin, Record, Status, TOLERATED_STEPS, archive_path, cell,
    read_archive,
};
use crate::report::ReportError;
use crate::runner::{RepeatError, Repeated, SHOWN, repeat as repeated};
use crate::study::{Place, study};

use super::arguments::{Common, ProfileName};
use super::complete;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, print_table};
use super::select;
use super::signal::stop_on_signal;

/// Which record, and how much of it.
#[derive(Debug, Args)]
pub struct RepeatArguments {
    /// Ids of experiments; `*` and `?` allowed [default: all that have archived records]
    #[arg(value_name = "ID", add = complete::ids())]
    pub ids: Vec<String>,
    /// Only experiments whose id matches, `*` and `?` allowed
    #[arg(long, value_name = "GLOB", add = complete::ids())]
    pub only: Option<String>,
    /// Whose records
    #[arg(long, value_enum, default_value_t = ProfileName::Quick)]
    pub profile: ProfileName,
    /// The run, or how its id begins
    #[arg(long, value_name = "RUN", add = complete::runs())]
    pub run: Option<String>,
    /// Only runs with this setting, or seed=N. May be repeated; if a name is given several values,
    /// runs with any of these values are selected
    #[arg(long = "where", value_name = "NAME=VALUE", add = complete::conditions())]
    pub only_where: Vec<String>,
    /// Where several are left, take one at random: by this number, or by one that is told
    #[arg(long, value_name = "NUMBER", num_args = 0..=1)]
    pub random: Option<Option<u64>>,
    /// Steps of a training
    #[arg(long, value_name = "N", default_value_t = TOLERATED_STEPS,
        value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
}

/// A repeated run next to its record.
#[derive(Serialize, JsonSchema)]
pub struct Repetition {
    /// Id of the run.
    run: String,
    /// Id of the experiment.
    experiment: String,
    /// The profile.
    profile: Profile,
    /// The seed.
    seed: u64,
    /// Whether every cell is bit-identical.
    identical: bool,
    /// Whether the record is reproduced: bit for bit, or within the tolerance on other vector instructions.
    holds: bool,
    /// Whether both computed with the same vector instructions, so that they should be bit-identical.
    same_instructions: bool,
    /// The training steps; null if the study has none.
    steps: Option<Table>,
    /// The rows; null if the run was not repeated to its end.
    rows: Option<Table>,
    /// Where the record was computed; the last part of it, if there are several.
    archived: Environment,
    /// What computed the compared steps of the record, part by part.
    origins: Vec<Origin>,
    /// Where it was repeated.
    here: Environment,
}

document!(Repetition, "repeat", 1);

/// How two tables agree.
#[derive(Serialize, JsonSchema)]
pub struct Table {
    /// Rows that were compared.
    compared: usize,
    /// Cells that were compared.
    cells: usize,
    /// Keys of recorded rows that the repetition lacks.
    missing: Vec<u64>,
    /// The cell with the largest relative difference; null if there are no cells.
    largest: Option<Cell>,
    /// The largest difference as a share of its tolerance.
    share_of_tolerance: Value,
}

/// A cell of two tables.
#[derive(Serialize, JsonSchema)]
pub struct Cell {
    /// Step, or number of the row.
    key: u64,
    /// The column.
    column: String,
    /// The recorded value.
    archived: Value,
    /// The repeated value.
    repeated: Value,
    /// The relative difference.
    difference: Value,
}

/// A record with the folder of its definition.
type Found = (record::LoadedRecord, std::path::PathBuf);

/// `anode repeat`
///
/// # Errors
/// The repetition differs; no record, or several, are chosen; it cannot be repeated here.
pub fn repeat(common: &Common, arguments: &RepeatArguments) -> Result<(), CliError> {
    let (mut found, among) = chosen(common, arguments)?;
    let (loaded, definition) = match found.len() {
        1 => found.remove(0),
        _ => return Err(CliError::Usage(several(&found))),
    };
    let record = &loaded.record;
    if let Status::Failed { at, why } = &record.status {
        return Err(CliError::Usage(format!("run {} failed: {at}: {why}; there is nothing to repeat", record.run)));
    }
    if record.environment.device != "cpu" {
        let device = &record.environment.device;
        return Err(CliError::Usage(format!("run {} was made on {device}; only runs on cpu are repeated", record.run)));
    }
    let study = study(record.study).map_err(|error| CliError::Usage(error.to_string()))?;
    let place = Place { definition, data: data_folder(common.data.as_deref()) };
    let stop = stop_on_signal();
    let result = repeated(&loaded, &place, study, arguments.steps, common.quiet || common.json, stop);
    let result = result.map_err(|error| match error {
        RepeatError::Study(crate::study::StudyError::Interrupted) => CliError::RepetitionInterrupted,
        RepeatError::Record(error) => ReportError::from(error).into(),
        other => CliError::Usage(format!("run {} cannot be repeated: {other}", record.run)),
    })?;
    if common.json {
        print_json(&printed(&loaded, &result));
    } else if !common.quiet {
        tell(&loaded, &result, among.as_deref());
    }
    let verdict = verdict(record, &result);
    match result.holds() {
        true => Ok(()),
        false => Err(CliError::Differs(format!("not reproduced: run {}: {verdict}", record.run))),
    }
}

/// The records that fit the arguments, and how one was taken of several.
fn chosen(common: &Common, arguments: &RepeatArguments) -> Result<(Vec<Found>, Option<String>), CliError> {
    let profile = Profile::from(arguments.profile);
    let definitions = select::chosen(common, &arguments.ids, arguments.only.as_deref())?;
    let mut found: Vec<Found> = vec![];
    for loaded in definitions {
        let path = archive_path(&common.results, &loaded.definition.id, profile);
        let folder = loaded.file.parent().map(ToOwned::to_owned).unwrap_or_default();
        // A run that several experiments ask for stands in the archive of each; it is one run.
        for own in read_archive(&path).map_err(ReportError::from)? {
            if found.iter().all(|(other, _)| other.record.run != own.record.run) {
                found.push((own, folder.clone()));
            }
        }
    }
    if found.is_empty() {
        let folder = common.results.join("records");
        return Err(CliError::Usage(format!("{}: no such records of profile {}", folder.display(), profile.name())));
    }
    if let Some(run) = &arguments.run {
        found.retain(|(loaded, _)| loaded.record.run.starts_with(run.as_str()));
        if found.is_empty() {
            return Err(CliError::Usage(format!("--run {run}: no archived run begins so")));
        }
    }
    let conditions = &arguments.only_where;
    found = select::only_where(found, conditions, |(loaded, _)| (&loaded.record.settings, loaded.record.seed))?;
    let Some(number) = arguments.random.filter(|_| found.len() > 1) else { return Ok((found, None)) };
    let of_the_clock =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64 % 1_000_000);
    let number = number.unwrap_or_else(of_the_clock);
    let place = ChaCha8Rng::seed_from_u64(number).gen_range(0..found.len());
    let among = format!("taken at random of {} records by --random={number}", found.len());
    Ok((vec![found.swap_remove(place)], Some(among)))
}

fn several(found: &[Found]) -> String {
    const MOST: usize = 20;
    let line = |(loaded, _): &Found| {
        let record = &loaded.record;
        let simple = record.settings.iter().filter(|(_, value)| value.is_string());
        let settings: Vec<String> = simple.map(|(name, value)| format!("{name}={}", cell(value))).collect();
        format!("  {} {} {} seed={}", record.run, record.experiment, settings.join(" "), record.seed)
    };
    let mut lines: Vec<String> = found.iter().take(MOST).map(line).collect();
    if found.len() > MOST {
        lines.push(format!("  and {} more", found.len() - MOST));
    }
    format!("{} records fit; name one with --run or --where, or add --random:\n{}", found.len(), lines.join("\n"))
}

fn tell(loaded: &record::LoadedRecord, result: &Repeated, among: Option<&str>) {
    let record = &loaded.record;
    print(&format!("{} ({}), run {}, seed {}", record.experiment, record.profile.name(), record.run, record.seed));
    if let Some(among) = among {
        print(among);
    }
    let environment = |name: &str, e: &Environment| {
        let (device, commit) = (e.device_in_words(), e.short_commit());
        print(&format!("{name}: {device}, {}, {} threads, commit {commit}", e.system, e.threads));
    };
    match record.origins.is_empty() {
        true => environment("archived", &record.environment),
        false => record
            .origins_of(result.compared_steps())
            .iter()
            .for_each(|origin| print(&format!("archived, from step {}: {}", origin.from_step, origin.in_words()))),
    }
    environment("here", &result.here);
    print("");
    if let Some(steps) = &result.steps {
        let number = |x: Option<f64>| x.map_or_else(|| "-".into(), |x| x.to_string());
        let row = |(row, shown): (&ComparedRow, &[Option<f64>; 2])| {
            let (difference, column) = if row.difference > 0.0 {
                (format!("{:.2e}", row.difference), row.column.as_str())
            } else {
                ("0".into(), "")
            };
            vec![row.key.to_string(), number(shown[0]), number(shown[1]), difference, column.to_owned()]
        };
        let rows: Vec<Vec<String>> = steps.rows.iter().zip(&result.shown).map(row).collect();
        let (archived, again) = (format!("{SHOWN} archived"), format!("{SHOWN} repeated"));
        print_table(&["step", &archived, &again, "largest relative difference", "in"], &rows);
        print("");
    }
    for (what, table) in [("steps", &result.steps), ("rows of the whole run", &result.rows)] {
        if let Some(table) = table {
            print(&format!("{} {what}, {} cells compared", table.rows.len(), table.cells));
        }
    }
    print(&verdict(record, result));
}

/// What came of it, in one sentence.
fn verdict(record: &Record, result: &Repeated) -> String {
    if result.is_identical() {
        return "identical to the last bit".into();
    }
    let tables = || result.steps.iter().chain(&result.rows);
    let missing: usize = tables().map(|t| t.missing.len()).sum();
    if missing > 0 {
        return format!("{missing} recorded steps or rows were not found again");
    }
    let Some(worst) = tables().find_map(Agreement::largest) else { return "nothing to compare".into() };
    let what = if result.steps.is_some() { "step" } else { "row" };
    let largest = format!(
        "largest relative difference {:.2e}, in {} of {what} {}: {} was {}",
        worst.difference,
        worst.column,
        worst.key,
        cell(&worst.repeated),
        cell(&worst.archived)
    );
    if result.same_instructions {
        return format!("{largest}; the same bits are to be expected here");
    }
    let elsewhere = match record.has_known_origins(result.compared_steps()) {
        true => "on other vector instructions",
        false => "on vector instructions that the record does not name",
    };
    match &result.steps {
        Some(steps) => format!(
            "{largest}; {elsewhere}, loss and gradient_norm reach {:.2} of their tolerance in the first \
            {TOLERATED_STEPS} steps",
            steps.share
        ),
        None => format!("{largest}; {elsewhere} the same bits are not to be expected"),
    }
}

fn printed(loaded: &record::LoadedRecord, result: &Repeated) -> Repetition {
    let cell = |worst: &ComparedRow| Cell {
        key: worst.key,
        column: worst.column.clone(),
        archived: worst.archived.clone(),
        repeated: worst.repeated.clone(),
        difference: record::number(worst.difference),
    };
    let table = |table: &Agreement| Table {
        compared: table.rows.len(),
        cells: table.cells,
        missing: table.missing.clone(),
        largest: table.largest().map(cell),
        share_of_tolerance: record::number(table.share),
    };
    let record = loaded.record.clone();
    let origins = record.origins_of(result.compared_steps());
    Repetition {
        run: record.run,
        experiment: record.experiment,
        profile: record.profile,
        seed: record.seed,
        identical: result.is_identical(),
        holds: result.holds(),
        same_instructions: result.same_instructions,
        steps: result.steps.as_ref().map(table),
        rows: result.rows.as_ref().map(table),
        origins,
        archived: record.environment,
        here: result.here.clone(),
    }
}
