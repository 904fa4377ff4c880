//! Instructions for one call, by callgrind. They hardly depend on the machine and its load, so limits
//! on their ratio to a bare service are checked by CI. Valgrind does not offer the processor's SHA
//! instructions, so hashes count as code.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    Result,
    calls::{Caller, Target},
    processes::{Process, Under, service_executable},
};

/// Calls before the measured ones: connections, first uses.
const WARM_UP: u32 = 50;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Calls of each measurement
    #[arg(long, default_value_t = 200)]
    calls: u32,
    /// Most that a minted call may take, as a multiple of the bare forwarder's
    #[arg(long)]
    most_minted: Option<f64>,
    /// Most that a replayed call may take, as a multiple of the bare echo's
    #[arg(long)]
    most_replayed: Option<f64>,
}

/// A folder for the profiles, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        let folder = Self(std::env::temp_dir().join(format!("daypass-counts-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0)?;
        Ok(folder)
    }

    /// The file for a profile.
    pub(crate) fn profile(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[expect(clippy::print_stdout, reason = "a command line tool")]
pub(crate) async fn run(arguments: Arguments) -> Result {
    let folder = Folder::new()?;
    let vendor = Process::of_bench(&Under::default(), &["vendor"])?;
    let url = format!("http://{}/", vendor.address);
    let mut counts = Vec::new();
    for (name, target) in [
        ("minted", Target::Minted),
        ("forwarder", Target::Bare),
        ("replayed", Target::Replayed),
        ("echo", Target::Bare),
    ] {
        let profile = folder.profile(name);
        let under = callgrind(&profile);
        let process = match (target, name) {
            (Target::Bare, "echo") => Process::of_bench(&under, &["bare"])?,
            (Target::Bare, _) => Process::of_bench(&under, &["bare", "--forward", &url])?,
            _ => Process::of_service(&under, &service_executable()?, vendor.address)?,
        };
        let count = count(&process, target, &profile, arguments.calls).await?;
        println!("{name:10} {count:8} instructions for a call");
        counts.push(f64::from(u32::try_from(count)?));
    }
    let [minted, forwarder, replayed, echo] = counts[..] else { return Err("four measurements".into()) };
    let mut exceeded = Vec::new();
    for (what, ratio, most) in [
        ("minted / forwarder", minted / forwarder, arguments.most_minted),
        ("replayed / echo", replayed / echo, arguments.most_replayed),
    ] {
        println!("{what}: {ratio:.2}");
        exceeded.extend(most.filter(|most| ratio > *most).map(|most| format!("{what}: {ratio:.2} is over {most}")));
    }
    none_over(&exceeded)
}

/// callgrind before a process, with its profile in this file.
pub(crate) fn callgrind(profile: &Path) -> Under {
    let out = format!("--callgrind-out-file={}", profile.display());
    Under(["valgrind", "--quiet", "--tool=callgrind", &out].map(Into::into).into())
}

/// Instructions for one call.
async fn count(process: &Process, target: Target, profile: &Path, calls: u32) -> Result<u64> {
    let mut caller = Caller::new(target, process.address, "counted".into())?;
    for _ in 0..WARM_UP {
        caller.call().await?;
    }
    control(process, "-z")?;
    for _ in 0..calls {
        caller.call().await?;
    }
    control(process, "-d")?;
    // The first dump has this name; a second one at the process's end has none.
    Ok(total(&profile.with_extension("1"))? / u64::from(calls))
}

/// The instructions of a profile.
pub(crate) fn total(profile: &Path) -> Result<u64> {
    let profile = std::fs::read_to_string(profile)?;
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.ok_or("no total in the profile")?.trim().parse()?)
}

/// An error that names what is over its limit.
pub(crate) fn none_over(exceeded: &[String]) -> Result {
    if exceeded.is_empty() { Ok(()) } else { Err(exceeded.join("; ").into()) }
}

/// Zeroes the counts of a process (`-z`), or writes them (`-d`).
fn control(process: &Process, action: &str) -> Result {
    let id = process.id().to_string();
    let output = Command::new("callgrind_control").args([action, &id]).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned().into()) }
}
