//! Damaged and hostile files for every reader: none may panic, abort, take more than 5 seconds or 1 GiB.
//!
//! The short form below runs with the other tests: a few hundred inputs per target, from a fixed seed. The long form
//! runs one target for a time: `just fuzz definition 600`, or
//!
//! ```sh
//! ANODE_FUZZ_SECONDS=600 ANODE_FUZZ_SEED=1 cargo test --test fuzz definition -- --nocapture
//! ```
//!
//! Inputs that failed once are kept in `corpus/<target>/` and are run first.

mod driver;
#[path = "../common/files.rs"]
mod files;
mod mutate;
mod targets;

use driver::fuzz;

#[test]
fn definition() {
    fuzz(&targets::DEFINITION, 400);
}

#[test]
fn record() {
    fuzz(&targets::RECORD, 400);
}

#[test]
fn report() {
    fuzz(&targets::REPORT, 10);
}

#[test]
fn archive() {
    fuzz(&targets::ARCHIVE, 300);
}

#[test]
fn checkpoint() {
    fuzz(&targets::CHECKPOINT, 300);
}

#[test]
fn array() {
    fuzz(&targets::ARRAY, 600);
}

#[test]
fn mnist() {
    fuzz(&targets::MNIST, 600);
}

#[test]
fn tar() {
    fuzz(&targets::TAR, 40);
}
