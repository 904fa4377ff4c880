//! Connections that cannot be made, break, or go silent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AMPLE, LITTLE, Tally, alone, for_each, in_body, kind, transport};
use crate::fault_server::{Act, Authority, BlackHole, FaultServer, Front, refused};
use crate::fixtures_as_calls::{FixtureCall, Shared, one_each};
use connectors::Kind;
use tokio::task::JoinSet;

/// The connection breaks before a request reaches the connector.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_is_unavailable_and_tried_again() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    let authority = Authority::new();
    let transport = Shared::new(Duration::from_millis(800), Some(&authority.pem));
    let (hole, (nobody, _held)) = (BlackHole::start().await, refused());
    let mut servers = Vec::new();
    for front in [Front::WrongName, Front::Expired, Front::SelfSigned, Front::NotTls, Front::StalledHandshake] {
        servers.push((format!("{front:?}"), FaultServer::with_authority(front, &authority).await));
    }
    let mut ways: Vec<_> = servers.iter().map(|(what, server)| (what.clone(), server.base())).collect();
    let stalled = ways.pop().unwrap();
    ways.push(("refused".to_owned(), format!("http://{nobody}")));
    ways.push(("no such name".to_owned(), "https://nobody.invalid".to_owned()));
    for_each(one_each(), |_, fixture, _| no_connections(fixture, ways.clone(), transport.clone(), tally.clone())).await;
    // These only wait, and so do all at once.
    let silent = vec![stalled, ("black hole".to_owned(), format!("http://{}", hole.address))];
    let mut waiting = JoinSet::new();
    for fixture in one_each() {
        waiting.spawn(no_connections(fixture, silent.clone(), transport.clone(), tally.clone()));
    }
    while let Some(done) = waiting.join_next().await {
        done.unwrap();
    }
    for (what, server) in servers {
        assert_eq!(server.requests(), 0, "credentials went to a server that is not the vendor: {what}");
    }
    tally.print("no connection", began);
}

/// The calls of one fixture to places where no connection can be made, all at once.
async fn no_connections(fixture: FixtureCall, ways: Vec<(String, String)>, transport: Shared, tally: Arc<Tally>) {
    let call = |time| {
        let (fixture, transport) = (&fixture, &transport);
        ways.iter().map(move |(what, base)| async move { (what, alone(fixture, base, transport, time).await) })
    };
    for (what, outcome) in futures(call(AMPLE)).await {
        tally.check(&fixture, &outcome, AMPLE, what);
        if ["WrongName", "Expired", "SelfSigned"].contains(&what.as_str()) {
            // On a busy machine a handshake may take too long first.
            assert_eq!(kind(&outcome), Some(Kind::ConnectorNotTrusted), "{} {what}", fixture.name);
        } else {
            assert_eq!(kind(&outcome), Some(Kind::Unavailable), "{} {what}", fixture.name);
            assert_eq!(outcome.report.attempts, 3, "{} {what}: nothing was sent, so it is safe", fixture.name);
        }
        let cause = outcome.result.err().unwrap().message;
        assert!(cause.starts_with("no connection to the connector could be made: "), "{what}: {cause}");
    }
    // The same with a deadline that may come before the connection is made.
    for (what, outcome) in futures(call(LITTLE)).await {
        tally.check(&fixture, &outcome, LITTLE, what);
        let fault = outcome.result.err().map(|error| error.kind.fault().label());
        assert_eq!(fault, Some("network"), "{} {what}", fixture.name);
    }
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
    assert_eq!(
        (kind(&outcome), server.requests()),
        (Some(Kind::ConnectorNotTrusted), 0),
        "an authority that nobody trusts"
    );
    assert_eq!(outcome.report.attempts, 1, "a wrong certificate stays wrong");
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

/// The connection breaks or goes silent at every stage of the answer. Each way has its error kind.
/// A silent connection takes the whole time of a call, so a connector gets only `silent` of them.
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
                // Each way has a server, as the request of a timed-out call may still arrive.
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
