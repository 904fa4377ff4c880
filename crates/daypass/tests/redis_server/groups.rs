//! Groups of real servers for one test: a primary with a replica, sentinels, a Redis Cluster.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{Answer, RedisServer, free_port};

/// The name by which sentinels know the group.
pub(crate) const SERVICE: &str = "tokens";
/// The password at the sentinels.
pub(crate) const SENTINEL_PASSWORD: &str = "sentinels";
/// The longest time in which a group comes to a state.
const WITHIN: Duration = Duration::from_secs(90);

pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < WITHIN, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A primary and its replica, which has all data.
pub(crate) fn pair() -> Option<[RedisServer; 2]> {
    let primary = RedisServer::start()?;
    let port = primary.port.to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port])?;
    until("the replica does not follow", || follows(&replica));
    Some([primary, replica])
}

/// The role of a server.
pub(crate) fn role(server: &RedisServer) -> String {
    match server.command(&["ROLE"]) {
        Answer::Many(parts) => match parts.first() {
            Some(Answer::Bytes(role)) => String::from_utf8(role.clone()).unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn follows(replica: &RedisServer) -> bool {
    matches!(replica.command(&["ROLE"]), Answer::Many(parts) if parts.contains(&Answer::Bytes(b"connected".to_vec())))
}

/// Makes the second the primary of the first.
pub(crate) fn swap(primary: &RedisServer, replica: &RedisServer) {
    assert_eq!(replica.command(&["REPLICAOF", "NO", "ONE"]), Answer::Bytes(b"OK".to_vec()));
    let port = replica.port.to_string();
    assert_eq!(primary.command(&["REPLICAOF", "127.0.0.1", &port]), Answer::Bytes(b"OK".to_vec()));
    until("the former primary does not follow", || follows(primary));
}

/// Three sentinels over a primary and a replica.
pub(crate) struct Sentinels {
    pub servers: [RedisServer; 2],
    ports: Vec<u16>,
    children: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Sentinels {
    /// Starts them. These commands run on both servers first.
    pub(crate) fn start(commands: &[&[&str]]) -> Option<Self> {
        let servers = pair()?;
        for server in &servers {
            for command in commands {
                assert_eq!(server.command(command), Answer::Bytes(b"OK".to_vec()));
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let start = |port: &u16| {
            let file = folder.path().join(format!("{port}.conf"));
            let primary = servers[0].port;
            let text = format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
                 requirepass {SENTINEL_PASSWORD}\nsentinel sentinel-pass {SENTINEL_PASSWORD}\n\
                 sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 5000\n"
            );
            std::fs::write(&file, text).unwrap();
            let folder = folder.path();
            let mut command = Command::new("redis-server");
            command.arg(file).arg("--sentinel").arg("--dir").arg(folder).stdout(Stdio::null()).spawn().unwrap()
        };
        let children = ports.iter().map(start).collect();
        let group = Self { servers, ports, children, _folder: folder };
        for port in &group.ports {
            // Each has found the replica and the two others: a failover needs both.
            until("the sentinels do not find each other", || {
                let known = |what| ask(*port, &["SENTINEL", what, SERVICE]);
                known("replicas").matches("name").count() >= 1 && known("sentinels").matches("name").count() >= 2
            });
        }
        Some(group)
    }

    pub(crate) fn url(&self, user: &str) -> String {
        format!("redis+sentinel://{user}{}/{SERVICE}", hosts(&self.ports))
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A Redis Cluster of three masters.
pub(crate) struct Cluster {
    pub servers: Vec<RedisServer>,
}

impl Cluster {
    pub(crate) fn start() -> Option<Self> {
        let start = || {
            let bus = free_port().to_string();
            RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus])
        };
        let servers = [start()?, start()?, start()?];
        let nodes = servers.iter().map(|server| format!("127.0.0.1:{}", server.port));
        let created = Command::new("redis-cli").args(["--cluster", "create"]).args(nodes).arg("--cluster-yes").output();
        let created = created.unwrap();
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        for server in &servers {
            until("the cluster does not come up", || {
                matches!(server.command(&["CLUSTER", "INFO"]), Answer::Bytes(info)
                    if String::from_utf8_lossy(&info).contains("cluster_state:ok"))
            });
        }
        Some(Self { servers: servers.into() })
    }

    /// The URL, which names two of the three.
    pub(crate) fn url(&self, user: &str) -> String {
        let ports: Vec<u16> = self.servers.iter().take(2).map(|server| server.port).collect();
        format!("redis+cluster://{user}{}", hosts(&ports))
    }
}

fn hosts(ports: &[u16]) -> String {
    ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

/// The answer of `redis-cli`, empty where there is none yet.
fn ask(port: u16, words: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    let output = command.env("REDISCLI_AUTH", SENTINEL_PASSWORD).args(["-p", &port.to_string()]).args(words).output();
    let output = output.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
