//! The exchange with a connector: calls, attempts and replies, until there is a token. The engine
//! starts it; it uses the connector's step function, the host limits and the transport. It knows
//! nothing of the cache.

mod client_values;
pub(crate) mod connect;
mod expiry;
mod host;
mod redact;
mod retry;
pub(crate) mod transport;

use std::{pin::pin, sync::Arc, time::Duration};

use connectors::{Call, Error, Exchange, Kind, Nonce, Reply, Result, Step, Timestamp, Token};
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use crate::{
    clock::Clock,
    exchange::{
        connect::ConnectSettings,
        expiry::{LastReply, Unusable},
        host::{Hosts, breaker},
        redact::Secrets,
        retry::Attempt,
        transport::{HttpSend, TransportError},
    },
    issued::{self, Exchanged, Issuance, Outcome},
    random,
    report::ConnectorUse,
    request::validated::TokenRequest,
    settings::Limits,
    spans,
};

/// An attempt that had this much time and got no reply counts as a failure of the host. With less
/// time, the caller's deadline was the cause.
const SLOW: Duration = Duration::from_secs(1);

/// The time between the end of an exchange and the deadline: callers that wait for it must hear its
/// result, and what it used, before their own deadline.
const TIME_TO_REPORT: Duration = Duration::from_millis(20);

/// More calls than any exchange needs. A connector's step function that never ends stops here.
const MAX_CALLS: usize = 6;

/// Runs exchanges. `V` sends the calls.
pub(crate) struct Exchanger<V> {
    http: V,
    clock: Arc<dyn Clock>,
    hosts: Hosts,
}

/// One exchange that is running.
struct Running<'a> {
    request: &'a TokenRequest,
    deadline: Instant,
    connector_use: ConnectorUse,
    last_reply: Option<LastReply>,
    /// Whether the connector may have received a call.
    sent: bool,
}

/// The moment of a call's first attempt, on both clocks. An attempt without a reply may have done
/// its work: a token's lifetime counts from the first attempt.
#[derive(Clone, Copy)]
struct FirstSent {
    wall: Timestamp,
    elapsed: Duration,
}

/// The values that stay the same in all steps of one exchange, and the replies so far.
struct Conversation<'a> {
    request: &'a TokenRequest,
    now: Timestamp,
    issuance: Issuance,
    replies: Vec<Reply>,
}

impl<V: HttpSend> Exchanger<V> {
    pub(crate) fn new(limits: &Limits, http: V, clock: Arc<dyn Clock>) -> Self {
        let hosts = Hosts::new(limits.max_calls_per_host, limits.max_waiting_per_host);
        Self { http, clock, hosts }
    }

    /// Takes over settings of connections that have changed.
    pub(crate) fn adopt(&self, settings: ConnectSettings) {
        self.http.adopt(settings);
    }

    /// The exchange of a request as a function, which can be called more than once.
    pub(crate) fn exchange_of(self: Arc<Self>, request: Arc<TokenRequest>) -> issued::Exchange {
        Arc::new(move |deadline, issuance| {
            let (exchanger, request) = (self.clone(), request.clone());
            Box::pin(async move { exchanger.exchange(&request, issuance, deadline).await })
        })
    }

    /// The first step of the exchange of a request, without any call.
    pub(crate) fn first_step(&self, request: &TokenRequest) -> Result<Step> {
        let now = self.clock.now();
        let idempotency_key = Nonce(random::unique()).uuid();
        let issuance = Issuance { idempotency_key, generation: 0, began: now, age: Duration::ZERO };
        Conversation { request, now, issuance, replies: Vec::new() }.step()
    }

    async fn exchange(&self, request: &TokenRequest, issuance: Issuance, deadline: Instant) -> Exchanged {
        let deadline = deadline.checked_sub(TIME_TO_REPORT).unwrap_or(deadline);
        let connector_use = ConnectorUse::default();
        let mut running = Running { request, deadline, connector_use, last_reply: None, sent: false };
        let age = issuance.age;
        let token = self.converse(&mut running, issuance).await;
        let (result, outcome) = match token {
            Ok(token) => match expiry::issue(token, request, running.last_reply.as_ref(), age, &*self.clock) {
                Ok(issued) => (Ok(issued), Outcome::Issued),
                Err(Unusable::Ended) => (Err(Unusable::Ended.into()), Outcome::Ended),
                Err(unusable) => (Err(unusable.into()), Outcome::Unreadable),
            },
            Err(error) => {
                let outcome = if running.sent { outcome_of(&error) } else { Outcome::NotSent };
                (Err(error), outcome)
            }
        };
        Exchanged { result, connector_use: running.connector_use, outcome }
    }

    /// The calls of the exchange, from the first one to the token.
    async fn converse(&self, running: &mut Running<'_>, issuance: Issuance) -> Result<Token> {
        let request = running.request;
        // The first exchange began when its record was made. A step tells a repetition by the
        // difference between the two.
        let now = if issuance.age.is_zero() { issuance.began } else { self.clock.now() };
        let mut conversation = Conversation { request, now, issuance, replies: Vec::new() };
        let mut secrets = Secrets::of(running.request);
        while conversation.replies.len() < MAX_CALLS {
            match conversation.step().map_err(|error| secrets.redact(error))? {
                Step::Done(token) if secrets.are_in(&token) => {
                    return Err(Error::bad_reply(
                        "the connector's answer repeats a credential of this call; it is not handed out",
                    ));
                }
                Step::Done(token) => {
                    client_values::check(&token, request)?;
                    return Ok(token);
                }
                Step::Call(call) => {
                    secrets.add_sent(&call);
                    let reply = self.call(call, &conversation, running).await?;
                    conversation.replies.push(reply);
                }
            }
        }
        Err(Error::new(Kind::Internal, "the exchange with the connector did not come to an end"))
    }

    /// One call. It is attempted again where that is legal, within the host's budget and the
    /// deadline.
    async fn call(&self, mut call: Call, conversation: &Conversation<'_>, running: &mut Running<'_>) -> Result<Reply> {
        let request = running.request;
        if !request.bases.allow(request.mode, &call.uri) {
            return Err(Error::new(
                Kind::Internal,
                "a call would have left the connector's own hosts; it was not sent",
            ));
        }
        let authority = call.uri.authority().map_or("", http::uri::Authority::as_str);
        let host = self.hosts.limits_of(request.meta.id, authority);
        let mut permit = host.acquire(running.deadline).await?;
        host.count_call();
        let first_sent = FirstSent { wall: self.clock.now(), elapsed: self.clock.elapsed() };
        for number in 1.. {
            // A secret that works once is sent once, whatever the call allows.
            let repeatable = call.repeatable && request.grant.spends.is_none();
            let attempt = Attempt { number, repeatable };
            let span = spans::attempt(&call, number);
            let (result, took) = pin!(self.attempt(call, first_sent, running)).instrument(span.clone()).await;
            record(&span, &result);
            permit.record(host_outcome(&result, took));
            running.sent |= !matches!(result, Err(TransportError::NotSent(_)));
            let pause = match &result {
                Ok(reply) => attempt.pause_after_reply(reply),
                Err(error) => attempt.pause_after_error(error),
            };
            let pause = pause.filter(|pause| Instant::now() + *pause < running.deadline);
            let next = match pause.filter(|_| host.spend_retry()) {
                None => None,
                Some(pause) => {
                    sleep(pause).await;
                    // Without a permit for another attempt, the last result stands.
                    host.acquire(running.deadline).await.ok()
                }
            };
            permit = match next {
                Some(permit) => permit,
                None => return Ok(result?),
            };
            call = match conversation.step()? {
                Step::Call(call) => call,
                Step::Done(_) => return Err(Error::new(Kind::Internal, "a repeated step was another step")),
            };
        }
        Err(Error::new(Kind::Internal, "there was no attempt"))
    }

    /// One attempt, and the time that it took.
    async fn attempt(
        &self,
        call: Call,
        first_sent: FirstSent,
        running: &mut Running<'_>,
    ) -> (std::result::Result<Reply, TransportError>, Duration) {
        let started = Instant::now();
        let limit = running.request.attempt_timeout;
        let result = self.http.send(call, first_sent.wall, running.deadline.min(started + limit)).await;
        let took = started.elapsed();
        running.connector_use.attempts += 1;
        running.connector_use.time += took;
        if let Ok(reply) = &result {
            running.last_reply = Some(LastReply::of(reply, first_sent.elapsed));
        }
        (result, took)
    }
}

impl Conversation<'_> {
    /// The next step. Each attempt asks again: only the nonce differs.
    fn step(&self) -> Result<Step> {
        let request = self.request;
        request.bound.step(&Exchange {
            grant: request.grant,
            mode: request.mode,
            hosts: request.meta.hosts,
            bases: request.bases.of_mode(request.mode),
            reference: &request.reference,
            input: &request.inputs,
            now: self.now,
            began: self.issuance.began,
            nonce: Nonce(random::unique()),
            idempotency_key: &self.issuance.idempotency_key,
            generation: self.issuance.generation,
            replies: &self.replies,
        })
    }
}

/// The knowledge about the token after an error.
fn outcome_of(error: &Error) -> Outcome {
    match (&error.refusal, error.kind) {
        (_, Kind::RateLimited) => Outcome::TurnedAway,
        (_, Kind::Unavailable) if error.refusal.is_some() => Outcome::Failed,
        (Some(refusal), Kind::RequestRejected | Kind::Refused) if refusal.blames_earlier_request() => Outcome::Taken,
        (Some(_), _) => Outcome::Refused,
        (None, Kind::BadReply) => Outcome::Unreadable,
        (None, _) => Outcome::Unknown,
    }
}

fn record(span: &Span, result: &std::result::Result<Reply, TransportError>) {
    match result {
        Ok(reply) => {
            span.record("http.response.status_code", reply.status);
            if reply.status >= 400 {
                span.record("error.type", reply.status).record("otel.status_code", "ERROR");
            }
        }
        Err(error) => {
            span.record("error.type", error.kind().label()).record("otel.status_code", "ERROR");
        }
    }
}

/// The outcome of an attempt for its host.
fn host_outcome(result: &std::result::Result<Reply, TransportError>, took: Duration) -> breaker::Outcome {
    let failed = match result {
        Ok(reply) => reply.status >= 500,
        Err(error) => match error.kind() {
            Kind::Timeout => took >= SLOW,
            kind => kind == Kind::Unavailable,
        },
    };
    if failed { breaker::Outcome::Failure } else { breaker::Outcome::Success }
}
