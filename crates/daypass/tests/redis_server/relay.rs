//! A stable address before Redis servers: a TCP relay that can lead elsewhere, add to each round
//! trip, and tell what was sent.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

pub(crate) struct Relay {
    pub port: u16,
    target: Arc<AtomicU16>,
    delay_ms: Arc<AtomicU64>,
    sent: Arc<Mutex<Vec<u8>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let relay = Self {
            port: listener.local_addr().unwrap().port(),
            target: Arc::new(AtomicU16::new(target)),
            delay_ms: Arc::default(),
            sent: Arc::default(),
            open: Arc::default(),
        };
        let (target, delay) = (relay.target.clone(), relay.delay_ms.clone());
        let (sent, open) = (relay.sent.clone(), relay.open.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", target.load(Ordering::SeqCst))) else { continue };
                open.lock().unwrap().push(client.try_clone().unwrap());
                let ways = [
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), Some(sent.clone())),
                    (server, client, None),
                ];
                for (from, to, log) in ways {
                    let delay = delay.clone();
                    std::thread::spawn(move || copy(from, to, log.as_deref(), &delay));
                }
            }
        });
        relay
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Leads new connections to this port. Open ones stay where they are.
    pub(crate) fn lead_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
    }

    /// Adds this to each direction from now on.
    pub(crate) fn delay(&self, each_way: Duration) {
        self.delay_ms.store(u64::try_from(each_way.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self) {
        for client in self.open.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// What clients have sent since the last call.
    pub(crate) fn take_sent(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.sent.lock().unwrap())).into_owned()
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, log: Option<&Mutex<Vec<u8>>>, delay_ms: &AtomicU64) {
    let mut buffer = [0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        std::thread::sleep(Duration::from_millis(delay_ms.load(Ordering::SeqCst)));
        if let Some(log) = log {
            log.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
