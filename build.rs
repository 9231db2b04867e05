//! Tells the program which commit and compiler it was built from; empty where that is not known. Embeds the definitions
//! of experiments.

use std::path::{Path, PathBuf};
use std::process::Command;

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    // The image of a container is built without the folder .git.
    println!("cargo:rerun-if-env-changed=ANODE_BUILD_COMMIT");
    let named = || std::env::var("ANODE_BUILD_COMMIT").ok();
    let commit = output("git", &["rev-parse", "HEAD"]).or_else(named).unwrap_or_default();
    // Results are made by the program; that they changed does not make it another program.
    let changes =
        output("git", &["status", "--porcelain", "--", "src", "crates", "Cargo.toml", "Cargo.lock", "build.rs"]);
    let dirty = changes.map_or(String::new(), |c| (!c.is_empty()).to_string());
    let rustc = std::env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"])).unwrap_or_default();
    println!("cargo:rustc-env=ANODE_COMMIT={commit}");
    println!("cargo:rustc-env=ANODE_DIRTY={dirty}");
    println!("cargo:rustc-env=ANODE_RUSTC={rustc}");
    if let Err(why) = embed() {
        // A build that cannot go on has no other way to say why.
        eprintln!("experiments: {why}");
        std::process::exit(1);
    }
    // In a worktree they are not in `.git`, which is a file there.
    let of_git = ["HEAD", "index"].into_iter().filter_map(|name| output("git", &["rev-parse", "--git-path", name]));
    let sources = ["src", "crates", "Cargo.toml", "Cargo.lock"].map(str::to_owned);
    for path in of_git.chain(sources).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// Writes a list of the definitions and their schema, with their contents, for `anode init`.
fn embed() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let (mut folders, mut files) = (vec![root.join("experiments")], vec![]);
    while let Some(folder) = folders.pop() {
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    let inside = |path: &Path| {
        let inside = path.strip_prefix(&root).unwrap_or(path);
        inside.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    let lines = files.iter().map(|path| format!("    ({:?}, include_str!({path:?})),\n", inside(path)));
    let made = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("experiments.rs");
    std::fs::write(made, format!("&[\n{}]\n", lines.collect::<String>()))
}
