//! Rapyd: hosted pages.
//!
//! Written from PyPI rapyd-sdk 1.0.12 (signature, members, bounds) and
//! <https://docs.rapyd.net/en/create-checkout-page.html>. The page is not described: here a browser opens it with the page's id as `token`.

use base64::{Engine, prelude::BASE64_URL_SAFE};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    signing::hmac_sha256,
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, Idempotent, VendorState},
};

const SECRET: &str = "rsk_sandbox";

const EXAMPLES: &[(&str, &str)] = &[
    ("card_token_page", r#"{"customer": "cus_sandbox", "country": "US"}"#),
    ("checkout_page", r#"{"amount": "10.50", "currency": "USD", "country": "US"}"#),
];

pub(super) static RAPYD: FakeVendor = FakeVendor {
    name: "rapyd",
    credentials: r#"{"access_key": "rak_sandbox", "secret_key": "rsk_sandbox"}"#,
    secrets: &["access_key"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "card_token_page",
            allowed: |client| open("add a card on the page", client),
            forbidden: refund,
        },
        TokenUse { grant: "checkout_page", allowed: |client| open("pay on the page", client), forbidden: refund },
    ],
};

fn open(title: &'static str, client: &ClientToken) -> ClientCall {
    ClientCall::new(title, "GET", format!("/rapyd/?token={}", client.token))
}

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a payment", "POST", "/rapyd/v1/refunds").header("access_key", &client.token);
    call.json(&json!({"payment": "payment_some"}))
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let body =
        json!({"error_code": code, "status": "ERROR", "message": message, "response_code": code, "operation_id": "op"});
    Answer::json(status, &json!({"status": body}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "UNAUTHENTICATED_API_CALL", "The signature or the access key is not valid."),
        403 => error(403, "UNAUTHORIZED_API_CALL", "The account may not do this."),
        429 => error(429, "TOO_MANY_REQUESTS", "Too many requests."),
        500.. => error(status, "ERROR_INTERNAL", "Something went wrong. Try again."),
        _ => error(status, "ERROR_BAD_REQUEST", "The request was refused."),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => {
            let page = request.query.value("token").unwrap_or_default();
            state
                .active(page, &["hp_card_", "checkout_"])
                .map_err(|_| error(404, "ERROR_GET_PAGE", "No such page."))?;
            Ok(Answer::of(200, "text/html", "<form></form>".to_owned()))
        }
        ("POST", "/v1/hosted/collect/card" | "/v1/checkout" | "/v1/refunds") => {
            signed(request, state)?;
            if request.path == "/v1/refunds" {
                return Ok(Answer::json(200, &json!({"data": {"id": state.random_id("refund_", 32)}})));
            }
            let make = |state: &mut VendorState| page(request, state).unwrap_or_else(|refusal| refusal);
            match state.idempotent(request.header("idempotency").map(str::to_owned), 86_400, request, make) {
                Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
                Idempotent::Conflict => Err(error(409, "ERROR_IDEMPOTENCY", "The key was used for another operation.")),
            }
        }
        _ => Err(error(404, "ERROR_NOT_FOUND", "No such path.")),
    }
}

fn signed(request: &Request, state: &VendorState) -> Result<(), Answer> {
    let header = |name| request.header(name).unwrap_or_default();
    let (key, salt, timestamp) = (header("access_key"), header("salt"), header("timestamp"));
    let clock = timestamp.parse::<i64>().is_ok_and(|sent| sent.abs_diff(state.now) <= 60);
    let salted = (8..=16).contains(&salt.len()) && salt.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let body = String::from_utf8_lossy(&request.body);
    let to_sign = format!("post{}{salt}{timestamp}{key}{SECRET}{body}", request.path);
    let signature = BASE64_URL_SAFE.encode(hex::encode(hmac_sha256(SECRET, &to_sign)));
    let valid = clock && salted && key.starts_with("rak_") && header("signature") == signature;
    valid.then_some(()).ok_or_else(|| failure(401))
}

fn page(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().unwrap_or_default();
    let refuse = |what: &str| Err(error(400, "ERROR_BAD_REQUEST", what));
    if text(&body, "/country").len() != 2 {
        return refuse("country is required: two letters.");
    }
    let amount =
        body.get("amount").filter(|it| it.is_number() || it.as_str().is_some_and(|it| it.parse::<f64>().is_ok()));
    let prefix = if request.path == "/v1/checkout" { "checkout_" } else { "hp_card_" };
    match prefix {
        "hp_card_" if !text(&body, "/customer").starts_with("cus_") => return refuse("customer is required: cus_…"),
        "checkout_" if amount.is_none() || text(&body, "/currency").len() != 3 => {
            return refuse("amount and currency are required.");
        }
        _ => {}
    }
    if text(&body, "/merchant_reference_id").chars().count() > 45 {
        return refuse("merchant_reference_id is limited to 45 characters.");
    }
    let urls = body.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_url"));
    if urls.filter_map(|(_, url)| url.as_str()).any(|url| url.contains("localhost")) {
        return refuse("A URL must not be localhost.");
    }
    let whole = |it: &Value| it.as_i64().or_else(|| it.as_str()?.parse().ok());
    let fortnight = state.now.saturating_add(14 * 86_400);
    let expires_at = body.get("page_expiration").map_or(Some(fortnight), whole).unwrap_or_default();
    if !(60..=30 * 86_400).contains(&expires_at.saturating_sub(state.now)) {
        return refuse("page_expiration must be 1 minute to 30 days ahead.");
    }
    let id = state.random_id_of(prefix, 32, HEX_DIGITS);
    state.issue(&id, prefix, Some(expires_at), &[]);
    let status =
        json!({"error_code": "", "status": "SUCCESS", "message": "", "response_code": "", "operation_id": "op"});
    let url = format!("https://sandboxcheckout.rapyd.net/?token={id}");
    let data = json!({"id": id, "redirect_url": url, "status": "NEW", "page_expiration": expires_at});
    Ok(Answer::json(200, &json!({"status": status, "data": data})))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, NOW};

    fn ask(fake: &mut Fake, path: &str, secret: &str, sent: i64, body: &str) -> (u16, Value) {
        let sent = sent.to_string();
        let to_sign = format!("post{path}abcdefghijkl{sent}rak_1{secret}{body}");
        let signature = BASE64_URL_SAFE.encode(hex::encode(hmac_sha256(secret, &to_sign)));
        let headers =
            [("access_key", "rak_1"), ("salt", "abcdefghijkl"), ("timestamp", &sent), ("signature", &signature)];
        fake.ask(&format!("POST {path}"), &headers, body)
    }

    #[test]
    fn pages_open_until_they_expire() {
        let mut fake = Fake::new("rapyd");
        let card = format!(r#"{{"customer":"cus_1","country":"US","page_expiration":{}}}"#, NOW + 60);
        let (status, body) = ask(&mut fake, "/v1/hosted/collect/card", SECRET, NOW, &card);
        assert_eq!(status, 200, "{body}");
        fake.check_token_use("card_token_page", &body["data"]["id"], &[], Some(60));
        let mut fake = Fake::new("rapyd");
        let checkout = r#"{"amount":"1.5","currency":"USD","country":"US"}"#;
        let (_, body) = ask(&mut fake, "/v1/checkout", SECRET, NOW, checkout);
        fake.check_token_use("checkout_page", &body["data"]["id"], &[], Some(14 * 86_400));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("rapyd");
        let body = r#"{"customer":"cus_1","country":"US"}"#;
        for (secret, sent, body, status) in [
            ("rsk_other", NOW, body, 401),
            (SECRET, NOW - 61, body, 401),
            (SECRET, NOW, r#"{"country":"US"}"#, 400),
            (SECRET, NOW, r#"{"customer":"cus_1","country":"US","page_expiration":1}"#, 400),
            (SECRET, NOW, r#"{"customer":"cus_1","country":"US","cancel_url":"http://localhost"}"#, 400),
        ] {
            let (got, answer) = ask(&mut fake, "/v1/hosted/collect/card", secret, sent, body);
            assert_eq!((got, &answer["status"]["status"]), (status, &json!("ERROR")), "{body}");
        }
    }
}
