//! The images a training run names, read once for all runs that name the same.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::data::{
    CIFAR10, CIFAR100, DataError, DataSet, Layout, SYNTHETIC, SYNTHETIC_DIGEST, SYNTHETIC_IMAGES, Source,
    cifar10_jpeg_path,
};
use crate::definition::settings::{self, Normalisation, TrainingSettings};

use super::known_digests::{self, Identity};
use super::{Place, StudyError};

/// Number of training and of test images of CIFAR-10 and CIFAR-100.
const CIFAR_IMAGES: [usize; 2] = [50_000, 10_000];

/// The data set that was read last, with a key of its files and settings.
static LAST: Mutex<Option<(String, Arc<DataSet>)>> = Mutex::new(None);

/// The images of `settings`. The set that was read last is kept: planning and running a hundred runs reads it once.
///
/// # Errors
/// A set that is missing, damaged, not the one that is named, or smaller than the settings need.
pub fn load(place: &Place, settings: &TrainingSettings) -> Result<Arc<DataSet>, StudyError> {
    let (set, source) = chosen(place, settings)?;
    let named = (set, settings.normalisation, settings.train_images, settings.test_images, settings.held_out);
    let key = format!("{named:?}\n{}", source.stamp());
    // Others wait here for the set that the first one reads.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((read, set)) = &*last
        && *read == key
    {
        return Ok(Arc::clone(set));
    }
    // Before the next one is read, so that no two are held.
    *last = None;
    let read = Arc::new(read(&source, set, settings)?);
    if !matches!(source, Source::Synthetic) {
        let found = Identity { name: read.name.clone(), digest: read.digest.clone() };
        known_digests::confirm(&identity_key(set, &source), &found, source.modified())?;
    }
    *last = Some((key, Arc::clone(&read)));
    Ok(read)
}

/// Name and digest of the images of `settings`. Files that were read before and have not changed since are not read
/// again; [`load`] checks the digest before a run computes anything with them.
///
/// # Errors
/// See [`load`].
pub fn identity(place: &Place, settings: &TrainingSettings) -> Result<Identity, StudyError> {
    let (set, source) = chosen(place, settings)?;
    match set {
        settings::DataSet::Synthetic => has_images(SYNTHETIC, SYNTHETIC_IMAGES, settings)?,
        settings::DataSet::Cifar10 | settings::DataSet::Cifar10Jpeg => has_images("CIFAR-10", CIFAR_IMAGES, settings)?,
        settings::DataSet::Cifar100 => has_images("CIFAR-100", CIFAR_IMAGES, settings)?,
        // How many images a folder has is known once they are read.
        _ => {}
    }
    if matches!(source, Source::Synthetic) {
        return Ok(Identity { name: SYNTHETIC.into(), digest: SYNTHETIC_DIGEST.into() });
    }
    if let Some(known) = known_digests::recall(&identity_key(set, &source)) {
        return Ok(known);
    }
    let read = load(place, settings)?;
    Ok(Identity { name: read.name.clone(), digest: read.digest.clone() })
}

/// Under which key the identity of a set is kept: neither normalisation nor the number of images changes it.
fn identity_key(set: &settings::DataSet, source: &Source) -> String {
    format!("{set:?}\n{}", source.stamp())
}

/// The set that is used, and where its files are.
fn chosen<'a>(place: &Place, settings: &'a TrainingSettings) -> Result<(&'a settings::DataSet, Source), StudyError> {
    let sets = settings.data.sets();
    let set = &sets[first_present(place.data.as_deref(), sets)?];
    Ok((set, source(place.data.as_deref(), set)?))
}

/// The place of the first set that is present; 0 if only one is named, present or not.
///
/// # Errors
/// None of several is present: where each was looked for, and how to obtain it.
pub fn first_present(data: Option<&Path>, sets: &[settings::DataSet]) -> Result<usize, StudyError> {
    if sets.len() == 1 {
        return Ok(0);
    }
    let mut reasons = vec![];
    for (place, set) in sets.iter().enumerate() {
        match source(data, set).map(|source| (source.is_present(), source)) {
            Ok((true, _)) => return Ok(place),
            Ok((false, source)) => reasons.push(format!("{} is absent", source.stamp().trim_end_matches(" -"))),
            Err(StudyError::Failed { why, .. }) => reasons.push(why),
            Err(other) => return Err(other),
        }
    }
    reasons.dedup();
    Err(StudyError::failed("data", format!("none of {} data sets is present: {}", sets.len(), reasons.join("; "))))
}

fn read(source: &Source, set: &settings::DataSet, settings: &TrainingSettings) -> Result<DataSet, StudyError> {
    let named = set;
    let mut set = source.read().map_err(failed)?;
    if matches!(source, Source::Synthetic) && set.digest != SYNTHETIC_DIGEST {
        let why = format!(
            "the embedded images generated on this machine have the digest {}, not {SYNTHETIC_DIGEST}; its sine \
             function rounds differently, so results could not be compared with those of other machines",
            set.digest
        );
        return Err(StudyError::failed("data", why));
    }
    if let settings::DataSet::Cifar10 | settings::DataSet::Cifar100 = named
        && let Source::Cifar(layout, _) = source
        && set.name != layout.name
    {
        return Err(StudyError::failed("data", not_official(layout, &set.name)));
    }
    if let Some(of) = settings.normalisation {
        (set.mean, set.deviation) = match of {
            Normalisation::Cifar10 => CIFAR10.normal,
            Normalisation::Cifar100 => CIFAR100.normal,
        };
    }
    has_images(&set.name, [set.train.len(), set.test.len()], settings)?;
    set.train.truncate(settings.train_images.unwrap_or(set.train.len()));
    set.test.truncate(settings.test_images.unwrap_or(set.test.len()));
    if let Some(held_out) = settings.held_out {
        let (all, none_left) = (set.train.len(), held_out >= set.train.len());
        if none_left {
            return Err(StudyError::failed("data", format!("{held_out} of {all} training images are held out")));
        }
        set.test = set.train.split_off(all - held_out);
    }
    Ok(set)
}

/// Refuses settings that name more training or test images than the set `name` has.
fn has_images(name: &str, images: [usize; 2], settings: &TrainingSettings) -> Result<(), StudyError> {
    let named = [("train_images", settings.train_images), ("test_images", settings.test_images)];
    for ((setting, named), most) in named.into_iter().zip(images) {
        if let Some(named) = named.filter(|named| *named > most) {
            return Err(StudyError::failed(setting, format!("{named}; allowed for {name}: at most {most}")));
        }
    }
    Ok(())
}

fn source(data: Option<&Path>, named: &settings::DataSet) -> Result<Source, StudyError> {
    let folder =
        || data.ok_or_else(|| StudyError::failed("data", "no data folder; name one with --data or ANODE_DATA"));
    Ok(match named {
        settings::DataSet::Synthetic => Source::Synthetic,
        settings::DataSet::Cifar10 => Source::Cifar(&CIFAR10, CIFAR10.find(folder()?).map_err(failed)?),
        settings::DataSet::Cifar100 => Source::Cifar(&CIFAR100, CIFAR100.find(folder()?).map_err(failed)?),
        settings::DataSet::Cifar10Jpeg => Source::Cifar10Jpeg(cifar10_jpeg_path(folder()?).map_err(failed)?),
        settings::DataSet::CifarFolder(path) => Source::Cifar(&CIFAR10, folder()?.join(path)),
        settings::DataSet::Cifar100Folder(path) => Source::Cifar(&CIFAR100, folder()?.join(path)),
        settings::DataSet::ImageFolder(path) => Source::ImageFolder(folder()?.join(path)),
    })
}

fn not_official(layout: &Layout, found: &str) -> String {
    let setting = if layout.classes() == 100 { "cifar100-folder" } else { "cifar-folder" };
    format!("these files are `{found}`, not {}; name their folder as `{setting}` to use them", layout.title)
}

fn failed(error: DataError) -> StudyError {
    StudyError::failed("data", error)
}
