use std::{sync::Arc, time::Duration};

use connectors::{
    Audience, Call, Error, Exchange, Expiry, Kind, Nonce, Refusal, Reply, Result, Step, Timestamp, Token,
};
use tokio::time::Instant;

use crate::{
    Clock, Fingerprint, HttpSend, IncomingRequest, Keyring, Settings, Store, TokenRequest, TransportError,
    gate::Gates,
    life::{Life, Mint, Minted},
    order, retry,
    scrub::{contains_secret, scrub},
};

/// An attempt that was given this long and got no answer counts against the host.
const SLOW: Duration = Duration::from_secs(1);

/// Time for the way from the vendor's answer, or its absence, to the caller.
const LANDING: Duration = Duration::from_millis(20);

/// More calls than any exchange needs: a guard against a connector that never ends.
const MAX_CALLS: usize = 6;

/// A token of which we know who may hold it and when it dies.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token and what came with it.
    pub token: Token,
    /// The grant that made it.
    pub grant: &'static str,
    /// Who may hold it.
    pub audience: Audience,
    /// When it dies, in epoch seconds; nothing where it lives until used or where none is published.
    pub expires_at: Option<i64>,
    /// How much life is left at the moment of the answer; nothing as above.
    pub left: Option<Duration>,
    /// The vendor's HTTP status; 200 where the token was made without a call.
    pub status: u16,
}

impl IssuedToken {
    /// Whole seconds of life left.
    pub fn lifetime_seconds(&self) -> Option<i64> {
        self.left.map(|left| i64::try_from(left.as_secs()).unwrap_or(i64::MAX))
    }
}

/// What there is to say about a call in a log line or a metric. Never a secret.
#[derive(Clone, Debug, Default)]
pub struct CallReport {
    /// The connector.
    pub connector: Option<&'static str>,
    /// The grant.
    pub grant: Option<&'static str>,
    /// Who may hold the token.
    pub audience: Option<Audience>,
    /// Test or live.
    pub mode: Option<&'static str>,
    /// Tells one set of credentials from another without telling them: by the store's key and by those that it replaced.
    pub credentials: Vec<Fingerprint>,
    /// Calls to the vendor that this call started, every attempt counted.
    pub attempts: u32,
    /// Time spent waiting for the vendor.
    pub vendor_time: Duration,
    /// Whether the token was given for the same reference before.
    pub replayed: bool,
}

/// Everything that a call passes through.
pub struct Engine<V> {
    life: Life<Exchanger<V>>,
    minter: Arc<Exchanger<V>>,
}

/// Drives exchanges with vendors.
struct Exchanger<V> {
    settings: Settings,
    vendor: V,
    clock: Arc<dyn Clock>,
    gates: Gates,
}

impl<V: HttpSend> Engine<V> {
    /// An engine.
    pub fn new(settings: Settings, vendor: V, clock: Arc<dyn Clock>, store: Arc<dyn Store>, keys: Keyring) -> Self {
        let gates = Gates::new(settings.limits.max_calls_per_host, settings.limits.max_waiting_per_host);
        let minter = Arc::new(Exchanger { settings, vendor, clock: clock.clone(), gates });
        Self { life: Life::new(minter.clone(), store, keys, clock), minter }
    }

    /// The operator's settings.
    pub fn settings(&self) -> &Settings {
        &self.minter.settings
    }

    /// One call: check the request, look for a token that may be handed out again, else talk to the vendor.
    ///
    /// # Errors
    /// Every [`Kind`]; `report` says how far it came.
    pub async fn create_access_token(
        &self,
        request: IncomingRequest<'_>,
        deadline: Instant,
        report: &mut CallReport,
    ) -> Result<IssuedToken> {
        let entry = order::connector(&request)?;
        report.connector = Some(entry.meta.id);
        let fresh = request.fresh;
        let order = Arc::new(TokenRequest::check(request, entry, self.settings())?);
        let names = Arc::new(self.life.names(&order));
        report.grant = Some(order.grant.name);
        report.audience = Some(order.audience);
        report.mode = Some(order.mode.label());
        report.credentials.clone_from(&names.fingerprints);
        let mut spent = (0, Duration::ZERO);
        let obtained = self.life.obtain(order, names, fresh, deadline, &mut spent).await;
        (report.attempts, report.vendor_time) = spent;
        let obtained = obtained?;
        report.replayed = obtained.replayed;
        Ok(obtained.pass)
    }

    /// Waits until the store answers, for this long at most; whether it does.
    pub async fn wait_for_store(&self, limit: Duration) -> bool {
        self.life.wait_for_store(limit).await
    }

    /// Tells a shared store that this node ends, so that forgetting does not wait for it. The last
    /// use of the engine.
    pub async fn leave_store(&self) {
        self.life.leave_store().await;
    }

    /// Forgets every kept token of these credentials, on every node; how many the store held.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the store does not answer, or a node does not confirm.
    pub async fn forget(&self, credentials: &[Fingerprint]) -> Result<u64> {
        self.life.forget(credentials).await
    }

    /// The call that would be made first, without making it. `None` where the token needs no call.
    ///
    /// # Errors
    /// The caller's mistakes.
    pub fn explain(&self, request: IncomingRequest<'_>) -> Result<(TokenRequest, Option<Call>)> {
        let entry = order::connector(&request)?;
        let order = TokenRequest::check(request, entry, self.settings())?;
        let key = Nonce(random()?).uuid();
        let step = order.bound.step(&exchange(&order, self.minter.clock.now(), Nonce(random()?), &key, &[]))?;
        match step {
            Step::Call(call) => Ok((order, Some(call))),
            Step::Done(_) => Ok((order, None)),
        }
    }
}

impl<V: HttpSend> Mint for Exchanger<V> {
    async fn mint(&self, order: &TokenRequest, deadline: Instant) -> Minted {
        let mut spent = Spent::default();
        // Lands before those who wait for it give up, so that they hear how it went and what it took.
        let deadline = deadline.checked_sub(LANDING).unwrap_or(deadline);
        let result = self.exchange(order, deadline, &mut spent).await;
        let result = result.and_then(|token| self.pass(order, token, &spent));
        Minted { result, attempts: spent.attempts, vendor_time: spent.vendor_time }
    }
}

/// What an exchange took.
#[derive(Default)]
struct Spent {
    attempts: u32,
    vendor_time: Duration,
    last_attempt: Duration,
    /// The last reply's status and `Date`, and when its call was sent, on the clock that only goes forwards.
    last: Option<(u16, Option<Timestamp>, Duration)>,
}

impl<V: HttpSend> Exchanger<V> {
    /// The conversation with the vendor, from the first call to the token.
    async fn exchange(&self, order: &TokenRequest, deadline: Instant, spent: &mut Spent) -> Result<Token> {
        let began = self.clock.now();
        let idempotency_key = Nonce(random()?).uuid();
        let mut replies = Vec::new();
        let mut secrets = Vec::new();
        while replies.len() < MAX_CALLS {
            // Asked again for each attempt: what must be fresh in it is, everything else stays the same.
            let step = || -> Result<Step> {
                order.bound.step(&exchange(order, began, Nonce(random()?), &idempotency_key, &replies))
            };
            let reply = match step().map_err(|error| scrubbed(error, order, &secrets))? {
                Step::Done(token) if repeats_secret(&token, order, &secrets) => {
                    return Err(Error::bad_reply(
                        "the connector's answer repeats a credential of this call; it is not handed out",
                    ));
                }
                Step::Done(token) => return Ok(token),
                Step::Call(call) => {
                    secrets.extend(sent_secrets(&call));
                    self.call(call, &step, order, deadline, spent).await?
                }
            };
            replies.push(reply);
        }
        Err(Error::new(Kind::Internal, "the exchange with the connector did not come to an end"))
    }

    /// One call, attempted again where that is safe, in the budget, and in time.
    async fn call(
        &self,
        mut call: Call,
        again: &impl Fn() -> Result<Step>,
        order: &TokenRequest,
        deadline: Instant,
        spent: &mut Spent,
    ) -> Result<Reply> {
        if !order.bases.allow(order.mode, &call.uri) {
            return Err(Error::new(
                Kind::Internal,
                "a call would have left the connector's own hosts; it was not sent",
            ));
        }
        let gate = self.gates.of(order.meta.id, call.uri.authority().map_or("", http::uri::Authority::as_str));
        let mut admission = gate.enter(deadline).await?;
        admission.first_attempt();
        // An attempt that got no answer may have done its work: what lives for so long lives from the first one.
        let sent = (self.clock.now(), self.clock.elapsed());
        for attempt in 1.. {
            let repeatable = call.repeatable;
            let answered = self.attempt(call, sent, order, deadline, spent).await;
            let (good, pause) = match &answered {
                Ok(reply) => (reply.status < 500, retry::after_reply(reply, repeatable, attempt)),
                Err(error) => (self.is_good(error, spent), retry::after_error(error, repeatable, attempt)),
            };
            admission.judge(good);
            let pause = pause.filter(|pause| Instant::now() + *pause < deadline);
            let next = match pause.filter(|_| gate.may_retry()) {
                None => None,
                Some(pause) => {
                    tokio::time::sleep(pause).await;
                    // Without a place for another attempt this one was the last.
                    gate.enter(deadline).await.ok()
                }
            };
            admission = match next {
                Some(admission) => admission,
                None => return answered.map_err(|TransportError { kind, message, .. }| Error::new(kind, message)),
            };
            call = match again()? {
                Step::Call(call) => call,
                Step::Done(_) => return Err(Error::new(Kind::Internal, "a repeated step was another step")),
            };
        }
        Err(Error::new(Kind::Internal, "there was no attempt"))
    }

    async fn attempt(
        &self,
        call: Call,
        (sent_at, sent): (Timestamp, Duration),
        order: &TokenRequest,
        deadline: Instant,
        spent: &mut Spent,
    ) -> std::result::Result<Reply, TransportError> {
        let limit = self.settings.attempt_timeout(order.meta.id);
        let started = Instant::now();
        let reply = self.vendor.send(call, sent_at, deadline.min(started + limit)).await;
        spent.attempts += 1;
        spent.last_attempt = started.elapsed();
        spent.vendor_time += spent.last_attempt;
        let reply = reply?;
        let date = reply.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        spent.last = Some((reply.status, date.map(|date| date.timestamp()), sent));
        Ok(reply)
    }

    /// Whether a failed attempt says nothing against the host: a caller with little time is not its fault.
    fn is_good(&self, error: &TransportError, spent: &Spent) -> bool {
        match error.kind {
            Kind::Timeout => spent.last_attempt < SLOW,
            Kind::Unavailable => false,
            _ => true,
        }
    }

    /// Makes sure that what is handed out is alive, by every clock that has a say.
    fn pass(&self, order: &TokenRequest, mut token: Token, spent: &Spent) -> Result<IssuedToken> {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        let left = match token.expiry {
            Expiry::UntilUsed | Expiry::Unpublished => None,
            Expiry::After(_, seconds) => {
                let sent = spent.last.map_or(elapsed, |(_, _, sent)| sent);
                Some(milliseconds(seconds) - as_milliseconds(elapsed.saturating_sub(sent)))
            }
            Expiry::At(moment) => {
                let by_our_clock = moment.as_millisecond() - now.as_millisecond();
                // The vendor's own clock, as of some moment after the call was sent; it may be a second further than it says.
                let by_its_clock = spent.last.and_then(|(_, date, sent)| {
                    Some(
                        moment.as_millisecond()
                            - date?.as_millisecond()
                            - 999
                            - as_milliseconds(elapsed.saturating_sub(sent)),
                    )
                });
                Some(by_its_clock.map_or(by_our_clock, |left| left.min(by_our_clock)))
            }
        };
        if left.is_some_and(|left| left < 1000) {
            return Err(Error::bad_reply("the connector gave a token that has already expired"));
        }
        let expires_at = match token.expiry {
            Expiry::At(moment) => Some(moment.as_second()),
            _ => left.map(|left| (now.as_millisecond() + left).div_euclid(1000)),
        };
        if order.audience == Audience::Client {
            token.server_parameters.clear();
        }
        Ok(IssuedToken {
            token,
            grant: order.grant.name,
            audience: order.audience,
            expires_at,
            left: left.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis),
            status: spent.last.map_or(200, |(status, ..)| status),
        })
    }
}

const fn milliseconds(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}

fn as_milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn exchange<'a>(
    order: &'a TokenRequest,
    now: Timestamp,
    nonce: Nonce,
    idempotency_key: &'a str,
    replies: &'a [Reply],
) -> Exchange<'a> {
    Exchange {
        grant: order.grant,
        mode: order.mode,
        hosts: order.meta.hosts,
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

/// Whether the token or what comes with it contains a secret of this exchange: where a connector, or a gateway before it,
/// repeats the merchant's key, nobody gets it. `server_parameters` stay in the backend and may repeat an input.
fn repeats_secret(token: &Token, order: &TokenRequest, sent: &[String]) -> bool {
    let parameters = token.client_parameters.iter().flat_map(|(name, value)| [name.as_ref(), value.as_str()]);
    let scopes = token.scopes.iter().map(String::as_str);
    let mut texts = [token.value.expose(), &token.token_type].into_iter().chain(scopes).chain(parameters);
    let sent = sent.iter().map(String::as_str).filter(|sent| !order.public_values().any(|public| public == *sent));
    let secrets: Vec<&str> = order.private_values().chain(sent).collect();
    texts.any(|text| contains_secret(text, secrets.iter().copied()))
}

/// The error with every credential removed from the vendor's words.
fn scrubbed(mut error: Error, order: &TokenRequest, sent: &[String]) -> Error {
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
