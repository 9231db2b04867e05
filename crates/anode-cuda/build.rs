//! Compiles the kernels of CUDA devices where the feature `cuda` asks for them.

use std::path::{Path, PathBuf};
use std::process::Command;

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn main() {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some()
        && let Err(why) = cuda()
    {
        // A build that cannot go on has no other way to say why.
        eprintln!("{why}");
        std::process::exit(1);
    }
}

const VARIABLES: [&str; 3] = ["CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR"];

/// Machine code for these capabilities, and PTX for later ones.
const ARGUMENTS: [&str; 7] = [
    "-std=c++17",
    "-O3",
    "--fatbin",
    "-gencode",
    "arch=compute_80,code=sm_80",
    "-gencode",
    "arch=compute_90,code=[sm_90,compute_90]",
];

/// Compiles `kernels.cu` by nvcc to machine code for compute capabilities 8.0 and 9.0, and PTX for later ones.
fn cuda() -> Result<(), String> {
    VARIABLES.iter().for_each(|name| println!("cargo:rerun-if-env-changed={name}"));
    let roots = VARIABLES.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let nvcc = roots.map(|root| root.join("bin/nvcc")).find(|nvcc| nvcc.is_file()).unwrap_or_else(|| "nvcc".into());
    let said = output(&nvcc.to_string_lossy(), &["--version"]).ok_or_else(|| {
        format!(
            "the feature `cuda` needs nvcc: install a CUDA toolkit and set CUDA_PATH to it, or put nvcc on the PATH \
            (asked for: {})",
            nvcc.display()
        )
    })?;
    let version = said.split("release ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
    println!("cargo:rustc-env=ANODE_CUDA={}", version.trim());

    let folder = Path::new("src");
    let made = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("kernels.fatbin");
    // nvcc is slow, and other sources change more often.
    let mut state = said + &ARGUMENTS.join(" ");
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
    let output = command
        .args(ARGUMENTS)
        .arg("-o")
        .arg(&made)
        .arg(folder.join("kernels.cu"))
        .output()
        .map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(format!("nvcc: {}", String::from_utf8_lossy(&output.stderr)));
    }
    std::fs::write(known, state).map_err(|e| e.to_string())
}
