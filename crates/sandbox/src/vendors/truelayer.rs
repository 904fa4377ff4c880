//! TrueLayer: access tokens, and the resource tokens of payments.
//!
//! Written from the vendor's pages on access tokens and payments, and from its request signing,
//! version 2 (<https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md>); the
//! signed text was compared with npm truelayer-signing 0.2.3.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use p521::ecdsa::{Signature, VerifyingKey, signature::Verifier};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

pub(super) static TRUELAYER: FakeVendor = FakeVendor {
    name: "truelayer",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret", "kid": "00000000-0000-4000-8000-000000000521", "private_key": "-----BEGIN EC PRIVATE KEY-----\nMIHcAgEBBEIAn34n5LFNYYubpE6op6bsxhpWkUKKAd+awnYfwDMwLbbZJtDmNOHH\nBHtuCo9SeEOoCjRVy6oQYQs4E9cqrX47McqgBwYFK4EEACOhgYkDgYYABAGztsk8\n9Om6ooU6SKBHBhxPUBlwOTq0kTMtNrgo7Lal8Q6qV0gsITs/7nlN4rj7gLWLETDC\n1xxBoQnIeNqrwsMDhAG1CZ2p2P/qWPEuANKPjqEy8IEQ6ybSsguOv1JhKgNm8py1\nPOHBzF3/J9uu1Njk/02x40rXbuo8WaX+fm/fgBdewg==\n-----END EC PRIVATE KEY-----\n"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: Some("x-tl-correlation-id"),
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "resource_token",
        allowed: |client| {
            let path = format!("/truelayer/v3/payments/{}/authorization-flow", client.starting("pay-"));
            let flow = json!({"redirect": {"return_uri": "https://shop.example/back"}});
            ClientCall::new("start the authorisation", "POST", path).bearer(&client.token).json(&flow)
        },
        forbidden: |client| {
            let path = format!("/truelayer/v3/payments/{}/refunds", client.starting("pay-"));
            let call = ClientCall::new("refund the payment", "POST", path);
            call.bearer(&client.token).json(&json!({"amount_in_minor": 1, "reference": "r"}))
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[
    (
        "resource_token",
        r#"{"payment": {"amount_in_minor": 100, "currency": "GBP", "payment_method": {"type": "bank_transfer",
            "provider_selection": {"type": "user_selected"}, "beneficiary": {"type": "merchant_account",
            "merchant_account_id": "m"}}, "user": {"name": "A Payer", "email": "a@payer.example"}}}"#,
    ),
    ("access_token", "{}"),
];

/// A refusal of the token endpoint. Wrong credentials get status 400.
fn oauth_error(status: u16, code: &str) -> Answer {
    Answer::json(
        status,
        &json!({"error": code, "error_description": "Refused", "error_details": {"reason": "sandbox"}}),
    )
}

/// A refusal of the payments API.
fn problem(status: u16, title: &str, detail: &str) -> Answer {
    let body = json!({"type": "https://docs.truelayer.com/docs/error-types", "title": title, "status": status, "detail": detail, "trace_id": "sandbox"});
    Answer::json(status, &body)
}

fn failure(status: u16, _: &mut VendorState) -> Answer {
    match status {
        401 => oauth_error(401, "invalid_client"),
        403 => problem(403, "Forbidden", "The client may not do this"),
        429 => problem(429, "Rate Limit Exceeded", "Too many requests"),
        500.. => problem(status, "Internal Server Error", "An error occurred"),
        _ => problem(status, "Invalid Parameters", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["connect", "token"]) => token(request, state),
        ("POST", ["v3", "payments"]) => {
            app(request, state)?;
            let key = request.header("idempotency-key").map(str::to_owned);
            key.as_ref().ok_or_else(|| problem(400, "Invalid Parameters", "Idempotency-Key is missing"))?;
            signed(request).ok_or_else(|| problem(401, "Unauthorized", "Invalid request signature"))?;
            match state
                .idempotent(key, 86_400, request, |state| payment(request, state).unwrap_or_else(|refusal| refusal))
            {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => {
                    Err(problem(422, "Idempotency Key Reuse", "The key was used for another request"))
                }
            }
        }
        ("POST", ["v3", "payments", id, "authorization-flow"]) => {
            let token = request.bearer().unwrap_or_default();
            let resource = state.active(token, &["resource_token"]).map_err(|_| unauthorized())?;
            if resource.attribute("id") != *id {
                return Err(failure(403, state));
            }
            Ok(Answer::json(200, &json!({"status": "authorizing", "authorization_flow": {}})))
        }
        ("POST", ["v3", "payments", _, "refunds"]) => {
            app(request, state)?;
            Ok(Answer::json(202, &json!({"id": state.random_id("", 32)})))
        }
        _ => Err(problem(404, "Not Found", "No such path")),
    }
}

fn unauthorized() -> Answer {
    problem(401, "Unauthorized", "The token is missing, unknown or expired")
}

fn token(request: &Request, state: &mut VendorState) -> Handled {
    // The vendor accepts a form and JSON.
    let (form, body) = (request.form(), request.json());
    let member = |name: &str| match request.content_type() {
        "application/json" => body.as_ref()?.get(name)?.as_str().map(str::to_owned),
        _ => form.value(name).map(str::to_owned),
    };
    if member("grant_type").as_deref() != Some("client_credentials") {
        return Err(oauth_error(400, "unsupported_grant_type"));
    }
    if ["client_id", "client_secret"].iter().any(|name| member(name).is_none_or(|value| value.is_empty())) {
        return Err(oauth_error(400, "invalid_client"));
    }
    let scope = member("scope").unwrap_or_default();
    let known = ["payments", "recurring_payments:sweeping", "recurring_payments:commercial", "signupplus", "paydirect"];
    if scope.is_empty() || !scope.split(' ').all(|scope| known.contains(&scope)) {
        return Err(oauth_error(400, "invalid_scope"));
    }
    let token = state.jwt("RS256", &json!({"iat": state.now, "exp": state.now + 3_600, "scope": scope}));
    state.issue(&token, "access_token", Some(state.now + 3_600), &[("scope", &scope)]);
    Ok(Answer::json(200, &json!({"access_token": token, "expires_in": 3_600, "token_type": "Bearer", "scope": scope})))
}

/// Checks the access token and its scope `payments`.
fn app(request: &Request, state: &mut VendorState) -> Result<(), Answer> {
    let token = state.active(request.bearer().unwrap_or_default(), &["access_token"]).map_err(|_| unauthorized())?;
    if token.attribute("scope").split(' ').any(|scope| scope == "payments") {
        return Ok(());
    }
    Err(problem(403, "Forbidden", "The token lacks the scope payments"))
}

/// Checks a detached JWS over method, path, the named headers and the body. The key is in the
/// published credentials.
fn signed(request: &Request) -> Option<()> {
    let ours: Value = serde_json::from_str(TRUELAYER.credentials).ok()?;
    let (head, signature) = request.header("tl-signature")?.split_once("..")?;
    let header: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
    let names: Vec<&str> = header.get("tl_headers")?.as_str()?.split(',').collect();
    let valid =
        header.get("alg")? == "ES512" && header.get("tl_version")? == "2" && header.get("kid") == ours.get("kid");
    if !valid || !names.iter().any(|name| name.eq_ignore_ascii_case("Idempotency-Key")) {
        return None;
    }
    let mut payload = format!("{} {}\n", request.method, request.path).into_bytes();
    for name in names {
        payload.extend(format!("{name}: {}\n", request.header(&name.to_ascii_lowercase())?).bytes());
    }
    payload.extend(&request.body);
    let message = format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(payload));
    let key = p521::SecretKey::from_sec1_pem(ours.get("private_key")?.as_str()?).ok()?.public_key();
    let signature = Signature::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    VerifyingKey::from_affine(*key.as_affine()).ok()?.verify(message.as_bytes(), &signature).ok()
}

fn payment(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let valid = [
        ("amount_in_minor", body.get("amount_in_minor").and_then(Value::as_i64).is_some_and(|amount| amount > 0)),
        ("currency", ["GBP", "EUR", "PLN", "NOK"].contains(&text("currency"))),
        ("payment_method", body.get("payment_method").and_then(|method| method.get("type")).is_some()),
        ("user", body.get("user").is_some_and(Value::is_object)),
    ];
    if let Some((name, _)) = valid.iter().find(|(_, valid)| !valid) {
        return Err(problem(400, "Invalid Parameters", &format!("{name} is wrong")));
    }
    let (id, user) = (state.random_id("pay-", 32), state.random_id("", 32));
    let token = state.jwt("ES256", &json!({"iat": state.now, "exp": state.now + 900, "payment_id": id}));
    state.issue(&token, "resource_token", Some(state.now + 900), &[("id", &id)]);
    let made = json!({"id": id, "user": {"id": user}, "resource_token": token, "status": "authorization_required"});
    Ok(Answer::json(201, &made))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const LOGIN: &str = "grant_type=client_credentials&client_id=c&client_secret=s&scope=payments";
    const KEY: (&str, &str) = ("idempotency-key", "k");
    const BODY: &str = r#"{"amount_in_minor":1,"currency":"GBP","payment_method":{"type":"bank_transfer"},"user":{}}"#;
    /// Another implementation made it, over POST /v3/payments, the key `k` and the body above.
    const SIGNATURE: (&str, &str) = (
        "tl-signature",
        "eyJhbGciOiJFUzUxMiIsImtpZCI6IjAwMDAwMDAwLTAwMDAtNDAwMC04MDAwLTAwMDAwMDAwMDUyMSIsInRsX3ZlcnNpb24iOiIyIiwidGxfaGVhZGVycyI6IklkZW1wb3RlbmN5LUtleSJ9..AFiUI79hAtQOEcqEz-rwn50xp9Ceha6Cgxleoh5lAk7PlyiCFq7yh_zUPw815DA20oDZ0ix5Xosxi-btM1xSMfSPAbsGv5W6kEwzomeDjqXOFbNWA5yxEHAY4kiZpFbWbG5dWcHirZfJH6cTg09-9R99oLO0dDJjRZw4Obi7DKGHchgx",
    );

    #[test]
    fn a_signed_payment_has_a_token_of_its_own() {
        let mut fake = Fake::new("truelayer");
        let (_, login) = fake.ask("POST /connect/token", &[], LOGIN);
        let bearer = format!("Bearer {}", login["access_token"].as_str().unwrap());
        let bearer = ("authorization", bearer.as_str());
        let pay = "POST /v3/payments";
        assert_eq!(fake.ask(pay, &[bearer, KEY, SIGNATURE], &BODY.replace('1', "2")).0, 401);
        assert_eq!(fake.ask(pay, &[bearer, ("idempotency-key", "l"), SIGNATURE], BODY).0, 401);
        assert_eq!(fake.ask(pay, &[KEY, SIGNATURE], BODY).0, 401);
        let (status, made) = fake.ask(pay, &[bearer, KEY, SIGNATURE], BODY);
        assert_eq!(status, 201, "{made}");
        assert_eq!(fake.ask(pay, &[bearer, KEY, SIGNATURE], BODY).1, made);
        fake.check_token_use("resource_token", &made["resource_token"], &[made["id"].as_str().unwrap()], Some(900));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("truelayer");
        for (change, error) in [
            ("client_secret=", "invalid_client"),
            ("scope=everything", "invalid_scope"),
            ("grant_type=password", "unsupported_grant_type"),
        ] {
            let (status, body) = fake.ask("POST /connect/token", &[], &format!("{LOGIN}&{change}"));
            assert_eq!((status, &body["error"]), (400, &error.into()));
        }
        let (_, login) = fake.ask("POST /connect/token", &[], &LOGIN.replace("payments", "signupplus"));
        let bearer = format!("Bearer {}", login["access_token"].as_str().unwrap());
        assert_eq!(fake.ask("POST /v3/payments", &[("authorization", &bearer), KEY, SIGNATURE], BODY).0, 403);
    }
}
