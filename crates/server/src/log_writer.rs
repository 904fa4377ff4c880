//! A queue of log lines and the thread that writes them. A full or broken output loses lines and
//! never blocks a call. Uses nothing of this crate. Used by `logs`.
//!
//! `tracing-appender` has a similar writer. It does not count the lines whose write fails, it does
//! not log that lines were lost, and where its queue is full at the end it prints to standard
//! output, which may be the same stalled pipe.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Most bytes in the queue: about 2500 lines.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// Pause before a retry where the output is non-blocking and full.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The input of the queue. One call of `write` is one line. It never blocks and never fails.
#[derive(Clone, Default)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether the thread is writing a line that has left the queue.
    writing: bool,
    lost: u64,
    /// The number of lost lines that a log line has reported.
    reported: u64,
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// The system starts no thread.
    pub(crate) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let writer = Self::default();
        let shared = writer.0.clone();
        thread::Builder::new().name("log".into()).spawn(move || shared.write_to(output))?;
        Ok(writer)
    }

    /// The number of lines that were lost so far, because the queue was full or a write failed.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// Waits until every line is written, for `limit` at most.
    pub(crate) fn flush_within(&self, limit: Duration) {
        let unwritten = |queue: &mut Queue| queue.writing || !queue.lines.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), limit, unwritten));
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if queue.bytes + line.len() > MAX_QUEUED_BYTES {
            queue.lost += 1;
        } else {
            queue.bytes += line.len();
            queue.lines.push_back(line.to_vec());
            self.0.changed.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut output: impl Write) {
        let mut in_line = false;
        loop {
            let line = self.next();
            // A line of which only a part is written gets an end, so that the next line stays
            // whole.
            if in_line && write_all(&mut output, b"\n") == Written::All {
                in_line = false;
            }
            let written = if in_line { Written::Part } else { write_all(&mut output, &line) };
            in_line = written == Written::Part;
            self.done(line.len(), written);
        }
    }

    /// Waits for the next line.
    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        queue.writing = false;
        self.changed.notify_all();
        let mut queue =
            self.changed.wait_while(queue, |queue| queue.lines.is_empty()).unwrap_or_else(PoisonError::into_inner);
        queue.writing = true;
        queue.lines.pop_front().unwrap_or_default()
    }

    /// Counts a line. When the queue is empty, one log line reports the lines that were lost.
    fn done(&self, bytes: usize, written: Written) {
        let mut queue = self.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        if written != Written::All {
            queue.lost += 1;
        } else if queue.lines.is_empty() && queue.lost > queue.reported {
            let lines = queue.lost - queue.reported;
            queue.reported = queue.lost;
            // This line goes through the queue, too.
            drop(queue);
            tracing::warn!(lines, "log lines were lost before this one");
        }
    }
}

/// The written part of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    Part,
    Nothing,
}

fn write_all(output: &mut impl Write, line: &[u8]) -> Written {
    let mut rest = line;
    while !rest.is_empty() {
        let failed = if rest.len() < line.len() { Written::Part } else { Written::Nothing };
        match output.write(rest) {
            Ok(0) => return failed,
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_DELAY),
            Err(_) => return failed,
        }
    }
    Written::All
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that takes a number of bytes and then fails.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn set_free_bytes(&self, bytes: usize) {
            self.0.lock().unwrap().1 = bytes;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let count = bytes.len().min(disk.1);
            disk.0.extend_from_slice(&bytes[..count]);
            disk.1 -= count;
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_partly_written_line_does_not_corrupt_the_next() {
        let disk = Disk::default();
        let mut writer = LogWriter::start(disk.clone()).unwrap();
        let mut write = |line: &[u8]| {
            writer.write_all(line).unwrap();
            writer.flush_within(Duration::from_secs(30));
            writer.lost()
        };
        disk.set_free_bytes(9);
        assert_eq!([write(b"first\n"), write(b"second\n"), write(b"third\n")], [0, 1, 2]);
        disk.set_free_bytes(100);
        assert_eq!(write(b"fourth\n"), 2);
        assert_eq!(disk.text(), "first\nsec\nfourth\n");
    }
}
