//! Tells the program which commit and compiler it was built from; empty where that is not known.

use std::process::Command;

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    let commit = output("git", &["rev-parse", "HEAD"]).unwrap_or_default();
    // Results are made by the program; that they changed does not make it another program.
    let changes = output("git", &["status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock", "build.rs"]);
    let dirty = changes.map_or(String::new(), |c| (!c.is_empty()).to_string());
    let rustc = std::env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"])).unwrap_or_default();
    println!("cargo:rustc-env=ANODE_COMMIT={commit}");
    println!("cargo:rustc-env=ANODE_DIRTY={dirty}");
    println!("cargo:rustc-env=ANODE_RUSTC={rustc}");
    for path in [".git/HEAD", ".git/index", "src", "Cargo.toml", "Cargo.lock"] {
        if std::path::Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}
