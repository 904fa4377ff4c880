//! Whole replies: documented successes, every status, redirects, and echoes of the request.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use super::{AMPLE, Tally, alone, for_each, in_body, kind, leaves, thin, transport};
use crate::fault_server::{Act, FaultServer, Front, reply};
use crate::fixtures_as_calls::{one_each, refusals, successes};
use connectors::Kind;
use serde_json::{Value, json};

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
                    // The vendor's error code has priority over the status, so the body may be a
                    // refusal of another kind.
                    assert!(
                        allowed.contains(&blame) || (status >= 400 && blame == "network"),
                        "{} {what}: {kind:?}",
                        fixture.name
                    );
                    let asked = server.requests().saturating_sub(fixture.replies.len() - 1);
                    // A 409 may mean that the answer to an earlier attempt was lost.
                    let again = matches!(status, 409 | 429 | 502 | 503 | 504) || status < 200;
                    // An old connection may close while the request is written. Then no request
                    // is counted, and it is not repeated, as it may have arrived.
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

/// The connector repeats headers, body and credentials of the request in its refusals.
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
