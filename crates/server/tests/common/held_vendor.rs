//! A fake of PayPal that counts its calls and replies when the test allows it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::until;

pub(crate) struct HeldVendor {
    url: String,
    state: Arc<State>,
}

struct State {
    calls: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    answers: Semaphore,
}

impl HeldVendor {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            calls: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            answers: Semaphore::new(0),
        });
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { url, state }
    }

    /// The environment that makes the server use it as PayPal.
    pub(crate) fn environment(&self) -> (&'static str, &str) {
        ("DAYPASS_CONNECTORS__PAYPAL__TEST_BASE_URL", &self.url)
    }

    /// Allows replies to this many calls.
    pub(crate) fn answer(&self, calls: usize) {
        self.state.answers.add_permits(calls);
    }

    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(SeqCst)
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(SeqCst)
    }

    pub(crate) async fn until_called(&self, calls: usize) {
        until("the vendor is called", async || self.calls() >= calls).await;
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
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
        stream.read_exact(&mut vec![0; length]).await.ok()?;
        let nth = state.calls.fetch_add(1, SeqCst) + 1;
        state.most_at_once.fetch_max(state.at_once.fetch_add(1, SeqCst) + 1, SeqCst);
        state.answers.acquire().await.ok()?.forget();
        state.at_once.fetch_sub(1, SeqCst);
        let answer = json!({"access_token": format!("token-{nth}"), "token_type": "Bearer", "expires_in": 3600,
            "scope": "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api"})
        .to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
        stream.write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes()).await.ok()?;
    }
}
