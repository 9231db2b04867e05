//! CIFAR-10 as JPEG, where it is present: every record, its label, and how far its pixels are from the official ones.

use anode::data::{CIFAR10, IMAGE_LEN, Images, batch_digests, cifar10_jpeg, cifar10_jpeg_path, data_folder};
use anode::digest::md5;

/// Peak signal-to-noise ratio in dB of two images.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10()
}

fn image(images: &Images, index: usize) -> &[u8] {
    &images.pixels[index * IMAGE_LEN..][..IMAGE_LEN]
}

#[test]
fn every_record_is_there_and_near_the_official_pixels() {
    let Some(data) = data_folder(None) else {
        println!("skipped: no data folder (ANODE_DATA, data or ../shared/data)");
        return;
    };
    let Ok(path) = cifar10_jpeg_path(&data) else {
        println!("skipped: no cifar10-jpeg in {}", data.display());
        return;
    };
    let set = cifar10_jpeg(&path).unwrap();
    assert_eq!((set.name.as_str(), set.classes), ("cifar10-jpeg", 10));
    for (part, each) in [(&set.train, 5000), (&set.test, 1000)] {
        assert_eq!(part.pixels.len(), part.len() * IMAGE_LEN);
        for label in 0..10 {
            assert_eq!(part.labels.iter().filter(|&&l| l == label).count(), each, "class {label}");
        }
    }
    // Of one copy the pixels are known; the decoder computes in integers, the same everywhere.
    if path.is_file() && md5(&path).unwrap() == "25fa368a02f0ca6c7f018a1271813a7d" {
        assert_eq!(set.digest, "4ee4826c362c9deb917c5d4a976b9c8691396a355b641af0499bdaf5b40d126d");
        let documented = std::fs::read_to_string("docs/data.md").unwrap();
        for digest in batch_digests(&set) {
            assert!(documented.contains(&digest), "docs/data.md lacks {digest}");
        }
    }

    let Ok(exact) = CIFAR10.read(&data.join("exact-subset")) else {
        println!("the rest is skipped: no exact-subset in {}", data.display());
        return;
    };
    // The subset holds the first 1,102 records of the first batch and 1,017 of each other.
    let train = (0..1102).chain((1..5).flat_map(|batch| (0..1017).map(move |i| batch * 10_000 + i)));
    let pairs = train.map(|i| (&set.train, i)).zip((0..exact.train.len()).map(|i| (&exact.train, i)));
    let pairs = pairs.chain((0..exact.test.len()).map(|i| ((&set.test, i), (&exact.test, i))));
    let mut ratios = vec![];
    for ((jpeg, i), (official, k)) in pairs {
        assert_eq!(jpeg.labels[i], official.labels[k], "label of record {i}");
        ratios.push(psnr(image(jpeg, i), image(official, k)));
    }
    let (mean, worst) =
        (ratios.iter().sum::<f64>() / ratios.len() as f64, ratios.iter().copied().fold(f64::MAX, f64::min));
    println!("{} images, PSNR {mean:.2} dB on average, {worst:.2} dB at worst", ratios.len());
    assert!((30.2..30.6).contains(&mean) && worst > 22.5, "{mean:.2} dB, {worst:.2} dB");
}
