//! Paytm: transaction tokens and access tokens.
//!
//! Written from <https://business.paytm.com/docs/api/initiate-transaction-api>,
//! <https://business.paytm.com/docs/access-token-api> and npm paytmchecksum 1.5.1. A refusal has
//! status 200. The lifetime of an access token is not published: 15 minutes are invented.

use aes::{
    Aes128,
    cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    signing::sha256,
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const KEY: &[u8] = b"sandboxPaytmKey1";
const IV: &[u8] = b"@@@@&&&&####$$$$";

const EXAMPLES: &[(&str, &str)] = &[
    ("access_token", "{}"),
    (
        "txn_token",
        r#"{"amount": "1.00", "currency": "INR", "cust_id": "CUST_1", "callback_url": "https://shop.example/paid"}"#,
    ),
];

pub(super) static PAYTM: FakeVendor = FakeVendor {
    name: "paytm",
    credentials: r#"{"merchant_id": "SANDBOX0000000000001", "merchant_key": "sandboxPaytmKey1", "website": "WEBSTAGING"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "access_token",
            allowed: |client| {
                let head = json!({"tokenType": "ACCESS", "token": client.token});
                call("ask for payment options", "theia/api/v2/fetchPaymentOptions", &head)
            },
            forbidden: |client| {
                let head = json!({"txnToken": client.token});
                call("pay without an order", "theia/api/v1/processTransaction", &head)
            },
        },
        TokenUse {
            grant: "txn_token",
            allowed: |client| {
                call("pay the order", "theia/api/v1/processTransaction", &json!({"txnToken": client.token}))
            },
            forbidden: |client| call("refund the order", "refund/apply", &json!({"signature": client.token})),
        },
    ],
};

fn call(title: &'static str, path: &str, head: &Value) -> ClientCall {
    ClientCall::new(title, "POST", format!("/paytm/{path}")).json(&json!({"body": {}, "head": head}))
}

fn result(status: &str, code: &str, message: &str, more: &[(&str, &str)]) -> Answer {
    let info = json!({"resultStatus": status, "resultCode": code, "resultMsg": message});
    let mut body = json!({"resultInfo": info});
    for (name, value) in more {
        body.as_object_mut().map(|body| body.insert((*name).to_owned(), json!(value)));
    }
    Answer::json(200, &json!({"head": {"version": "v1", "signature": "sandbox"}, "body": body}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => result("F", "2005", "Checksum provided is invalid", &[]),
        500.. => result("U", "00000900", "System error", &[]),
        _ => Answer { status, ..result("F", "501", "The request was refused", &[]) },
    }
}

fn refuse(code: &str, message: &str) -> Answer {
    result("F", code, message, &[])
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let whole = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let field = |at: &str| text(&whole, at).to_owned();
    let path = request.path.as_str();
    let client = match path {
        "/theia/api/v2/fetchPaymentOptions" => Some(("access", "/head/token")),
        "/theia/api/v1/processTransaction" => Some(("txn", "/head/txnToken")),
        _ => None,
    };
    if let Some((kind, at)) = client {
        let checked = state.active(&field(at), &[kind]).map(|_| ());
        return checked.map(|()| result("S", "0000", "Success", &[])).map_err(|_| refuse("1006", "Session expired"));
    }
    let (signature, id, parameter) = match path {
        "/theia/api/v1/token/create" => ("/head/token", "/body/referenceId", "referenceId"),
        "/theia/api/v1/initiateTransaction" => ("/head/signature", "/body/orderId", "orderId"),
        "/refund/apply" => ("/head/signature", "/body/orderId", ""),
        _ => return Err(Answer::text(404, "Not Found")),
    };
    if !is_signature(request, &field(signature)) {
        return Err(failure(401));
    }
    if parameter.is_empty() {
        return Ok(result("S", "0000", "Success", &[]));
    }
    let (mid, id) = (field("/body/mid"), field(id));
    if mid.is_empty() || request.query.value("mid") != Some(&mid) {
        return Err(refuse("2006", "Mid is invalid"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "@-_.".contains(c);
    if request.query.value(parameter) != Some(&id) || id.is_empty() || id.len() > 50 || !id.chars().all(allowed) {
        return Err(refuse("1001", "Request parameters are not valid"));
    }
    let random = state.random_id_of("", 32, HEX_DIGITS);
    let expires_at = Some(state.now.saturating_add(900));
    if parameter == "referenceId" {
        if field("/head/tokenType") != "CHECKSUM" || !(10..=20).contains(&id.len()) {
            return Err(refuse("1001", "Request parameters are not valid"));
        }
        // A reference works for one request.
        let reference = format!("{mid}\n{id}");
        if state.find_token("reference", &reference).is_some() {
            return Err(refuse("324", "Duplicate reference Id"));
        }
        state.issue(&random, "access", expires_at, &[("reference", &reference)]);
        return Ok(result("S", "0000", "Success", &[("accessToken", &random)]));
    }
    let required = ["/body/websiteName", "/body/txnAmount/value", "/body/txnAmount/currency", "/body/userInfo/custId"];
    let payment = field("/body/requestType") == "Payment" && field("/body/txnAmount/value").parse::<f64>().is_ok();
    if !payment || required.iter().any(|at| field(at).is_empty()) {
        return Err(refuse("1001", "Request parameters are not valid"));
    }
    let order = format!("{mid}\n{id}");
    let known = state.find_token("order", &order).map(|known| known.attribute("token").to_owned());
    if let Some(token) = known.filter(|token| state.active(token, &["txn"]).is_ok()) {
        return Ok(result("S", "0002", "Success Idempotent", &[("txnToken", &token)]));
    }
    let token = format!("{random}{}", state.now.saturating_mul(1000));
    state.issue(&token, "txn", expires_at, &[("order", &order), ("token", &token)]);
    Ok(result("S", "0000", "Success", &[("txnToken", &token)]))
}

/// Whether the published key signed the exact text of `body`.
fn is_signature(request: &Request, signature: &str) -> bool {
    let sent = String::from_utf8_lossy(&request.body);
    let body = sent.split_once("\"body\":").and_then(|(_, rest)| {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        values.next()?.ok()?;
        rest.get(..values.byte_offset())
    });
    let opened = BASE64_STANDARD.decode(signature).ok().and_then(|bytes| {
        cbc::Decryptor::<Aes128>::new_from_slices(KEY, IV).ok()?.decrypt_padded_vec_mut::<Pkcs7>(&bytes).ok()
    });
    let opened = opened.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let (hash, salt) = opened.split_at_checked(64).unwrap_or_default();
    salt.len() == 4 && body.is_some_and(|body| hex::encode(sha256(format!("{body}|{salt}"))) == hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use aes::cipher::BlockEncryptMut;

    fn ask(fake: &mut Fake, call: &str, key: &[u8], name: &str, body: &str) -> Value {
        let hash = format!("{}abcd", hex::encode(sha256(format!("{body}|abcd"))));
        let sealed = cbc::Encryptor::<Aes128>::new_from_slices(key, IV).unwrap();
        let signature = BASE64_STANDARD.encode(sealed.encrypt_padded_vec_mut::<Pkcs7>(hash.as_bytes()));
        let sent = format!(r#"{{"head":{{"tokenType":"CHECKSUM","{name}":"{signature}"}}, "body":{body}}}"#);
        fake.ask(&format!("POST /theia/api/v1/{call}"), &[], &sent).1["body"].clone()
    }

    #[test]
    fn tokens_expire_after_15_minutes() {
        let mut fake = Fake::new("paytm");
        let body = r#"{"referenceId":"reference-1", "mid":"M"}"#;
        let made = ask(&mut fake, "token/create?mid=M&referenceId=reference-1", KEY, "token", body);
        let again = ask(&mut fake, "token/create?mid=M&referenceId=reference-1", KEY, "token", body);
        assert_eq!(text(&again, "/resultInfo/resultCode"), "324");
        fake.check_token_use("access_token", &made["accessToken"], &[], Some(900));
        let mut fake = Fake::new("paytm");
        let body = r#"{"requestType":"Payment","mid":"M","websiteName":"W","orderId":"o","txnAmount":{"value":"1.00","currency":"INR"},"userInfo":{"custId":"c"}}"#;
        let path = "initiateTransaction?mid=M&orderId=o";
        let made = ask(&mut fake, path, KEY, "signature", body);
        let again = ask(&mut fake, path, KEY, "signature", body);
        assert_eq!((text(&again, "/resultInfo/resultCode"), &again["txnToken"]), ("0002", &made["txnToken"]));
        fake.check_token_use("txn_token", &made["txnToken"], &[], Some(900));
    }

    #[test]
    fn refuses_faulty_requests() {
        let body = r#"{"mid":"M","referenceId":"reference-1"}"#;
        for (path, key, code) in [
            ("token/create?mid=M&referenceId=reference-1", b"anotherPaytmKey1", "2005"),
            ("token/create?mid=N&referenceId=reference-1", b"sandboxPaytmKey1", "2006"),
            ("token/create?mid=M&referenceId=reference-2", b"sandboxPaytmKey1", "1001"),
        ] {
            let answer = ask(&mut Fake::new("paytm"), path, key, "token", body);
            assert_eq!(text(&answer, "/resultInfo/resultCode"), code, "{path}");
        }
    }
}
