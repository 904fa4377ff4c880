//! A real `redis-server` for one test, on a free port. It ends with the test. `groups` starts
//! several of them, `relay` is a stable address before them.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod groups;
pub(crate) mod relay;

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

pub(crate) struct RedisServer {
    child: Child,
    pub port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

/// A reply of Redis (RESP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    Number(i64),
    Many(Vec<Self>),
    Nothing,
    Error(String),
}

impl RedisServer {
    /// Starts a server. If the program is missing, prints a notice and returns `None`, or panics
    /// under `TEST_REDIS=required`.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts a server with these options (`--name value`).
    pub(crate) fn start_with(options: &[&str]) -> Option<Self> {
        if Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_err() {
            let notice = "there is no redis-server on PATH (Debian: apt-get install redis-server)";
            assert!(std::env::var("TEST_REDIS").as_deref() != Ok("required"), "{notice}");
            eprintln!("SKIPPED: {notice}");
            return None;
        }
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { child: run(port, &folder, &options), port, folder, options };
        server.wait();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, empty.
    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = run(self.port, &self.folder, &self.options);
        self.wait();
    }

    /// Suspends (`STOP`) or resumes (`CONT`) the process. Its connections stay open.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// One command. A sentinel closes the connections of a server that it demotes, also the one of a
    /// command under way, which is sent once more then.
    pub(crate) fn command(&self, words: &[&str]) -> Answer {
        self.try_command(words).or_else(|_closed| self.try_command(words)).unwrap()
    }

    fn try_command(&self, words: &[&str]) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "*{}\r\n", words.len())?;
        for word in words {
            write!(stream, "${}\r\n{word}\r\n", word.len())?;
        }
        read(&mut BufReader::new(stream))
    }

    /// Every key with its value.
    pub(crate) fn dump(&self) -> Vec<(String, Vec<u8>)> {
        let Answer::Many(keys) = self.command(&["KEYS", "*"]) else { panic!("no keys") };
        let keys = keys.into_iter().filter_map(|key| match key {
            Answer::Bytes(key) => Some(String::from_utf8(key).unwrap()),
            _ => None,
        });
        keys.filter_map(|key| match self.command(&["GET", &key]) {
            Answer::Bytes(value) => Some((key, value)),
            _ => None,
        })
        .collect()
    }

    fn wait(&mut self) {
        let began = Instant::now();
        // A server with a password answers, too.
        while !matches!(self.try_command(&["PING"]), Ok(Answer::Bytes(_) | Answer::Error(_))) {
            assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free port below the ephemeral ports (32768 and up on Linux, 49152 and up on others), as is the one
/// 10000 above it, which a server of a cluster takes too. The system gives them to no other socket before
/// Redis starts or while Redis is down.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = std::process::id().wrapping_mul(37).wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + u16::try_from(nth % 2_700).unwrap();
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}

fn run(port: u16, folder: &tempfile::TempDir, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn read(from: &mut impl BufRead) -> std::io::Result<Answer> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let (sort, rest) = line.trim_end().split_at_checked(1).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let number = || rest.parse::<i64>().unwrap();
    Ok(match sort {
        "+" => Answer::Bytes(rest.as_bytes().to_vec()),
        "-" => Answer::Error(rest.to_owned()),
        ":" => Answer::Number(number()),
        "$" | "*" if number() < 0 => Answer::Nothing,
        "$" => {
            let mut bytes = vec![0; usize::try_from(number()).unwrap() + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(bytes.len() - 2);
            Answer::Bytes(bytes)
        }
        _ => Answer::Many((0..number()).map(|_| read(from)).collect::<Result<_, _>>()?),
    })
}
