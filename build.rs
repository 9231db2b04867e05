//! Tells the program which commit and compiler it was built from; empty where that is not known. Embeds the definitions
//! of experiments. Compiles the kernels of CUDA devices where the feature asks for them.

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
    let changes = output("git", &["status", "--porcelain", "--", "src", "Cargo.toml", "Cargo.lock", "build.rs"]);
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
    for path in [".git/HEAD", ".git/index", "src", "Cargo.toml", "Cargo.lock"] {
        if std::path::Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some()
        && let Err(why) = cuda()
    {
        // A build that cannot go on has no other way to say why.
        eprintln!("{why}");
        std::process::exit(1);
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

const VARIABLES: [&str; 3] = ["CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];

/// Compiles `kernels.cu` by nvcc to machine code for compute capabilities 8.0 and 9.0, and PTX for later ones.
fn cuda() -> Result<(), String> {
    VARIABLES.iter().for_each(|name| println!("cargo:rerun-if-env-changed={name}"));
    let roots = VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let nvcc = roots.map(|root| root.join("bin/nvcc")).find(|nvcc| nvcc.is_file()).unwrap_or_else(|| "nvcc".into());
    let said = output(&nvcc.to_string_lossy(), &["--version"]).ok_or_else(|| {
        format!(
            "the feature `cuda` needs nvcc: install a CUDA toolkit and set CUDA_PATH to it, or put nvcc on the PATH (asked for: {})",
            nvcc.display()
        )
    })?;
    let version = said.split("release ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    println!("cargo:rustc-env=ANODE_CUDA={}", version.trim());

    let folder = Path::new("src/kernels/cuda");
    let made = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("kernels.fatbin");
    // nvcc is slow, and other sources change more often.
    let mut state = said;
    let mut sources: Vec<_> =
        std::fs::read_dir(folder).map_err(|e| e.to_string())?.flatten().map(|e| e.path()).collect();
    sources.retain(|path| path.extension().is_some_and(|e| e == "cu" || e == "cuh"));
    sources.sort();
    for source in sources {
        state += &std::fs::read_to_string(source).map_err(|e| e.to_string())?;
    }
    let known = made.with_extension("state");
    if made.is_file() && std::fs::read_to_string(&known).is_ok_and(|old| old == state) {
        return Ok(());
    }
    let mut command = Command::new(&nvcc);
    command.args(["-std=c++17", "-O3", "--fatbin", "-gencode", "arch=compute_80,code=sm_80"]);
    command.args(["-gencode", "arch=compute_90,code=[sm_90,compute_90]"]);
    let output = command.arg("-o").arg(&made).arg(folder.join("kernels.cu")).output().map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("nvcc: {}", String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::write(known, state).map_err(|e| e.to_string())
}
