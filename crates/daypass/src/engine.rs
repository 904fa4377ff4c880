use std::{sync::Arc, time::Duration};

use connectors::{
    Audience, Call, Error, Exchange, Expiry, Grant, Kind, Nonce, Refusal, Reply, Result, Step, Timestamp, Token,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{Clock, Order, Request, Settings, TransportError, Vendor, order, scrub::scrub};

/// More calls than any exchange needs: a guard against a connector that never ends.
const MAX_CALLS: usize = 6;

/// A token of which we know who may hold it and when it dies.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The token and what came with it.
    pub token: Token,
    /// The grant that made it.
    pub grant: &'static str,
    /// Who may hold it.
    pub audience: Audience,
    /// When it dies, in epoch seconds; nothing where it lives until used or where none is published.
    pub expires_at: Option<i64>,
    /// Seconds left at the moment of the answer.
    pub lifetime_seconds: Option<i64>,
    /// The vendor's HTTP status; 200 where the token was made without a call.
    pub status: u16,
}

/// What there is to say about a call in a log line or a metric. Never a secret.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The connector.
    pub connector: Option<&'static str>,
    /// The grant.
    pub grant: Option<&'static str>,
    /// Who may hold the token.
    pub audience: Option<Audience>,
    /// Test or live.
    pub mode: Option<&'static str>,
    /// Tells one set of credentials from another without telling them: 16 hex digits.
    pub credentials: Option<String>,
    /// Calls to the vendor, every attempt counted.
    pub attempts: u32,
    /// Time spent waiting for the vendor.
    pub vendor_time: Duration,
}

/// Everything that a call passes through.
pub struct Engine<V> {
    settings: Settings,
    vendor: V,
    clock: Arc<dyn Clock>,
}

impl<V: Vendor> Engine<V> {
    /// An engine.
    pub fn new(settings: Settings, vendor: V, clock: Arc<dyn Clock>) -> Self {
        Self { settings, vendor, clock }
    }

    /// The operator's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One call: check the request, talk to the vendor, hand out the token.
    ///
    /// # Errors
    /// Every [`Kind`]; `facts` says how far it came.
    pub async fn create_access_token(
        &self,
        request: Request<'_>,
        deadline: Instant,
        facts: &mut Facts,
    ) -> Result<Pass> {
        let entry = order::connector(&request)?;
        facts.connector = Some(entry.meta.id);
        let order = Order::check(request, entry, &self.settings)?;
        facts.grant = Some(order.grant.name);
        facts.audience = Some(order.grant.audience);
        facts.mode = Some(order.mode.label());
        facts.credentials = Some(fingerprint(&order));
        let (token, status) = self.exchange(&order, deadline, facts).await?;
        self.pass(order.grant, token, status)
    }

    /// The call that would be made first, without making it. `None` where the token needs no call.
    ///
    /// # Errors
    /// The caller's mistakes.
    pub fn explain(&self, request: Request<'_>) -> Result<(Order, Option<Call>)> {
        let entry = order::connector(&request)?;
        let order = Order::check(request, entry, &self.settings)?;
        let key = Nonce(random()?).uuid();
        let step = order.bound.step(&exchange(&order, self.clock.now(), Nonce(random()?), &key, &[]))?;
        match step {
            Step::Call(call) => Ok((order, Some(call))),
            Step::Done(_) => Ok((order, None)),
        }
    }

    /// The conversation with the vendor, from the first call to the token.
    async fn exchange(&self, order: &Order, deadline: Instant, facts: &mut Facts) -> Result<(Token, u16)> {
        let began = self.clock.now();
        let idempotency_key = Nonce(random()?).uuid();
        let mut replies = Vec::new();
        let mut secrets = Vec::new();
        while replies.len() < MAX_CALLS {
            let step = order.bound.step(&exchange(order, began, Nonce(random()?), &idempotency_key, &replies));
            match step.map_err(|error| scrubbed(error, order, &secrets))? {
                Step::Done(token) => return Ok((token, replies.last().map_or(200, |reply: &Reply| reply.status))),
                Step::Call(call) => {
                    secrets.extend(sent_secrets(&call));
                    replies.push(self.call(call, order, deadline, facts).await?);
                }
            }
        }
        Err(Error::new(Kind::Internal, "the exchange with the connector did not come to an end"))
    }

    async fn call(&self, call: Call, order: &Order, deadline: Instant, facts: &mut Facts) -> Result<Reply> {
        if !order.bases.allow(order.mode, &call.uri) {
            return Err(Error::new(
                Kind::Internal,
                "a call would have left the connector's own hosts; it was not sent",
            ));
        }
        let limit = Duration::from_millis(self.settings.limits.attempt_timeout_ms);
        let started = Instant::now();
        let reply = self.vendor.send(call, self.clock.now(), deadline.min(started + limit)).await;
        facts.attempts += 1;
        facts.vendor_time += started.elapsed();
        reply.map_err(|TransportError { kind, message, .. }| Error::new(kind, message))
    }

    /// Makes sure that what is handed out is alive.
    fn pass(&self, grant: &'static Grant, token: Token, status: u16) -> Result<Pass> {
        let (expires_at, lifetime_seconds) = match token.expiry {
            Expiry::UntilUsed | Expiry::Unpublished => (None, None),
            Expiry::At(moment) => {
                let left = moment.as_second().saturating_sub(self.clock.now().as_second());
                if left <= 0 {
                    return Err(Error::bad_reply("the connector gave a token that has already expired"));
                }
                (Some(moment.as_second()), Some(left))
            }
        };
        Ok(Pass { token, grant: grant.name, audience: grant.audience, expires_at, lifetime_seconds, status })
    }
}

fn exchange<'a>(
    order: &'a Order,
    now: Timestamp,
    nonce: Nonce,
    idempotency_key: &'a str,
    replies: &'a [Reply],
) -> Exchange<'a> {
    Exchange {
        grant: order.grant,
        mode: order.mode,
        bases: order.bases.of_mode(order.mode),
        reference: &order.reference,
        input: &order.inputs,
        now,
        nonce,
        idempotency_key,
        replies,
    }
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Error::new(Kind::Internal, "the system gives no random numbers"))?;
    Ok(bytes)
}

/// Header values of a call that are secret, without their scheme: what the vendor may repeat in an error.
fn sent_secrets(call: &Call) -> impl Iterator<Item = String> {
    call.headers.values().filter(|value| value.is_sensitive()).filter_map(|value| {
        let text = value.to_str().ok()?;
        Some(text.split_once(' ').map_or(text, |(_, credentials)| credentials).to_owned())
    })
}

/// The error with every credential removed from the vendor's words.
fn scrubbed(mut error: Error, order: &Order, sent: &[String]) -> Error {
    let Some(refusal) = error.refusal.take() else { return error };
    let secrets: Vec<&str> = order.secrets().chain(sent.iter().map(String::as_str)).collect();
    let clean = |text: Option<String>| text.map(|text| scrub(&text, secrets.iter().copied()));
    error.refusal = Some(Box::new(Refusal {
        code: clean(refusal.code),
        message: clean(refusal.message),
        reason: clean(refusal.reason),
        ..*refusal
    }));
    error
}

/// What logs show in the place of credentials.
fn fingerprint(order: &Order) -> String {
    let mut hash = Sha256::new();
    for (name, value) in order.credentials.fields() {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        let value = value.as_str().map_or_else(|| value.to_string(), Into::into);
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
