//! The processes of a measurement, on free loopback ports. They end with it.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::Result;

/// Longest time for a process to listen. Under callgrind it starts some fifty times slower.
const START_TIME: Duration = Duration::from_secs(120);

/// A process that listens.
pub(crate) struct Process {
    child: Child,
    pub address: SocketAddr,
}

/// The program before a process, such as valgrind with its options.
#[derive(Default)]
pub(crate) struct Under(pub Vec<OsString>);

impl Process {
    fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let mut process = Self { child: command.spawn()?, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if began.elapsed() > START_TIME || process.child.try_wait()?.is_some() {
                return Err(format!("{command:?} does not listen on {address}").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// This program, as vendor or bare service.
    pub(crate) fn of_bench(under: &Under, arguments: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let mut command = under.run(&std::env::current_exe()?);
        let (name, further) = arguments.split_first().ok_or("no arguments")?;
        command.arg(name).arg(address.to_string()).args(further);
        Self::start(command, address)
    }

    /// The service, with its log read and thrown away by `cat`.
    pub(crate) fn of_service(under: &Under, executable: &Path, vendor: SocketAddr) -> Result<Self> {
        let (address, admin) = (free_address()?, free_address()?);
        let mut log = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let pipe = log.stdin.take().ok_or("cat has no input")?;
        let mut command = under.run(executable);
        command
            .args(["serve", "--listen", &address.to_string(), "--admin-listen", &admin.to_string()])
            // No token is forgotten, or the vendor's count would not be that of the references.
            .env("DAYPASS_STORE__MEMORY_MIB", "4096")
            .env("DAYPASS_CONNECTORS__PAYPAL__TEST_BASE_URL", format!("http://{vendor}"))
            .stderr(Stdio::from(pipe));
        Self::start(command, address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of the process so far, in seconds (proc(5): `utime` and `stime` in ticks).
    pub(crate) fn processor_seconds(&self) -> Result<f64> {
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Ok(f64::from(ticks.sum::<std::result::Result<u32, _>>()?) / TICKS)
    }

    /// Resident memory in KiB (proc(5): `VmRSS`).
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Under {
    pub(crate) fn run(&self, executable: &Path) -> Command {
        match self.0.split_first() {
            None => Command::new(executable),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(executable);
                command
            }
        }
    }
}

/// The executable of the service, beside this one.
pub(crate) fn service_executable() -> Result<PathBuf> {
    let executable = std::env::current_exe()?.with_file_name("daypass");
    if executable.exists() { Ok(executable) } else { Err("build daypass first: cargo build --release".into()) }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
