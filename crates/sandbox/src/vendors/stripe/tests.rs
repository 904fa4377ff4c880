//! Tests of the Stripe fake.

use serde_json::{Value, json};

use crate::testing::{Fake, NOW};

const KEY: (&str, &str) = ("authorization", "Bearer sk_test_madeup");
const OLD: (&str, &str) = ("stripe-version", "2025-06-30.basil");
const SESSIONS: &str = "POST /v1/checkout/sessions";
const PREVIEW: (&str, &str) = ("stripe-version", "2026-08-26.preview");
const SHARED: &str = "payment_method=pm_1&seller_details[network_business_profile]=p&usage_limits[currency]=usd&usage_limits[max_amount]=5";
const SETUP: &str =
    "mode=setup&ui_mode=embedded_page&allowed_payment_method_types[0]=card&redirect_on_completion=never";

fn made(fake: &mut Fake, path: &str, body: &str) -> Value {
    let (status, object) = fake.ask(&format!("POST /v1/{path}"), &[KEY, OLD], body);
    assert_eq!(status, 200, "{path} {body}: {object}");
    assert_ne!(object.get("livemode"), Some(&json!(true)));
    object
}

#[test]
fn a_token_of_every_grant_allows_its_call() {
    let mut fake = Fake::new("stripe");
    let body = "mode=setup&ui_mode=embedded&payment_method_types[0]=card&redirect_on_completion=never&metadata[a]=b";
    let session = made(&mut fake, "checkout/sessions", body);
    assert_eq!((session["expires_at"].as_i64(), &session["metadata"]), (Some(NOW + 86_400), &json!({"a": "b"})));
    fake.check_token_use("checkout_session_setup", &session["client_secret"], &[], Some(86_400));
    fake.state.now = NOW;
    let key = made(&mut fake, "ephemeral_keys", "customer=cus_1");
    assert_eq!(key["expires"], NOW + 3_600);
    fake.check_token_use("ephemeral_key", &key["secret"], &["cus_1"], Some(3_600));
    fake.state.now = NOW;
    let session = made(&mut fake, "customer_sessions", "customer=cus_1&components[payment_element][enabled]=true");
    fake.check_token_use("customer_session", &session["client_secret"], &[], Some(1_800));
    fake.state.now = NOW;
    let session = made(&mut fake, "account_sessions", "account=acct_1&components[payments][enabled]=true");
    let features = &session["components"]["payments"]["features"];
    assert_eq!((&features["refund_management"], &features["capture_payments"]), (&json!(true), &json!(true)));
    fake.check_token_use("account_session", &session["client_secret"], &[], None);
    let intent = made(&mut fake, "setup_intents", "usage=off_session&automatic_payment_methods[enabled]=true");
    fake.check_token_use("setup_intent", &intent["client_secret"], &[], None);
    let intent = made(&mut fake, "payment_intents", "amount=100&currency=eur");
    fake.check_token_use("payment_intent", &intent["client_secret"], &[], None);
    let token = made(&mut fake, "terminal/connection_tokens", "");
    fake.check_token_use("terminal_connection_token", &token["secret"], &[], None);
    made(&mut fake, "refunds", "payment_intent=pi_1");
    let key = made(&mut fake, "ephemeral_keys", "verification_session=vs_1");
    let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
    assert_eq!(fake.ask("GET /v1/customers/", &[("authorization", &bearer)], "").0, 403, "a key of no customer");
    assert!(made(&mut fake, "customers", "")["id"].as_str().is_some_and(|id| id.starts_with("cus_")));
}

#[test]
fn faulty_requests_are_refused() {
    let mut fake = Fake::new("stripe");
    let soon = format!("{SETUP}&expires_at={}", NOW + 1_799);
    let late = format!("{SETUP}&expires_at={}", NOW + 86_401);
    let elements = "mode=setup&ui_mode=elements&allowed_payment_method_types[0]=card";
    for (call, headers, body, status, code, param) in [
        (SESSIONS, &[][..], SETUP, 401, "", ""),
        (SESSIONS, &[("authorization", "Bearer pk_test_a")], SETUP, 401, "secret_key_required", ""),
        (SESSIONS, &[("authorization", "Bearer whatever")], SETUP, 401, "", ""),
        (SESSIONS, &[("authorization", "Bearer sk_test_")], SETUP, 401, "", ""),
        (SESSIONS, &[KEY, ("content-type", "application/json")], SETUP, 400, "", ""),
        (SESSIONS, &[KEY, ("stripe-account", "1")], SETUP, 403, "account_invalid", ""),
        (SESSIONS, &[KEY], "", 400, "parameter_missing", "mode"),
        (SESSIONS, &[KEY], "mode=setup&colour=red", 400, "parameter_unknown", "colour"),
        (SESSIONS, &[KEY], "mode=", 400, "parameter_invalid_empty", "mode"),
        (SESSIONS, &[KEY], "mode=sell", 400, "", "mode"),
        (SESSIONS, &[KEY, OLD], "mode=setup&ui_mode=embedded_page", 400, "", "ui_mode"),
        (SESSIONS, &[KEY], "mode=setup&ui_mode=embedded", 400, "", "ui_mode"),
        (SESSIONS, &[KEY], "mode=setup&currency=eur", 400, "parameter_missing", "success_url"),
        (SESSIONS, &[KEY], "mode=setup&ui_mode=embedded_page&currency=eur", 400, "parameter_missing", "return_url"),
        (SESSIONS, &[KEY], "mode=setup&ui_mode=elements", 400, "parameter_missing", "currency"),
        (SESSIONS, &[KEY], &format!("{SETUP}&return_url=https://a.example"), 400, "", "return_url"),
        (SESSIONS, &[KEY], &format!("{elements}&redirect_on_completion=never"), 400, "", "redirect_on_completion"),
        (SESSIONS, &[KEY], &format!("{SETUP}&expires_at=soon"), 400, "parameter_invalid_integer", "expires_at"),
        (SESSIONS, &[KEY], &soon, 400, "", "expires_at"),
        (SESSIONS, &[KEY], &late, 400, "", "expires_at"),
        (SESSIONS, &[KEY], &format!("{SETUP}&customer=cus_missing"), 400, "resource_missing", "customer"),
        (SESSIONS, &[KEY], &format!("{SETUP}&client_reference_id={}", "x".repeat(201)), 400, "", "client_reference_id"),
        (SESSIONS, &[KEY], &format!("{SETUP}&metadata[a]={}", "x".repeat(501)), 400, "", "metadata"),
        ("POST /v1/ephemeral_keys", &[KEY], "customer=cus_1", 400, "", ""),
        ("POST /v1/ephemeral_keys", &[KEY, OLD], "", 400, "parameter_missing", "customer"),
        ("POST /v1/ephemeral_keys", &[KEY, OLD], "issuing_card=ic_1", 400, "parameter_missing", "nonce"),
        ("POST /v1/customer_sessions", &[KEY], "customer=cus_1", 400, "parameter_missing", "components"),
        (
            "POST /v1/customer_sessions",
            &[KEY],
            "components[pricing_table][enabled]=true",
            400,
            "parameter_missing",
            "customer",
        ),
        (
            "POST /v1/customer_sessions",
            &[KEY],
            "customer=cus_1&components[no][enabled]=true",
            400,
            "parameter_unknown",
            "components[no][enabled]",
        ),
        (
            "POST /v1/customer_sessions",
            &[KEY],
            "customer=cus_1&customer_account=acct_1&components[pricing_table][enabled]=true",
            400,
            "",
            "customer_account",
        ),
        ("POST /v1/account_sessions", &[KEY], "account=acct_1", 400, "parameter_missing", "components"),
        (
            "POST /v1/account_sessions",
            &[KEY],
            "account=acct_missing&components[payments][enabled]=true",
            403,
            "account_invalid",
            "",
        ),
        (
            "POST /v1/account_sessions",
            &[KEY],
            "account=acct_1&components[payments][enabled]=true&components[payments][features][send_money]=true",
            400,
            "parameter_unknown",
            "components[payments][features][send_money]",
        ),
        ("POST /v1/shared_payment/issued_tokens", &[KEY], SHARED, 404, "", ""),
        (
            "POST /v1/shared_payment/issued_tokens",
            &[KEY, PREVIEW],
            "payment_method=pm_1",
            400,
            "parameter_missing",
            "seller_details",
        ),
        ("POST /v1/setup_intents", &[KEY], "usage=often", 400, "", "usage"),
        ("POST /v1/payment_intents", &[KEY], "amount=1", 400, "parameter_missing", "currency"),
        ("POST /v1/payment_intents", &[KEY], "amount=0&currency=eur", 400, "parameter_invalid_integer", "amount"),
        ("POST /v1/terminal/connection_tokens", &[KEY], "location=here", 400, "resource_missing", "location"),
        ("POST /v1/nothing", &[KEY], "", 404, "", ""),
        ("GET /v1/checkout/sessions", &[KEY], "", 404, "", ""),
    ] {
        let (got, answer) = fake.ask(call, headers, body);
        let member = |name: &str| answer["error"][name].as_str().unwrap_or_default();
        assert_eq!((got, member("code"), member("param")), (status, code, param), "{call} {body}: {answer}");
        assert!(!member("message").is_empty() && member("type") == "invalid_request_error", "{call} {body}");
    }
}

#[test]
fn a_shared_payment_token_is_issued_in_a_preview_version() {
    let mut fake = Fake::new("stripe");
    let body = format!("{SHARED}&usage_limits[expires_at]={}", NOW + 600);
    let (status, token) = fake.ask("POST /v1/shared_payment/issued_tokens", &[KEY, PREVIEW], &body);
    assert_eq!(
        (status, &token["status"], &token["usage_limits"]["expires_at"]),
        (200, &json!("active"), &json!(NOW + 600))
    );
}

#[test]
fn the_limits_of_a_session_are_accepted() {
    for seconds in [1_800, 86_400] {
        let body = format!("{SETUP}&expires_at={}", NOW + seconds);
        assert_eq!(Fake::new("stripe").ask(SESSIONS, &[KEY], &body).0, 200, "{seconds}");
    }
}

#[test]
fn the_key_decides_between_test_and_live() {
    use base64::Engine;
    let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode("rk_live_madeup:"));
    let (_, session) = Fake::new("stripe").ask(SESSIONS, &[("authorization", &basic)], SETUP);
    assert_eq!(session["livemode"], true);
    assert!(session["client_secret"].as_str().is_some_and(|it| it.starts_with("cs_live_") && it.contains("_secret_")));
}

#[test]
fn an_idempotency_key_repeats_the_answer_of_its_parameters() {
    let mut fake = Fake::new("stripe");
    let headers = [KEY, ("idempotency-key", "k")];
    assert_eq!(fake.ask(SESSIONS, &headers, "mode=sell").0, 400, "the answer is not stored");
    let first = fake.ask(SESSIONS, &headers, SETUP);
    assert_eq!(fake.ask(SESSIONS, &headers, SETUP), first);
    assert!(fake.send(SESSIONS, &headers, SETUP).headers.contains(&("idempotent-replayed", "true".to_owned())));
    let (status, conflict) = fake.ask(SESSIONS, &headers, &format!("{SETUP}&customer=cus_1"));
    assert_eq!((status, &conflict["error"]["type"]), (400, &json!("idempotency_error")));
    let other = [("authorization", "Bearer sk_test_other"), ("idempotency-key", "k")];
    assert_ne!(fake.ask(SESSIONS, &other, SETUP).1["id"], first.1["id"], "a key belongs to one account");
    assert_ne!(fake.ask(SESSIONS, &[KEY], SETUP), fake.ask(SESSIONS, &[KEY], SETUP));
}

#[test]
fn a_revoked_token_is_refused() {
    let mut fake = Fake::new("stripe");
    let key = made(&mut fake, "ephemeral_keys", "customer=cus_1");
    let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
    let read = |fake: &mut Fake| fake.ask("GET /v1/customers/cus_1", &[("authorization", &bearer)], "").0;
    assert_eq!(read(&mut fake), 200);
    let delete = format!("DELETE /v1/ephemeral_keys/{}", key["id"].as_str().unwrap());
    assert_eq!((fake.ask(&delete, &[KEY], "").0, read(&mut fake), fake.ask(&delete, &[KEY], "").0), (200, 401, 404));
    let (_, session) = fake.ask(SESSIONS, &[KEY], SETUP);
    let expire = format!("POST /v1/checkout/sessions/{}/expire", session["id"].as_str().unwrap());
    assert_eq!(fake.ask(&expire, &[KEY], "").1["status"], "expired");
}
