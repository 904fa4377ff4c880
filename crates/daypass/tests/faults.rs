//! Slow, broken, hostile and absent connectors: every connector of the list, through the engine and
//! the real transport, against a server that breaks by script.
//!
//! After every call: it ended, the error kind is right, no credential shows, and a token is whole
//! or absent. Each test prints how many calls it made. The matrix is thinned to a bound; all of it,
//! and how late a deadline is told: `cargo test --release -p daypass --test all faults -- --ignored
//! --nocapture`

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::fault_server::{Act, Authority, BlackHole, FaultServer, Front, lying_reply, refused, reply};
use crate::fixtures_as_calls::{
    FixtureCall, FixtureReply, Outcome, Shared, call, each_grant, engine, one_each, refusals, successes,
};
use connectors::Kind;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A call that takes this much longer than allowed hangs.
const HANGS: Duration = Duration::from_secs(30);
/// Time for calls that end by themselves.
const AMPLE: Duration = Duration::from_secs(60);
/// Time for calls that end by their deadline.
const LITTLE: Duration = Duration::from_millis(300);

/// Counts over all calls of a test.
#[derive(Default)]
struct Tally {
    calls: AtomicUsize,
    attempts: AtomicUsize,
    latest_ms: AtomicUsize,
}

impl Tally {
    /// Checks what must hold after every call.
    fn check(&self, fixture: &FixtureCall, outcome: &Outcome, time: Duration, what: &str) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(outcome.report.attempts as usize, Ordering::Relaxed);
        let context = format!("{} {what}", fixture.name);
        let late = outcome.took.saturating_sub(time);
        self.latest_ms.fetch_max(late.as_millis() as usize, Ordering::Relaxed);
        assert!(late <= HANGS, "{context}: {late:?} after its deadline");
        match &outcome.result {
            Ok(issued) => {
                let token = issued.token.value.expose();
                assert!(!token.trim().is_empty() && !token.chars().any(char::is_control), "{context}: dead token");
                assert!(issued.left.is_none_or(|left| left >= Duration::from_secs(1)), "{context}: expired");
                // Some tokens are also the public value that a client's SDK wants under another
                // name.
                let shown = format!("{:?} {:?}", issued.token.value, issued.token.server_parameters);
                assert!(token.len() < 8 || !shown.contains(token), "{context}: Debug shows the token");
            }
            Err(error) => {
                assert_ne!(error.kind, Kind::Internal, "{context}: {error:?}");
                let mut shown = format!("{error:?} {error}");
                for refusal in error.refusal.iter() {
                    shown += &format!("{:?} {:?} {:?}", refusal.code, refusal.message, refusal.reason);
                }
                for canary in fixture.canaries() {
                    assert!(!shown.contains(&canary), "{context}: a credential shows: {shown}");
                }
            }
        }
    }

    fn print(&self, what: &str, began: Instant) {
        println!(
            "{what}: {} calls, {} attempts, at most {} ms after the deadline, {:.1} s",
            self.calls.load(Ordering::Relaxed),
            self.attempts.load(Ordering::Relaxed),
            self.latest_ms.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64(),
        );
    }
}

fn kind(outcome: &Outcome) -> Option<Kind> {
    outcome.result.as_ref().err().map(|error| error.kind)
}

/// Every nth, so that about as many are left as wanted; the first and the last always.
fn thin<T: Clone>(items: &[T], wanted: usize, offset: usize) -> Vec<T> {
    let step = items.len().div_ceil(wanted.max(1)).max(1);
    let of = |(nth, item): (usize, &T)| {
        ((nth + offset).is_multiple_of(step) || nth == 0 || nth + 1 == items.len()).then(|| item.clone())
    };
    items.iter().enumerate().filter_map(of).collect()
}

/// Runs something for every fixture, several at a time; each has a fault server of its own.
async fn for_each<F: Future<Output = ()> + Send + 'static>(
    fixtures: Vec<FixtureCall>,
    run: impl Fn(usize, FixtureCall, FaultServer) -> F,
) {
    let authority = Authority::new();
    let permits = Arc::new(Semaphore::new(16));
    let mut tasks = tokio::task::JoinSet::new();
    for (nth, fixture) in fixtures.into_iter().enumerate() {
        let work = run(nth, fixture, FaultServer::with_authority(Front::Plain, &authority).await);
        let permits = permits.clone();
        tasks.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            work.await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

/// Those whose token is in a body: where it is in a header, no body matters.
fn in_body(fixtures: Vec<FixtureCall>) -> Vec<FixtureCall> {
    let (all, fixtures): (_, Vec<FixtureCall>) =
        (fixtures.len(), fixtures.into_iter().filter(FixtureCall::token_is_in_body).collect());
    assert!(fixtures.len() * 10 >= all * 9, "{} of {all}", fixtures.len());
    fixtures
}

fn is_json(reply: &FixtureReply) -> bool {
    serde_json::from_slice::<Value>(&reply.body).is_ok()
}

fn transport() -> Shared {
    Shared::new(AMPLE, None)
}

/// One call with new host limits and a new store.
async fn alone(fixture: &FixtureCall, base: &str, transport: &Shared, time: Duration) -> Outcome {
    let ample = |settings: &mut daypass::Settings| settings.limits.attempt_timeout_ms = 60_000;
    call(&engine(fixture, base, transport, ample), fixture, time).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documented_successes_succeed_over_the_wire() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(successes(), |_, fixture, server| {
        let tally = tally.clone();
        async move {
            server.answer(fixture.until_last(vec![Act::Send(fixture.replies.last().unwrap().bytes())]));
            let outcome = alone(&fixture, &server.base(), &transport(), AMPLE).await;
            tally.check(&fixture, &outcome, AMPLE, "as documented");
            if kind(&outcome) == Some(Kind::InvalidCredentials)
                && fixture.credentials.keys().any(|name| name.contains("certificate"))
            {
                println!("{}: the fixture's certificate is made up, no connection can be made with it", fixture.name);
                return;
            }
            let token = outcome.result.unwrap_or_else(|error| panic!("{}: {error:?}", fixture.name)).token;
            assert_eq!(token.value.expose(), fixture.token, "{}", fixture.name);
            assert_eq!(server.requests(), fixture.replies.len(), "{}", fixture.name);
            assert_eq!(outcome.report.attempts as usize, fixture.replies.len(), "{}", fixture.name);
        }
    })
    .await;
    assert!(tally.calls.load(Ordering::Relaxed) >= 10);
    tally.print("documented successes", began);
}

/// The connection breaks before a request reaches the connector.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_unavailable_and_tried_again() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    let authority = Authority::new();
    let transport = Shared::new(Duration::from_millis(400), Some(&authority.pem));
    let (hole, (nobody, _held)) = (BlackHole::start().await, refused());
    let mut ways = vec![
        ("refused".to_owned(), format!("http://{nobody}")),
        ("black hole".to_owned(), format!("http://{}", hole.address)),
        ("no such name".to_owned(), "https://nobody.invalid".to_owned()),
    ];
    let mut servers = Vec::new();
    for front in [Front::WrongName, Front::Expired, Front::SelfSigned, Front::StalledHandshake, Front::NotTls] {
        let server = FaultServer::with_authority(front, &authority).await;
        ways.push((format!("{front:?}"), server.base()));
        servers.push(server);
    }
    let ways = Arc::new(ways);
    for_each(one_each(), |_, fixture, _| {
        let (tally, ways, transport) = (tally.clone(), ways.clone(), transport.clone());
        async move {
            let calls = ways.iter().map(|(what, base)| {
                let (fixture, transport) = (&fixture, &transport);
                async move { (what, alone(fixture, base, transport, AMPLE).await) }
            });
            for (what, outcome) in futures(calls).await {
                tally.check(&fixture, &outcome, AMPLE, what);
                assert_eq!(kind(&outcome), Some(Kind::Unavailable), "{} {what}", fixture.name);
                assert_eq!(outcome.report.attempts, 3, "{} {what}: nothing was sent, so it is safe", fixture.name);
            }
            // The same with less time than making a connection may take.
            let calls = ways.iter().map(|(what, base)| {
                let (fixture, transport) = (&fixture, &transport);
                async move { (what, alone(fixture, base, transport, LITTLE).await) }
            });
            for (what, outcome) in futures(calls).await {
                tally.check(&fixture, &outcome, LITTLE, what);
                let fault = outcome.result.err().map(|error| error.kind.fault().label());
                assert_eq!(fault, Some("network"), "{} {what}", fixture.name);
            }
        }
    })
    .await;
    for server in servers {
        assert_eq!(server.requests(), 0, "credentials went to a server that is not the vendor");
    }
    tally.print("no connection", began);
}

/// A good TLS server is reached by the same transport that refuses the bad ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_works_where_the_certificate_is_right() {
    let server = FaultServer::start(Front::Tls).await;
    let fixture = &one_each()[0];
    server.answer(fixture.until_last(vec![Act::Send(fixture.replies.last().unwrap().bytes())]));
    let trusting = Shared::new(AMPLE, Some(&server.authority));
    assert!(alone(fixture, &server.base(), &trusting, AMPLE).await.result.is_ok());
    server.answer(fixture.until_last(vec![Act::Send(fixture.replies.last().unwrap().bytes())]));
    let outcome = alone(fixture, &server.base(), &transport(), AMPLE).await;
    assert_eq!((kind(&outcome), server.requests()), (Some(Kind::Unavailable), 0), "an authority that nobody trusts");
}

async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// The connection breaks, or goes silent, at every stage of the answer: each way with the kinds
/// that it may be told as. The silent ones take the whole time of a call: each connector sees so
/// many of them.
async fn broken_and_silent(silent: usize) {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(in_body(one_each()), |nth, fixture, _| {
        let tally = tally.clone();
        async move {
            let whole = fixture.replies.last().unwrap().bytes();
            let body = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            let (in_headers, in_body) = (whole[..body / 2].to_vec(), whole[..body + (whole.len() - body) / 2].to_vec());
            let all_but_one = whole[..whole.len() - 1].to_vec();
            let send = |bytes: &[u8]| Act::Send(bytes.to_vec());
            let ways: Vec<(&str, Vec<Act>, Kind)> = vec![
                ("reset before the reply", vec![Act::Reset], Kind::Unavailable),
                ("closed before the reply", vec![Act::Close], Kind::Unavailable),
                ("half closed before the reply", vec![Act::HalfClose, Act::Hang], Kind::Unavailable),
                ("reset in the headers", vec![send(&in_headers), Act::Reset], Kind::Unavailable),
                ("half closed in the headers", vec![send(&in_headers), Act::HalfClose, Act::Hang], Kind::Unavailable),
                ("reset in the body", vec![send(&in_body), Act::Reset], Kind::Unavailable),
                ("half closed in the body", vec![send(&in_body), Act::HalfClose, Act::Hang], Kind::Unavailable),
                ("closed before the last byte", vec![send(&all_but_one), Act::Close], Kind::Unavailable),
                ("no reply", vec![Act::Hang], Kind::Timeout),
                ("stalled in the headers", vec![send(&in_headers), Act::Hang], Kind::Timeout),
                ("stalled in the body", vec![send(&in_body), Act::Hang], Kind::Timeout),
                ("stalled before the last byte", vec![send(&all_but_one), Act::Hang], Kind::Timeout),
                ("a byte a second", vec![Act::Drip(whole.clone(), Duration::from_secs(1))], Kind::Timeout),
                ("a byte each 10 ms", vec![Act::Drip(whole.clone(), Duration::from_millis(10))], Kind::Timeout),
                ("headers without an end", vec![Act::Send(endless_headers(8_000)), Act::Hang], Kind::Timeout),
                ("not HTTP", vec![Act::Send(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), Act::Close], Kind::BadReply),
                ("too many headers", vec![Act::Send(endless_headers(1_000_000)), Act::Close], Kind::BadReply),
            ];
            let (quiet, broken): (Vec<_>, Vec<_>) = ways.into_iter().partition(|(.., kind)| *kind == Kind::Timeout);
            let quiet = quiet.into_iter().cycle().skip(nth * silent).take(silent);
            let (transport, authority) = (transport(), Authority::new());
            for (what, last, expected) in quiet.chain(broken) {
                // One for each: the request of a call that has timed out may still arrive.
                let server = FaultServer::with_authority(Front::Plain, &authority).await;
                server.answer(fixture.until_last(last));
                let time = if expected == Kind::Timeout { LITTLE } else { AMPLE };
                let outcome = alone(&fixture, &server.base(), &transport, time).await;
                tally.check(&fixture, &outcome, time, what);
                assert_eq!(kind(&outcome), Some(expected), "{} {what}: {:?}", fixture.name, outcome.result);
                let (told, before) = (outcome.report.attempts as usize, fixture.replies.len() - 1);
                let seen = server.requests();
                // A deadline may come before the last request arrives, and before the engine counts
                // its attempt.
                assert!(told == seen || expected == Kind::Timeout, "{} {what}: {told} {seen}", fixture.name);
                assert!(seen.max(told) <= before + 3, "{} {what}: {seen} requests, {told} told", fixture.name);
                if what.contains(" in ") || expected != Kind::Unavailable {
                    let limit = if what.contains("headers") { before + 3 } else { before + 1 };
                    assert!(seen <= limit, "{} {what}: {seen} requests", fixture.name);
                }
            }
        }
    })
    .await;
    tally.print("broken and silent connections", began);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_and_silent_connections() {
    broken_and_silent(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "all of the matrix"]
async fn broken_and_silent_all() {
    broken_and_silent(7).await;
}

fn endless_headers(bytes: usize) -> Vec<u8> {
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for nth in 0.. {
        if head.len() >= bytes {
            break;
        }
        head.extend_from_slice(format!("x-header-{nth}: {}\r\n", "v".repeat(900)).as_bytes());
    }
    head
}

async fn statuses(wanted: usize) {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    let kinds = Arc::new(std::sync::Mutex::new(BTreeMap::<(u16, &str), usize>::new()));
    let fixtures = in_body(one_each());
    let share = wanted / fixtures.len();
    for_each(fixtures, |nth, fixture, server| {
        let (tally, kinds) = (tally.clone(), kinds.clone());
        async move {
            let transport = transport();
            let all: Vec<u16> = (100..=599).collect();
            let mut statuses = thin(&all, share, nth);
            statuses.extend([101, 204, 301, 304, 401, 403, 404, 407, 408, 429, 500, 502, 503, 504]);
            for status in statuses {
                let good = fixture.replies.last().unwrap();
                for body in [good.body.as_slice(), b"{}", b""] {
                    let bytes = reply(status, &good.header_pairs(), body);
                    server.answer(fixture.until_last(vec![Act::Send(bytes), Act::Close]));
                    let outcome = alone(&fixture, &server.base(), &transport, AMPLE).await;
                    let what = format!("status {status} with {} bytes", body.len());
                    tally.check(&fixture, &outcome, AMPLE, &what);
                    let kind = kind(&outcome);
                    let blame = kind.map_or("nobody", |kind| kind.fault().label());
                    *kinds.lock().unwrap().entry((status / 100, kind.map_or("token", Kind::label))).or_default() += 1;
                    let allowed: &[&str] = match status {
                        // The documented body under another 2xx is still the documented body.
                        200..300 if body == good.body => &["nobody", "network", "vendor"],
                        // Some vendors refuse with 200 and a body without a token.
                        200..300 => &["network", "vendor"],
                        100..400 => &["network"],
                        400..500 => &["vendor"],
                        _ => &["vendor", "network"],
                    };
                    // What the vendor's own words say goes before the status: a body may be a
                    // refusal of another kind.
                    assert!(
                        allowed.contains(&blame) || (status >= 400 && blame == "network"),
                        "{} {what}: {kind:?}",
                        fixture.name
                    );
                    let asked = server.requests().saturating_sub(fixture.replies.len() - 1);
                    // 409, where the answer of an attempt before it was lost.
                    let again = matches!(status, 409 | 429 | 502 | 503 | 504) || status < 200;
                    // None, where a connection from before closes as the request is written: it may
                    // have arrived.
                    assert!(asked <= 1 || again && asked <= 3, "{} {what}: {asked} requests", fixture.name);
                }
            }
        }
    })
    .await;
    tally.print("statuses", began);
    for ((class, kind), count) in kinds.lock().unwrap().iter() {
        println!("  {class}xx {kind}: {count}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statuses_thinned() {
    statuses(250).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "all of the matrix"]
async fn statuses_all() {
    statuses(usize::MAX / 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_never_followed() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(one_each(), |_, fixture, server| {
        let tally = tally.clone();
        async move {
            let thief = FaultServer::start(Front::Plain).await;
            let stolen = fixture.replies.last().unwrap().bytes();
            let transport = transport();
            for status in [300, 301, 302, 303, 305, 307, 308] {
                let elsewhere = format!("{}/steal", thief.base());
                let http = format!("http://localhost:{}/steal", thief.address.port());
                let relative = "//127.0.0.1/steal".to_owned();
                for location in [elsewhere, http, relative, "/again".to_owned()] {
                    let answer = stolen.clone();
                    thief.answer_with(move |_, _| vec![Act::Send(answer.clone())]);
                    let body = &fixture.replies.last().unwrap().body;
                    server.answer(fixture.until_last(vec![Act::Send(reply(status, &[("location", &location)], body))]));
                    let outcome = alone(&fixture, &server.base(), &transport, AMPLE).await;
                    tally.check(&fixture, &outcome, AMPLE, &format!("{status} to {location}"));
                    assert_eq!(kind(&outcome), Some(Kind::BadReply), "{} {status}", fixture.name);
                    assert_eq!((thief.requests(), server.requests()), (0, fixture.replies.len()), "{}", fixture.name);
                }
            }
        }
    })
    .await;
    tally.print("redirects", began);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_not_as_documented() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(in_body(each_grant()), |_, fixture, server| {
        let tally = tally.clone();
        async move {
            let good = fixture.replies.last().unwrap();
            let text = String::from_utf8(good.body.clone()).unwrap();
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let with_mark: Vec<u8> = [0xff, 0xfe].into_iter().chain(wide.clone()).collect();
            let html = b"<!DOCTYPE html><html><body>Sign in to the airport's network</body></html>";
            let doubled = text.replacen('{', "{\"access_token\":1,\"id\":[],", 1);
            let nested = "[".repeat(200_000);
            let long = format!("{{\"access_token\":\"{}\"}}", "x".repeat(2 << 20));
            let not_unicode: Vec<u8> = good.body.iter().map(|byte| if *byte == b'"' { 0xff } else { *byte }).collect();
            // 10 MB of nothing in 10 KB, as a bomb is.
            let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].into_iter().chain([0; 10_000]).collect::<Vec<u8>>();
            let bodies: Vec<(&str, &[u8])> = vec![
                ("empty", b""),
                ("{}", b"{}"),
                ("[]", b"[]"),
                ("null", b"null"),
                ("a text", b"\"token\""),
                ("a number", b"1e999"),
                ("HTML", html),
                ("UTF-16", &wide),
                ("UTF-16 with a mark", &with_mark),
                ("not Unicode", &not_unicode),
                ("nested", nested.as_bytes()),
                ("2 MiB", long.as_bytes()),
                ("a bomb without saying so", &bomb),
                ("a zero", b"\0"),
            ];
            let transport = transport();
            let play = async |what: &str, reply: FixtureReply| {
                server.answer(fixture.until_last(vec![Act::Send(reply.bytes())]));
                let outcome = alone(&fixture, &server.base(), &transport, AMPLE).await;
                tally.check(&fixture, &outcome, AMPLE, what);
                outcome
            };
            let mut wrong = Vec::new();
            for (what, body) in bodies.into_iter().filter(|(_, body)| *body != good.body) {
                let outcome = play(what, good.with_body(body)).await;
                // Some vendors refuse with 200 and a body without a token: then an odd body may be
                // read as a refusal.
                let fault = outcome.result.as_ref().err().map(|error| error.kind.fault().label());
                let told = matches!(fault, Some("network" | "vendor"));
                if fault == Some("vendor") {
                    println!("{} {what}: told as {:?}", fixture.name, kind(&outcome));
                }
                if !told {
                    wrong.push(format!("{} {what}: {:?}", fixture.name, outcome.result));
                }
            }
            assert!(wrong.is_empty(), "{}", wrong.join("\n"));
            for encoding in ["gzip", "br", "deflate", "zstd", "x-unknown"] {
                let mut reply = good.with_body(bomb.clone());
                reply.headers.push(("content-encoding".into(), encoding.into()));
                let outcome = play(encoding, reply).await;
                assert_eq!(kind(&outcome), Some(Kind::BadReply), "{} {encoding}", fixture.name);
            }
            for content_type in ["text/html", "image/png", "application/octet-stream", ""] {
                let mut reply = good.clone();
                reply.headers.retain(|(name, _)| name != "content-type");
                reply.headers.push(("content-type".into(), content_type.into()));
                let outcome = play("a wrong content type", reply).await;
                let token = outcome.result.map(|issued| issued.token.value.expose().to_owned());
                assert!(token.is_err() || token.as_deref().ok() == Some(fixture.token.as_str()), "{}", fixture.name);
            }
            if !is_json(good) || fixture.token.starts_with('{') {
                return;
            }
            for what in [doubled, format!("{text}{text}"), format!("{text} trailing"), text.replace("\":", "\" \n:")] {
                let outcome = play("doubled", good.with_body(what)).await;
                let token = outcome.result.map(|issued| issued.token.value.expose().to_owned());
                assert!(token.is_err() || token.as_deref().ok() == Some(fixture.token.as_str()), "{}", fixture.name);
            }
        }
    })
    .await;
    tally.print("bodies", began);
}

/// The connector sends a wrong length, and a second reply with another token behind the first. No
/// caller gets that token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_lengths() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(in_body(one_each()), |_, fixture, server| {
        let tally = tally.clone();
        async move {
            let good = fixture.replies.last().unwrap();
            let transport = transport();
            let engine = engine(&fixture, &server.base(), &transport, |_| {});
            let headers = good.header_pairs();
            let long = lying_reply(good.status, &headers, &good.body, good.body.len() + 10);
            for (end, expected) in [(Act::Close, Kind::Unavailable), (Act::Hang, Kind::Timeout)] {
                server.answer(fixture.until_last(vec![Act::Send(long.clone()), end]));
                let time = if expected == Kind::Timeout { LITTLE } else { AMPLE };
                let outcome = call(&engine, &fixture, time).await;
                tally.check(&fixture, &outcome, time, "too long");
                assert_eq!(kind(&outcome), Some(expected), "{}", fixture.name);
            }
            let stolen = String::from_utf8(good.bytes()).unwrap().replace(&fixture.token, "token-of-another-caller");
            let mut short = good.bytes();
            short.extend_from_slice(stolen.as_bytes());
            for _ in 0..10 {
                server.answer(fixture.until_last(vec![Act::Send(short.clone())]));
                let outcome = call(&engine, &fixture, AMPLE).await;
                tally.check(&fixture, &outcome, AMPLE, "an answer too many");
                let token = outcome.result.map(|issued| issued.token.value.expose().to_owned());
                assert!(
                    token.is_err() || token.as_deref().ok() == Some(fixture.token.as_str()),
                    "{}: {token:?}",
                    fixture.name
                );
            }
        }
    })
    .await;
    tally.print("lengths that lie", began);
}

async fn cut_at_every_byte(wanted: usize) {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    let fixtures = in_body(each_grant());
    let share = wanted / fixtures.len();
    for_each(fixtures, |nth, fixture, server| {
        let tally = tally.clone();
        async move {
            let good = fixture.replies.last().unwrap();
            let transport = transport();
            let all: Vec<usize> = (0..good.body.len()).collect();
            for cut in thin(&all, share, nth) {
                // A vendor that answers with the bare token, and itself cuts it, cannot be found
                // out.
                if is_json(good) {
                    server.answer(fixture.until_last(vec![Act::Send(good.with_body(&good.body[..cut]).bytes())]));
                    let outcome = alone(&fixture, &server.base(), &transport, AMPLE).await;
                    tally.check(&fixture, &outcome, AMPLE, "cut");
                    let fault = outcome.result.as_ref().err().map(|error| error.kind.fault().label());
                    assert_eq!(fault, Some("network"), "{} cut at {cut}: {:?}", fixture.name, outcome.result);
                }

                let lie = lying_reply(good.status, &good.header_pairs(), &good.body[..cut], good.body.len());
                server.answer(fixture.until_last(vec![Act::Send(lie), Act::Close]));
                let outcome = alone(&fixture, &server.base(), &transport, AMPLE).await;
                tally.check(&fixture, &outcome, AMPLE, "cut off");
                assert_eq!(kind(&outcome), Some(Kind::Unavailable), "{} cut off at {cut}", fixture.name);
                assert_eq!(
                    server.requests(),
                    fixture.replies.len(),
                    "{}: once answered, not asked again",
                    fixture.name
                );
            }
        }
    })
    .await;
    tally.print("cut", began);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_at_many_bytes() {
    cut_at_every_byte(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "all of the matrix"]
async fn cut_at_all_bytes() {
    cut_at_every_byte(usize::MAX / 2).await;
}

/// The pointers of all values in a JSON text that are neither objects nor lists.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| {
                leaves(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(nth, item)| leaves(item, &format!("{at}/{nth}"), found));
        }
        _ => found.push(at.to_owned()),
    }
}

/// Every value of every documented answer, replaced by every odd one: as text, because JSON has no
/// NaN.
async fn every_value_replaced(wanted: usize) {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    let odd: &[&str] = &[
        "",
        "null",
        "\"\"",
        "\" \"",
        "\"line\\r\\nbreak\"",
        "\"zero\\u0000\"",
        "true",
        "[]",
        "{}",
        "[\"x\"]",
        "0",
        "-1",
        "-9223372036854775808",
        "9223372036854775807",
        "99999999999999999999",
        "1e400",
        "0.5",
        "NaN",
        "946684800",
        "\"946684800\"",
        "\"2000-01-01T00:00:00Z\"",
        "\"NaN\"",
        "\"never\"",
        "253402300800",
    ];
    let fixtures = in_body(each_grant());
    let share = wanted / fixtures.len();
    for_each(fixtures, |nth, fixture, server| {
        let tally = tally.clone();
        async move {
            let good = fixture.replies.last().unwrap();
            let Ok(json) = serde_json::from_slice::<Value>(&good.body) else { return };
            if fixture.token.starts_with('{') {
                // The whole answer is the token.
                return;
            }
            let mut pointers = Vec::new();
            leaves(&json, "", &mut pointers);
            let all: Vec<(String, &str)> =
                pointers.iter().flat_map(|pointer| odd.iter().map(move |value| (pointer.clone(), *value))).collect();
            let transport = transport();
            for (pointer, value) in thin(&all, share, nth) {
                let mut changed = json.clone();
                let was = changed.pointer_mut(&pointer).unwrap();
                let was_token = was.as_str() == Some(fixture.token.as_str());
                *was = json!("REPLACED");
                let mut body = changed.to_string().replace("\"REPLACED\"", value);
                if value.is_empty() {
                    // Left out.
                    let (parent, name) = pointer.rsplit_once('/').unwrap();
                    if let Some(members) = changed.pointer_mut(parent).and_then(Value::as_object_mut) {
                        members.remove(name);
                        body = changed.to_string();
                    }
                }
                server.answer(fixture.until_last(vec![Act::Send(good.with_body(body).bytes())]));
                let outcome = alone(&fixture, &server.base(), &transport, AMPLE).await;
                let what = format!("{pointer} = {value}");
                tally.check(&fixture, &outcome, AMPLE, &what);
                match &outcome.result {
                    Ok(issued) if was_token => {
                        let token = issued.token.value.expose();
                        let given: Option<String> = serde_json::from_str(value).ok();
                        // Some vendors say it twice.
                        let reply = token == fixture.token || given.as_deref() == Some(token);
                        assert!(reply, "{} {what}: not what the vendor gave", fixture.name);
                    }
                    Ok(issued) => assert_eq!(issued.token.value.expose(), fixture.token, "{} {what}", fixture.name),
                    Err(error) => {
                        // An answer may tell that the credentials are of the other environment.
                        let mode = error.fields.iter().any(|violation| violation.field == "test_mode");
                        assert!(error.kind.fault().label() != "caller" || mode, "{} {what}: {error:?}", fixture.name);
                    }
                }
            }
        }
    })
    .await;
    tally.print("values replaced", began);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_values_replaced() {
    every_value_replaced(1_500).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "all of the matrix"]
async fn all_values_replaced() {
    every_value_replaced(usize::MAX / 2).await;
}

/// A connector that repeats the request in its refusals: headers, body, credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_a_connector_repeats_are_not_passed_on() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(refusals(), |_, fixture, server| {
        let tally = tally.clone();
        async move {
            let last = fixture.replies.last().unwrap().clone();
            let reply = fixture.clone();
            server.answer_with(move |nth, request| {
                if nth + 1 < reply.replies.len() {
                    return vec![Act::Send(reply.replies[nth].bytes())];
                }
                let mut echo = String::from_utf8_lossy(request).into_owned();
                echo.extend(reply.canaries().iter().map(|canary| format!(" {canary}")));
                let body = match serde_json::from_slice::<Value>(&last.body) {
                    Ok(json) => {
                        let (mut json, mut pointers) = (json, Vec::new());
                        leaves(&json, "", &mut pointers);
                        for pointer in pointers {
                            let leaf = json.pointer_mut(&pointer).unwrap();
                            if let Some(text) = leaf.as_str() {
                                *leaf = json!(format!("{text} {echo}"));
                            }
                        }
                        json.to_string()
                    }
                    Err(_) => echo,
                };
                vec![Act::Send(last.with_body(body).bytes())]
            });
            let outcome = alone(&fixture, &server.base(), &transport(), AMPLE).await;
            tally.check(&fixture, &outcome, AMPLE, "an echo");
            assert!(outcome.result.is_err(), "{}", fixture.name);
        }
    })
    .await;
    tally.print("echoes", began);
}

/// Measures how late a deadline error comes where the connector hangs. It needs a quiet machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures latency on a quiet machine"]
async fn deadlines_are_told_within_50_ms() {
    let server = FaultServer::start(Front::Plain).await;
    let (fixture, transport) = (&one_each()[0], transport());
    server.answer(vec![vec![Act::Hang]]);
    for _ in 0..50 {
        let outcome = alone(fixture, &server.base(), &transport, LITTLE).await;
        assert_eq!(kind(&outcome), Some(Kind::Timeout));
        let late = outcome.took.saturating_sub(LITTLE);
        assert!(late <= Duration::from_millis(50), "{late:?} after its deadline");
    }
}
