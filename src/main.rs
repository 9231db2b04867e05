//! The program `anode`.

fn main() -> std::process::ExitCode {
    anode::cli::main()
}
