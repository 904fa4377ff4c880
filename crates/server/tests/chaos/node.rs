//! A node of the chaos run: a real server that is killed and started again at the same addresses.

use std::{
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use connectrpc::{CodecFormat, Protocol};
use tempfile::TempDir;

use super::vendor::TruthfulVendor;
use crate::common::{Client, TestServer, raw_http, until};
use crate::redis_server::free_port;
use crate::reload::Certificate;

/// Connections of all callers to one node.
const CONNECTIONS: usize = 4;

/// Where a node's log goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogTo {
    File,
    /// A pipe that nobody reads.
    StalledReader,
    /// `/dev/full`.
    FullDisk,
}

pub(super) struct Node {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub folder: TempDir,
    log_to: LogTo,
    child: Mutex<Option<Child>>,
    /// Odd while the node is down.
    lives: AtomicU64,
    clients: RwLock<Vec<Arc<Client>>>,
}

impl Node {
    pub(super) async fn start(vendor: &TruthfulVendor, store_url: &str, log_to: LogTo) -> Arc<Self> {
        let [address, admin] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let folder = TempDir::new().unwrap();
        let node = Self {
            address,
            admin,
            folder,
            log_to,
            child: Mutex::default(),
            lives: AtomicU64::new(1),
            clients: RwLock::default(),
        };
        Certificate::ending_in(2090).write(node.folder.path());
        let toml = format!(
            "listen = '{address}'\nadmin_listen = '{admin}'\n[store]\nurl = '{store_url}'\nkey = '{}'\n\
             operation_timeout_ms = 200\n[connectors.paypal]\ntest_base_url = '{}'\n[tls]\n\
             certificate_file = 'server.pem'\nprivate_key_file = 'server.key'\n[policy]\nclient_token_max_seconds = 86400\n",
            crate::cluster::KEY,
            vendor.url,
        );
        fs::write(node.file(), toml).unwrap();
        node.begin().await;
        Arc::new(node)
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("daypass.toml")
    }

    /// Starts the process, and waits until it shares its tokens.
    pub(super) async fn begin(&self) {
        let stderr: Stdio = match self.log_to {
            LogTo::StalledReader => Stdio::piped(),
            LogTo::File => log(&self.folder.path().join("log")).into(),
            LogTo::FullDisk => log(Path::new("/dev/full")).into(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
        let child = command.args(["serve", "--config"]).arg(self.file()).stderr(stderr).spawn().unwrap();
        *self.child.lock().unwrap() = Some(child);
        until(&format!("the node with its log to {:?} shares its tokens", self.log_to), async || {
            self.get("/readyz?verbose").is_some_and(|state| state.contains("store: connected"))
        })
        .await;
        let connect = |_| Arc::new(TestServer::client_at(self.address, Protocol::Grpc, CodecFormat::Proto));
        *self.clients.write().unwrap() = (0..CONNECTIONS).map(connect).collect();
        self.lives.fetch_add(1, SeqCst);
    }

    /// Ends the process as a crash of the machine does. Its number.
    pub(super) fn kill(&self) -> u32 {
        self.lives.fetch_add(1, SeqCst);
        let mut child = self.child.lock().unwrap().take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        child.id()
    }

    /// Which life of the node it is; odd while it is down.
    pub(super) fn life(&self) -> u64 {
        self.lives.load(SeqCst)
    }

    pub(super) fn client(&self, nth: usize) -> Arc<Client> {
        let clients = self.clients.read().unwrap();
        clients[nth % clients.len()].clone()
    }

    /// A page of the admin port, where it is open.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        std::net::TcpStream::connect(self.admin).ok()?;
        Some(raw_http(self.admin, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")))
    }

    /// Changes a setting that a reload takes, and sends SIGHUP.
    pub(super) fn reload(&self, nth: u64) {
        let toml = fs::read_to_string(self.file()).unwrap();
        let (kept, _) = toml.rsplit_once("client_token_max_seconds").unwrap();
        fs::write(self.file(), format!("{kept}client_token_max_seconds = {}\n", 80_000 + nth)).unwrap();
        if let Some(child) = &*self.child.lock().unwrap() {
            Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
        }
    }

    /// Runs `daypass cache forget` here.
    pub(super) fn forget(&self, fingerprint: &str) -> bool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
        command.args(["cache", "forget", fingerprint, "--admin-listen", &self.admin.to_string()]);
        command.output().unwrap().status.success()
    }

    /// The value of a counter, summed over its labels.
    pub(super) fn counted(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").unwrap_or_default();
        let of_name = metrics.lines().filter(|line| line.starts_with(name));
        of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

fn log(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
