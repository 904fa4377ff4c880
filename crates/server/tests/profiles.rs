//! Credential profiles: callers use credentials that only the operator holds.

use std::fs;

use connectrpc::ErrorCode;
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    common::{TestServer, TokenRequest},
    existing_clients,
};

const KEY: &str = "sk_test_operators_canary";

fn caller(name: &str, profiles: &str) -> String {
    let hash = hex::encode(Sha256::digest(name));
    format!("[[callers]]\nname = '{name}'\nkey_sha256 = '{hash}'\n[policy.callers.{name}]\nprofiles = {profiles}\n")
}

/// A server with two profiles and three callers.
fn served(folder: &TempDir, environment: &[(&str, &str)]) -> TestServer {
    fs::write(folder.path().join("stripe.key"), format!("{KEY}\n")).unwrap();
    let profiles = "[profiles.cards]\nconnector = 'stripe'\napi_key_file = 'stripe.key'\n\
                    [profiles.wallet]\nconnector = 'paypal'\nclient_id = 'id-1'\nclient_secret_env = 'WALLET_SECRET'\n";
    let callers = [caller("web", "['cards']"), caller("app", "['cards', 'wallet']"), caller("job", "[]")].concat();
    let file = folder.path().join("daypass.toml");
    fs::write(&file, format!("{callers}{profiles}")).unwrap();
    TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], environment)
}

fn request(headers: &[(&'static str, &'static str)]) -> TokenRequest<'static> {
    let headers = headers.to_vec();
    TokenRequest { credentials: None, headers, ..TokenRequest::stripe(KEY) }
}

const WEB: (&str, &str) = ("authorization", "Bearer web");
const APP: (&str, &str) = ("authorization", "Bearer app");
const JOB: (&str, &str) = ("authorization", "Bearer job");
const CARDS: (&str, &str) = ("x-credential-profile", "cards");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_serves_callers_that_never_hold_its_key() {
    let folder = TempDir::new().unwrap();
    let mut served = served(&folder, &[("WALLET_SECRET", "0123456789")]);
    let token = async |request: TokenRequest<'_>| served.call(&request).await.unwrap().access_token;
    // Named, or the only one of the caller's for this connector.
    let of_web = token(request(&[WEB, CARDS])).await;
    assert_eq!(token(request(&[WEB])).await, of_web, "the same reference is replayed");
    // The same reference and profile, and another caller.
    let of_app = token(request(&[APP, CARDS])).await;
    assert_ne!(of_app, of_web);
    assert_eq!(token(request(&[APP])).await, of_app);
    // A caller with the key of its own is one more.
    let own = TokenRequest { headers: vec![WEB], ..TokenRequest::stripe(KEY) };
    let of_holder = token(own.clone()).await;
    assert!(of_holder != of_web && of_holder != of_app);
    let wallet = TokenRequest { credentials: None, headers: vec![APP], ..TokenRequest::paypal() };
    token(wallet.clone()).await;

    for (refused, expected, why) in [
        (request(&[JOB, CARDS]), ErrorCode::PermissionDenied, "policy.callers.job.profiles has no such profile"),
        (request(&[JOB]), ErrorCode::Unauthenticated, "no credentials"),
        (
            request(&[WEB, ("x-credential-profile", "wallet")]),
            ErrorCode::PermissionDenied,
            "policy.callers.web.profiles has no such profile",
        ),
        (
            request(&[WEB, ("x-credential-profile", "absent")]),
            ErrorCode::PermissionDenied,
            "policy.callers.web.profiles has no such profile",
        ),
        (request(&[APP, ("x-credential-profile", "wallet")]), ErrorCode::InvalidArgument, "different connectors"),
        (
            TokenRequest { headers: vec![WEB, CARDS], ..own },
            ErrorCode::InvalidArgument,
            "x-credential-profile: was sent with credentials",
        ),
        (TokenRequest { headers: vec![WEB], ..wallet }, ErrorCode::Unauthenticated, "no credentials"),
    ] {
        let error = served.call(&refused).await.unwrap_err();
        let message = error.message.clone().unwrap_or_default();
        assert!(error.code == expected && message.contains(why), "{expected:?} {why}: {message}");
        assert!(!format!("{error:?}").contains(KEY));
    }
    let log = tokio::task::block_in_place(|| served.stop());
    assert!(log.contains(r#""caller":"web","profile":"cards""#), "{log}");
    assert!(!log.contains(KEY) && !log.contains("0123456789"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_tokens_of_a_profile_are_not_shared_between_callers() {
    let folder = TempDir::new().unwrap();
    let served = served(&folder, &[("WALLET_SECRET", "0123456789")]);
    let rules = "[policy.callers.job]\nprofiles = []\n";
    let file = folder.path().join("daypass.toml");
    let toml = fs::read_to_string(&file).unwrap();
    fs::write(&file, toml.replace(rules, "[policy.callers.job]\nprofiles = ['wallet']\n")).unwrap();
    assert!(served.log().contains(r#""changed":"policy.callers.job.profiles""#));
    let request = |key| {
        let data = json!({"audience": "server"});
        TokenRequest { credentials: None, headers: vec![key], ..TokenRequest::paypal().data(data) }
    };
    let app = served.call(&request(APP)).await.unwrap().access_token;
    let job = served.call(&request(JOB)).await.unwrap().access_token;
    assert_ne!(app, job);
    assert_eq!(served.call(&request(JOB)).await.unwrap().access_token, job);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_taken_without_a_restart() {
    let folder = TempDir::new().unwrap();
    let served = served(&folder, &[("WALLET_SECRET", "0123456789")]);
    let first = served.call(&request(&[WEB])).await.unwrap().access_token;
    fs::write(folder.path().join("stripe.key"), "sk_test_rotated").unwrap();
    let log = served.log();
    assert!(log.contains(r#""changed":"profiles.cards.api_key"#) && !log.contains("sk_test_rotated"), "{log}");
    assert_ne!(served.call(&request(&[WEB])).await.unwrap().access_token, first);
    // A profile that no call could use changes nothing.
    fs::write(folder.path().join("stripe.key"), " sk_test_broken").unwrap();
    let log = served.log();
    assert!(log.contains("profiles.cards.api_key: has blanks") && !log.contains("sk_test_broken"), "{log}");
}

/// A session call takes its members the same way, whatever names the connector.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_call_with_a_profile_keeps_its_members() {
    let folder = TempDir::new().unwrap();
    let served = served(&folder, &[("WALLET_SECRET", "0123456789")]);
    let session = |headers: &[(&str, &str)], body: serde_json::Value| {
        let method = "ucs.v2.MerchantAuthenticationService/CreateClientAuthenticationToken";
        tokio::task::block_in_place(|| existing_clients::call(&served, method, headers, &body))
    };
    let body = json!({"merchant_client_session_id": "session-1", "test_mode": true,
        "payment": {"amount": {"minor_amount": 1000, "currency": "USD"}, "country_alpha2_code": "US"}});
    let named = session(&[WEB, ("x-connector", "stripe")], body.clone());
    assert_eq!(named.0, 200, "{named:?}");
    for headers in [&[WEB][..], &[WEB, CARDS], &[APP, CARDS, ("x-connector", "stripe")], &[APP, CARDS]] {
        let (status, answer) = session(headers, body.clone());
        assert_eq!(status, 200, "{answer}");
        let of_web = headers[0] == WEB;
        assert_eq!(answer["session_data"] == named.1["session_data"], of_web, "{headers:?}: {answer}");
    }
    // The audience is that of the call, also where the profile alone names the connector.
    let mut server = body;
    server["merchant_client_session_id"] = "session-2".into();
    server["connector_feature_data"] = r#"{"audience":"server"}"#.into();
    for headers in [&[WEB, ("x-connector", "stripe")][..], &[WEB]] {
        let (status, answer) = session(headers, server.clone());
        assert!(status == 400 && answer["message"].as_str().unwrap().contains("CLIENT tokens"), "{answer}");
    }
}
