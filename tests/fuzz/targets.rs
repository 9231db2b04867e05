//! The readers under test, each with sound inputs, a mutation by their structure, and what is called.

use std::path::Path;
use std::time::Duration;

use anode::data::{CIFAR10, CIFAR100, cifar10_jpeg, read_array, read_idx_images, read_idx_labels};
use anode::definition::settings::Settings;
use anode::definition::{Outline, Profile, load, load_choices, load_not_run};
use anode::plan::plan;
use anode::record::{read_archive, read_record};
use anode::report::{Contents, verify, write_all};
use anode::study::STUDIES;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::driver::Target;
use crate::files::{gzipped, jpeg, xzed};
use crate::mutate::{self, two};

mod containers;
mod seeds;

use containers::{Member, join, parts, repack};

/// Longest time of the processor for an input.
const LONGEST: Duration = Duration::from_secs(5);

/// Names and values that definitions and records know.
const WORDS: &[&str] = &[
    "id",
    "title",
    "paper",
    "study",
    "grid",
    "fixed",
    "seeds",
    "seed",
    "profiles",
    "quick",
    "standard",
    "metrics",
    "column",
    "figures",
    "draw",
    "lines",
    "images",
    "schedules",
    "where",
    "expectation",
    "checks",
    "rule",
    "within",
    "share",
    "slope",
    "identical",
    "exceeds",
    "equals",
    "kind",
    "problem",
    "stepping",
    "solver",
    "euler",
    "dormand-prince",
    "dtype",
    "f32",
    "f64",
    "n",
    "channels",
    "kernel",
    "size",
    "steps",
    "methods",
    "method",
    "full",
    "anode",
    "revolve:3",
    "online:2",
    "uniform:18446744073709551615",
    "revolve:18446744073709551615",
    "within:1GiB",
    "within:17179869183GiB",
    "reverse-time",
    "leapfrog",
    "net",
    "resnet4",
    "alexnet",
    "width",
    "batch",
    "epochs",
    "data",
    "synthetic",
    "file",
    "/dev/zero",
    "cifar-folder",
    "image-folder",
    "tolerances",
    "rtol",
    "atol",
    "max_steps",
    "norm_per_step",
    "evolution",
    "memory",
    "weight_steps",
    "frames",
    "coefficients",
    "blocks",
    "snapshots",
    "schedule",
    "run",
    "settings",
    "inputs",
    "status",
    "finished",
    "diverged",
    "failed",
    "files",
    "environment",
    "rows.csv",
    "steps.csv",
    "images.json",
    "format",
    "height",
    "pixels",
    "name",
    "normal",
    "std",
    "dense",
    "convolution",
    "picture",
    "mnist",
    "drawn",
    "search",
    "target",
    "adaptive",
    "norm",
    "matlab",
];

/// An experiment file, and every run that it asks for.
pub static DEFINITION: Target = Target {
    name: "definition",
    longest: LONGEST,
    seeds: seeds::definitions,
    mutate: |random, pool| {
        let (input, other) = two(random, pool);
        mutate::json(random, input, other, WORDS)
    },
    run: |work, input| {
        let file = work.join("fuzz.json");
        std::fs::write(&file, input).unwrap();
        let definition = match load(&file) {
            Ok(definition) => definition,
            Err(faults) => {
                assert!(faults.len() <= 51, "{} faults", faults.len());
                return faults.iter().take(3).map(|f| f.to_string().replace(&work.display().to_string(), "")).collect();
            }
        };
        let mut said = String::new();
        for profile in Profile::ALL {
            let Some(resolved) = definition.resolve(profile) else { continue };
            for point in resolved.points().take(50) {
                assert!(
                    Settings::parse(definition.study, &point.settings).is_ok(),
                    "a sound definition has sound points"
                );
            }
            if resolved.point_count() <= 50 {
                let loaded = anode::definition::Loaded { file: file.clone(), definition: definition.clone() };
                let (runs, skipped) = plan(&[loaded], profile, "cpu", Some(work), STUDIES);
                said += &format!("{:?} {} {:?}", definition.study, runs.len(), skipped.first().map(|s| &s.why));
            }
        }
        std::fs::write(work.join("not-run.json"), input).unwrap();
        std::fs::write(work.join("choices.json"), input).unwrap();
        said += &load_choices(work).map_or_else(|e| e.to_string(), |list| format!("{}", list.len()));
        said + &load_not_run(work).map_or_else(|e| e.to_string(), |list| format!("{}", list.len()))
    },
};

/// The folder of a run.
pub static RECORD: Target = Target {
    name: "record",
    longest: LONGEST,
    seeds: seeds::records,
    mutate: record,
    run: |work, input| {
        let folder = work.join("run");
        fresh(&folder);
        for (name, bytes) in parts(input) {
            if ["run.json", "rows.csv", "steps.csv", "images.json"].contains(&name.as_str()) {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
        match read_record(&folder) {
            Ok(found) => format!("{:?}", found.map(|r| (r.record.status, r.rows.len(), r.steps.len(), r.images.len()))),
            Err(error) => error.to_string(),
        }
    },
};

/// A whole report from a run whose tables are damaged but have the right digests.
pub static REPORT: Target = Target {
    name: "report",
    // Charts take seconds without optimisation.
    longest: Duration::from_secs(60),
    seeds: seeds::records,
    mutate: record,
    run: |work, input| {
        let results = work.join("results");
        fresh(&results);
        let folder = results.join("runs/quick").join(seeds::EXPERIMENT).join(seeds::run_id());
        std::fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in parts(input) {
            if ["run.json", "rows.csv", "steps.csv", "images.json"].contains(&name.as_str()) {
                std::fs::write(folder.join(name), bytes).unwrap();
            }
        }
        let (experiments, figures) = ([seeds::definition()], results.join("figures"));
        let contents = Contents {
            experiments: &experiments,
            not_run: &[],
            outline: &Outline::default(),
            results: &results,
            output: &results,
            figures: &figures,
            others: &[],
            whole: true,
            inputs: &seeds::NoInputs,
            device: None,
        };
        let written = match write_all(contents, Profile::Quick) {
            Ok(summary) => summary.written.len(),
            Err(error) => return error.to_string(),
        };
        let (_, differences) = verify(contents, Profile::Quick).expect("what was written can be read");
        assert!(differences.is_empty(), "{differences:?}");
        let text = std::fs::read_to_string(results.join("report.html")).unwrap();
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "control characters");
        format!("{written} files")
    },
};

/// The archive of an experiment's records.
pub static ARCHIVE: Target = Target {
    name: "archive",
    longest: LONGEST,
    seeds: seeds::archives,
    mutate: |random, pool| {
        let (input, other) = two(random, pool);
        if random.gen_ratio(1, 10) {
            return mutate::bytes(random, input, other);
        }
        let (input, other) = (containers::unxzed(input), containers::unxzed(other));
        let mutated = tarred(random, &input, &other, record_part);
        // Earlier versions compressed with gzip.
        if random.gen_ratio(1, 4) { gzipped(&mutated) } else { xzed(&mutated) }
    },
    run: |work, input| {
        let file = work.join("fuzz.quick.tar.xz");
        std::fs::write(&file, input).unwrap();
        match read_archive(&file) {
            Ok(found) => format!("{:?}", found.iter().map(|r| (r.rows.len(), r.steps.len())).collect::<Vec<_>>()),
            Err(error) => error.to_string(),
        }
    },
};

/// The checkpoint of a training.
pub static CHECKPOINT: Target = Target {
    name: "checkpoint",
    longest: LONGEST,
    seeds: seeds::checkpoints,
    mutate: |random, pool| {
        let (input, other) = two(random, pool);
        containers::checkpoint(random, input, other, WORDS)
    },
    run: |work, input| {
        let folder = work.join("checkpoint");
        fresh(&folder);
        std::fs::write(folder.join("checkpoint.safetensors"), input).unwrap();
        seeds::resumed(&folder)
    },
};

/// CSV and NPY files of numbers.
pub static ARRAY: Target = Target {
    name: "array",
    longest: LONGEST,
    seeds: seeds::arrays,
    mutate: |random, pool| {
        let (input, other) = two(random, pool);
        if input.starts_with(b"\x93NUMPY") {
            mutate::bytes(random, input, other)
        } else {
            mutate::csv(random, input, other)
        }
    },
    run: |work, input| {
        let read = |name: &str| {
            let file = work.join(name);
            std::fs::write(&file, input).unwrap();
            match read_array(&file) {
                Ok(array) => {
                    assert_eq!(array.shape.iter().product::<usize>(), array.numbers.len());
                    assert!(array.numbers.iter().all(|x| x.is_finite()));
                    let flat = array.clone().into_shape(&file, &[array.numbers.len()]);
                    format!("{:?} {}", array.shape.len(), flat.is_ok())
                }
                Err(error) => error.to_string(),
            }
        };
        read("fuzz.csv") + &read("fuzz.npy")
    },
};

/// IDX files, plain and gzipped.
pub static MNIST: Target = Target {
    name: "mnist",
    longest: LONGEST,
    seeds: seeds::idx,
    mutate: |random, pool| {
        let (input, other) = two(random, pool);
        mutate::bytes(random, input, other)
    },
    run: |work, input| {
        let read = |name: &str, bytes: &[u8]| {
            let file = work.join(name);
            std::fs::write(&file, bytes).unwrap();
            let images = match read_idx_images(&file) {
                Ok(images) => {
                    assert!(images.get(0).is_some() && images.get(images.len()).is_none());
                    format!("{} x {}", images.height, images.width)
                }
                Err(error) => error.to_string(),
            };
            images + &read_idx_labels(&file).map_or_else(|e| e.to_string(), |labels| labels.len().to_string())
        };
        // Packed well, and taken for packed.
        read("plain", input) + &read("packed.gz", &gzipped(input)) + &read("taken.gz", input)
    },
};

/// Archives of images, gzipped and as xz.
pub static TAR: Target = Target {
    name: "tar",
    longest: LONGEST,
    seeds: seeds::tars,
    mutate: |random, pool| {
        let (input, other) = two(random, pool);
        tarred(random, input, other, |random, _, bytes, other| mutate::bytes(random, bytes, other))
    },
    run: |work, input| {
        let write = |name: &str, bytes: &[u8]| {
            let file = work.join(name);
            std::fs::write(&file, bytes).unwrap();
            file
        };
        let said = |read: Result<anode::data::DataSet, anode::data::DataError>| match read {
            Ok(set) => format!("{} {}", set.name, set.train.len()),
            Err(error) => error.to_string(),
        };
        let (gz, xz) = (write("fuzz.tar.gz", &gzipped(input)), write("fuzz.tar.xz", &xzed(input)));
        let (half, _) = input.split_at(input.len() / 2);
        let members = write("members.tar.gz", &[gzipped(half), gzipped(&input[half.len()..])].concat());
        let direct = write("direct.tar.gz", input);
        let one = said(CIFAR100.read(&gz));
        let bare = |said: &str, file: &Path| said.replace(&file.display().to_string(), "");
        assert_eq!(bare(&one, &gz), bare(&said(CIFAR100.read(&members)), &members), "two members of gzip");
        one + &said(CIFAR10.read(&gz)) + &said(cifar10_jpeg(&xz)) + &said(CIFAR100.read(&direct))
    },
};

fn fresh(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
}

/// A part of a record by its name.
fn record_part(random: &mut ChaCha8Rng, name: &str, bytes: &[u8], other: &[u8]) -> Vec<u8> {
    if name.ends_with(".csv") { mutate::csv(random, bytes, other) } else { mutate::json(random, bytes, other, WORDS) }
}

/// A record with a part mutated; most often the digests are put right, so that what lies behind them is reached.
fn record(random: &mut ChaCha8Rng, pool: &[Vec<u8>]) -> Vec<u8> {
    let (input, other) = two(random, pool);
    let (mut members, other) = (parts(input), parts(other));
    if members.is_empty() {
        return mutate::bytes(random, input, &[]);
    }
    for _ in 0..random.gen_range(1..3) {
        let (name, bytes) = members.choose_mut(random).expect("some");
        let same = other.iter().find(|(n, _)| n == name).map_or(&b""[..], |(_, bytes)| bytes);
        *bytes = record_part(random, name, bytes, same);
    }
    if random.gen_ratio(9, 10) {
        containers::seal(&mut members);
    }
    join(&members)
}

/// A tar archive with members mutated, in part as bytes.
fn tarred(
    random: &mut ChaCha8Rng,
    input: &[u8],
    other: &[u8],
    part: fn(&mut ChaCha8Rng, &str, &[u8], &[u8]) -> Vec<u8>,
) -> Vec<u8> {
    if random.gen_ratio(1, 4) {
        return mutate::bytes(random, input, other);
    }
    let mut members = containers::unpack(input);
    let others = containers::unpack(other);
    for _ in 0..random.gen_range(1..4) {
        let Some(place) = (0..members.len()).collect::<Vec<_>>().choose(random).copied() else { break };
        let borrowed = others.choose(random).cloned().unwrap_or_else(|| Member::file("a", vec![]));
        match random.gen_range(0..8) {
            0 => drop(members.remove(place)),
            1 => members.insert(place, borrowed),
            2 => members.push(members[place].clone()),
            3 => members[place].rename(random),
            4 => members[place].kind = random.r#gen(),
            5 => members[place].lie = Some(random.r#gen::<u64>() >> random.gen_range(24..64)),
            _ => {
                let (name, bytes) = (members[place].name.clone(), members[place].bytes.clone());
                members[place].bytes = part(random, &name, &bytes, &borrowed.bytes);
            }
        }
    }
    if random.r#gen() {
        containers::seal_runs(&mut members);
    }
    let mut bytes = repack(&members);
    if random.gen_ratio(1, 3) {
        bytes = mutate::bytes(random, &bytes, other);
    }
    bytes.truncate(1 << 20);
    bytes
}

/// A small JPEG picture.
fn picture() -> Vec<u8> {
    jpeg(32, 32, [90, 20, 200])
}
