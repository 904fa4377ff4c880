//! The executable `daypass`. It only calls the library beside it.

/// The allocator: a call makes some two hundred short-lived values on two threads, which the
/// system's serves at three times the cost (BENCHMARKS.md has the figures).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    daypass_server::cli::run()
}
