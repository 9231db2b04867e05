//! Image sets that are damaged or made to do harm: a clear error each, and no panic.

use crate::common;

use std::path::Path;

use anode::data::{CIFAR10, CIFAR100, cifar10_jpeg, image_folder};
use common::files::{file, gzipped, header, jpeg, jpeg_archive, png, tarred, xzed};
use png::ColorType;
use proptest::prelude::*;
use tar::{Builder, EntryType};

fn of_members<'a>(members: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    jpeg_archive(&xzed(&tarred(members)))
}

#[test]
fn archives_of_pictures_are_refused_for_what_is_wrong_with_them() {
    let sound = jpeg(32, 32, [1, 2, 3]);
    let first = "data_batch_1/00000_6.jpg";
    for (said, expected) in [
        (of_members([(first, &sound[..])]), "59999 records are missing, data_batch_1/00001 the first"),
        (of_members([]), "60000 records are missing, data_batch_1/00000 the first"),
        (of_members([(first, &sound[..]), (first, &sound)]), "it comes twice"),
        (of_members([(first, &sound[..]), ("data_batch_1/00000_7.jpg", &sound)]), "a second file of its record"),
        (of_members([("../data_batch_1/00000_6.jpg", &sound[..])]), "a name outside the archive"),
        (of_members([("/data_batch_1/00000_6.jpg", &sound[..])]), "a name outside the archive"),
        (of_members([("data_batch_1/..\\00000_6.jpg", &sound[..])]), "a name outside the archive"),
        (of_members([("data_batch_6/00000_6.jpg", &sound[..])]), "its name; expected `data_batch_1/00000_0.jpg`"),
        (of_members([("data_batch_1/10000_6.jpg", &sound[..])]), "its name"),
        (of_members([("data_batch_1/0000_6.jpg", &sound[..])]), "its name"),
        (of_members([("data_batch_1/+0001_6.jpg", &sound[..])]), "its name"),
        (of_members([("data_batch_1/00000_10.jpg", &sound[..])]), "its name"),
        (of_members([("data_batch_1/00000_x.jpg", &sound[..])]), "its name"),
        (of_members([("data_batch_1/00000.jpg", &sound[..])]), "its name"),
        (of_members([("readme", &sound[..])]), "its name"),
        (of_members([(first, &jpeg(31, 32, [1, 2, 3])[..])]), "31 x 32 pixels"),
        (of_members([(first, &jpeg(640, 480, [1, 2, 3])[..])]), "640 x 480 pixels"),
        (of_members([(first, &b"\xff\xd8garbage"[..])]), "a sound JPEG file"),
        (of_members([(first, &sound[..sound.len() / 2])]), "a sound JPEG file"),
        (of_members([(first, &[][..])]), "a sound JPEG file"),
        (of_members([(first, &[0; 70_000][..])]), "70000 bytes; expected at most 65536"),
        (jpeg_archive(b"not an archive"), "a sound archive"),
        (jpeg_archive(b""), "a sound archive"),
    ] {
        assert!(said.contains(expected), "`{said}` should say `{expected}`");
        assert!(said.contains("cifar10-jpeg.tar.xz"), "{said}");
    }
    let two = xzed(&tarred([(first, &sound[..]), ("data_batch_1/00001_9.jpg", &sound)]));
    for cut in [two.len() / 2, two.len() - 13] {
        assert!(jpeg_archive(&two[..cut]).contains("a sound archive"), "cut at {cut}");
    }
}

#[test]
fn archives_with_links_and_lying_headers_are_refused() {
    for (kind, expected) in [
        (EntryType::Symlink, "Symlink; expected files and folders"),
        (EntryType::Link, "Link; expected files and folders"),
        (EntryType::Fifo, "Fifo"),
        (EntryType::GNULongName, "GNULongName"),
        (EntryType::XHeader, "60000 records are missing"),
        (EntryType::GNUSparse, "GNUSparse"),
    ] {
        let mut builder = Builder::new(vec![]);
        builder.append(&header("data_batch_1/00000_6.jpg", kind, 0), &[][..]).unwrap();
        let said = jpeg_archive(&xzed(&builder.into_inner().unwrap()));
        assert!(said.contains(expected), "{said}");
    }
    // A header that promises more than there is, and one whose checksum is wrong.
    let mut bytes = header("data_batch_1/00000_6.jpg", EntryType::Regular, 60_000).as_bytes().to_vec();
    bytes.extend([0; 512]);
    assert!(jpeg_archive(&xzed(&bytes)).contains("cifar10-jpeg.tar.xz"));
    bytes[0] ^= 1;
    assert!(jpeg_archive(&xzed(&bytes)).contains("a sound archive"));
    // The name is printed without its control characters.
    let said = of_members([("a\x1b[2Jb\n", &b""[..])]);
    assert!(said.contains("a\\u{1b}[2Jb\\n"), "{said:?}");
}

#[test]
fn archives_of_records_are_refused_for_what_is_wrong_with_them() {
    let place = tempfile::tempdir().unwrap();
    let said = |members: &[(&str, &[u8])]| {
        let path = file(place.path(), "cifar-100-binary.tar.gz", &gzipped(&tarred(members.iter().copied())));
        CIFAR100.read(&path).unwrap_err().to_string()
    };
    let record = |coarse, fine| [&[coarse, fine][..], &[0; 3072]].concat();
    let (sound, train, test) = (record(0, 0), "cifar-100-binary/train.bin", "cifar-100-binary/test.bin");
    assert!(said(&[(train, &sound)]).contains("no `cifar-100-binary/test.bin`"));
    assert!(said(&[(train, &sound), (train, &sound)]).contains("it comes twice"));
    assert!(said(&[(train, &sound), (test, &sound[1..])]).contains("3073 bytes; expected a whole number of records"));
    assert!(said(&[(train, &sound), (test, &[])]).contains("0 bytes; expected"));
    assert!(
        said(&[(train, &record(20, 0)), (test, &sound)]).contains("label 20 in record 0; expected labels from 0 to 19")
    );
    let second = [sound.clone(), record(19, 100)].concat();
    assert!(said(&[(train, &second), (test, &sound)]).contains("label 100 in record 1; expected labels from 0 to 99"));
    assert!(said(&[(train, &sound), ("a/../b", &sound)]).contains("a name outside the archive"));
    assert!(said(&[(&*"a/".repeat(40), b"")]).contains("no `cifar-100-binary/train.bin`"));
    let many: Vec<(String, &[u8])> = (0..200).map(|i| (format!("file{i}"), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    assert!(said(&many).contains("more than 100 members"));
}

#[test]
fn pax_headers_and_gzip_members_are_read() {
    let record = [&[0, 1][..], &[7; 3072]].concat();
    let pax = |text: &str| (header("pax", EntryType::XHeader, text.len() as u64), text.as_bytes().to_vec());
    let plain = |name: &str| (header(name, EntryType::Regular, record.len() as u64), record.clone());
    let said = |members: &[(tar::Header, Vec<u8>)], parts: usize| {
        let mut builder = Builder::new(vec![]);
        members.iter().for_each(|(header, bytes)| builder.append(header, &bytes[..]).unwrap());
        let bytes = builder.into_inner().unwrap();
        let packed = bytes.chunks(bytes.len().div_ceil(parts)).flat_map(gzipped).collect::<Vec<u8>>();
        let place = tempfile::tempdir().unwrap();
        let read = CIFAR100.read(&file(place.path(), "a.tar.gz", &packed));
        read.map(|set| (set.train.len(), set.test.len())).map_err(|e| e.to_string())
    };
    let global = (header("global", EntryType::XGlobalHeader, 14), b"14 comment=a\nb\n"[..14].to_vec());
    let (train, test) = (pax("35 path=cifar-100-binary/train.bin\n"), pax("34 path=cifar-100-binary/test.bin\n"));
    let members = [global, train.clone(), plain("a"), test.clone(), plain("b")];
    for parts in [1, 2, 3] {
        assert_eq!(said(&members, parts), Ok((1, 1)));
    }
    // A header holds for the one file behind it.
    let refused = said(&[train.clone(), plain("a"), plain("b")], 1).unwrap_err();
    assert!(refused.contains("no `cifar-100-binary/test.bin`"), "{refused}");
    for (text, expected) in [
        ("20 path=../../x.bin\n", "a name outside the archive"),
        ("12 path=/ab\n", "a name outside the archive"),
        ("99 path=a\n", "a malformed record in a PAX header"),
        ("22 GNU.sparse.major=1\n", "a sparse file"),
        ("35 path=cifar-100-binary/train.bin\n11 size=12\n", "another size in its PAX header"),
    ] {
        let refused = said(&[pax(text), plain("a")], 1).unwrap_err();
        assert!(refused.contains(expected), "{text:?}: {refused}");
    }
    let long = (header("pax", EntryType::XHeader, 70_000), vec![b'0'; 70_000]);
    assert!(said(&[long], 1).unwrap_err().contains("more than 65536 bytes"));
}

/// What reading a folder of sound pictures says when one of them is `bytes` under `name`.
fn picture(name: &str, bytes: &[u8]) -> Result<String, String> {
    let place = tempfile::tempdir().unwrap();
    for at in ["train/a/0.jpg", "train/b/0.jpg", "test/a/0.jpg", "test/b/0.jpg"] {
        file(place.path(), at, &jpeg(32, 32, [at.len() as u8, 100, 7]));
        file(place.path(), &at.replace("/0", "/1"), &jpeg(32, 32, [200, 10, 90]));
    }
    file(place.path(), name, bytes);
    image_folder(place.path()).map(|set| set.name).map_err(|e| e.to_string())
}

#[test]
fn folders_of_pictures_are_refused_for_what_is_wrong_with_them() {
    assert!(picture("train/a/2.jpg", &jpeg(32, 32, [1, 2, 3])).is_ok());
    let (rgb, rgba, grey) = (ColorType::Rgb, ColorType::Rgba, ColorType::Grayscale);
    for (name, bytes, expected) in [
        ("train/a/x.png", png(33, 32, rgb, &[0; 33 * 32 * 3]), "33 x 32 pixels; expected 32 x 32 pixels in colour"),
        ("train/a/x.png", png(32, 32, rgba, &[0; 32 * 32 * 4]), "Rgba pixels; expected 32 x 32 pixels in colour"),
        ("train/a/x.png", png(32, 32, grey, &[0; 32 * 32]), "Grayscale pixels"),
        ("train/a/x.png", b"\x89PNG\r\n\x1a\n".to_vec(), "a sound PNG file"),
        ("train/a/x.png", jpeg(32, 32, [1, 2, 3]), "a sound PNG file"),
        ("test/b/x.jpg", jpeg(64, 64, [1, 2, 3]), "64 x 64 pixels"),
        ("test/b/x.gif", vec![], "expected `.png`, `.jpg` or `.jpeg`"),
        ("test/b/x.png", vec![0; (1 << 20) + 1], "more than 1048576 bytes"),
        ("train/x.png", vec![], "a file; expected one folder per class"),
        ("train/c/x.jpg", jpeg(32, 32, [1, 2, 3]), "the classes a, b; expected the classes of train/: a, b, c"),
    ] {
        let said = picture(name, &bytes).unwrap_err();
        assert!(said.contains(expected), "`{said}` should say `{expected}`");
    }
    let place = tempfile::tempdir().unwrap();
    let said = |folder: &Path| image_folder(folder).unwrap_err().to_string();
    assert!(said(&place.path().join("nowhere")).contains("nowhere/train"));
    for class in ["train/only", "test/only"] {
        std::fs::create_dir_all(place.path().join(class)).unwrap();
    }
    assert!(said(place.path()).contains("1 classes; expected 2 to 256"));
    for class in ["train/two", "test/two"] {
        std::fs::create_dir_all(place.path().join(class)).unwrap();
    }
    assert!(said(place.path()).contains("no pictures; expected at least one"));
    for at in ["train/only/0.jpg", "train/two/0.jpg", "test/only/0.jpg", "test/two/0.jpg"] {
        file(place.path(), at, &jpeg(32, 32, [9, 9, 9]));
    }
    assert!(said(place.path()).contains("a channel that is the same everywhere"));
}

/// A small archive of each kind, compressed by `pack`, before it is damaged.
fn seeds() -> [Vec<u8>; 2] {
    let sound = jpeg(32, 32, [90, 20, 200]);
    let record = [&[0, 1][..], &[7; 3072]].concat();
    [
        tarred([("data_batch_1/00000_6.jpg", &sound[..]), ("test_batch/00001_9.jpg", &sound)]),
        tarred([("cifar-100-binary/train.bin", &record[..]), ("cifar-100-binary/test.bin", &record)]),
    ]
}

/// Overwrites, cuts and repeats.
fn damage(mut bytes: Vec<u8>, edits: &[(prop::sample::Index, u8)], cut: prop::sample::Index, grow: bool) -> Vec<u8> {
    for (at, value) in edits {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if grow {
        [&bytes[..], &bytes[cut.index(bytes.len())..]].concat()
    } else {
        bytes[..cut.index(bytes.len() + 1)].to_vec()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_makes_a_reader_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        grow in any::<bool>(),
        inside in any::<bool>(),
    ) {
        let place = tempfile::tempdir().unwrap();
        let [pictures, records] = seeds();
        // Inside: the archive is damaged and well compressed; else the compressed bytes are.
        let packed = |seed: Vec<u8>, pack: fn(&[u8]) -> Vec<u8>| {
            if inside { pack(&damage(seed, &edits, cut, grow)) } else { damage(pack(&seed), &edits, cut, grow) }
        };
        let path = file(place.path(), "a.tar.xz", &packed(pictures, xzed));
        prop_assert!(cifar10_jpeg(&path).is_err());
        let path = file(place.path(), "a.tar.gz", &packed(records, gzipped));
        if let Ok(set) = CIFAR100.read(&path) {
            prop_assert_eq!(set.name, "cifar100-altered");
            prop_assert!(set.train.labels.iter().all(|&label| label < 100));
        }
        prop_assert!(CIFAR10.read(&path).is_err());
        for (name, sound) in [
            ("train/a/x.jpg", jpeg(32, 32, [90, 20, 200])),
            ("train/a/x.png", png(32, 32, ColorType::Rgb, &[90; 3072])),
        ] {
            let _ = picture(name, &damage(sound, &edits, cut, grow));
        }
    }
}
