//! A fake of PayPal that counts its calls.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::HANGS;
use serde_json::json;

/// A fake of PayPal that counts its calls. It replies after a delay, and never to the first few.
#[derive(Clone)]
pub(crate) struct CountingVendor {
    pub(super) url: String,
    calls: Arc<AtomicUsize>,
    pub(super) unanswered: Arc<AtomicUsize>,
    pub(super) takes_ms: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl CountingVendor {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let vendor = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            calls: Arc::default(),
            unanswered: Arc::default(),
            takes_ms: Arc::default(),
            ended: Arc::default(),
        };
        let serving = vendor.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let vendor = serving.clone();
                std::thread::spawn(move || vendor.serve(&stream));
            }
        });
        vendor
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let client = String::from_utf8_lossy(&body).contains("client_token");
            let nth = self.calls.fetch_add(1, SeqCst) + 1;
            while nth <= self.unanswered.load(SeqCst) && !self.ended.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(self.takes_ms.load(SeqCst) as u64));
            let scope =
                if client { "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api" } else { "openid" };
            let answer = json!({"access_token": format!("tok-canary-{nth}"), "token_type": "Bearer",
                "expires_in": 3600, "scope": scope})
            .to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
            let mut stream = stream;
            stream.write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes()).ok()?;
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    pub(super) async fn until_called(&self, calls: usize) {
        let began = Instant::now();
        while self.calls() < calls {
            assert!(began.elapsed() < HANGS, "the vendor is not called");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for CountingVendor {
    fn drop(&mut self) {
        // The last handle of the test, besides the one of the accepting thread.
        if Arc::strong_count(&self.ended) <= 2 {
            self.ended.store(true, SeqCst);
        }
    }
}
