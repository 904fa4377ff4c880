//! The file of the audit log and the thread that writes it. Uses `chain`. Used by `audit`.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
};

use tokio::sync::oneshot;
use tracing_subscriber::fmt::{
    format::Writer as FormatWriter,
    time::{FormatTime, SystemTime as Rfc3339},
};

use super::chain::{AuditKey, Place};

/// Most lines in one write.
const MAX_LINES: usize = 512;
/// Most bytes of a line: more are looked at to find the last one.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// The beginning of every line.
const BEGIN: &[u8] = b"{\"seq\":";

/// The record after lines that could not be written.
const RESUMED: &str = r#"{"outcome":"RESUMED"}"#;

/// Counts lines that are in no file.
pub(super) fn count_lost(lines: u64) {
    metrics::counter!("daypass_audit_lines_lost_total").increment(lines);
}

/// A line on its way to the file.
pub(super) struct Job {
    /// The record, as a JSON object.
    pub record: String,
    /// Hears whether it was written.
    pub written: Option<oneshot::Sender<bool>>,
}

/// The writer of the file.
pub(super) struct Writer {
    path: PathBuf,
    key: AuditKey,
    max_bytes: u64,
    file: File,
    /// Whether it is a file on a disk: one that has a length and can be put aside.
    on_disk: bool,
    /// The bytes of whole lines.
    length: u64,
    /// The rest of a line whose beginning is written.
    rest: Vec<u8>,
    /// The number of the first line in the file.
    first: u64,
    last: Place,
    failing: Arc<AtomicBool>,
}

impl Writer {
    /// Opens the file, and finds the end of the chain.
    ///
    /// # Errors
    /// The fault, in words for the operator.
    pub(super) fn open(path: &Path, key: AuditKey, max_bytes: u64, failing: Arc<AtomicBool>) -> Result<Self, String> {
        let (file, on_disk) = open(path).map_err(|error| error.to_string())?;
        let mut writer = Self {
            path: path.into(),
            key,
            max_bytes,
            file,
            on_disk,
            length: 0,
            rest: Vec::new(),
            first: 1,
            last: Place::default(),
            failing,
        };
        if on_disk {
            writer.find_end().map_err(|error| error.to_string())?;
        }
        let of_file = if writer.length > 0 { first_number(&mut writer.file) } else { None };
        writer.first = of_file.unwrap_or(writer.last.seq + 1);
        metrics::gauge!("daypass_audit_sequence").set(writer.last.seq as f64);
        Ok(writer)
    }

    /// Finds the last line: of this file, else of the newest one that was put aside.
    fn find_end(&mut self) -> io::Result<()> {
        let (last, length) = last_line(&mut self.file)?;
        let torn = self.file.metadata()?.len().saturating_sub(length);
        if torn > 0 {
            // A line that a crash cut off: its call got no answer.
            self.file.set_len(length)?;
            tracing::warn!(bytes = torn, "the audit log ended in a part of a line, which is removed");
        }
        self.length = length;
        let aside = || -> Option<Place> {
            let mut newest = File::open(newest_aside(&self.path)?).ok()?;
            last_line(&mut newest).ok()?.0
        };
        self.last = last.or_else(aside).unwrap_or_default();
        Ok(())
    }

    /// Writes lines until nobody can send one.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut batch = vec![first];
            batch.extend(jobs.try_iter().take(MAX_LINES - 1));
            let lines = batch.iter().filter(|job| !job.record.is_empty()).count() as u64;
            let written = self.write(&batch);
            if let Err(error) = &written {
                count_lost(lines);
                if !self.failing.load(Ordering::Relaxed) {
                    tracing::error!(error = error.to_string(), "the audit log cannot be written");
                }
            }
            self.failing.store(written.is_err(), Ordering::Relaxed);
            for job in batch {
                // The call may have stopped waiting.
                let _ = job.written.map(|hears| hears.send(written.is_ok()));
            }
        }
    }

    fn write(&mut self, batch: &[Job]) -> io::Result<()> {
        self.follow()?;
        self.finish_line()?;
        let (mut last, mut lines, mut ends) = (self.last.clone(), String::new(), Vec::new());
        let time = now();
        let records = batch.iter().map(|job| job.record.as_str()).filter(|record| !record.is_empty());
        // Whether lines can be written again shows one that says so: no bytes fit on a full disk, too.
        let is_probe = self.failing.load(Ordering::Relaxed) && batch.iter().all(|job| job.record.is_empty());
        for record in records.chain(is_probe.then_some(RESUMED)) {
            last.append(&self.key, &time, record, &mut lines);
            ends.push((lines.len(), last.clone()));
        }
        let (written, outcome) = write_some(&mut self.file, lines.as_bytes());
        if let Err(error) = outcome {
            // No part of a line stays in a file, so that the chain goes on from its last whole one.
            // What a pipe has taken cannot be taken back.
            let is_back = self.on_disk && self.file.set_len(self.length).is_ok();
            if !is_back && let Some((end, place)) = ends.into_iter().find(|(end, _)| written > 0 && *end >= written) {
                self.rest = lines.as_bytes().get(written..end).unwrap_or_default().to_vec();
                self.length += written as u64;
                self.last = place;
            }
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.last = last;
        metrics::gauge!("daypass_audit_sequence").set(self.last.seq as f64);
        Ok(())
    }

    /// Writes the rest of a line that was begun.
    fn finish_line(&mut self) -> io::Result<()> {
        let (written, outcome) = write_some(&mut self.file, &self.rest);
        self.rest.drain(..written);
        self.length += written as u64;
        // What the last reader did not take is lost with it.
        if outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            self.rest.clear();
        }
        outcome
    }

    /// Puts a long file aside, and opens a new one where another program took the file away.
    fn follow(&mut self) -> io::Result<()> {
        if !self.on_disk {
            return Ok(());
        }
        if is_same(&self.path, &self.file) {
            if self.length < self.max_bytes || !self.rest.is_empty() {
                return Ok(());
            }
            let aside = aside(&self.path, self.first);
            if aside.exists() {
                return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{} exists", aside.display())));
            }
            fs::rename(&self.path, aside)?;
        }
        let (file, on_disk) = open(&self.path)?;
        (self.file, self.on_disk, self.length, self.first) = (file, on_disk, 0, self.last.seq + 1);
        self.rest.clear();
        if self.on_disk {
            self.length = self.file.metadata()?.len();
        }
        Ok(())
    }
}

/// Writes as much as can be written now: how many bytes, and the fault that ended it.
fn write_some(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// The name of a file that was put aside.
fn aside(path: &Path, first: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{first:012}"));
    name.into()
}

/// The file that was put aside last: the one with the greatest number.
fn newest_aside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let numbered = entries.filter_map(|entry| {
        let number: u64 = entry.file_name().to_str()?.strip_prefix(name)?.strip_prefix('.')?.parse().ok()?;
        Some((number, entry.path()))
    });
    numbered.max().map(|(_, path)| path)
}

/// Opens a file for lines at its end, and says whether it is one on a disk. One process alone writes
/// it. A pipe without a reader is an error, and does not stop the process.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let on_disk = fs::metadata(path).map_or(true, |metadata| metadata.is_file());
    let mut options = OpenOptions::new();
    options.append(true).create(on_disk).read(on_disk);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600),
        libc::O_NONBLOCK,
    );
    let file = options.open(path)?;
    if on_disk {
        file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => io::Error::new(ErrorKind::ResourceBusy, "another process writes this file"),
            fs::TryLockError::Error(error) => error,
        })?;
    }
    Ok((file, on_disk))
}

#[cfg(unix)]
fn is_same(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(path), file.metadata()) {
        (Ok(there), Ok(here)) => (there.dev(), there.ino()) == (here.dev(), here.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same(path: &Path, _: &File) -> bool {
    path.exists()
}

/// The place of the last whole line, and the length of all whole lines.
fn last_line(file: &mut File) -> io::Result<(Option<Place>, u64)> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(MAX_LINE_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    // The first line of all, cut off.
    if start == 0 && whole == 0 && (tail.starts_with(BEGIN) || BEGIN.starts_with(&tail)) {
        return Ok((None, 0));
    }
    let text = String::from_utf8_lossy(tail.get(..whole).unwrap_or_default());
    match text.trim_end().rsplit('\n').next().and_then(Place::of_line) {
        Some(place) => Ok((Some(place), start + whole as u64)),
        None => {
            Err(io::Error::new(ErrorKind::InvalidData, "its last line is none of an audit log; move the file away"))
        }
    }
}

/// The number of the first line.
fn first_number(file: &mut File) -> Option<u64> {
    file.seek(SeekFrom::Start(0)).ok()?;
    let mut line = String::new();
    BufReader::new(file.take(MAX_LINE_BYTES)).read_line(&mut line).ok()?;
    Some(Place::of_line(line.trim_end())?.seq)
}

/// The time now (RFC 3339, UTC).
fn now() -> String {
    let mut text = String::new();
    let _ = Rfc3339.format_time(&mut FormatWriter::new(&mut text));
    text
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::audit::chain::Verifier;

    fn key() -> AuditKey {
        AuditKey::of(&[7; 32])
    }

    fn opened(path: &Path, max_bytes: u64) -> Result<Writer, String> {
        Writer::open(path, key(), max_bytes, Arc::default())
    }

    fn jobs(count: usize) -> Vec<Job> {
        (0..count).map(|number| Job { record: format!(r#"{{"request_id":"{number}"}}"#), written: None }).collect()
    }

    /// The faults of these lines, and their number.
    fn verified(text: &str) -> (Vec<String>, u64) {
        let mut verifier = Verifier::default();
        let faults = text.lines().filter_map(|line| verifier.fault(&key(), line)).collect();
        (faults, verifier.lines)
    }

    /// All lines, the newest file last.
    fn lines_of(folder: &TempDir) -> String {
        let mut files: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_by_key(|file| (file.extension().is_some_and(|end| end == "log"), file.clone()));
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    #[test]
    fn a_restart_beside_a_long_file_loses_no_file() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("audit.log");
        // Each file is long after three lines, also where the service ends then.
        for _ in 0..4 {
            let mut writer = opened(&path, 600).unwrap();
            for _ in 0..6 {
                writer.write(&jobs(1)).unwrap();
            }
        }
        assert_eq!(verified(&lines_of(&folder)), (Vec::new(), 24));
        let aside = folder.path().join("audit.log.000000000001");
        assert!(fs::read_to_string(aside).unwrap().starts_with("{\"seq\":1,"), "its name is its first number");
    }

    #[test]
    fn a_long_file_that_another_program_took_away_stops_nothing() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("audit.log");
        let mut writer = opened(&path, 600).unwrap();
        writer.write(&jobs(5)).unwrap();
        fs::rename(&path, folder.path().join("audit.log.000000000001")).unwrap();
        writer.write(&jobs(1)).unwrap();
        assert_eq!(verified(&lines_of(&folder)), (Vec::new(), 6));
    }

    #[test]
    fn a_file_of_something_else_stays_as_it_is() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("other");
        for text in ["a key without a line break".to_owned(), "x".repeat(100_000), "a\nb\nc".into()] {
            fs::write(&path, &text).unwrap();
            assert!(opened(&path, 600).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        // The first line of a log of ours, cut off.
        fs::write(&path, r#"{"seq":1,"ti"#).unwrap();
        opened(&path, 600).unwrap().write(&jobs(1)).unwrap();
        assert_eq!(verified(&fs::read_to_string(&path).unwrap()), (Vec::new(), 1));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_whose_reader_stalls_gets_whole_lines_afterwards() {
        use std::os::unix::fs::OpenOptionsExt;
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let mut writer = opened(&path, 600).unwrap();
        let mut text = Vec::new();
        for _ in 0..3 {
            while writer.write(&jobs(40)).is_ok() {}
            // The pipe is emptied to its end.
            let _ = reader.read_to_end(&mut text);
        }
        writer.write(&jobs(1)).unwrap();
        let _ = reader.read_to_end(&mut text);
        let (faults, lines) = verified(&String::from_utf8(text).unwrap());
        assert!(faults.is_empty() && lines > 500, "{lines} {faults:?}");
    }
}
