//! The images a training run names, read once for all runs that name the same.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::data::{CIFAR10, CIFAR100, DataError, DataSet, Layout, Source, cifar10_jpeg_path};
use crate::definition::settings::{self, Normalisation, TrainingSettings};

use super::{Place, StudyError};

/// What was read last, and of which files for which settings.
static LAST: Mutex<Option<(String, Arc<DataSet>)>> = Mutex::new(None);

/// The images of `settings`. The set that was read last is kept: planning and running a hundred runs reads it once.
///
/// # Errors
/// A set that is missing, damaged, or not the one that is named.
pub fn load(place: &Place, settings: &TrainingSettings) -> Result<Arc<DataSet>, StudyError> {
    let source = source(place.data.as_deref(), &settings.data)?;
    let named = (&settings.data, settings.normalisation, settings.train_images, settings.test_images);
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
    let set = Arc::new(read(&source, settings)?);
    *last = Some((key, Arc::clone(&set)));
    Ok(set)
}

fn read(source: &Source, settings: &TrainingSettings) -> Result<DataSet, StudyError> {
    let mut set = source.read().map_err(failed)?;
    if let settings::DataSet::Cifar10 | settings::DataSet::Cifar100 = settings.data
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
    set.train.truncate(settings.train_images.unwrap_or(usize::MAX).min(set.train.len()));
    set.test.truncate(settings.test_images.unwrap_or(usize::MAX).min(set.test.len()));
    Ok(set)
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
