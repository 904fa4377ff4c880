//! Tokens belong to their credentials: other ones get another token, wrong ones get none.

use std::{collections::HashSet, sync::atomic::Ordering::SeqCst};

use crate::scripted_engine::{ScriptedEngine, TestRequest, holder_and_expiry};
use connectors::Kind;
use daypass::{ConnectorSettings, Settings};
use serde_json::json;

#[tokio::test]
async fn other_credentials_modes_hosts_and_requests_share_no_token() {
    let scripted = ScriptedEngine::new();
    let credentials = |payer: Option<&str>| {
        let mut fields = json!({"client_id": "id", "client_secret": "secret"});
        if let Some(payer) = payer {
            fields["payer_id"] = json!(payer);
        }
        json!({"Paypal": fields})
    };
    let server = TestRequest::server();
    let scoped =
        |scopes: serde_json::Value| TestRequest::server().data(json!({"audience": "server", "scopes": scopes}));
    let asks = [
        TestRequest { credentials: credentials(None), ..server.clone() },
        TestRequest { credentials: credentials(Some("a")), ..server.clone() },
        TestRequest { credentials: credentials(Some("b")), ..server.clone() },
        TestRequest::paypal("id2", "secret", server.data.clone()),
        TestRequest::paypal("id", "secret2", server.data.clone()),
        TestRequest::paypal("idsecret", "x", server.data.clone()),
        TestRequest::paypal("id", "secretx", server.data.clone()),
        TestRequest { test_mode: false, ..server.clone() },
        scoped(json!(["a"])),
        scoped(json!(["b"])),
        scoped(json!(["a", "b"])),
    ];
    let mut tokens = HashSet::new();
    for round in 0..2 {
        for (nth, ask) in asks.iter().enumerate() {
            let ask = ask.clone().reference(format!("ref-{nth}-{round}"));
            tokens.insert(scripted.ask(&ask).await.unwrap().token().to_owned());
        }
    }
    assert_eq!((tokens.len(), scripted.calls()), (asks.len(), asks.len()));

    let mut elsewhere = ConnectorSettings::default();
    elsewhere.base_urls.insert("test_base_url".into(), "http://127.0.0.1:9".into());
    let settings = Settings { connectors: [("paypal".to_owned(), elsewhere)].into(), ..Settings::default() };
    let other_host = scripted.node(settings, &[1]);
    for ask in [TestRequest::server(), TestRequest::client().reference("ref-client")] {
        let here = scripted.ask(&ask).await.unwrap();
        let there = other_host.ask(&ask).await.unwrap();
        assert_ne!(here.token(), there.token(), "a token of one host is not handed out for another");
    }
}

#[tokio::test]
async fn rejected_credentials_are_remembered_for_a_moment() {
    let scripted = ScriptedEngine::new();
    scripted.script.known.lock().unwrap().insert("id".into(), "secret".into());
    let wrong =
        |reference: &str| TestRequest::paypal("id", "wrong", json!({"audience": "server"})).reference(reference);
    for nth in 0..100 {
        let error = scripted.ask(&wrong(&nth.to_string())).await.unwrap_err();
        assert_eq!(error.kind, Kind::CredentialsRejected);
    }
    assert_eq!(scripted.calls(), 1, "a wrong key in a loop");
    scripted.ask(&TestRequest::server()).await.unwrap();
    assert_eq!(scripted.calls(), 2, "the right key is not concerned");
    assert_eq!(scripted.ask(&wrong("x").fresh()).await.unwrap_err().kind, Kind::CredentialsRejected);
    assert_eq!(scripted.calls(), 3, "who wants to know, asks");
    scripted.clock.pass_ms(3_001);
    assert_eq!(scripted.ask(&wrong("x")).await.unwrap_err().kind, Kind::CredentialsRejected);
    assert_eq!(scripted.calls(), 4, "forgotten after some seconds");
    // Other refusals are not remembered.
    scripted.script.status.store(403, SeqCst);
    for nth in 0..3 {
        let ask = TestRequest::paypal("other", "x", json!({})).reference(nth.to_string());
        assert_eq!(scripted.ask(&ask).await.unwrap_err().kind, Kind::PermissionDenied);
    }
    assert_eq!(scripted.calls(), 7);
}

#[tokio::test]
async fn a_wrong_secret_gets_no_stored_token_and_a_new_secret_no_old_one() {
    let scripted = ScriptedEngine::new();
    scripted.script.known.lock().unwrap().insert("id".into(), "secret".into());
    for right in [TestRequest::client(), TestRequest::server().reference("s")] {
        scripted.ask(&right).await.unwrap();
        for secret in ["wrong", "secre", "secrets", "Secret", "s ecret"] {
            let wrong = TestRequest::paypal("id", secret, right.data.clone());
            assert_eq!(scripted.ask(&wrong).await.unwrap_err().kind, Kind::CredentialsRejected, "{secret:?}");
        }
    }
    scripted.script.known.lock().unwrap().insert("id".into(), "rotated".into());
    for data in [json!({}), json!({"audience": "server"})] {
        let ask = TestRequest::paypal("id", "rotated", data.clone()).reference(data.to_string());
        let given = scripted.ask(&ask).await.unwrap();
        assert_eq!(holder_and_expiry(&given.issued).0, "id:rotated");
    }
}
