//! Which definitions a command is about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::Chars;

use serde_json::{Map, Value};

use crate::definition::columns::flat;
use crate::definition::{Definition, Loaded, NotRun, Outline, load_all, load_not_run, load_outline};
use crate::nearest::did_you_mean;
use crate::ode;
use crate::plan::{Run, Skipped};
use crate::record::cell;

use super::arguments::Common;
use super::error::CliError;

/// All definitions.
///
/// # Errors
/// Any that is wrong; a missing folder.
pub fn all(common: &Common) -> Result<Vec<Loaded>, CliError> {
    let loaded = all_or_none(common)?;
    if loaded.is_empty() { Err(none(common)) } else { Ok(loaded) }
}

/// A folder without definitions.
pub fn none(common: &Common) -> CliError {
    CliError::Usage(format!("{}: no experiments in this folder", common.experiments.display()))
}

/// All definitions, which may be none.
///
/// # Errors
/// Any that is wrong.
pub fn all_or_none(common: &Common) -> Result<Vec<Loaded>, CliError> {
    if !common.experiments.is_dir() {
        let looked = std::path::absolute(&common.experiments).unwrap_or_else(|_| common.experiments.clone());
        return Err(CliError::Usage(format!(
            "no definitions of experiments: looked in {}; run the command in the project's folder, name the folder \
            with --experiments DIR, or create one with `anode init DIR`",
            looked.display()
        )));
    }
    let (loaded, faults) = load_all(&common.experiments);
    if faults.is_empty() { Ok(loaded) } else { Err(CliError::Definitions(faults)) }
}

/// The definitions that `ids` name, each an id or a pattern, and that match `only`; all where neither is given.
///
/// # Errors
/// A name or pattern that fits none; see [`all`].
pub fn chosen(common: &Common, ids: &[String], only: Option<&str>) -> Result<Vec<Loaded>, CliError> {
    let mut loaded = all(common)?;
    let known: Vec<&str> = loaded.iter().map(|l| l.definition.id.as_str()).collect();
    ids.iter().map(String::as_str).chain(only).try_for_each(|wanted| refuse_unknown(wanted, &known))?;
    loaded.retain(|l| fits(ids, only, &l.definition.id));
    if loaded.is_empty() {
        return Err(CliError::Usage(format!("none of {} matches `{}`", ids.join(", "), only.unwrap_or("*"))));
    }
    Ok(loaded)
}

/// The definitions with these ids, or that match these patterns.
///
/// # Errors
/// See [`chosen`].
pub fn named(common: &Common, wanted: &[String]) -> Result<Vec<Loaded>, CliError> {
    chosen(common, wanted, None)
}

/// Refuses an id, or a pattern, that none of `ids` matches.
///
/// # Errors
/// None matches: the ids, and the one that is meant if `wanted` is a misspelling of it.
pub fn refuse_unknown(wanted: &str, ids: &[&str]) -> Result<(), CliError> {
    if ids.iter().any(|id| glob(wanted, id)) {
        return Ok(());
    }
    if wanted.contains(['*', '?']) {
        return Err(CliError::Usage(format!("no experiment matches `{wanted}`; there are {}", ids.join(", "))));
    }
    let near = did_you_mean(wanted, ids.iter().copied());
    Err(CliError::Usage(format!("no experiment `{wanted}`; there are {}{near}", ids.join(", "))))
}

/// Whether a command with these arguments is about an experiment.
pub fn fits(ids: &[String], only: Option<&str>, id: &str) -> bool {
    (ids.is_empty() || ids.iter().any(|wanted| glob(wanted, id))) && only.is_none_or(|pattern| glob(pattern, id))
}

/// Refuses a file or device in place of a results folder.
///
/// # Errors
/// It is one.
pub fn refuse_file(results: &Path) -> Result<(), CliError> {
    if std::fs::metadata(results).is_ok_and(|found| !found.is_dir()) {
        return Err(CliError::Usage(format!("{} is a file; allowed: a results folder", results.display())));
    }
    Ok(())
}

/// Refuses a results folder that does not exist, for commands that would replace files by others without records.
///
/// # Errors
/// There is no such folder.
pub fn refuse_missing(results: &Path) -> Result<(), CliError> {
    if results.exists() {
        return Ok(());
    }
    let remedy = "name the folder with --results, or run experiments first";
    Err(CliError::Usage(format!("{}: no such results folder; {remedy}", results.display())))
}

/// Folders of a results folder in which reports write and remove files.
const WRITTEN: [&str; 7] = ["records", "tables", "timing", "models", "own", "own/tables", "own/timing"];

/// Refuses links in place of the folders of a report: what is written or removed there would be elsewhere.
///
/// # Errors
/// There is one.
pub fn refuse_links(results: &Path) -> Result<(), CliError> {
    let is_link = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    match WRITTEN.into_iter().map(|name| results.join(name)).find(is_link) {
        Some(path) => {
            let source = std::io::Error::other("a symbolic link; put the folder itself here, or remove the link");
            Err(CliError::Io { path, source })
        }
        None => Ok(()),
    }
}

/// Experiments of the papers without results, of those that a command is about.
///
/// # Errors
/// The file is malformed.
pub fn not_run(common: &Common, ids: &[String], only: Option<&str>) -> Result<Vec<NotRun>, CliError> {
    let mut entries = load_not_run(&common.experiments).map_err(|fault| CliError::Definitions(vec![fault]))?;
    entries.retain(|e| fits(ids, only, &e.id));
    Ok(entries)
}

/// The outline of the report.
///
/// # Errors
/// The file is malformed.
pub fn outline(common: &Common) -> Result<Outline, CliError> {
    load_outline(&common.experiments).map_err(|fault| CliError::Definitions(vec![fault]))
}

/// The definitions without their files.
pub fn definitions(loaded: &[Loaded]) -> Vec<Definition> {
    loaded.iter().map(|l| l.definition.clone()).collect()
}

/// The value of a setting that a run lacks, as in the filters of definitions.
const UNSET: &str = "null";

/// Returns the runs that match every name in `conditions` (`NAME=VALUE`). If a name has several values, any of them
/// matches. `seed` counts as a setting, a part of a setting is named with dots (`problem.c`), and `null` matches runs
/// that lack the setting. Numbers agree by value. `known` gives a run's settings and seed.
///
/// # Errors
/// Something else than `NAME=VALUE`; a setting that no run has, or a value.
pub fn only_where<R>(
    mut runs: Vec<R>,
    conditions: &[String],
    known: impl Fn(&R) -> (&Map<String, Value>, u64),
) -> Result<Vec<R>, CliError> {
    let mut alternatives: Vec<(&str, Vec<&str>)> = vec![];
    for condition in conditions {
        let usage = || CliError::Usage(format!("--where {condition}: allowed: NAME=VALUE"));
        let (name, value) = condition.split_once('=').ok_or_else(usage)?;
        match alternatives.iter_mut().find(|(of, _)| *of == name) {
            Some((_, values)) => values.push(value),
            None => alternatives.push((name, vec![value])),
        }
    }
    for (name, values) in alternatives {
        runs = with_any(runs, name, &values, &known)?;
    }
    Ok(runs)
}

/// The runs whose setting `name` has one of `values`.
fn with_any<R>(
    runs: Vec<R>,
    name: &str,
    values: &[&str],
    known: impl Fn(&R) -> (&Map<String, Value>, u64),
) -> Result<Vec<R>, CliError> {
    if runs.is_empty() {
        return Ok(runs);
    }
    let settings = |run: &R| {
        let (settings, seed) = known(run);
        // Lists are no columns, but can be named.
        settings.clone().into_iter().chain(flat(settings, seed)).collect::<Map<String, Value>>()
    };
    let of = |run: &R| settings(run).get(name).map_or_else(|| UNSET.to_owned(), cell);
    let unknown = runs.iter().all(|run| !settings(run).contains_key(name));
    let fits = |found: &str, value: &str| {
        let number = value.parse::<f64>().ok();
        found == value || (number.is_some() && found.parse().ok() == number)
    };
    let found: BTreeSet<String> = runs.iter().map(of).collect();
    let usage = |value: &str, why: String| CliError::Usage(format!("--where {name}={value}: {why}"));
    for value in values {
        if unknown {
            let names: BTreeSet<String> =
                runs.iter().flat_map(|run| settings(run).into_iter().map(|(name, _)| name)).collect();
            let near = did_you_mean(name, names.iter().map(String::as_str));
            let names: Vec<String> = names.into_iter().filter(|name| name != "seed").collect();
            return Err(usage(value, format!("no such setting; there are seed, {}{near}", names.join(", "))));
        }
        if !found.iter().any(|found| fits(found, value)) {
            let near = match ode::solver(&value.to_lowercase()) {
                Ok(meant) if name == "solver" && found.contains(meant.name) => {
                    format!("; did you mean `{}`?", meant.name)
                }
                _ => did_you_mean(value, found.iter().map(String::as_str)),
            };
            let values = found.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(usage(value, format!("no run has it; there are {values}{near}")));
        }
    }
    let has = |run: &R| values.iter().any(|value| fits(&of(run), value));
    Ok(runs.into_iter().filter(has).collect())
}

/// Runs that could not be planned, by reason: for each the experiments with the number of their runs.
pub fn missing(skipped: &[Skipped]) -> Vec<(String, String)> {
    let mut reasons: Vec<(&str, BTreeMap<&str, usize>)> = vec![];
    for Skipped { experiment, why, .. } in skipped {
        let place = reasons.iter().position(|(reason, _)| reason == why).unwrap_or_else(|| {
            reasons.push((why, BTreeMap::new()));
            reasons.len() - 1
        });
        *reasons[place].1.entry(experiment).or_default() += 1;
    }
    let names = |counts: &BTreeMap<&str, usize>| {
        let each = counts.iter().map(|(id, n)| format!("{id} ({n} {})", if *n == 1 { "setting" } else { "settings" }));
        each.collect::<Vec<_>>().join(", ")
    };
    reasons.iter().map(|(why, counts)| (names(counts), (*why).to_owned())).collect()
}

/// The experiments whose runs are computed on another device than the one that was asked for, in a sentence.
pub fn elsewhere(runs: &[Run], device: &str) -> Option<String> {
    let others: BTreeSet<&str> = runs.iter().filter(|r| r.device != device).map(|r| r.experiment.as_str()).collect();
    let names = others.into_iter().collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("computed on the CPU whatever the device, and recorded so: {names}"))
}

/// Whether `text` matches `pattern`, in which `*` stands for any characters and `?` for one. Takes at most the product
/// of their lengths, whatever the pattern.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut text = text.chars();
    let mut parts = pattern.split('*');
    // What stands before the first `*` begins the text.
    let first = parts.next().unwrap_or_default();
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.pop() else { return text.clone().count() == first.chars().count() && starts(&text, first) };
    if !starts(&text, first) {
        return false;
    }
    skip(&mut text, first.chars().count());
    // Each part between two `*` is taken where it is found first: that leaves the most text for the parts behind it.
    for part in rest {
        while !starts(&text, part) {
            if text.next().is_none() {
                return false;
            }
        }
        skip(&mut text, part.chars().count());
    }
    // What stands behind the last `*` ends the text.
    let (left, wanted) = (text.clone().count(), last.chars().count());
    if left < wanted {
        return false;
    }
    skip(&mut text, left - wanted);
    starts(&text, last)
}

/// Whether a text begins with characters, of which `?` stands for any.
fn starts(text: &Chars, characters: &str) -> bool {
    let mut text = text.clone();
    characters.chars().all(|wanted| text.next().is_some_and(|c| wanted == '?' || wanted == c))
}

fn skip(text: &mut Chars, count: usize) {
    if let Some(last) = count.checked_sub(1) {
        text.nth(last);
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs_match_whole_ids() {
        for (pattern, text, expected) in [
            ("anode-*", "anode-grad", true),
            ("*grad", "anode-grad", true),
            ("anode-?rad", "anode-grad", true),
            ("anode", "anode-grad", false),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*a", "a", false),
            ("*ab*", "aab", true),
            ("*?b", "ab", true),
            ("**", "", true),
            ("", "", true),
            ("", "a", false),
            ("\u{e4}*\u{f6}?", "\u{e4}\u{f6}\u{f6}\u{fc}", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_matched_without_trying_all_ways() {
        let text = "a".repeat(5_000);
        assert!(!glob(&("a*".repeat(1_000) + "b"), &text));
        assert!(glob(&("a*".repeat(1_000) + "a"), &text));
        assert!(!glob(&("*a?".repeat(1_000) + "*b*"), &text));
    }

    /// The definition of a match, tried in all ways.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| plain(rest, &text[n..])),
            ([p, rest @ ..], [c, more @ ..]) => (*p == b'?' || p == c) && plain(rest, more),
            _ => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn a_match_is_what_the_definition_says(pattern in "[ab?*]{0,7}", text in "[ab]{0,7}") {
            proptest::prop_assert_eq!(glob(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
