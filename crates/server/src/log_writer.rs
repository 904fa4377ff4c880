//! Log lines on their way out. A full or broken output costs lines, and never a call: who logs puts
//! a line into a queue, and one thread of its own writes. Used by `logs`.
//!
//! `tracing-appender` has such a writer, too. It neither counts the lines whose write fails nor says
//! afterwards that lines are missing, and where its queue is full at the end it prints to standard
//! output, which may be the same stalled pipe.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Most bytes that wait. About 2500 lines: seconds of many calls, and little memory.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// How long a writer waits before it tries again where the output is a non-blocking file and full.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The near end of the queue. One call of `write` is one line; it never waits and never fails.
#[derive(Clone, Default)]
pub struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Whether a line has left the queue and is not yet written.
    writing: bool,
    lost: u64,
    /// How many of the lost lines the log has told of.
    told: u64,
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let writer = Self::default();
        let shared = writer.0.clone();
        thread::Builder::new().name("log".into()).spawn(move || shared.write_to(output))?;
        Ok(writer)
    }

    /// How many lines were lost so far, because the queue was full or a write failed.
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// Waits until every line is written, for `limit` at most.
    pub fn flush_within(&self, limit: Duration) {
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
        let mut torn = false;
        loop {
            let line = self.next();
            // A line that was cut off must not spoil the next one.
            torn = torn && write_all(&mut output, b"\n").is_err();
            let written = if torn { Err(true) } else { write_all(&mut output, &line) };
            torn = written == Err(true);
            self.done(line.len(), written.is_ok());
        }
    }

    /// The next line, once there is one.
    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        queue.writing = false;
        self.changed.notify_all();
        let mut queue =
            self.changed.wait_while(queue, |queue| queue.lines.is_empty()).unwrap_or_else(PoisonError::into_inner);
        queue.writing = true;
        queue.lines.pop_front().unwrap_or_default()
    }

    /// Counts a line; where lines were lost and all that remained is written, the log says so once.
    fn done(&self, bytes: usize, written: bool) {
        let mut queue = self.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        if !written {
            queue.lost += 1;
        } else if queue.lines.is_empty() && queue.lost > queue.told {
            let lines = queue.lost - queue.told;
            queue.told = queue.lost;
            // This line takes the same way as all others.
            drop(queue);
            tracing::warn!(lines, "log lines were lost before this one");
        }
    }
}

/// Writes all of it; where that fails, says whether a part is written.
fn write_all(output: &mut impl Write, line: &[u8]) -> Result<(), bool> {
    let mut rest = line;
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(0) => return Err(rest.len() < line.len()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_DELAY),
            Err(_) => return Err(rest.len() < line.len()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that is full after some bytes, until it is emptied.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn has_room_for(&self, bytes: usize) {
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
    fn a_line_that_was_cut_off_does_not_spoil_the_next() {
        let disk = Disk::default();
        let mut writer = LogWriter::start(disk.clone()).unwrap();
        let mut write = |line: &[u8]| {
            writer.write_all(line).unwrap();
            writer.flush_within(Duration::from_secs(30));
            writer.lost()
        };
        disk.has_room_for(9);
        assert_eq!([write(b"first\n"), write(b"second\n"), write(b"third\n")], [0, 1, 2]);
        disk.has_room_for(100);
        assert_eq!(write(b"fourth\n"), 2);
        assert_eq!(disk.text(), "first\nsec\nfourth\n");
    }
}
