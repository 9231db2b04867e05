//! Image sets that the tests make themselves: every reader gives back the pixels and labels that went in, in order.

use crate::common;

use std::path::Path;

use anode::data::{CIFAR10, CIFAR100, IMAGE_LEN, Layout, Source, cifar10_jpeg, cifar10_jpeg_path, image_folder};
use common::files::{file, gzipped, jpeg, png, tarred, xzed};

/// The files of a CIFAR set with `count` records each; pixels and labels that tell records apart.
fn records(layout: &Layout, count: usize) -> Vec<(String, Vec<u8>)> {
    let names: &[&str] = match layout.name {
        "cifar10" => &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
            "test_batch.bin",
        ],
        _ => &["train.bin", "test.bin"],
    };
    let record = |file: usize, i: usize| {
        let fine = ((7 * i + file) % layout.classes()) as u8;
        let coarse = [fine / 5];
        let labels: &[u8] = if layout.classes() == 100 { &coarse } else { &[] };
        let pixels = (0..IMAGE_LEN).map(move |k| (k + 11 * i + 101 * file) as u8);
        labels.iter().copied().chain([fine]).chain(pixels).collect::<Vec<u8>>()
    };
    let files = names.iter().enumerate();
    files.map(|(f, name)| ((*name).to_owned(), (0..count).flat_map(|i| record(f, i)).collect())).collect()
}

#[test]
fn cifar_is_the_same_from_a_folder_and_from_an_archive_in_any_order() {
    for layout in [&CIFAR10, &CIFAR100] {
        let place = tempfile::tempdir().unwrap();
        let files = records(layout, 23);
        for (name, bytes) in &files {
            file(place.path(), &format!("{}/{name}", layout.folder), bytes);
        }
        let unpacked = layout.find(place.path()).unwrap();
        assert_eq!(unpacked, place.path().join(layout.folder));
        let from_folder = layout.read(&unpacked).unwrap();
        assert_eq!(from_folder.name, format!("{}-altered", layout.name), "these are not the official pixels");
        assert_eq!(from_folder.classes, layout.classes());
        assert_eq!(from_folder.test.len(), 23);
        assert_eq!(from_folder.train.len(), 23 * (files.len() - 1));
        assert_eq!(from_folder.train.labels[..3], [0, 7, if layout.classes() == 10 { 4 } else { 14 }]);
        assert_eq!(from_folder.train.pixels[IMAGE_LEN], 11, "the first pixel of the second record");
        assert_eq!(from_folder.test.pixels[0], (101 * (files.len() - 1)) as u8);

        // The official archives hold more than the records.
        let named: Vec<(String, Vec<u8>)> = files
            .into_iter()
            .rev()
            .map(|(name, bytes)| (format!("{}/{name}", layout.folder), bytes))
            .chain([(format!("{}/readme.html", layout.folder), b"text".to_vec())])
            .collect();
        let archive = gzipped(&tarred(named.iter().map(|(name, bytes)| (name.as_str(), &bytes[..]))));
        file(place.path(), layout.archive, &archive);
        let path = layout.find(place.path()).unwrap();
        assert_eq!(path, place.path().join(layout.archive));
        let from_archive = layout.read(&path).unwrap();
        assert_eq!((from_archive.digest, from_archive.train), (from_folder.digest, from_folder.train));
    }
}

#[test]
fn all_the_records_of_cifar_under_another_content_are_not_called_cifar() {
    // Fully sized and evenly labelled, but with other pixels.
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in records(&CIFAR100, 10_000) {
        let times = if name == "train.bin" { 5 } else { 1 };
        file(place.path(), &name, &bytes.repeat(times));
    }
    let set = CIFAR100.read(place.path()).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (50_000, 10_000));
    assert_eq!(set.name, "cifar100-altered");
}

#[test]
fn cifar10_as_jpeg_comes_in_the_official_order() {
    let place = tempfile::tempdir().unwrap();
    let colours: Vec<Vec<u8>> = (0..10).map(|label| jpeg(32, 32, [20 * label, 255 - 20 * label, 128])).collect();
    let batches = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    let label = |batch: usize, i: usize| (i / 3 + batch) % 10;
    let names: Vec<(String, usize)> = (0..60_000)
        .map(|n| (n / 10_000, n % 10_000))
        .map(|(batch, i)| (format!("{}/{i:05}_{}.jpg", batches[batch], label(batch, i)), label(batch, i)))
        .collect();
    // From the last to the first: the name says where a record belongs.
    let members = names.iter().rev().map(|(name, label)| (name.as_str(), &colours[*label][..]));
    file(place.path(), "cifar10-jpeg.tar.xz", &xzed(&tarred(members)));
    let set = cifar10_jpeg(&cifar10_jpeg_path(place.path()).unwrap()).unwrap();
    assert_eq!((set.name.as_str(), set.train.len(), set.test.len()), ("cifar10-jpeg", 50_000, 10_000));
    for (n, (_, expected)) in names.iter().enumerate() {
        let (part, i) = if n < 50_000 { (&set.train, n) } else { (&set.test, n - 50_000) };
        assert_eq!(usize::from(part.labels[i]), *expected, "label of record {n}");
        // Red, then green: flat pictures lose next to nothing.
        let (red, green) = (part.pixels[i * IMAGE_LEN + 500], part.pixels[i * IMAGE_LEN + 1024 + 500]);
        assert!(red.abs_diff(20 * *expected as u8) <= 3, "red {red} of record {n}, label {expected}");
        assert!(green.abs_diff(255 - 20 * *expected as u8) <= 3, "green {green} of record {n}");
    }
}

/// `train` and `test` with two classes; the pictures of `b` are named before those of `a` would be.
fn pictures(folder: &Path) {
    let ramp: Vec<u8> = (0..IMAGE_LEN).map(|k| k as u8).collect();
    for part in ["train", "test"] {
        file(folder, &format!("{part}/a/1.png"), &png(32, 32, png::ColorType::Rgb, &ramp));
        file(folder, &format!("{part}/a/2.JPG"), &jpeg(32, 32, [200, 100, 50]));
        file(folder, &format!("{part}/b/0.jpeg"), &jpeg(32, 32, [10, 20, 30]));
        file(folder, &format!("{part}/a/.hidden"), b"not a picture");
    }
}

#[test]
fn a_folder_of_pictures_is_a_data_set() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cats");
    pictures(&folder);
    let set = image_folder(&folder).unwrap();
    assert_eq!((set.name.as_str(), set.classes), ("image-folder:cats", 2));
    assert_eq!(set.train.labels, [0, 1, 0], "class by class in turn");
    assert_eq!(set.train, set.test);
    // PNG is exact; bytes of one pixel lie in three planes.
    assert_eq!(set.train.pixels[..3], [0, 3, 6]);
    assert_eq!(set.train.pixels[1024..1027], [1, 4, 7]);
    assert!(set.train.pixels[IMAGE_LEN].abs_diff(10) <= 2);
    // Its own mean and deviation, so that the training pictures have zero and one.
    let (x, _) = set.batch(&set.train, &[0, 1, 2], |_| anode::data::Alteration::NONE);
    for c in 0..3 {
        let plane: Vec<f64> =
            x.chunks_exact(1024).skip(c).step_by(3).flatten().map(|&value| f64::from(value)).collect();
        let mean = plane.iter().sum::<f64>() / plane.len() as f64;
        let variance = plane.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / plane.len() as f64;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "channel {c}: {mean}, {variance}");
    }
}

#[test]
fn a_source_is_stamped_anew_when_its_files_change() {
    let place = tempfile::tempdir().unwrap();
    pictures(place.path());
    let source = Source::ImageFolder(place.path().to_owned());
    let before = source.stamp();
    assert_eq!(before, source.stamp());
    file(place.path(), "train/a/2.JPG", &jpeg(32, 32, [200, 100, 51]));
    let changed = source.stamp();
    assert_ne!(before, changed);
    std::fs::remove_file(place.path().join("test/a/1.png")).unwrap();
    assert_ne!(changed, source.stamp());
}
