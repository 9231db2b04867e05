//! Archives that unpack to far more than they should are refused in bounded memory. One test, since it counts the
//! memory of the whole process.

mod common {
    pub mod files;
}

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use anode::data::CIFAR100;
use anode::record::read_archive;
use common::files::{file, header, jpeg_archive, xzed};
use tar::EntryType;

/// Counts what lives, and the most that ever did.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: blocks are the system's from first to last, with the layout that the caller gave. Nothing here panics or
// allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(memory.size(), Relaxed) + memory.size(), Relaxed);
        // SAFETY: the caller ensures that the size is not zero.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Layout) {
        LIVE.fetch_sub(memory.size(), Relaxed);
        // SAFETY: the caller ensures that the block came from `alloc`, that is, from the system, with this layout.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn decompression_bombs_are_stopped() {
    let mebibyte = vec![0; 1 << 20];
    let xz_bomb = xzed(&vec![0; 280 << 20]);
    let many = xzed(&header("data_batch_1/", EntryType::Directory, 0).as_bytes().repeat(61_000));
    let gz_bomb = |name: &str, size: u64| {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(header(name, EntryType::Regular, size).as_bytes()).unwrap();
        (0..800).for_each(|_| encoder.write_all(&mebibyte).unwrap());
        encoder.finish().unwrap()
    };
    let (wanted, unwanted) = (gz_bomb("cifar-100-binary/train.bin", 400 << 20), gz_bomb("readme", 800 << 20));
    let lying = gz_bomb("cifar-100-binary/train.bin", 3074);
    // A dictionary of 4 GiB in the header of an xz block, its checksum put right.
    let mut greedy = xzed(b"some bytes");
    let length = 4 * (usize::from(greedy[12]) + 1);
    let filter = greedy[12..12 + length].windows(2).position(|w| w == [0x21, 0x01]).expect("the LZMA2 filter");
    greedy[12 + filter + 2] = 40;
    let mut crc = flate2::Crc::new();
    crc.update(&greedy[12..12 + length - 4]);
    greedy[12 + length - 4..12 + length].copy_from_slice(&crc.sum().to_le_bytes());

    // Records: members without end, one that is too long, tables of more cells than any record has.
    let records = |name: &str, size: u64| gz_bomb(&format!("0123456789abcdef/{name}"), size);
    let (long, zeros, unknown) =
        (records("rows.csv", 800 << 20), records("rows.csv", 512), records("notes", 800 << 20));
    let long_row = header("0123456789abcdef/rows.csv", EntryType::Regular, 280 << 20);
    let xz_records = xzed(&[&long_row.as_bytes()[..], &vec![0; 280 << 20]].concat());
    let archive = |bytes: &[u8]| {
        let place = tempfile::tempdir().unwrap();
        read_archive(&file(place.path(), "a.tar.xz", bytes)).unwrap_err().to_string()
    };

    let place = tempfile::tempdir().unwrap();
    let cifar = |bytes: &[u8]| CIFAR100.read(&file(place.path(), "a.tar.gz", bytes)).unwrap_err().to_string();
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    for (said, expected) in [
        (jpeg_archive(&xz_bomb), "a decompression bomb"),
        (jpeg_archive(&many), "more than 60007 members"),
        (jpeg_archive(&greedy), "a dictionary larger than what it may unpack to"),
        (cifar(&wanted), "419430400 bytes; expected at most 307400000"),
        (cifar(&unwanted), "a decompression bomb"),
        (cifar(&lying), "a decompression bomb"),
        (archive(&long), "838860800 bytes, more than records can have"),
        (archive(&zeros), "more than 268435456 bytes"),
        (archive(&unknown), "is no file of a record"),
        (archive(&xz_records), "more than records can have"),
        (archive(&greedy), "not an archive of records"),
    ] {
        assert!(said.contains(expected), "`{said}` should say `{expected}`");
    }
    let peak = PEAK.load(Relaxed) - before;
    assert!(peak < 128 << 20, "{} MiB were taken", peak >> 20);
}
