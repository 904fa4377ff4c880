//! Datatrans: transactions for Secure Fields, hosted pages and the mobile SDK.
//!
//! Written from the vendor's pages on PCI Proxy (repository datatrans/docs.pci-proxy.com), its API
//! reference and its guide to Secure Fields.

use serde_json::{Map, Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

pub(super) static DATATRANS: FakeVendor = FakeVendor {
    name: "datatrans",
    credentials: r#"{"merchant_id": "1100000000", "password": "sandbox_datatrans_password"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "secure_fields",
            allowed: |client| client_call("enter the card in the iframes", "POST", "upp/secureFields", client),
            forbidden: credit,
        },
        TokenUse {
            grant: "registration",
            allowed: |client| client_call("open the hosted page", "GET", "v1/start", client),
            forbidden: credit,
        },
        TokenUse {
            grant: "mobile_token",
            allowed: |client| client_call("open the mobile SDK", "POST", "upp/mobile", client),
            forbidden: credit,
        },
    ],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("secure_fields", r#"{"currency": "CHF", "return_url": "https://shop.example/ret"}"#),
    ("registration", r#"{"currency": "CHF", "return_url": "https://shop.example/ret"}"#),
    ("mobile_token", r#"{"currency": "CHF", "payment_methods": ["VIS", "ECA"]}"#),
];

fn client_call(title: &'static str, method: &'static str, path: &str, client: &ClientToken) -> ClientCall {
    ClientCall::new(title, method, format!("/datatrans/{path}/{}", client.token))
}

fn credit(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new(
        "refund the transaction",
        "POST",
        format!("/datatrans/v1/transactions/{}/credit", client.token),
    );
    call.bearer(&client.token).json(&json!({"amount": 100, "currency": "CHF", "refno": "refund"}))
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "message": message}}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "UNAUTHORIZED", "unauthorized"),
        500.. => error(status, "SERVER_ERROR", "server error"),
        _ => error(status, "CLIENT_ERROR", "the request was refused"),
    }
}

fn invalid(message: &str) -> Answer {
    error(400, "INVALID_PROPERTY", message)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let kind: fn(&Map<String, Value>) -> Result<&'static str, Answer> =
        match (request.method.as_str(), request.segments().as_slice()) {
            ("POST", ["v1", "transactions", "secureFields"]) => secure_fields,
            ("POST", ["v1", "transactions"]) => transaction,
            ("POST", ["upp", "secureFields", id]) => return shop(state, id, "secure_fields"),
            ("GET", ["v1", "start", id]) => return shop(state, id, "registration"),
            ("POST", ["upp", "mobile", token]) => return shop(state, token, "mobile_token"),
            ("POST", ["v1", "transactions", _, "credit"]) => {
                merchant(request)?;
                return Ok(Answer::json(200, &json!({"transactionId": state.random_id_of("", 18, b"0123456789")})));
            }
            _ => return Err(failure(404)),
        };
    let merchant = merchant(request)?;
    let body = request.json().filter(|_| request.content_type() == "application/json");
    let Some(Value::Object(body)) = body else {
        return Err(error(400, "INVALID_JSON_PAYLOAD", "the payload is no JSON object"));
    };
    let kind = kind(&body)?;
    let refno = body.get("refno").and_then(Value::as_str).map(|refno| format!("{merchant}\n{refno}"));
    let key = request.header("idempotency-key").map(|key| format!("{merchant}\n{key}"));
    match state.idempotent(key, 180, request, |state| {
        if refno.as_deref().is_some_and(|refno| state.find_token("refno", refno).is_some()) {
            return error(400, "DUPLICATE_REFNO", "refno was used before");
        }
        make(kind, refno.as_deref().unwrap_or_default(), state)
    }) {
        Idempotent::First(answer) | Idempotent::Replay(answer) => Ok(answer),
        Idempotent::Conflict => Err(error(400, "CLIENT_ERROR", "the idempotency key was used for another request")),
    }
}

fn merchant(request: &Request) -> Result<String, Answer> {
    let pair = request.basic().filter(|(merchant, password)| !merchant.is_empty() && !password.is_empty());
    pair.map(|(merchant, _)| merchant).ok_or_else(|| failure(401))
}

/// Checks the members that all transactions share: a currency, and an amount above zero if there
/// is one. Unknown members are refused.
fn check(body: &Map<String, Value>, known: &[&str]) -> Result<(), Answer> {
    if let Some(name) = body.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(error(400, "UNRECOGNIZED_PROPERTY", name));
    }
    let currency = body.get("currency").and_then(Value::as_str).unwrap_or_default();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(invalid("init.currency must be three letters"));
    }
    match body.get("amount") {
        Some(amount) if amount.as_u64().is_none_or(|amount| amount == 0) => Err(invalid("init.amount must be > 0")),
        _ => Ok(()),
    }
}

fn secure_fields(body: &Map<String, Value>) -> Result<&'static str, Answer> {
    check(body, &["currency", "amount", "returnUrl"])?;
    let url = body.get("returnUrl").and_then(Value::as_str).is_some_and(|url| url.contains("://"));
    url.then_some("secure_fields").ok_or_else(|| invalid("init.returnUrl must be a URL"))
}

fn transaction(body: &Map<String, Value>) -> Result<&'static str, Answer> {
    check(body, &["currency", "amount", "refno", "paymentMethods", "option", "redirect"])?;
    if !body.get("refno").and_then(Value::as_str).is_some_and(|refno| (1..=20).contains(&refno.chars().count())) {
        return Err(invalid("init.refno must have 1 to 20 characters"));
    }
    let option = |name: &str| body.get("option").and_then(|option| option.get(name)) == Some(&json!(true));
    if option("returnMobileToken") {
        let methods = body.get("paymentMethods").and_then(Value::as_array).is_some_and(|methods| !methods.is_empty());
        return methods.then_some("mobile_token").ok_or_else(|| invalid("init.paymentMethods must not be empty"));
    }
    let redirect = |name: &&str| body.get("redirect").and_then(|urls| urls.get(*name)).is_some_and(Value::is_string);
    if !["successUrl", "cancelUrl", "errorUrl"].iter().all(redirect) {
        return Err(error(400, "INVALID_SETUP", "redirect URLs are missing"));
    }
    let registers = option("createAlias") || body.contains_key("amount");
    registers.then_some("registration").ok_or_else(|| invalid("init.amount must be > 0"))
}

fn make(kind: &'static str, refno: &str, state: &mut VendorState) -> Answer {
    let (id, expires_at) = (state.random_id_of("", 18, b"0123456789"), state.now.saturating_add(1800));
    if kind == "mobile_token" {
        let token = state.random_id("", 32);
        state.issue(&token, kind, Some(expires_at), &[("refno", refno)]);
        return Answer::json(201, &json!({"transactionId": id, "mobileToken": token}));
    }
    state.issue(&id, kind, Some(expires_at), &[("refno", refno)]);
    let answer = Answer::json(201, &json!({"transactionId": id}));
    if kind == "registration" {
        return answer.with("location", format!("https://pay.sandbox.datatrans.com/v1/start/{id}"));
    }
    answer
}

fn shop(state: &mut VendorState, token: &str, kind: &'static str) -> Handled {
    state.active(token, &[kind]).map_err(|_| error(400, "CLIENT_ERROR", "the transaction is unknown or has lapsed"))?;
    Ok(Answer::json(200, &json!({"redirect": "https://shop.example/ret"})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::json;

    const BASIC: (&str, &str) = ("authorization", "Basic MTE6cA==");
    const URLS: &str = r#""redirect":{"successUrl":"https://a.example","cancelUrl":"https://a.example","errorUrl":"https://a.example"}"#;

    #[test]
    fn a_transaction_expires_after_30_minutes() {
        let mobile = r#"{"currency":"CHF","refno":"r","paymentMethods":["VIS"],"option":{"createAlias":true,"returnMobileToken":true}}"#;
        for (grant, path, body, member) in [
            (
                "secure_fields",
                "/secureFields",
                r#"{"currency":"CHF","returnUrl":"https://a.example"}"#,
                "transactionId",
            ),
            (
                "registration",
                "",
                &format!(r#"{{"currency":"CHF","refno":"r","option":{{"createAlias":true}},{URLS}}}"#),
                "transactionId",
            ),
            ("mobile_token", "", mobile, "mobileToken"),
        ] {
            let mut fake = Fake::new("datatrans");
            let (status, made) = fake.ask(&format!("POST /v1/transactions{path}"), &[BASIC], body);
            assert_eq!(status, 201, "{made}");
            fake.check_token_use(grant, &made[member], &[], Some(1800));
        }
    }

    #[test]
    fn a_refno_is_good_for_one_transaction() {
        let mut fake = Fake::new("datatrans");
        let body = format!(r#"{{"currency":"CHF","refno":"r","option":{{"createAlias":true}},{URLS}}}"#);
        let key = |key: &'static str| [BASIC, ("idempotency-key", key)];
        assert_eq!(fake.ask("POST /v1/transactions", &key("1"), &body).0, 201);
        assert_eq!(fake.ask("POST /v1/transactions", &key("1"), &body).0, 201, "the same answer again");
        let (status, answer) = fake.ask("POST /v1/transactions", &key("2"), &body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("DUPLICATE_REFNO")));
    }

    #[test]
    fn refuses_faulty_requests() {
        let valid = r#"{"currency":"CHF","returnUrl":"https://a.example"}"#;
        for (headers, body, status, code) in [
            (&[][..], valid, 401, "UNAUTHORIZED"),
            (&[BASIC], "{", 400, "INVALID_JSON_PAYLOAD"),
            (&[BASIC], r#"{"currency":"CHF","returnUrl":"https://a.example","amount":0}"#, 400, "INVALID_PROPERTY"),
            (
                &[BASIC],
                r#"{"currency":"CHF","returnUrl":"https://a.example","refno":"r"}"#,
                400,
                "UNRECOGNIZED_PROPERTY",
            ),
            (&[BASIC], r#"{"returnUrl":"https://a.example"}"#, 400, "INVALID_PROPERTY"),
        ] {
            let (got, answer) = Fake::new("datatrans").ask("POST /v1/transactions/secureFields", headers, body);
            assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{body}");
        }
    }
}
