//! Clients: calls that a token allows, calls that it does not allow, and its end.

use connectors::Audience;
use protocol::CreateAccessTokenResponse;
use sandbox::{ClientCall, ClientToken};
use serde_json::json;

use super::{grant_cases, http};
use crate::common::TestServer;

#[tokio::test]
async fn client_tokens_allow_what_the_grant_allows_until_they_expire() {
    let served = TestServer::sandboxed();
    let sandbox = served.sandbox.clone().unwrap();
    let mut expiring = Vec::new();
    let cases = grant_cases();
    for case in &cases {
        let Some(client) = case.fake.clients.iter().find(|client| client.grant == case.grant.name) else {
            assert_eq!(case.grant.audience, Audience::Server, "{} has no client", case.name());
            continue;
        };
        // One token to use and one to expire, as some can be used only once.
        let token = client_token(&served.call(&case.request("used")).await.unwrap(), "used");
        let refused = |call: &ClientCall| send(&sandbox, call);
        assert!(refused(&(client.forbidden)(&token)), "{}: {}", case.name(), (client.forbidden)(&token).title);
        assert!(!refused(&(client.allowed)(&token)), "{}: {}", case.name(), (client.allowed)(&token).title);
        let answer = served.call(&case.request("to_expire")).await.unwrap();
        if let Some(left) = answer.lifetime_seconds {
            expiring.push((left, case.name(), client, client_token(&answer, "to_expire")));
        }
    }
    expiring.sort_by_key(|(left, ..)| *left);
    let mut moved = 0;
    for (left, name, client, token) in expiring {
        if left + 5 > moved {
            advance(&sandbox, left + 5 - moved);
            moved = left + 5;
        }
        assert!(send(&sandbox, &(client.allowed)(&token)), "{name}: usable after its expiry");
    }
}

fn client_token(answer: &CreateAccessTokenResponse, reference: &str) -> ClientToken {
    ClientToken {
        token: answer.access_token.as_option().map(|token| token.value.clone()).unwrap_or_default(),
        client_parameters: answer.client_parameters.clone().into_iter().collect(),
        reference: reference.into(),
    }
}

/// Whether the fake refuses the call of a client.
fn send(sandbox: &str, call: &ClientCall) -> bool {
    let (status, body) = http(sandbox, call.method, &call.path, &call.headers, &call.body);
    sandbox::refused(status, &body)
}

fn advance(sandbox: &str, seconds: i64) {
    let body = json!({ "advance_seconds": seconds }).to_string();
    let (status, _) = http(sandbox, "POST", "/_sandbox/clock", &[("content-type", "application/json".into())], &body);
    assert_eq!(status, 200);
}
