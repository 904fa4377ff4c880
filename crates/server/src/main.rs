//! The executable `daypass`. It only calls the library beside it.

fn main() -> std::process::ExitCode {
    daypass_server::cli::run()
}
