//! `anode data`: what data sets there are, fetching and verifying them.

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::{self, Download, FetchError, Fetched, KNOWN, Published, Verdict, data_folder, fetch};
use crate::paths::as_text;

use super::arguments::{Common, DataVerb};
use super::error::CliError;
use super::json::document;
use super::output::{print, print_json, print_table};

/// The data sets.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Known(Vec<KnownSet>);

document!(Known, "data-list", 1);

/// A data set.
#[derive(Serialize, JsonSchema)]
pub struct KnownSet {
    /// Its name.
    name: &'static str,
    /// What it is.
    about: &'static str,
    /// Where it is; null if it is not here.
    #[serde(serialize_with = "as_text")]
    path: Option<PathBuf>,
    /// Addresses of its files; none if it cannot be downloaded.
    urls: Vec<String>,
}

/// The files.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct FetchedFiles(Vec<FetchedFile>);

document!(FetchedFiles, "data-fetch", 1);

/// A file that is here.
#[derive(Serialize, JsonSchema)]
pub struct FetchedFile {
    /// The file.
    #[serde(serialize_with = "as_text")]
    path: PathBuf,
    /// Its published MD5.
    md5: &'static str,
}

/// The data sets.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Verified(Vec<VerifiedSet>);

document!(Verified, "data-verify", 1);

/// A data set with what its check found.
#[derive(Serialize, JsonSchema)]
pub struct VerifiedSet {
    /// Its name.
    name: &'static str,
    /// `right`, `wrong` or `not here`.
    state: &'static str,
    /// How it was checked, or what is wrong.
    why: String,
}

/// `anode data`
///
/// # Errors
/// See [`CliError`].
pub fn data(common: &Common, verb: &DataVerb) -> Result<(), CliError> {
    match verb {
        DataVerb::List => list(common),
        DataVerb::Fetch { names, url } => fetch_all(common, names, url.as_deref()),
        DataVerb::Verify { names } => verify(common, names),
    }
}

/// The names that `fetch` knows.
pub fn fetchable() -> Vec<&'static str> {
    KNOWN.iter().filter(|known| !known.files.is_empty()).map(|known| known.name).collect()
}

fn known(names: &[String]) -> Vec<&'static data::Known> {
    names.iter().filter_map(|name| data::Known::named(name)).collect()
}

fn list(common: &Common) -> Result<(), CliError> {
    let folder = data_folder(common.data.as_deref());
    let place = |known: &data::Known| folder.as_deref().and_then(|folder| known.path(folder));
    if common.json {
        let value = |known: &data::Known| {
            let urls: Vec<String> = known.files.iter().map(|file| format!("{}{}", file.base, file.name)).collect();
            KnownSet { name: known.name, about: known.about, path: place(known), urls }
        };
        print_json(&Known(KNOWN.iter().map(value).collect()));
        return Ok(());
    }
    let row = |known: &data::Known| {
        let here = match (place(known), known.files) {
            (Some(path), _) => path.display().to_string(),
            (None, []) => "not here; cannot be downloaded (docs/data.md)".into(),
            (None, _) => format!("not here: anode data fetch {}", known.name),
        };
        vec![known.name.to_owned(), known.about.to_owned(), here]
    };
    let embedded = vec!["synthetic".into(), "5,000 textures in 10 classes".into(), "in the program".into()];
    let rows: Vec<Vec<String>> = [embedded].into_iter().chain(KNOWN.iter().map(row)).collect();
    print_table(&["data set", "what it is", "where"], &rows);
    Ok(())
}

fn fetch_all(common: &Common, names: &[String], url: Option<&str>) -> Result<(), CliError> {
    let is_url = |url: &str| {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    if let Some(url) = url.filter(|url| !is_url(url)) {
        return Err(CliError::Usage(format!("--url {url}: allowed: http:// or https:// and a host")));
    }
    let folder = data_folder(common.data.as_deref()).unwrap_or_else(|| PathBuf::from("data"));
    let mut written = vec![];
    for file in known(names).iter().flat_map(|known| known.files) {
        let path = fetch_one(common, file, &folder, url)?;
        written.push(FetchedFile { path, md5: file.md5 });
    }
    if common.json {
        print_json(&FetchedFiles(written));
    }
    Ok(())
}

fn fetch_one(common: &Common, file: &Published, folder: &Path, url: Option<&str>) -> Result<PathBuf, FetchError> {
    let to = file.place(folder);
    let base = url.unwrap_or(file.base);
    let url = format!("{}/{}", base.trim_end_matches('/'), file.name);
    let bar = if common.quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
    if let Ok(style) = ProgressStyle::with_template("{msg} {bytes}/{total_bytes} {wide_bar} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(file.name);
    let mut first = true;
    let fetched = fetch(&Download { url: &url, to: &to, md5: file.md5, limit: file.limit }, &mut |there, total| {
        if std::mem::take(&mut first) {
            // What an earlier call fetched says nothing about the speed of this one.
            bar.reset_eta();
        }
        bar.set_position(there);
        total.into_iter().for_each(|total| bar.set_length(total));
    });
    bar.finish_and_clear();
    let said = match fetched? {
        Fetched::AlreadyThere => "is already there, with the published MD5".to_owned(),
        Fetched::Downloaded { before: 0 } => "downloaded, with the published MD5".to_owned(),
        Fetched::Downloaded { before } => format!("downloaded, {before} bytes of it earlier, with the published MD5"),
    };
    if !common.quiet && !common.json {
        print(&format!("{}: {said}", to.display()));
    }
    Ok(to)
}

fn verify(common: &Common, names: &[String]) -> Result<(), CliError> {
    let folder = data_folder(common.data.as_deref());
    if let Some(missing) = common.data.as_deref().filter(|folder| !folder.is_dir()) {
        let why = "no such folder; name the folder of data sets with --data, or download them with `anode data fetch`";
        return Err(CliError::Usage(format!("{}: {why}", missing.display())));
    }
    let asked: Vec<&data::Known> = if names.is_empty() { KNOWN.iter().collect() } else { known(names) };
    let (mut wrong, mut values) = (vec![], vec![]);
    for known in asked {
        let (state, why) = match folder.as_deref().and_then(|folder| known.verify(folder)) {
            Some(Verdict::Right(how)) => ("right", how),
            Some(Verdict::Wrong(why)) => ("wrong", why),
            None => ("not here", String::new()),
        };
        // A set that nobody named may be missing.
        if state == "wrong" || (state == "not here" && !names.is_empty()) {
            wrong.push(known.name);
        }
        if !common.json && !common.quiet {
            print(format!("{}: {state}{}{why}", known.name, if why.is_empty() { "" } else { ": " }).trim_end());
        }
        values.push(VerifiedSet { name: known.name, state, why });
    }
    if common.json {
        print_json(&Verified(values));
    }
    if wrong.is_empty() { Ok(()) } else { Err(CliError::Data(wrong.join(", "))) }
}
