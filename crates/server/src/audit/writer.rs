//! The file of the audit log and the thread that writes it. Uses `chain`. Used by `audit`.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
};

use tracing_subscriber::fmt::{
    format::Writer as FormatWriter,
    time::{FormatTime, SystemTime as Rfc3339},
};

use super::{
    Job,
    chain::{AuditKey, Place},
};

/// Most lines in one write.
const MAX_LINES: usize = 512;
/// Most bytes of a line: more are looked at to find the last one.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Counts lines that are in no file.
pub(super) fn count_lost(lines: u64) {
    metrics::counter!("daypass_audit_lines_lost_total").increment(lines);
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
            first: 1,
            last: Place::default(),
            failing,
        };
        if on_disk {
            writer.find_end().map_err(|error| error.to_string())?;
        }
        writer.first = writer.last.seq + 1;
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
        let (mut last, mut lines) = (self.last.clone(), String::new());
        let time = now();
        for job in batch.iter().filter(|job| !job.record.is_empty()) {
            last.append(&self.key, &time, &job.record, &mut lines);
        }
        if let Err(error) = self.file.write_all(lines.as_bytes()).and_then(|()| self.file.flush()) {
            // No part of a line stays, so that the chain goes on from its last whole one.
            if self.on_disk {
                let _ = self.file.set_len(self.length);
            }
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.last = last;
        metrics::gauge!("daypass_audit_sequence").set(self.last.seq as f64);
        Ok(())
    }

    /// Puts a long file aside, and opens a new one where another program took the file away.
    fn follow(&mut self) -> io::Result<()> {
        if !self.on_disk {
            return Ok(());
        }
        if self.length >= self.max_bytes {
            fs::rename(&self.path, aside(&self.path, self.first))?;
        } else if is_same(&self.path, &self.file) {
            return Ok(());
        }
        let (file, on_disk) = open(&self.path)?;
        (self.file, self.on_disk, self.length, self.first) = (file, on_disk, 0, self.last.seq + 1);
        if self.on_disk {
            self.length = self.file.metadata()?.len();
        }
        Ok(())
    }
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
    let text = String::from_utf8_lossy(tail.get(..whole).unwrap_or_default());
    let Some(line) = text.trim_end().rsplit('\n').next().filter(|line| !line.is_empty()) else {
        return Ok((None, start));
    };
    match Place::of_line(line) {
        Some(place) => Ok((Some(place), start + whole as u64)),
        None => {
            Err(io::Error::new(ErrorKind::InvalidData, "its last line is none of an audit log; move the file away"))
        }
    }
}

/// The time now (RFC 3339, UTC).
fn now() -> String {
    let mut text = String::new();
    let _ = Rfc3339.format_time(&mut FormatWriter::new(&mut text));
    text
}
