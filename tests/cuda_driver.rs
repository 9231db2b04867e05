//! The program with the feature `cuda` around an emulated driver: what it says of one that is missing, old, empty,
//! small or failing, and its own calls of the driver, by the self-test.
#![cfg(all(feature = "cuda", target_os = "linux"))]

mod common;
mod emulator;

use std::path::Path;

use common::Workplace;

/// What is wrong with the driver: names and values.
type Settings<'a> = &'a [(&'a str, &'a str)];

/// A workplace whose folder `lib` holds these emulated libraries of CUDA's; `None` without a compiler.
fn place(cudnn: bool) -> Option<Workplace> {
    let place = Workplace::new();
    place.define(&common::training("training"));
    let library = |name: &str, made: &std::ffi::CStr| {
        std::fs::create_dir_all(place.path("lib")).unwrap();
        std::os::unix::fs::symlink(Path::new(made.to_str().unwrap()), place.path("lib").join(name)).unwrap();
    };
    library("libcuda.so.1", &emulator::driver()?);
    if cudnn {
        library("libcudnn.so.9", &emulator::cudnn()?.path);
    }
    Some(place)
}

/// Runs the program with these libraries and settings of the driver, and gives its exit code and what it said.
fn said(place: &Workplace, settings: Settings, arguments: &[&str]) -> (i32, String) {
    let mut command = place.command(arguments);
    command.env("LD_LIBRARY_PATH", place.path("lib"));
    for (name, value) in settings {
        command.env(format!("FAKE_CUDA_{name}"), value);
    }
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().expect("it ends by itself"), text)
}

#[test]
fn every_kernel_runs_through_the_driver_with_and_without_cudnn() {
    let Some(place) = place(true) else { return };
    let (code, text) = said(&place, &[], &["doctor"]);
    let parts = [
        "GPU: Emulated GPU, compute capability 8.0",
        "ok    f32 conv ",
        "convolutions are computed by cuDNN 9.10.2 (deterministic algorithms, no TF32); it takes 54 of 54 sweeps",
        "ok    f32 captured sweeps, gradient",
        "ok    f64 captured sweeps, statistics",
        "WRONG training steps through dfdx failed: cuBLAS cannot be loaded",
        "Something is WRONG.",
    ];
    assert!(code == 1 && parts.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn sweeps_are_captured_on_a_new_stream_and_replayed_on_the_default_stream() {
    let Some(place) = place(false) else { return };
    let (_, text) = said(&place, &[("SAY", "1")], &["doctor"]);
    // Two sweeps of two batches, twice, in two types of numbers.
    assert_eq!(text.matches("replay of ").count(), 2 * 2 * 2 * 2, "{text}");
    assert!(!text.contains("replay of 0 calls"), "{text}");
    let (code, text) = said(&place, &[("SAY", "1"), ("GRAPHS", "0")], &["doctor"]);
    assert!(code == 1 && !text.contains("replay of "), "{text}");
    let why = "training steps launch each kernel: the device failed in ending a capture: CUDA_ERROR: an error";
    assert!(text.contains(why) && !text.contains("WRONG f"), "{text}");
    let (_, text) = said(&place, &[("SAY", "1"), ("UPLOAD", "0")], &["doctor"]);
    let why = "training steps launch each kernel: the device failed in copying a graph to the device: ";
    assert!(text.contains(why) && !text.contains("WRONG f") && !text.contains("replay of "), "{text}");
    let (_, text) = said(&place, &[("LAUNCH", "0")], &["doctor"]);
    let why = "training steps launch each kernel: the driver refuses to execute captured work (CUDA_ERROR: an error)";
    // The device has not failed: what comes after is tested, up to the library that is missing.
    let after = "WRONG training steps through dfdx failed: cuBLAS cannot be loaded";
    assert!(text.contains(why) && !text.contains("WRONG f") && text.contains(after), "{text}");
}

#[test]
fn copies_to_the_device_are_staged_in_page_locked_memory_where_there_is_any() {
    let Some(place) = place(false) else { return };
    let [staged, direct] = ["1", "0"].map(|locked| {
        let (_, text) = said(&place, &[("SAY", "1"), ("LOCKED", locked)], &["doctor"]);
        assert_eq!(text.contains("bytes page-locked"), locked == "1", "{text}");
        let kernels = |line: &&str| line.contains("ok    f") || line.contains("WRONG f");
        text.lines().filter(kernels).map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(staged == direct && staged.len() > 60, "the same errors: {staged:#?}");
}

/// Through cuBLAS and the allocations of dfdx's device, up to its kernels, which the emulated driver cannot load.
#[test]
fn the_device_of_dfdx_opens_with_and_without_memory_pools() {
    let Some(place) = place(false) else { return };
    let cublas = emulator::cublas().expect("a compiler");
    std::os::unix::fs::symlink(Path::new(cublas.to_str().unwrap()), place.path("lib").join("libcublas.so.13")).unwrap();
    for pools in ["0", "1"] {
        let (code, text) = said(&place, &[("POOLS", pools), ("SAY", "1")], &["doctor"]);
        assert!(code == 1 && text.contains("WRONG training steps through dfdx failed: "), "{text}");
        assert!(!text.contains("cuBLAS cannot be loaded") && !text.contains("CUBLAS_STATUS"), "{text}");
        assert!(text.contains("INVALID_IMAGE"), "it ends at the kernels: {text}");
        assert_eq!(text.contains("release threshold 18446744073709551615"), pools == "1", "{text}");
    }
    let mut command = place.command(&["doctor"]);
    command.env("LD_LIBRARY_PATH", place.path("lib")).env("FAKE_CUBLAS_CREATE", "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("WRONG training steps through dfdx failed: dfdx's device cannot be opened (Blas("), "{text}");
}

/// The self-test has filled the arena by then. A limit of 64 KiB leaves what is in use, and nothing that is kept.
#[test]
fn the_arena_gives_memory_back_that_dfdx_lacks() {
    let Some(place) = place(false) else { return };
    let cublas = emulator::cublas().expect("a compiler");
    std::os::unix::fs::symlink(Path::new(cublas.to_str().unwrap()), place.path("lib").join("libcublas.so.13")).unwrap();
    let count = |text: &str| text.matches("no memory in the pool").count();
    let (code, text) = said(&place, &[("POOLS", "1"), ("SAY", "1"), ("FULL", "65536")], &["doctor"]);
    assert!(code == 1 && text.contains("INVALID_IMAGE") && count(&text) == 1, "{text}");
    let (code, text) = said(&place, &[("POOLS", "1"), ("SAY", "1"), ("FULL", "0")], &["doctor"]);
    let parts = ["no memory left for a tensor of dfdx", "OUT_OF_MEMORY", "in use by the network's buffers: ", "batch"];
    assert!(code == 1 && parts.iter().all(|part| text.contains(part)) && count(&text) == 2, "{text}");
}

#[test]
fn what_is_missing_is_said_with_what_helps() {
    let Some(place) = place(false) else { return };
    let cases: [(Settings, [&str; 2]); 7] = [
        (&[("VERSION", "12040")], ["supports CUDA 12.4, and this program was built with", "newer driver"]),
        (&[("INIT", "100")], ["the driver reports no device", "CUDA_VISIBLE_DEVICES"]),
        (&[("INIT", "802")], ["the NVIDIA driver failed in starting (code 802, ", "start the fabric manager"]),
        (&[("DEVICES", "0")], ["the driver reports no device (number 0 of 0)", "--device cpu"]),
        (&[("CAPABILITY", "75")], ["no kernels for compute capability 7.5", "8.0, 9.0 and later"]),
        (&[("MEMORY", "0")], ["no 512 bytes left for a buffer of the network", "smaller batch"]),
        // All is there but the library that dfdx needs; without cuDNN our own kernels compute.
        (&[], ["cuBLAS cannot be loaded", "LD_LIBRARY_PATH"]),
    ];
    for (settings, parts) in cases {
        let (code, text) = said(&place, settings, &["run", "training", "--device", "cuda"]);
        assert!(code == 2 && text.contains("--device cuda: "), "{settings:?}: {text}");
        assert!(!text.contains("checkpoint"), "no run has begun: {settings:?}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{settings:?}: {text}");
    }
    for device in ["cuda-cudnn", "cuda-tf32", "cuda-fast"] {
        let (code, text) = said(&place, &[], &["run", "training", "--device", device]);
        let parts = ["cuDNN cannot be used (libcudnn.so.9", "pip install nvidia-cudnn", "--device cuda-own"];
        assert!(code == 2 && parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn a_device_that_is_lost_ends_nothing_but_its_test() {
    let Some(place) = place(false) else { return };
    let (code, text) = said(&place, &[("LOST_AFTER", "40")], &["doctor"]);
    let parts =
        ["GPU: WRONG, cannot be used. the device failed in", "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure"];
    assert!(code == 1 && parts.iter().all(|part| text.contains(part)), "{text}");
}
