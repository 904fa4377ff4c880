//! A queue of log lines and the thread that writes them. A full or broken output loses lines and
//! never blocks a call. Uses nothing of this crate. Used by `logs`.
//!
//! `tracing-appender` has a similar writer. It does not count the lines whose write fails, it does
//! not log that lines were lost, and where its queue is full at the end it prints to standard
//! output, which may be the same stalled pipe.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Most bytes that wait to be written: about 2500 lines.
const MAX_QUEUED_BYTES: usize = 1024 * 1024;
/// Pause before lines are written, so that one wake-up and one write serve many lines.
const GATHER: Duration = Duration::from_millis(1);
/// Most bytes of one write, unless a single line has more: a pipe takes so many whole, or not at all
/// (POSIX, `PIPE_BUF`; Linux).
const PIECE_BYTES: usize = 4096;
/// Pause before a retry where the output is non-blocking and full.
const RETRY_DELAY: Duration = Duration::from_millis(20);

/// The input of the queue. One call of `write` is one line. It never blocks and never fails.
#[derive(Clone, Default)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the thread: there are lines.
    filled: Condvar,
    /// Wakes those that wait for the end of the lines.
    emptied: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Lines, one after another, each with its newline.
    lines: Vec<u8>,
    /// Bytes that the thread has taken and not written yet.
    taken: usize,
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
        let unwritten = |queue: &mut Queue| queue.taken > 0 || !queue.lines.is_empty();
        drop(self.0.emptied.wait_timeout_while(self.0.lock(), limit, unwritten));
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if queue.lines.len() + queue.taken + line.len() > MAX_QUEUED_BYTES {
            queue.lost += 1;
            return Ok(line.len());
        }
        let is_first = queue.lines.is_empty();
        queue.lines.extend_from_slice(line);
        drop(queue);
        if is_first {
            self.0.filled.notify_one();
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

    fn write_to(&self, output: impl Write) {
        let mut output = Output { output, in_line: false, fails: false };
        let mut lines = Vec::new();
        loop {
            self.take(&mut lines);
            let mut rest = lines.as_slice();
            while !rest.is_empty() {
                let (piece, further) = rest.split_at(piece(rest));
                let lost = output.write(piece);
                self.done(piece.len(), lost, output.fails);
                rest = further;
            }
        }
    }

    /// Waits for lines, and takes all that there are. The emptied buffer becomes the queue's.
    fn take(&self, lines: &mut Vec<u8>) {
        let queue = self.filled.wait_while(self.lock(), |queue| queue.lines.is_empty());
        drop(queue.unwrap_or_else(PoisonError::into_inner));
        thread::sleep(GATHER);
        lines.clear();
        let mut queue = self.lock();
        mem::swap(&mut queue.lines, lines);
        queue.taken = lines.len();
    }

    /// Makes room for as many bytes as were written, and counts the lines of them that were lost. When all
    /// else is written, one log line reports the lines that were lost before.
    fn done(&self, bytes: usize, lost: u64, fails: bool) {
        let mut queue = self.lock();
        queue.lost += lost;
        let lines = queue.lost - queue.reported;
        if queue.lines.is_empty() && queue.taken == bytes && !fails && lines > 0 {
            queue.reported = queue.lost;
            drop(queue);
            // This line goes through the queue, too, unless the filter of the log hides it.
            tracing::warn!(lines, "log lines were lost before this one");
            queue = self.lock();
        }
        queue.taken -= bytes;
        if queue.taken == 0 && queue.lines.is_empty() {
            self.emptied.notify_all();
        }
    }
}

/// The length of the whole lines at the start that one write takes.
fn piece(lines: &[u8]) -> usize {
    let ends = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
    let first_line = || lines.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
    lines.get(..PIECE_BYTES).map_or(Some(lines.len()), ends).or_else(first_line).unwrap_or(lines.len())
}

/// An output that loses the lines whose write fails.
struct Output<W> {
    output: W,
    /// Whether a part of a lost line is written, and not its end.
    in_line: bool,
    /// Whether the last line was lost.
    fails: bool,
}

impl<W: Write> Output<W> {
    /// Writes lines; returns how many are lost. Where a write fails, its line is lost, and the next
    /// one is tried.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let (mut rest, mut lost) = (lines, 0);
        while !rest.is_empty() {
            // The lost line gets an end, so that the next one stays whole.
            if self.in_line && self.write_all(b"\n") == 1 {
                self.in_line = false;
            }
            let written = if self.in_line { 0 } else { self.write_all(rest) };
            self.fails = written < rest.len();
            if !self.fails {
                break;
            }
            let (whole, unwritten) = rest.split_at(written);
            self.in_line |= whole.last().is_some_and(|last| *last != b'\n');
            lost += 1;
            let line = unwritten.iter().position(|byte| *byte == b'\n').map_or(unwritten.len(), |end| end + 1);
            rest = unwritten.get(line..).unwrap_or_default();
        }
        lost
    }

    /// Writes until a write fails; returns the number of written bytes.
    fn write_all(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => break,
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_DELAY),
                Err(_) => break,
            }
        }
        bytes.len() - rest.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

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

    #[test]
    fn a_failed_write_loses_its_own_line_only() {
        let disk = Disk::default();
        let mut output = Output { output: disk.clone(), in_line: false, fails: false };
        disk.set_free_bytes(8);
        // The second line is cut; the others are tried, and there is no space.
        assert_eq!(output.write(b"first\nsecond\nthird\n"), 2);
        disk.set_free_bytes(100);
        assert_eq!(output.write(b"fourth\nfifth\n"), 0);
        assert_eq!(disk.text(), "first\nse\nfourth\nfifth\n");
    }

    /// An output that takes a write when the test lets it.
    struct Reader {
        writes: Sender<Vec<u8>>,
        lets: Receiver<()>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.writes.send(bytes.to_vec());
            // Without the test's end, every write is taken.
            let _ = self.lets.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn room_comes_back_with_each_write_of_whole_lines() {
        let ((writes, written), (lets, gate)) = (channel(), channel());
        let mut writer = LogWriter::start(Reader { writes, lets: gate }).unwrap();
        let line = [vec![b'x'; 999], vec![b'\n']].concat();
        let mut put = |line: &[u8]| {
            writer.write_all(line).unwrap();
            writer.lost()
        };
        let mut count = 0;
        while put(&line) == 0 {
            count += 1;
        }
        let mut pieces = vec![written.recv().unwrap()];
        lets.send(()).unwrap();
        // The second write begins when the first one has made room.
        pieces.push(written.recv().unwrap());
        assert_eq!(put(&line), 1, "there is room again");
        // A line that is longer than a piece is one write.
        let long = [vec![b'x'; 2 * PIECE_BYTES], vec![b'\n']].concat();
        drop(lets);
        writer.flush_within(Duration::from_secs(30));
        writer.write_all(&long).unwrap();
        writer.flush_within(Duration::from_secs(30));
        pieces.extend(written.try_iter());
        assert_eq!(pieces.pop().unwrap(), long);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES && piece.ends_with(b"\n")));
        assert_eq!(pieces.concat().len(), (count + 1) * line.len());
    }

    #[test]
    fn a_loss_is_reported_when_the_last_line_is_written() {
        let disk = Disk::default();
        let mut output = Output { output: disk.clone(), in_line: false, fails: false };
        disk.set_free_bytes(8);
        assert_eq!((output.write(b"first\nsecond\n"), output.fails), (1, true));
        disk.set_free_bytes(100);
        assert_eq!((output.write(b"third\n"), output.fails), (0, false));
    }
}
