//! Checkpoints of training: safetensors files, written atomically, two generations, refused when damaged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::digest::sha256_of_parts;
use crate::files;
use crate::net::Network;

use super::tensors;
use super::trainer::Trainer;

/// A checkpoint that cannot be written or taken up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is damaged, or from another run.
    #[error("{path}: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        why: String,
    },
}

/// Names of checkpoints in the folder of a run, the newest first.
pub const CHECKPOINTS: [&str; 2] = ["checkpoint.safetensors", "checkpoint.previous.safetensors"];

const NEWEST: &str = CHECKPOINTS[0];
const PREVIOUS: &str = CHECKPOINTS[1];

/// Keys of a [`PastSteps`]'s texts in the header.
const LOG: &str = "steps_sha256";
const ORIGINS: &str = "origins";

/// Separates the id of a run from its GPU in a fingerprint.
const PLACE: &str = " on ";

/// The id of the run in a fingerprint.
pub(super) fn run_of(fingerprint: &str) -> &str {
    fingerprint.split(PLACE).next().unwrap_or_default()
}

/// What a checkpoint states about the steps before it, besides the state that they led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PastSteps {
    /// Wall-clock time of these steps in seconds.
    pub seconds: f64,
    /// Digest of their log; absent in checkpoints of earlier versions.
    pub log: Option<String>,
    /// Which machines and programs computed them, in a text of the caller's; absent in checkpoints of earlier versions.
    pub origins: Option<String>,
}

impl PastSteps {
    /// The texts with their keys.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let both = [(LOG, &self.log), (ORIGINS, &self.origins)];
        both.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)))
    }
}

/// The state from which a trainer continues bit-identically.
pub(super) struct State {
    pub theta: Vec<f32>,
    pub velocity: Vec<f32>,
    pub statistics: Vec<f64>,
    /// Next step.
    pub step: u64,
    pub initial_loss: Option<f64>,
    pub past: PastSteps,
}

/// Saves a trainer into `folder` under the fingerprint of its run, with what is known of the steps before.
///
/// The file before stays as a second generation. Nothing is lost if this is cut off anywhere.
///
/// # Errors
/// The folder cannot be written, or is full.
pub fn save(trainer: &Trainer, folder: &Path, fingerprint: &str, past: &PastSteps) -> Result<(), CheckpointError> {
    let unusable = |why| CheckpointError::Unusable { path: folder.join(NEWEST), why };
    let state = State {
        theta: trainer.engine.theta(),
        velocity: trainer.engine.velocity().map_err(|e| unusable(e.to_string()))?,
        statistics: trainer.engine.statistics(),
        step: trainer.step,
        initial_loss: trainer.initial_loss,
        past: past.clone(),
    };
    // A device that fails reads zeros, which nobody may go on with.
    trainer.engine.sound().map_err(|e| unusable(e.to_string()))?;
    write(&state, folder, fingerprint)
}

/// Writes a state into `folder` under the fingerprint of its run. The file before stays as a second generation.
pub(super) fn write(state: &State, folder: &Path, fingerprint: &str) -> Result<(), CheckpointError> {
    let unusable = |why| CheckpointError::Unusable { path: folder.join(NEWEST), why };
    let bytes = encode(state, fingerprint).map_err(unusable)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| CheckpointError::Io { path, source }
    };
    let newest = folder.join(NEWEST);
    let file = files::partial(folder).map_err(io(folder))?;
    // Through the open file, because errors of the other contain its temporary name.
    std::io::Write::write_all(&mut file.as_file(), &bytes).map_err(io(&newest))?;
    // tempfile makes private files; results are for everyone who may read the folder.
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(io(&newest))?;
    }
    file.as_file().sync_all().map_err(io(&newest))?;
    if newest.exists() {
        std::fs::rename(&newest, folder.join(PREVIOUS)).map_err(io(&newest))?;
    }
    file.persist(&newest).map_err(|e| CheckpointError::Io { path: newest.clone(), source: e.error })?;
    Ok(())
}

/// Takes up the newest usable checkpoint in `folder` for which `accept(next step, digest of the log)` holds. Returns
/// what it states about the steps before, `None` where there is no usable one: then the trainer is as it was. A damaged
/// checkpoint is passed over: an older one, or a start from nothing, gives the same bits.
pub fn resume(
    trainer: &mut Trainer,
    folder: &Path,
    fingerprint: &str,
    accept: impl Fn(u64, Option<&str>) -> bool,
) -> Option<PastSteps> {
    let limit = largest(&trainer.network);
    for name in CHECKPOINTS {
        let Ok(bytes) = files::read(&folder.join(name), limit) else { continue };
        let Ok(state) = decode(&bytes, fingerprint) else { continue };
        let fits = state.theta.len() == trainer.network.parameter_count()
            && state.velocity.len() == state.theta.len()
            && state.statistics.len() == trainer.engine.statistics().len();
        if !fits || !accept(state.step, state.past.log.as_deref()) {
            continue;
        }
        // A device that fails here fails in the next step, which tells.
        trainer.engine.set(&state.theta, &state.velocity).ok()?;
        trainer.engine.set_statistics(&state.statistics).ok()?;
        trainer.step = state.step;
        trainer.initial_loss = state.initial_loss;
        return Some(state.past);
    }
    None
}

/// Bytes of the largest checkpoint of a network: eight bytes per number, and a header.
pub(super) fn largest(network: &Network) -> u64 {
    8 * (2 * network.parameter_count() + network.statistics().len()) as u64 + (1 << 20)
}

/// Removes the checkpoints of a run that has ended.
///
/// # Errors
/// A file that is there and cannot be removed.
pub fn remove(folder: &Path) -> Result<(), CheckpointError> {
    remove_each(folder, &CHECKPOINTS)
}

/// Removes all checkpoints but the newest: a longer run may continue from the last state of one that has finished.
///
/// # Errors
/// A file that is there and cannot be removed.
pub fn keep_newest(folder: &Path) -> Result<(), CheckpointError> {
    remove_each(folder, &[PREVIOUS])
}

fn remove_each(folder: &Path, names: &[&str]) -> Result<(), CheckpointError> {
    for path in names.iter().map(|name| folder.join(name)) {
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CheckpointError::Io { path, source }),
        }
    }
    Ok(())
}

fn bytes_of<const N: usize>(numbers: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    numbers.flatten().collect()
}

fn encode(state: &State, fingerprint: &str) -> Result<Vec<u8>, String> {
    let initial_loss = state.initial_loss.unwrap_or(f64::NAN).to_bits();
    let counters = [state.step, initial_loss, (state.past.seconds * 1e9) as u64];
    let parts = [
        ("theta", Dtype::F32, bytes_of(state.theta.iter().map(|x| x.to_le_bytes()))),
        ("velocity", Dtype::F32, bytes_of(state.velocity.iter().map(|x| x.to_le_bytes()))),
        ("statistics", Dtype::F64, bytes_of(state.statistics.iter().map(|x| x.to_le_bytes()))),
        ("counters", Dtype::U64, bytes_of(counters.iter().map(|x| x.to_le_bytes()))),
    ];
    let texts = state.past.texts().map(|(key, text)| (key, text.as_bytes()));
    let digest = sha256_of_parts(parts.iter().map(|(name, _, bytes)| (*name, &bytes[..])).chain(texts));
    let views = parts.iter().map(|(name, dtype, bytes)| {
        let size = if *dtype == Dtype::F32 { 4 } else { 8 };
        TensorView::new(*dtype, vec![bytes.len() / size], bytes).map(|view| (*name, view)).map_err(|e| e.to_string())
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let mut metadata = HashMap::from([("run".to_owned(), fingerprint.to_owned()), ("sha256".to_owned(), digest)]);
    metadata.extend(state.past.texts().map(|(key, text)| (key.to_owned(), text.clone())));
    safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())
}

/// The fingerprint of the run whose checkpoint this is; `None` if it is no checkpoint.
pub(super) fn fingerprint(bytes: &[u8]) -> Option<String> {
    let header = tensors::header(bytes).ok()?;
    header.info("counters")?;
    header.metadata().as_ref()?.get("run").cloned()
}

pub(super) fn decode(bytes: &[u8], fingerprint: &str) -> Result<State, String> {
    let header = tensors::header(bytes)?;
    let metadata = header.metadata().clone().unwrap_or_default();
    match metadata.get("run").map_or("", String::as_str) {
        own if own == fingerprint => {}
        other if run_of(other) == run_of(fingerprint) => {
            let place = other.split_once(PLACE).map_or("another device", |(_, place)| place);
            return Err(format!("it was computed on {place}; a run is not continued on another GPU"));
        }
        _ => return Err("the checkpoint of another run".into()),
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
    let names = ["theta", "velocity", "statistics", "counters"];
    let parts = names.map(|name| tensors.tensor(name).map(|t| t.data().to_vec()).unwrap_or_default());
    let [log, origins] = [LOG, ORIGINS].map(|key| metadata.get(key).cloned());
    let mut past = PastSteps { seconds: 0.0, log, origins };
    let texts = past.texts().map(|(key, text)| (key, text.as_bytes()));
    let found = sha256_of_parts(names.into_iter().zip(parts.iter().map(Vec::as_slice)).chain(texts));
    if metadata.get("sha256") != Some(&found) {
        return Err("its numbers do not have the digest that was saved with them".into());
    }
    let [theta, velocity, statistics, counters] = parts;
    let singles = |bytes: &[u8]| bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let counters: Vec<u64> = counters.as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    let counters: [u64; 3] = counters.try_into().map_err(|_| "it has no counters".to_owned())?;
    let [step, initial_loss, nanoseconds] = counters;
    past.seconds = nanoseconds as f64 / 1e9;
    Ok(State {
        theta: singles(&theta),
        velocity: singles(&velocity),
        statistics: statistics.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        step,
        initial_loss: Some(f64::from_bits(initial_loss)).filter(|x| !x.is_nan()),
        past,
    })
}
