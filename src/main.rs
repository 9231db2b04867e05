//! The program `anode`.

/// Steps ask for the same large blocks again and again.
#[global_allocator]
static ALLOCATOR: anode::allocator::ArenaAllocator = anode::allocator::ArenaAllocator::new();

fn main() -> std::process::ExitCode {
    anode::cli::main()
}
