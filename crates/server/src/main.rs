//! The executable `daypass`. It only calls the library beside it.

/// The allocator: with the system's, a call takes a tenth more instructions (BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    daypass_server::cli::run()
}
