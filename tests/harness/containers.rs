//! The Dockerfiles agree with what the program needs. Building the images needs Docker and is not tested here.

use std::path::Path;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect(name)
}

/// The version that a line of Cargo.toml names.
fn rust_version() -> String {
    let manifest = text("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("rust-version = ")).expect("a version");
    line.split('"').nth(1).expect("quotes").to_owned()
}

#[test]
fn images_are_built_with_the_oldest_supported_compiler() {
    let version = rust_version();
    assert!(text("Dockerfile").contains(&format!("FROM rust:{version}-slim-bookworm AS build")));
    assert!(text("Dockerfile.cuda").contains(&format!("--default-toolchain {version}\n")));
}

#[test]
fn the_builds_name_features_that_exist() {
    let manifest = text("Cargo.toml");
    for file in ["Dockerfile", "Dockerfile.cuda"] {
        let text = text(file);
        let build = text.lines().find(|line| line.contains("cargo build")).expect("a build");
        assert!(build.contains("--release --locked"), "{file}: {build}");
        let features = build.split("--features ").nth(1).expect("features");
        for feature in features.split(',') {
            assert!(manifest.contains(&format!("\n{feature} = [")), "{file}: no feature `{feature}`");
        }
    }
}

#[test]
fn all_that_a_build_reads_is_copied() {
    let ignored: Vec<String> = text(".dockerignore").lines().map(str::to_owned).collect();
    for needed in ["src", "crates", "experiments", "benches", "build.rs", "Cargo.toml", "Cargo.lock", "README.md"] {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(needed).exists(), "{needed}");
        assert!(!ignored.iter().any(|line| line == needed), "{needed} is left out");
    }
    for large in ["target", ".git", "results"] {
        assert!(ignored.iter().any(|line| line == large), "{large} is sent to Docker");
    }
}
