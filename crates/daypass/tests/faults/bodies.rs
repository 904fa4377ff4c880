//! Bodies that differ from the documented ones: other content, wrong lengths, cuts, odd values.

use std::{sync::Arc, time::Instant};

use super::{AMPLE, LITTLE, Tally, alone, for_each, in_body, is_json, kind, leaves, thin, transport};
use crate::fault_server::{Act, lying_reply};
use crate::fixtures_as_calls::{FixtureReply, call, each_grant, engine, one_each};
use connectors::Kind;
use serde_json::{Value, json};

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
            // The header of gzip, and zeros.
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
                // Some vendors refuse with 200 and a body without a token. The connector may read
                // an odd body as such a refusal.
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

/// The connector sends a wrong length, or a second reply with another token after the first. No
/// caller gets that token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_lengths() {
    let (began, tally) = (Instant::now(), Arc::new(Tally::default()));
    for_each(in_body(one_each()), |_, fixture, server| {
        let tally = tally.clone();
        async move {
            let good = fixture.replies.last().unwrap();
            let transport = transport();
            // One for each call: an engine sends a code that works once only once.
            let engine = || engine(&fixture, &server.base(), &transport, |_| {});
            let headers = good.header_pairs();
            let long = lying_reply(good.status, &headers, &good.body, good.body.len() + 10);
            for (end, expected) in [(Act::Close, Kind::Unavailable), (Act::Hang, Kind::Timeout)] {
                server.answer(fixture.until_last(vec![Act::Send(long.clone()), end]));
                let time = if expected == Kind::Timeout { LITTLE } else { AMPLE };
                let outcome = call(&engine(), &fixture, time).await;
                tally.check(&fixture, &outcome, time, "too long");
                assert_eq!(kind(&outcome), Some(expected), "{}", fixture.name);
            }
            let stolen = String::from_utf8(good.bytes()).unwrap().replace(&fixture.token, "token-of-another-caller");
            let mut short = good.bytes();
            short.extend_from_slice(stolen.as_bytes());
            for _ in 0..10 {
                server.answer(fixture.until_last(vec![Act::Send(short.clone())]));
                let outcome = call(&engine(), &fixture, AMPLE).await;
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
                // If the whole body is the token, a shorter token looks valid, so only JSON is cut
                // here.
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

/// Replaces every value of every documented answer by every odd value. The odd values are text,
/// because JSON has no NaN.
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
                    // The empty value stands for a missing member.
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
                        // Some vendors send the token twice.
                        let reply = token == fixture.token || given.as_deref() == Some(token);
                        assert!(reply, "{} {what}: not what the vendor gave", fixture.name);
                    }
                    Ok(issued) => assert_eq!(issued.token.value.expose(), fixture.token, "{} {what}", fixture.name),
                    Err(error) => {
                        // An answer may show that the credentials belong to the other environment.
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
