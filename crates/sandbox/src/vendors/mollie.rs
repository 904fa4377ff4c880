//! Mollie: sessions, payments, Apple Pay sessions and OAuth tokens.
//!
//! Written from the types of the vendor's clients mollie-api-typescript 1.12.28 and
//! @mollie/api-client 4.6.0.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    oauth::{AccessToken, ClientAuth, TokenEndpoint, TokenRequestError},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

pub(super) static MOLLIE: FakeVendor = FakeVendor {
    name: "mollie",
    credentials: r#"{"api_key": "test_SandboxSandboxSandboxSandbox", "profile_token": "pfl_Sandbox", "client_id": "app_Sandbox", "client_secret": "sandboxSecret", "refresh_token": "refresh_Sandbox"}"#,
    secrets: &["refresh_token"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "session",
            allowed: |client| {
                ClientCall::new("check out", "POST", "/mollie/components/v1/session/submit").bearer(&client.token)
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "payment",
            allowed: |client| {
                let id = client.token.rsplit('/').next().unwrap_or_default();
                ClientCall::new("open the checkout page", "GET", format!("/mollie/checkout/select-method/{id}"))
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "apple_pay_session",
            allowed: |client| {
                let session = serde_json::from_str(&client.token).unwrap_or(Value::Null);
                ClientCall::new("complete the validation", "POST", "/mollie/apple/merchant-session").json(&session)
            },
            forbidden: refund,
        },
    ],
};

const ORDER: &str =
    r#"{"amount": "10.00", "currency": "EUR", "description": "Order 1", "return_url": "https://shop.example/r"}"#;
const EXAMPLES: &[(&str, &str)] = &[
    ("session", ORDER),
    ("payment", ORDER),
    ("oauth_refresh", "{}"),
    (
        "apple_pay_session",
        r#"{"validation_url": "https://apple-pay-gateway-cert.apple.com/paymentservices/paymentSession", "domain": "shop.example"}"#,
    ),
];

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a payment", "POST", "/mollie/v2/payments/tr_Some/refunds");
    call.bearer(&client.token).json(&json!({"amount": {"currency": "EUR", "value": "1.00"}}))
}

fn error(status: u16, title: &str, detail: &str, field: Option<&str>) -> Answer {
    let links = json!({"documentation": {"href": "https://docs.mollie.com", "type": "text/html"}});
    let mut body = json!({"status": status, "title": title, "detail": detail, "_links": links});
    body.as_object_mut().and_then(|body| body.insert("field".to_owned(), json!(field?)));
    Answer::of(status, "application/hal+json", body.to_string())
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "Unauthorized Request", "Missing authentication, or failed to authenticate", None),
        403 => error(403, "Forbidden", "The key may not do this", None),
        404 => error(404, "Not Found", "No such resource", None),
        429 => error(429, "Too Many Requests", "Too many requests", None),
        _ => error(status, "Service Unavailable", "Try again later", None),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let gone = || error(410, "Gone", "The session is over", None);
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["components", "v1", "session", "submit"]) => {
            state.active(request.bearer().unwrap_or_default(), &["session"]).map_err(|_| gone())?;
            Ok(Answer::json(200, &json!({"status": "open"})))
        }
        ("GET", ["checkout", "select-method", id]) => {
            state.active(id, &["payment"]).map_err(|_| gone())?;
            Ok(Answer::of(200, "text/html", "<h1>Pay</h1>".to_owned()))
        }
        ("POST", ["apple", "merchant-session"]) => {
            let id = request.json().unwrap_or_default();
            let id = id.get("merchantSessionIdentifier").and_then(Value::as_str).unwrap_or_default();
            state.active(id, &["apple_pay_session"]).map_err(|_| gone())?.used = true;
            Ok(Answer::json(200, &json!({"validated": true})))
        }
        ("POST", ["oauth2", "tokens"]) => oauth_token(request, state),
        ("POST", ["v2", path @ ..]) => {
            let key = request.bearer().filter(|key| !state.was_issued(key)).unwrap_or_default();
            let kind = KeyKind::of(key).ok_or_else(|| failure(401))?;
            let scoped = request.header("idempotency-key").map(|own| format!("{key}\n{own}"));
            let make = |state: &mut VendorState| create(path, kind, request, state).unwrap_or_else(|refusal| refusal);
            Ok(match state.idempotent(scoped, 3_600, request, make) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => answer,
                Idempotent::Conflict => {
                    error(409, "Conflict", "This idempotency key was used for another request", None)
                }
            })
        }
        _ => Err(failure(404)),
    }
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: &[("refresh_token", &["refresh_token"]), ("authorization_code", &["code"])],
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::MissingField(name) => error(400, "Bad Request", "A field is missing", Some(name)),
        _ => crate::oauth::error(400, "unsupported_grant_type", "The grant type is not supported"),
    },
};

/// The refresh token stays the same and can be used again.
fn oauth_token(request: &Request, state: &mut VendorState) -> Handled {
    let asked = TOKEN.check(request)?;
    if !asked.client_id.starts_with("app_") {
        return Err(failure(401));
    }
    let refresh = asked.field("refresh_token").unwrap_or("refresh_Sandbox");
    if !refresh.starts_with("refresh_") {
        return Err(crate::oauth::error(400, "invalid_grant", "The refresh token is not valid"));
    }
    let own = json!({"refresh_token": refresh, "scope": "payments.read payments.write"});
    let token = AccessToken { token: state.random_id("access_", 30), token_type: "bearer", lifetime_seconds: 3_600 };
    Ok(token.issue("oauth", own, state))
}

/// The methods of a payment.
const METHODS: &str = "alma applepay bacs bancomatpay bancontact banktransfer belfius billie billink bizum blik \
    creditcard directdebit eps giftcard ideal in3 kbc klarna mbway mobilepay multibanco mybank paybybank paypal \
    paysafecard pointofsale przelewy24 riverty satispay swish trustly twint vipps voucher";

/// Whether a payment's method is one name or a list of names.
fn is_method(method: &Value) -> bool {
    let known = |name: &Value| METHODS.split_whitespace().any(|known| name.as_str() == Some(known));
    method.as_array().map_or_else(|| known(method), |names| !names.is_empty() && names.iter().all(known))
}

/// The kind of a key, by its prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Test,
    Live,
    /// An access token of an organization: its calls name a profile.
    Organization,
}

impl KeyKind {
    fn of(key: &str) -> Option<Self> {
        let kinds = [("test_", Self::Test), ("live_", Self::Live), ("access_", Self::Organization)];
        kinds.into_iter().find(|(prefix, _)| key.starts_with(prefix)).map(|(_, kind)| kind)
    }

    fn mode(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test | Self::Organization => "test",
        }
    }
}

fn create(path: &[&str], kind: KeyKind, request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().ok_or_else(|| error(400, "Bad Request", "The body is not JSON", None))?;
    let invalid = |field: &str| {
        let detail = format!("The '{field}' field is missing or wrong");
        error(422, "Unprocessable Entity", &detail, Some(field))
    };
    let text =
        |name: &str| body.get(name).and_then(Value::as_str).filter(|it| !it.is_empty()).ok_or_else(|| invalid(name));
    if kind == KeyKind::Organization {
        text("profileId")?;
    }
    let date = |seconds: i64| timestamp(seconds).to_string().replace('Z', "+00:00");
    let mut made = json!({"mode": kind.mode(), "status": "open", "createdAt": date(state.now)});
    let mut put = |name: &str, value: Value| made.as_object_mut().map(|made| made.insert(name.to_owned(), value));
    match path {
        ["payments", _, "refunds"] => {
            return Ok(Answer::json(201, &json!({"resource": "refund", "status": "pending"})));
        }
        ["wallets", "applepay", "sessions"] => {
            let url = text("validationUrl")?;
            if !url.starts_with("https://apple-pay-gateway") || text("domain")?.contains('/') {
                return Err(invalid("validationUrl"));
            }
            let id = state.random_id("SSH", 40);
            state.issue(&id, "apple_pay_session", Some(state.now + 300), &[]);
            let times = (state.now * 1_000, (state.now + 3_600) * 1_000);
            let session = json!({"merchantSessionIdentifier": id, "domainName": text("domain")?, "signature": state.random_id("", 80),
                "epochTimestamp": times.0, "expiresAt": times.1});
            return Ok(Answer::json(201, &session));
        }
        ["sessions" | "payments"] => {
            text("description")?;
            text("redirectUrl")?;
            let amount = body.get("amount").and_then(cents).ok_or_else(|| invalid("amount"))?;
            if body.get("metadata").is_some_and(|metadata| metadata.to_string().len() > 1_024) {
                return Err(invalid("metadata"));
            }
            if path == ["sessions"] {
                let lines = body.get("lines").and_then(Value::as_array).ok_or_else(|| invalid("lines"))?;
                let sum: i64 = lines.iter().filter_map(|line| cents(line.get("totalAmount")?)).sum();
                if sum != amount {
                    return Err(invalid("lines"));
                }
                let id = state.random_id("sess_", 10);
                let token = BASE64_STANDARD.encode(json!({"id": id, "secret": state.random_id("", 30)}).to_string());
                // The types of the newest client have no end of an open session.
                state.issue(&token, "session", Some(state.now + 900), &[]);
                put("id", json!(id));
                put("clientAccessToken", json!(token));
            } else {
                if body.get("method").is_some_and(|method| !is_method(method)) {
                    return Err(invalid("method"));
                }
                put("expiresAt", json!(date(state.now + 900)));
                let id = state.random_id("", 10);
                state.issue(&id, "payment", Some(state.now + 900), &[]);
                let page = format!("https://www.mollie.com/checkout/select-method/{id}");
                put("id", json!(format!("tr_{id}")));
                put("_links", json!({"checkout": {"href": page, "type": "text/html"}}));
            }
        }
        _ => return Err(failure(404)),
    }
    Ok(Answer::of(201, "application/hal+json", made.to_string()))
}

/// An amount in minor units. Mollie takes a text with two decimals, or with none for currencies
/// such as JPY.
fn cents(amount: &Value) -> Option<i64> {
    let currency = amount.get("currency")?.as_str().filter(|it| it.len() == 3 && it.chars().all(char::is_uppercase))?;
    let value = amount.get("value")?.as_str()?;
    let decimals = value.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let wanted = if ["JPY", "ISK"].contains(&currency) { 0 } else { 2 };
    (decimals == wanted).then(|| value.replace('.', "").parse().ok())?
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::json;

    const KEY: (&str, &str) = ("authorization", "Bearer test_madeUp");

    #[test]
    fn a_token_of_every_grant_allows_its_call() {
        let mut fake = Fake::new("mollie");
        let amount = json!({"currency": "EUR", "value": "10.00"});
        let payment = json!({"amount": amount, "description": "d", "redirectUrl": "https://a.example"});
        let mut session = payment.clone();
        session["lines"] = json!([{"description": "d", "quantity": 1, "unitPrice": amount, "totalAmount": amount}]);
        let made = fake.ask("POST /v2/sessions", &[KEY], &session.to_string()).1;
        fake.check_token_use("session", &made["clientAccessToken"], &[], Some(900));
        let made = fake.ask("POST /v2/payments", &[KEY], &payment.to_string()).1;
        fake.check_token_use("payment", &made["_links"]["checkout"]["href"], &[], Some(900));
        let apple = r#"{"validationUrl": "https://apple-pay-gateway.apple.com/x", "domain": "shop.example"}"#;
        let made = fake.ask("POST /v2/wallets/applepay/sessions", &[KEY], apple).1;
        fake.check_token_use("apple_pay_session", &json!(made.to_string()), &[], Some(300));
        assert_eq!(fake.ask("POST /v2/payments/tr_1/refunds", &[KEY], "{}").0, 201);
        for (headers, body, status) in [
            (&[][..], payment.to_string(), 401),
            (&[KEY], payment.to_string().replace("10.00", "10"), 422),
            (&[KEY], "{}".to_owned(), 422),
            (&[KEY], payment.to_string().replacen('{', r#"{"method": "cash", "#, 1), 422),
            (&[KEY], payment.to_string().replacen('{', r#"{"method": ["ideal", "kbc"], "#, 1), 201),
            (&[("authorization", "Bearer access_madeUp")], payment.to_string(), 422),
        ] {
            assert_eq!(fake.ask("POST /v2/payments", headers, &body).0, status, "{body}");
        }
        let pair = [("authorization", "Basic YXBwXzE6cw==")];
        for (headers, form, status) in [
            (&pair[..], "grant_type=refresh_token&refresh_token=refresh_1", 200),
            (&[], "grant_type=refresh_token&refresh_token=refresh_1", 401),
            (&pair, "grant_type=refresh_token&refresh_token=other", 400),
            (&pair, "grant_type=client_credentials", 400),
        ] {
            assert_eq!(fake.ask("POST /oauth2/tokens", headers, form).0, status, "{form}");
        }
        let key = ("idempotency-key", "k");
        let first = fake.ask("POST /v2/payments", &[KEY, key], &payment.to_string());
        assert_eq!(fake.ask("POST /v2/payments", &[KEY, key], &payment.to_string()), first);
        assert_eq!(fake.ask("POST /v2/payments", &[KEY, key], "{}").0, 409);
    }
}
