//! CyberSource: capture contexts of Microform and Unified Checkout, Flex API sessions, and the tokens
//! that pages and apps make with them.
//!
//! Written from the vendor's REST SDK (npm cybersource-rest-client 0.0.83: paths, members, claims of
//! the request's JWT) and <https://developer.cybersource.com>. Bank of America, Barclaycard and
//! Wells Fargo are the same platform under other names: their fakes use this one.

use std::collections::BTreeMap;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{
    dates::{http_date, is_fresh},
    http::{Answer, Handled, Request},
    signing::{hmac_sha256, sha256},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const KEY_ID: &str = "5a4d1c3e-0000-4000-8000-sandbox00001";
const MERCHANT: &str = "sandbox_merchant";
const SECRET: &str = "c2FuZGJveC1zaGFyZWQtc2VjcmV0LW9mLTMyLWJ5dGU=";

/// The fake without its name and its token uses: their paths contain the name.
pub(super) const PLATFORM: FakeVendor = FakeVendor {
    name: "cybersource",
    credentials: r#"{"api_key": "5a4d1c3e-0000-4000-8000-sandbox00001", "merchant_account": "sandbox_merchant", "api_secret": "c2FuZGJveC1zaGFyZWQtc2VjcmV0LW9mLTMyLWJ5dGU="}"#,
    secrets: &["signature", "v-c-merchant-id"],
    request_id: Some("v-c-correlation-id"),
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "microform_session",
            allowed: |client| tokenize("cybersource", client),
            forbidden: |client| refund("cybersource", client),
        },
        TokenUse {
            grant: "unified_checkout",
            allowed: |client| tokenize("cybersource", client),
            forbidden: |client| refund("cybersource", client),
        },
        TokenUse {
            grant: "flex_session",
            allowed: |client| tokenize("cybersource", client),
            forbidden: |client| refund("cybersource", client),
        },
    ],
};

pub(super) static CYBERSOURCE: FakeVendor = PLATFORM;

const EXAMPLES: &[(&str, &str)] = &[
    ("microform_session", r#"{"target_origins": ["https://shop.example"]}"#),
    (
        "unified_checkout",
        r#"{"target_origins": ["https://shop.example"], "country": "US", "locale": "en_US", "amount": "21.00", "currency": "USD"}"#,
    ),
    ("flex_session", "{}"),
];

fn decoded(part: Option<&str>) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part.unwrap_or_default()).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A call of Microform: the card is encrypted for the key in the capture context, and names that
/// key.
pub(super) fn tokenize(name: &str, client: &ClientToken) -> ClientCall {
    let claims = decoded(client.token.split('.').nth(1));
    let kid = claims.pointer("/flx/jwk/kid").and_then(Value::as_str).unwrap_or_default();
    let header = json!({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": kid}).to_string();
    let mut call = ClientCall::new("tokenize a card", "POST", format!("/{name}/flex/v2/tokens"));
    call.body = format!("{}.a2V5.aXY.Y2FyZA.dGFn", BASE64_URL_SAFE_NO_PAD.encode(header));
    call.header("content-type", "application/jwt; charset=UTF-8")
}

pub(super) fn refund(name: &str, client: &ClientToken) -> ClientCall {
    let call =
        ClientCall::new("refund a payment", "POST", format!("/{name}/pts/v2/payments/7000000000000000001/refunds"));
    let body = json!({"orderInformation": {"amountDetails": {"totalAmount": "1.00", "currency": "USD"}}});
    call.bearer(&client.token).json(&body)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => Answer::json(401, &json!({"response": {"rmsg": "Authentication Failed"}})),
        404 => Answer::json(
            404,
            &json!({"errors": [{"type": "notFound", "message": "The requested resource is not found"}]}),
        ),
        403 => session_error(403, "FORBIDDEN", "The product is not enabled for this merchant", json!([])),
        429 => Answer::json(429, &json!({"response": {"rmsg": "Too Many Requests"}})),
        500.. => session_error(status, "SYSTEM_ERROR", "General system failure", json!([])),
        _ => session_error(status, "INVALID_REQUEST", "The request was refused", json!([])),
    }
}

fn session_error(status: u16, reason: &str, message: &str, details: Value) -> Answer {
    let answer =
        json!({"status": status, "reason": reason, "message": message, "correlationId": "sandbox", "details": details});
    Answer::json(status, &json!({"responseStatus": answer}))
}

fn invalid(location: &str, message: &str) -> Answer {
    session_error(
        400,
        "VALIDATION_ERROR",
        "Field validation errors",
        json!([{"location": location, "message": message}]),
    )
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if request.method != "POST" {
        return Err(failure(404));
    }
    match request.segments().as_slice() {
        ["microform", "v2", "sessions"] => {
            signed(request, state)?;
            let origins = microform(&request.json().unwrap_or_default())?;
            let library = json!({"clientLibrary": "https://testflex.cybersource.com/microform/bundle/v2/flex-microform.min.js",
                "clientLibraryIntegrity": format!("sha256-{}", BASE64_STANDARD.encode(sha256(b"microform"))), "targetOrigins": origins});
            Ok(capture_context(json!([{"data": library, "type": "mf-2.1.0"}]), state))
        }
        ["uc", "v1", "sessions"] | ["up", "v1", "capture-contexts"] => {
            signed(request, state)?;
            let earlier = request.path.starts_with("/up/");
            let origins = checkout(&request.json().unwrap_or_default(), earlier)?;
            let library = json!({"clientLibrary": "https://apitest.cybersource.com/uc/v1/assets/1.1.0/UnifiedCheckout.js",
                "clientLibraryIntegrity": format!("sha256-{}", BASE64_STANDARD.encode(sha256(b"unified checkout"))), "targetOrigins": origins});
            Ok(capture_context(json!([{"data": library, "type": "gda-1.1.0"}]), state))
        }
        ["flex", "v2", "sessions"] => {
            signed(request, state)?;
            let body = request.json().unwrap_or_default();
            if !body.pointer("/fields/paymentInformation/card/number").is_some_and(Value::is_object) {
                return Err(invalid("fields", "card number is required"));
            }
            Ok(capture_context(json!([]), state))
        }
        ["flex", "v2", "tokens"] => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let header = decoded(body.split('.').next());
            let kid = header.get("kid").and_then(Value::as_str).unwrap_or_default();
            if body.split('.').count() != 5 || state.active(kid, &["capture_context"]).is_err() {
                return Err(invalid("kid", "The capture context is unknown or has expired"));
            }
            let claims = json!({"iss": "Flex/00", "exp": state.now.saturating_add(900), "type": "mf-2.1.0", "jti": state.random_id("", 32)});
            Ok(Answer::of(201, "application/jwt", state.jwt("RS256", &claims)))
        }
        ["pts", "v2", "payments", _, "refunds"] => {
            signed(request, state)?;
            Ok(Answer::json(201, &json!({"id": state.random_id_of("7", 21, b"0123456789"), "status": "PENDING"})))
        }
        _ => Err(failure(404)),
    }
}

fn texts(body: &Value, name: &str) -> Vec<Value> {
    body.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// The target origins, at most so many.
fn origins(body: &Value, most: usize) -> Result<Value, Answer> {
    let is_origin = |it: &Value| {
        let (scheme, host) = it.as_str().and_then(|it| it.split_once("://")).unwrap_or_default();
        !host.is_empty()
            && !host.contains(['/', '*'])
            && (scheme == "https" || scheme == "http" && host.starts_with("localhost"))
    };
    let origins = texts(body, "targetOrigins");
    if !(1..=most).contains(&origins.len()) || !origins.iter().all(is_origin) {
        return Err(invalid("targetOrigins", "must be origins with https, and not too many"));
    }
    Ok(json!(origins))
}

/// The target origins of a complete request for Microform.
fn microform(body: &Value) -> Result<Value, Answer> {
    let origins = origins(body, 9)?;
    if !body.get("clientVersion").and_then(Value::as_str).is_some_and(|it| it.starts_with("v2")) {
        return Err(invalid("clientVersion", "is required"));
    }
    let types = texts(body, "allowedPaymentTypes");
    if (types.is_empty() || types.contains(&json!("CARD"))) && texts(body, "allowedCardNetworks").is_empty() {
        return Err(invalid("allowedCardNetworks", "at least one is required"));
    }
    Ok(origins)
}

/// The target origins of a complete request for Unified Checkout. The earlier call wants a client
/// version 0.x, networks and types.
fn checkout(body: &Value, earlier: bool) -> Result<Value, Answer> {
    const MEMBERS: &[&str] = &[
        "clientVersion",
        "targetOrigins",
        "allowedCardNetworks",
        "allowedPaymentTypes",
        "paymentConfigurations",
        "appearance",
        "country",
        "locale",
        "buttonType",
        "captureMandate",
        "completeMandate",
        "transientTokenResponseOptions",
        "data",
    ];
    let origins = origins(body, 7)?;
    let text = |place: &str| body.pointer(place).and_then(Value::as_str).unwrap_or_default();
    if let Some(name) = body.as_object().and_then(|it| it.keys().find(|name| !MEMBERS.contains(&name.as_str()))) {
        return Err(invalid(name, "is not a field"));
    }
    let capitals = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if !capitals(text("/country"), 2) {
        return Err(invalid("country", "must be an ISO 3166 code"));
    }
    if !text("/locale").split_once('_').is_some_and(|(language, country)| language.len() == 2 && capitals(country, 2)) {
        return Err(invalid("locale", "must be a language and a country, as in en_US"));
    }
    let amount = text("/data/orderInformation/amountDetails/totalAmount").parse::<f64>();
    if amount.is_err() || !capitals(text("/data/orderInformation/amountDetails/currency"), 3) {
        return Err(invalid("data.orderInformation.amountDetails", "needs totalAmount and currency"));
    }
    let version = text("/clientVersion");
    let fits = if earlier { version.starts_with("0.") } else { !version.starts_with("0.") };
    if !fits || (version.is_empty() && body.get("clientVersion").is_some()) {
        return Err(invalid("clientVersion", "does not belong to this call"));
    }
    let least = |name: &str| earlier && texts(body, name).is_empty();
    if let Some(name) = ["allowedCardNetworks", "allowedPaymentTypes"].into_iter().find(|name| least(name)) {
        return Err(invalid(name, "at least one is required"));
    }
    Ok(origins)
}

/// A JWT with a one-time key; both expire after 15 minutes.
fn capture_context(ctx: Value, state: &mut VendorState) -> Answer {
    let (kid, expires_at) = (state.random_id("08", 30), state.now.saturating_add(900));
    state.issue(&kid, "capture_context", Some(expires_at), &[]);
    let jwk = json!({"kty": "RSA", "use": "enc", "e": "AQAB", "n": state.random_id("", 342), "kid": kid});
    let flx = json!({"path": "/flex/v2/tokens", "data": state.random_id("", 64), "origin": "https://testflex.cybersource.com", "jwk": jwk});
    let claims = json!({"flx": flx, "ctx": ctx, "iss": "Flex API", "iat": state.now, "exp": expires_at, "jti": state.random_id("", 16)});
    Answer::of(201, "application/jwt", state.jwt("RS256", &claims))
}

/// Checks the JWT of the request, or the HTTP signature that CyberSource takes until March 2027.
fn signed(request: &Request, state: &VendorState) -> Result<(), Answer> {
    let valid = match request.bearer() {
        Some(jwt) => has_jwt(request, jwt, state.now),
        None => has_http_signature(request, state.now),
    };
    valid.then_some(()).ok_or_else(|| failure(401))
}

/// A JWT over the request: HS256 with the shared secret, for two minutes at most.
fn has_jwt(request: &Request, jwt: &str, now: i64) -> bool {
    let Some((signed, signature)) = jwt.rsplit_once('.') else { return false };
    let (header, claims) = (decoded(signed.split('.').next()), decoded(signed.split('.').nth(1)));
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let moment = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let key = BASE64_STANDARD.decode(SECRET).unwrap_or_default();
    header == json!({"typ": "JWT", "alg": "HS256", "kid": KEY_ID})
        && signature == BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(&key, signed.as_bytes()))
        && text("digest") == BASE64_STANDARD.encode(sha256(&request.body))
        && text("digest-algorithm") == "SHA-256"
        && (moment("iat")..=moment("iat").saturating_add(120)).contains(&moment("exp"))
        && (moment("iat").saturating_sub(120)..=moment("exp")).contains(&now)
        && request.header("host").is_some_and(|host| text("request-host") == host)
        && text("request-resource-path") == request.path
        && text("request-method") == "post"
        && text("iss") == MERCHANT
        && text("v-c-merchant-id") == MERCHANT
        && !text("jti").is_empty()
        && text("v-c-jwt-version") == "2"
        && request.content_type() == "application/json"
}

/// An HTTP signature over the named headers, in their order, as they were sent. The spelling
/// `(request-target)` ended in 2024.
fn has_http_signature(request: &Request, now: i64) -> bool {
    let parts = request.header("signature").unwrap_or_default().split(", ").filter_map(|part| part.split_once('='));
    let parts: BTreeMap<&str, &str> = parts.map(|(name, value)| (name, value.trim_matches('"'))).collect();
    let names: Vec<&str> = parts.get("headers").map(|names| names.split(' ').collect()).unwrap_or_default();
    let line = |name: &&str| match *name {
        "request-target" => format!("{name}: post {}", request.path),
        name => format!("{name}: {}", request.header(name).unwrap_or_default()),
    };
    let text = names.iter().map(line).collect::<Vec<_>>().join("\n");
    let key = BASE64_STANDARD.decode(SECRET).unwrap_or_default();
    parts.get("keyid") == Some(&KEY_ID)
        && parts.get("algorithm") == Some(&"HmacSHA256")
        && ["host", "date", "digest", "v-c-merchant-id", "request-target"].iter().all(|name| names.contains(name))
        && request.header("v-c-merchant-id") == Some(MERCHANT)
        && request.header("digest") == Some(&format!("SHA-256={}", BASE64_STANDARD.encode(sha256(&request.body))))
        && request.header("date").and_then(http_date).is_some_and(|date| is_fresh(date, now))
        && request.content_type() == "application/json"
        && parts.get("signature") == Some(&BASE64_STANDARD.encode(hmac_sha256(&key, text.as_bytes())).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    fn ask(fake: &mut Fake, path: &str, body: &str, merchant: &str, date: &str) -> Answer {
        let digest = format!("SHA-256={}", BASE64_STANDARD.encode(sha256(body.as_bytes())));
        let text = format!(
            "host: a\ndate: {date}\nrequest-target: post {path}\ndigest: {digest}\nv-c-merchant-id: {merchant}"
        );
        let signature = BASE64_STANDARD.encode(hmac_sha256(BASE64_STANDARD.decode(SECRET).unwrap(), text.as_bytes()));
        let signature = format!(
            "keyid=\"{KEY_ID}\", algorithm=\"HmacSHA256\", headers=\"host date request-target digest v-c-merchant-id\", signature=\"{signature}\""
        );
        let headers = [
            ("host", "a"),
            ("date", date),
            ("digest", &digest),
            ("v-c-merchant-id", merchant),
            ("signature", &signature),
        ];
        fake.send(&format!("POST {path}"), &headers, body)
    }

    /// The same with a JWT, whose claims are those of the vendor's SDK with these changes.
    fn ask_with_jwt(fake: &mut Fake, path: &str, body: &str, changes: Value) -> Answer {
        let now = fake.state.now;
        let mut claims = json!({"digest": BASE64_STANDARD.encode(sha256(body.as_bytes())), "digest-algorithm": "SHA-256",
            "iat": now, "exp": now + 120, "request-host": "a", "request-resource-path": path, "request-method": "post",
            "iss": MERCHANT, "jti": "1", "v-c-jwt-version": "2", "v-c-merchant-id": MERCHANT});
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let header = json!({"typ": "JWT", "alg": "HS256", "kid": KEY_ID});
        let [header, claims] = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let key = BASE64_STANDARD.decode(SECRET).unwrap();
        let jwt = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(hmac_sha256(key, signed.as_bytes())));
        fake.send(&format!("POST {path}"), &[("host", "a"), ("authorization", &format!("Bearer {jwt}"))], body)
    }

    const NOW: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
    const MICROFORM: &str =
        r#"{"targetOrigins": ["https://a.example"], "clientVersion": "v2", "allowedCardNetworks": ["VISA"]}"#;
    const CHECKOUT: &str = r#"{"targetOrigins": ["https://a.example"], "country": "US", "locale": "en_US",
        "data": {"orderInformation": {"amountDetails": {"totalAmount": "21.00", "currency": "USD"}}}}"#;
    const FLEX: &str = r#"{"fields": {"paymentInformation": {"card": {"number": {}}}}}"#;

    #[test]
    fn a_capture_context_tokenizes_for_a_quarter_of_an_hour() {
        for name in ["cybersource", "bankofamerica", "barclaycard", "wellsfargo"] {
            for (path, body, grant) in [
                ("/microform/v2/sessions", MICROFORM, "microform_session"),
                ("/uc/v1/sessions", CHECKOUT, "unified_checkout"),
                ("/flex/v2/sessions", FLEX, "flex_session"),
            ] {
                let mut fake = Fake::new(name);
                let made = ask(&mut fake, path, body, MERCHANT, NOW);
                assert_eq!(made.status, 201, "{}", made.body);
                assert_eq!(ask_with_jwt(&mut fake, path, body, json!({})).status, 201);
                fake.check_token_use(grant, &json!(made.body), &[], Some(900));
            }
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("cybersource");
        let path = "/microform/v2/sessions";
        assert_eq!(ask(&mut fake, path, MICROFORM, "another", NOW).status, 401);
        assert_eq!(ask(&mut fake, path, MICROFORM, MERCHANT, "Fri, 15 Jan 2027 07:54:59 GMT").status, 401);
        assert_eq!(ask(&mut fake, path, "{}", MERCHANT, NOW).status, 400);
        assert_eq!(ask(&mut fake, path, &MICROFORM.replace("https", "http"), MERCHANT, NOW).status, 400);
        assert_eq!(ask(&mut fake, "/flex/v1/keys", FLEX, MERCHANT, NOW).status, 404);
        assert_eq!(fake.send(&format!("POST {path}"), &[], MICROFORM).status, 401);
        let now = fake.state.now;
        for changes in [
            json!({"digest": "SHA-256=x"}),
            json!({"exp": now + 121}),
            json!({"iat": now - 121, "exp": now - 1}),
            json!({"request-host": "b"}),
            json!({"request-resource-path": "/cybersource/microform/v2/sessions"}),
            json!({"request-method": "POST"}),
            json!({"v-c-merchant-id": "another"}),
            json!({"v-c-jwt-version": "1"}),
        ] {
            assert_eq!(ask_with_jwt(&mut fake, path, MICROFORM, changes.clone()).status, 401, "{changes}");
        }
        for wrong in [CHECKOUT.replace("en_US", "en"), CHECKOUT.replace("\"US\"", "\"USA\""), "{}".into()] {
            assert_eq!(ask_with_jwt(&mut fake, "/uc/v1/sessions", &wrong, json!({})).status, 400, "{wrong}");
        }
        assert_eq!(ask_with_jwt(&mut fake, "/up/v1/capture-contexts", CHECKOUT, json!({})).status, 400);
    }
}
