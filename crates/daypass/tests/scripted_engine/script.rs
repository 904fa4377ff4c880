//! The scripted connector, in place of the network.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use connectors::{Call, Reply, Result, Timestamp};
use daypass::{Clock, HttpSend, IssuedToken, ManualClock, TransportError};
use serde_json::json;
use tokio::{sync::Semaphore, time::Instant};

/// The connector's wall clock at the start, in milliseconds.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

/// A connector. Its tokens contain their holder and their expiry.
pub(crate) struct Script {
    pub clock: Arc<ManualClock>,
    pub calls: AtomicUsize,
    pub expires_in: AtomicI64,
    pub status: AtomicU16,
    /// Time that passes in a call before the reply is made, and again after it.
    pub takes_ms: AtomicI64,
    /// The step of the wall clock in a call.
    pub steps_ms: AtomicI64,
    /// The lead of the connector's own clock.
    pub ahead_ms: AtomicI64,
    pub panics: AtomicUsize,
    /// Status and `retry-after` of the next replies. Further replies have `status`.
    pub next: Mutex<VecDeque<(u16, Option<u32>)>>,
    /// If set, each reply waits for a permit of `gate`.
    pub gated: AtomicBool,
    pub gate: Semaphore,
    /// The valid secret of each client id. Any secret of another client id is valid.
    pub known: Mutex<HashMap<String, String>>,
}

#[derive(Clone)]
pub(crate) struct ScriptedHttp(pub Arc<Script>);

impl HttpSend for ScriptedHttp {
    fn send(
        &self,
        call: Call,
        sent_at: Timestamp,
        deadline: Instant,
    ) -> impl Future<Output = Result<Reply, TransportError>> + Send {
        let script = self.0.clone();
        async move {
            script.calls.fetch_add(1, SeqCst);
            if script.panics.load(SeqCst) > 0 {
                script.panics.fetch_sub(1, SeqCst);
                panic!("as told");
            }
            if script.gated.load(SeqCst) {
                match tokio::time::timeout_at(deadline, script.gate.acquire()).await {
                    Ok(permit) => permit.unwrap().forget(),
                    Err(_) => {
                        return Err(TransportError::TimedOut);
                    }
                }
            }
            tokio::task::yield_now().await;
            Ok(script.answer(&call, sent_at))
        }
    }
}

impl Script {
    fn answer(&self, call: &Call, sent_at: Timestamp) -> Reply {
        let takes = u32::try_from(self.takes_ms.load(SeqCst)).unwrap();
        self.clock.pass_ms(takes);
        self.clock.step_ms(self.steps_ms.load(SeqCst));
        let who = call.headers["authorization"].to_str().unwrap().split_once(' ').unwrap().1;
        let who = STANDARD.decode(who).map_or(who.to_owned(), |pair| String::from_utf8(pair).unwrap());
        let refused = who.split_once(':').is_some_and(|(id, secret)| {
            let known = self.known.lock().unwrap();
            known.get(id).is_some_and(|known| known != secret)
        });
        let (status, retry_after) = self.next.lock().unwrap().pop_front().unwrap_or((self.status.load(SeqCst), None));
        let status = if refused { 401 } else { status };
        let lives = self.expires_in.load(SeqCst);
        let (elapsed, ahead) = (ms(self.clock.elapsed()), self.ahead_ms.load(SeqCst));
        let vendor_now = START_MS + elapsed + ahead;
        let nth = self.calls.load(SeqCst);
        // The holder is reversed, because the engine refuses a token that repeats a credential.
        let who: String = who.chars().rev().collect();
        let text = |dies: i64| format!("{who}|{dies}|{nth}").replace(' ', "_");
        let body = match call.uri.path() {
            _ if status != 200 => json!({"error": "told_to_fail"}),
            "/v1/ephemeral_keys" => {
                // The vendor counts in whole seconds, and the token is valid until that second.
                let expires = (vendor_now + lives * 1000).div_euclid(1000);
                json!({"id": "e", "object": "ephemeral_key", "expires": expires,
                    "secret": text(expires * 1000 - ahead - START_MS)})
            }
            "/v1/setup_intents" => json!({"id": "seti", "client_secret": text(i64::MAX)}),
            _ => {
                let form = String::from_utf8_lossy(&call.body).into_owned();
                let scope = if form.contains("client_token") {
                    "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api"
                } else {
                    "openid"
                };
                json!({"access_token": text(elapsed + lives * 1000), "token_type": "Bearer", "expires_in": lives,
                    "scope": scope})
            }
        };
        self.clock.pass_ms(takes);
        let date = Timestamp::from_millisecond(vendor_now).unwrap();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let mut headers = http::HeaderMap::new();
        headers.insert("date", date.parse().unwrap());
        if let Some(seconds) = retry_after {
            headers.insert("retry-after", seconds.into());
        }
        Reply { status, headers, body: body.to_string().into(), sent_at }
    }
}

pub(crate) fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

/// The holder of a token, and its expiry on the monotonic clock.
pub(crate) fn holder_and_expiry(issued: &IssuedToken) -> (String, i64) {
    let text = issued.token.value.expose();
    let mut parts = text.split('|');
    (parts.next().unwrap().chars().rev().collect(), parts.next().unwrap().parse().unwrap())
}
