//! `anode compare`: two sets of results side by side.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::definition::{Definition, Profile};
use crate::record::{archive_path, cell, folders, read_archived_headers};
use crate::report::{self, Comparison, Contents, Line, Side, short};

use super::arguments::{Common, ProfileName};
use super::complete;
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, print_table};
use super::select;
use super::subject::Subject;

/// Most rows and cells that are printed; `--json` has all.
const MOST: usize = 40;

/// What is compared.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// A profile, a results folder, the id of an experiment, or how the id of a run begins
    #[arg(value_name = "A", add = complete::ids())]
    pub a: String,
    /// The same kind of name
    #[arg(value_name = "B", add = complete::ids())]
    pub b: String,
    /// Profile of the records, if experiments or folders are compared [default: of experiments the largest that has
    /// records on both sides, of folders all]
    #[arg(long, value_enum)]
    pub profile: Option<ProfileName>,
    /// Only experiments whose id matches, if profiles or folders are compared; `*` and `?` allowed
    #[arg(long, value_name = "GLOB", add = complete::ids())]
    pub only: Option<String>,
}

/// What a name on the command line means.
enum Named {
    Profile(Profile),
    Folder(PathBuf),
    Experiment(String),
    /// Experiment, profile and id of a run.
    Run(String, Profile, String),
}

/// Two sets of results side by side.
#[derive(Serialize, JsonSchema)]
pub struct Compared {
    /// The first name of the command line.
    a: String,
    /// The second name.
    b: String,
    /// The comparisons: one for each experiment and profile that both sides have.
    comparisons: Vec<NamedComparison>,
}

document!(Compared, "compare", 1);

/// A comparison with its name.
#[derive(Serialize, JsonSchema)]
pub struct NamedComparison {
    /// What is compared.
    #[serde(rename = "what")]
    title: String,
    /// The comparison.
    #[serde(rename = "comparison")]
    found: Comparison,
}

/// `anode compare A B`
///
/// # Errors
/// A name that is unknown or of another kind than the other one; nothing in common; a damaged record; records that
/// differ although they should be bit-identical.
pub fn compare(common: &Common, arguments: &CompareArguments) -> Result<(), CliError> {
    let CompareArguments { a, b, .. } = arguments;
    let names = [named(common, a)?, named(common, b)?];
    let only = arguments.only.as_deref();
    let asked = arguments.profile.map(Profile::from);
    let subject = Subject::these(common, &select::chosen(common, &[], only)?)?;
    let contents = subject.contents(common);
    let definition = |id: &str| contents.experiments.iter().find(|d| d.id == id);
    let mut pairs = vec![];
    let mut add = |title: String, sides: [Side; 2]| -> Result<bool, CliError> {
        let found = report::compare(sides[0], sides[1])?;
        let both = found.runs.iter().all(|n| *n > 0);
        if both {
            pairs.push(NamedComparison { title, found });
        }
        Ok(both)
    };
    match &names {
        [Named::Profile(first), Named::Profile(second)] => {
            for definition in contents.experiments {
                let side = |profile: Profile| Side { contents, definition, profile, run: None };
                add(definition.id.clone(), [side(*first), side(*second)])?;
            }
        }
        [Named::Folder(first), Named::Folder(second)] => {
            for definition in contents.experiments {
                for profile in Profile::ALL.into_iter().filter(|p| asked.is_none_or(|asked| asked == *p)) {
                    let side = |results: &'_ Path| Side {
                        contents: Contents { results: longer(results, first, second), ..contents },
                        definition,
                        profile,
                        run: None,
                    };
                    add(format!("{} ({})", definition.id, profile.name()), [side(first), side(second)])?;
                }
            }
        }
        [Named::Experiment(first), Named::Experiment(second)] => {
            let (Some(first), Some(second)) = (definition(first), definition(second)) else {
                return Err(CliError::Usage("--only leaves out one of the experiments".into()));
            };
            for profile in Profile::ALL.into_iter().rev().filter(|p| asked.is_none_or(|asked| asked == *p)) {
                let side = |definition| Side { contents, definition, profile, run: None };
                if add(profile.name().to_owned(), [side(first), side(second)])? {
                    break;
                }
            }
        }
        [Named::Run(first, p, run), Named::Run(second, q, other)] => {
            let (Some(first), Some(second)) = (definition(first), definition(second)) else {
                return Err(CliError::Usage("--only leaves out the experiment of one of the runs".into()));
            };
            let one = Side { contents, definition: first, profile: *p, run: Some(run) };
            let two = Side { contents, definition: second, profile: *q, run: Some(other) };
            add(format!("{} and {}", first.id, second.id), [one, two])?;
        }
        _ => {
            let kinds = names.map(|name| kind(&name));
            return Err(CliError::Usage(format!(
                "{a} is {}, {b} is {}; name two of the same kind",
                kinds[0], kinds[1]
            )));
        }
    }
    if pairs.is_empty() {
        return Err(CliError::Usage(format!("{a} and {b} have no records of the same experiment and profile")));
    }
    let is_unrelated = |Comparison { lines, expected_identical, other_instructions, .. }: &Comparison| {
        lines.is_empty() && expected_identical + other_instructions == 0
    };
    if pairs.iter().all(|pair| is_unrelated(&pair.found)) {
        return Err(CliError::Usage(format!(
            "{a} and {b} have no rows in common; compare experiments of one study that share a metric and the values \
            of the settings that vary (`anode show` lists both)"
        )));
    }
    let broken: usize = pairs.iter().map(|pair| pair.found.broken.len()).sum();
    if common.json {
        print_json(&Compared { a: a.clone(), b: b.clone(), comparisons: pairs });
    } else {
        let folders = matches!(names[0], Named::Folder(_));
        for (number, pair) in pairs.iter().enumerate() {
            if number > 0 {
                print("");
            }
            tell(pair, [a, b], folders);
        }
    }
    if broken > 0 {
        let cells = if broken == 1 { "1 cell".to_owned() } else { format!("{broken} cells") };
        return Err(CliError::Differs(format!("records that should be bit-identical differ in {cells}")));
    }
    Ok(())
}

/// The one of two paths that is equal to `path`, with their lifetime.
fn longer<'a>(path: &Path, first: &'a Path, second: &'a Path) -> &'a Path {
    if path == first { first } else { second }
}

fn kind(name: &Named) -> &'static str {
    match name {
        Named::Profile(_) => "a profile",
        Named::Folder(_) => "a folder",
        Named::Experiment(_) => "an experiment",
        Named::Run(..) => "a run",
    }
}

fn named(common: &Common, name: &str) -> Result<Named, CliError> {
    if let Some(profile) = Profile::ALL.into_iter().find(|profile| profile.name() == name) {
        return Ok(Named::Profile(profile));
    }
    let loaded = select::all(common)?;
    if loaded.iter().any(|l| l.definition.id == name) {
        return Ok(Named::Experiment(name.to_owned()));
    }
    if Path::new(name).is_dir() {
        return Ok(Named::Folder(name.into()));
    }
    if name.len() >= 4 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        let definitions: Vec<&Definition> = loaded.iter().map(|l| &l.definition).collect();
        return run(common, &definitions, name);
    }
    let ids = loaded.iter().map(|l| l.definition.id.as_str());
    let near = crate::nearest::nearest_in_words(name, ids.chain(Profile::ALL.map(Profile::name)));
    Err(CliError::Usage(format!("`{name}` is no profile, no folder, no experiment and no run{near}")))
}

/// The run whose id begins with `start`. One that several experiments share is taken from the first.
fn run(common: &Common, definitions: &[&Definition], start: &str) -> Result<Named, CliError> {
    let mut found: Vec<(String, Profile, String)> = vec![];
    for definition in definitions {
        for profile in Profile::ALL {
            let folder = common.results.join("runs").join(profile.name()).join(&definition.id);
            let kept = folders(&folder).map_err(report::ReportError::from)?;
            let headers = read_archived_headers(&archive_path(&common.results, &definition.id, profile));
            let archived = headers.map_err(report::ReportError::from)?.into_iter().map(|record| record.run);
            for id in kept.into_iter().chain(archived).filter(|id| id.starts_with(start)) {
                if found.iter().all(|(_, _, other)| *other != id) {
                    found.push((definition.id.clone(), profile, id));
                }
            }
        }
    }
    match found.as_slice() {
        [] => Err(CliError::Usage(format!("{}: no record of a run {start}", common.results.display()))),
        [(experiment, profile, id)] => Ok(Named::Run(experiment.clone(), *profile, id.clone())),
        several => {
            let ids: Vec<&str> = several.iter().map(|(_, _, id)| id.as_str()).collect();
            Err(CliError::Usage(format!("several runs begin with {start}: {}", ids.join(", "))))
        }
    }
}

fn tell(pair: &NamedComparison, [a, b]: [&String; 2], brief: bool) {
    let Comparison { settings, lines, unmatched, runs, expected_identical, cells, broken, other_instructions } =
        &pair.found;
    print(&format!("{}: {} and {} runs", pair.title, runs[0], runs[1]));
    for differing in settings {
        let [first, second] = differing.values.each_ref().map(|v| if v.is_null() { "none".into() } else { cell(v) });
        print(&format!("  {}: {first} and {second}", differing.setting));
    }
    // Of two copies of the same results only the differences are of interest.
    let shown: Vec<&Line> = lines.iter().filter(|line| !brief || !line.identical).collect();
    let names: BTreeSet<&String> = shown.iter().flat_map(|line| line.row.keys()).collect();
    if !shown.is_empty() {
        let head: Vec<&str> = names.iter().map(|n| n.as_str()).chain(["column", a, b, "difference", "seeds"]).collect();
        let rows: Vec<Vec<String>> = shown.iter().take(MOST).map(|line| cells_of(line, &names)).collect();
        print_table(&head, &rows);
    }
    if shown.len() > MOST {
        print(&format!("and {} more rows; --json prints all", shown.len() - MOST));
    }
    let identical = lines.iter().filter(|line| line.identical).count();
    print(&format!("{identical} of {} compared rows are bit-identical", lines.len()));
    if unmatched.iter().any(|n| *n > 0) {
        print(&format!("rows without a counterpart: {} of {a}, {} of {b}", unmatched[0], unmatched[1]));
    }
    if *expected_identical > 0 {
        let what = if broken.is_empty() { "are".to_owned() } else { format!("are not, in {} cells", broken.len()) };
        print(&format!(
            "{expected_identical} pairs of runs should be bit-identical and {what} ({cells} cells compared)"
        ));
    }
    for cell_of in broken.iter().take(MOST) {
        let [first, second] = cell_of.values.each_ref().map(cell);
        let [run, other] = &cell_of.runs;
        print(&format!(
            "  {run} and {other}: {} in row {} of {}: {first} and {second}",
            cell_of.column, cell_of.row, cell_of.table
        ));
    }
    if *other_instructions > 0 {
        print(&format!(
            "{other_instructions} pairs of runs need not agree: they were computed on different devices or vector \
            instructions, or their records do not name them"
        ));
    }
}

fn cells_of(line: &Line, names: &BTreeSet<&String>) -> Vec<String> {
    let shown = |value: &Value| value.as_f64().map_or_else(|| cell(value), short);
    let difference = match (line.identical, line.difference, line.half) {
        (true, _, _) => "identical".to_owned(),
        (_, Some(difference), Some(half)) => format!("{} ± {}", short(difference), short(half)),
        (_, Some(difference), None) => short(difference),
        (_, None, _) if line.values[0] == line.values[1] => "equal".to_owned(),
        (_, None, _) => "different".to_owned(),
    };
    let [m, n] = line.seeds;
    let seeds = if m == n { m.to_string() } else { format!("{m} and {n}") };
    let place = names.iter().map(|name| line.row.get(*name).map(cell).unwrap_or_default());
    let values = line.values.iter().map(shown);
    place.chain([line.column.clone()]).chain(values).chain([difference, seeds]).collect()
}
