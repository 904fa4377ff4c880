//! Chores of the project that are not the product: `cargo run -p xtask -- <chore>`.
//!
//! It depends on no crate of the product, so it still runs where the product does not compile.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod lists;
mod new_connector;
mod portable_proto;
#[path = "../../../fuzz/src/seeds.rs"]
#[allow(unreachable_pub, dead_code, reason = "the fuzz targets use the same file")]
mod seeds;

use std::{
    error::Error,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

const USAGE: &str = "\
cargo run -p xtask -- new-connector <name>   write the files of a new connector and put it into the lists
cargo run -p xtask -- pages                  write the generated part of docs and examples anew
cargo run -p xtask -- fuzz-seeds <folder>    write the fuzzer's inputs of every fixture, a folder for each target";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let done = match arguments.as_slice() {
        ["new-connector", name] => new_connector::write(&root, name),
        ["pages"] => pages(&root),
        ["fuzz-seeds", folder] => fuzz_seeds(Path::new(folder)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The executable writes its own pages, as they are made from the list that is compiled into it.
fn pages(root: &Path) -> Result<()> {
    portable_proto::write(root)?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["run", "--locked", "--", "connectors", "--pages", "docs"];
    let status = Command::new(cargo).args(arguments).current_dir(root).status()?;
    if status.success() { Ok(()) } else { Err(format!("the pages were not written: {status}").into()) }
}

fn fuzz_seeds(folder: &Path) -> Result<()> {
    let cases = seeds::cases();
    for (target, input) in
        [("replies", seeds::Case::replies as fn(&_) -> _), ("feature_data", seeds::Case::feature_data)]
    {
        fs::create_dir_all(folder.join(target))?;
        for case in &cases {
            fs::write(folder.join(target).join(format!("{}.{}", case.connector, case.name)), input(case))?;
        }
    }
    println!("{} cases in {}", cases.len(), folder.display());
    Ok(())
}
