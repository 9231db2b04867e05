//! Readers of data files: right on sound files, a clear error on any other, never a panic.

use crate::common;

use std::path::Path;

use anode::data::{Array, CIFAR10, CIFAR100, drawn_digit, mnist_images, read_array, read_idx_images, read_idx_labels};
use common::files::{file, gzipped};
use proptest::prelude::*;

fn idx(sizes: &[u32], magic: u32, body: &[u8]) -> Vec<u8> {
    let head = [&[magic], sizes].concat();
    head.iter().flat_map(|n| n.to_be_bytes()).chain(body.iter().copied()).collect()
}

#[test]
fn idx_files_are_read_plain_and_gzipped() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = idx(&[2, 2, 3], 2051, &[0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6]);
    // A gzip file may have several members, one behind the other.
    let members = [gzipped(&bytes[..7]), gzipped(&bytes[7..20]), gzipped(&bytes[20..])].concat();
    for (name, packed) in [("a", &bytes), ("a.gz", &gzipped(&bytes)), ("b.gz", &members)] {
        let path = file(folder.path(), name, packed);
        let images = read_idx_images(&path).unwrap();
        assert_eq!((images.len(), images.height, images.width), (2, 2, 3));
        assert_eq!(images.get(0).unwrap(), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert!(images.get(2).is_none() && images.get(usize::MAX).is_none());
    }
    let labels = read_idx_labels(&file(folder.path(), "l", &idx(&[3], 2049, &[7, 0, 9]))).unwrap();
    assert_eq!(labels, [7, 0, 9]);
}

#[test]
fn idx_files_that_lie_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, bytes: &[u8]| read_idx_images(&file(folder.path(), name, bytes)).unwrap_err().to_string();
    assert!(said("magic", &idx(&[1, 1, 1], 2049, &[0])).contains("magic number 2049"));
    assert!(said("short", &[0, 0]).contains("2 bytes; expected a header of 16 bytes"));
    assert!(said("cut", &idx(&[2, 2, 3], 2051, &[0; 11])).contains("27 bytes; expected 28 bytes"));
    assert!(said("huge", &idx(&[u32::MAX, u32::MAX, u32::MAX], 2051, &[])).contains("expected"));
    for (i, sizes) in [[1, 0, 0], [0, 2, 3], [5, 3, 0]].into_iter().enumerate() {
        let said = said(&format!("empty{i}"), &idx(&sizes, 2051, &[]));
        let [count, height, width] = sizes;
        let expected =
            format!("empty{i}: a header of {count} images of {height} x {width} pixels; expected at least one");
        assert!(said.contains(&expected), "{said}");
    }
    // A small archive that unpacks to more than the limit.
    assert!(said("bomb.gz", &gzipped(&vec![0; 80 << 20])).contains("more than"));
    let labels = file(folder.path(), "labels", &idx(&[2], 2049, &[3, 10]));
    assert!(read_idx_labels(&labels).unwrap_err().to_string().contains("label 10 of image 1"));
}

#[test]
fn arrays_are_read_from_csv_and_npy() {
    let folder = tempfile::tempdir().unwrap();
    let array = read_array(&file(folder.path(), "a.csv", b"1, 2.5,-3e-2\n4,5,6\n")).unwrap();
    assert_eq!((array.shape, array.numbers), (vec![2, 3], vec![1.0, 2.5, -0.03, 4.0, 5.0, 6.0]));
    let marked = read_array(&file(folder.path(), "marked.csv", b"\xef\xbb\xbf1,2\n")).unwrap();
    assert_eq!(marked.numbers, [1.0, 2.0]);
    let npy = |header: &str, body: &[u8]| {
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), body].concat()
    };
    let doubles: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let head = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
    let array = read_array(&file(folder.path(), "a.npy", &npy(head, &doubles))).unwrap();
    assert_eq!((array.shape, array.numbers), (vec![2], vec![1.5, -2.0]));
    let singles: Vec<u8> = [0.5f32, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let array = read_array(&file(folder.path(), "b.npy", &npy(&head.replace("f8", "f4"), &singles))).unwrap();
    assert_eq!(array.numbers, [0.5, 4.0]);

    let said = |name: &str, bytes: &[u8]| read_array(&file(folder.path(), name, bytes)).unwrap_err().to_string();
    assert!(said("ragged.csv", b"1,2\n3\n").contains("lines of equally many numbers"));
    assert!(said("text.csv", b"1,2\n3,x\n").contains("`x` in line 2"));
    assert!(said("nan.csv", b"1,NaN\n").contains("expected finite numbers"));
    assert!(said("empty.csv", b"").contains("no numbers"));
    assert!(said("a.txt", b"1").contains("expected `.csv` or `.npy`"));
    assert!(said("big.npy", &npy(&head.replace("(2,)", "(99999999999,)"), &doubles)).contains("99999999999"));
    assert!(said("int.npy", &npy(&head.replace("f8", "i4"), &doubles)).contains("expected an NPY array of f4 or f8"));
    assert!(said("cut.npy", &npy(head, &doubles[..9])).contains("cut.npy"));
    for bracket in ["[", "(", "{", "{'descr': ["] {
        assert!(said("deep.npy", &npy(&bracket.repeat(26), &doubles)).contains("nested brackets"), "{bracket}");
    }
}

#[test]
fn headers_of_npy_files_are_checked_before_they_are_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, bytes: &[u8]| read_array(&file(folder.path(), name, bytes)).unwrap_err().to_string();
    let shaped = |shape: &str| {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &[0; 16]].concat()
    };
    // Products that overflow, from the first axis or from the last one, and axes that no integer holds.
    for shape in [
        "(1000000000000, 1000000000000)",
        "(0, 1000000000000, 1000000000000)",
        "(1000000000000, 1000000000000, 0)",
        "(18446744073709551615, 2)",
        "(99999999999999999999999,)",
        "(37,)",
    ] {
        let said = said("large.npy", &shaped(shape));
        assert!(said.contains(&format!("large.npy: a header of shape {shape} over 144 bytes; expected")), "{said}");
    }
    assert!(said("sign.npy", &shaped("(-1, 2)")).contains("`-1` in the shape of its header"));
    assert!(said("none.npy", &shaped("(0,)")).contains("no numbers"));
    assert_eq!(read_array(&file(folder.path(), "sound.npy", &shaped("(2, 1)"))).unwrap().shape, [2, 1]);
    // A header of 4 GiB in a file of 12 bytes.
    let long = said("long.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff");
    assert!(long.contains("long.npy: a header of 4294967295 bytes, more than the 10000 that are read"), "{long}");
    for cut in [&b"\x93NUMPY"[..], b"\x93NUMPY\x01", b"\x93NUMPY\x01\x00\x76", b"\x93NUMPY\x01\x00\x76\x00{"] {
        let said = said("cut.npy", cut);
        assert!(said.contains(&format!("a file of {} bytes that ends in its header", cut.len())), "{said}");
    }
    assert!(said("other.npy", b"PK").contains("does not begin with `\\x93NUMPY`"));
}

#[test]
fn an_array_fits_by_its_shape_not_by_its_count_of_numbers() {
    let path = Path::new("a.npy");
    let array = |shape: &[usize]| Array {
        shape: shape.to_vec(),
        numbers: (0..shape.iter().product::<usize>()).map(|i| i as f64).collect(),
    };
    for (found, wanted) in [
        (&[2, 2, 3, 3][..], &[2, 2, 3, 3][..]),
        (&[36], &[2, 2, 3, 3]),
        (&[1, 36], &[6, 6]),
        (&[36, 1], &[6, 6]),
        (&[3, 3], &[1, 1, 3, 3]),
        (&[1, 5], &[5]),
    ] {
        assert_eq!(array(found).into_shape(path, wanted).unwrap(), array(wanted).numbers, "{found:?}, {wanted:?}");
    }
    for (found, wanted, said) in [
        (
            &[3, 3, 2, 2][..],
            &[2, 2, 3, 3][..],
            "shape (3, 3, 2, 2); expected shape (2, 2, 3, 3), or a flat row of 36 numbers",
        ),
        (&[2, 8], &[4, 4], "shape (2, 8); expected shape (4, 4), or a flat row of 16 numbers"),
        (&[3, 12], &[6, 6], "shape (3, 12); expected shape (6, 6)"),
        (&[35], &[6, 6], "shape (35,); expected shape (6, 6)"),
        (&[3, 1], &[2], "shape (3, 1); expected shape (2,)"),
        (&[4], &[usize::MAX, 3], "shape (4,); expected shape (18446744073709551615, 3)"),
    ] {
        let error = array(found).into_shape(path, wanted).unwrap_err().to_string();
        assert!(error.contains("a.npy") && error.contains(said), "{error}");
    }
}

#[test]
fn real_data_where_it_is_present_is_what_it_says() {
    let Some(data) = anode::data::data_folder(None) else {
        println!("skipped: no data folder (ANODE_DATA, data or ../shared/data)");
        return;
    };
    match mnist_images(&data) {
        Some(path) => {
            let images = read_idx_images(&path).unwrap();
            assert_eq!((images.len(), images.height, images.width), (10_000, 28, 28));
        }
        None => println!("skipped: no MNIST in {}", data.display()),
    }
    let subset = data.join("exact-subset");
    if subset.is_dir() {
        let set = CIFAR10.read(&subset).unwrap();
        assert_eq!(set.name, "cifar10-subset", "official pixels, but not all records");
        assert_eq!(set.train.len(), 1102 + 4 * 1017);
        let set = CIFAR100.read(&subset).unwrap();
        assert_eq!((set.name.as_str(), set.classes), ("cifar100-subset", 100));
        assert_eq!((set.train.len(), set.test.len()), (486, 916));
        assert!(set.train.labels.iter().any(|&label| label > 19), "the fine labels");
    } else {
        println!("skipped: no exact-subset in {}", data.display());
    }
}

#[test]
fn the_drawn_digit_is_a_picture() {
    let digit = drawn_digit();
    assert_eq!(digit.len(), 28 * 28);
    assert!(digit.iter().all(|p| (0.0..=1.0).contains(p)));
    let ink = digit.iter().filter(|&&p| p > 0.5).count();
    assert!((40..200).contains(&ink), "{ink} pixels of ink");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0usize..40) {
        let folder = tempfile::tempdir().unwrap();
        // Half of the time the start is that of a sound file, so that what follows is reached.
        let sound_npy = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }";
        let sound_idx = idx(&[2, 2, 2], 2051, &[]);
        let starts: [(&str, &[u8]); 4] =
            [("a.npy", &sound_npy[..]), ("a.csv", b"1,2\n"), ("a", &sound_idx), ("a.gz", &[0x1f, 0x8b, 8])];
        for (name, start) in starts {
            let content = [&start[..keep.min(start.len())], &bytes].concat();
            let path = file(folder.path(), name, &content);
            let _ = (read_array(&path), read_idx_images(&path), read_idx_labels(&path));
        }
        for name in (1..=5).map(|n| format!("data_batch_{n}.bin")).chain(["test_batch.bin".to_owned()]) {
            file(folder.path(), &name, &bytes);
        }
        prop_assert!(CIFAR10.read(folder.path()).is_err());
    }
}
