//! Nuvei: sessions.
//!
//! Written from <https://docs.nuvei.com/rcblocks/initiate-a-session-without-example/>, the request
//! definitions of nuvei (npm) 1.0.2 and the vendor's PHP SDK. A refusal has status 200.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request, text},
    signing::sha256,
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, VendorState},
};

const SECRET: &str = "sandbox-merchant-secret";

const EXAMPLES: &[(&str, &str)] =
    &[("session_token", "{}"), ("open_order", r#"{"amount": "10.00", "currency": "USD"}"#)];

pub(super) static NUVEI: FakeVendor = FakeVendor {
    name: "nuvei",
    credentials: r#"{"merchant_id": "1000000001", "merchant_site_id": "200001", "merchant_secret": "sandbox-merchant-secret"}"#,
    secrets: &["merchantId", "merchantSiteId"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "session_token",
            allowed: |client| call("tokenize a card", "cardTokenization", client),
            forbidden: |client| call("pay without an order", "payment", client),
        },
        TokenUse {
            grant: "open_order",
            allowed: |client| call("pay the order", "payment", client),
            forbidden: |client| call("refund a transaction", "refundTransaction", client),
        },
    ],
};

fn call(title: &'static str, method: &str, client: &ClientToken) -> ClientCall {
    let card = json!({"cardNumber": "4000023104662535", "expirationMonth": "12", "expirationYear": "2030"});
    ClientCall::new(title, "POST", format!("/nuvei/ppp/api/v1/{method}.do"))
        .json(&json!({"sessionToken": client.token, "cardData": card}))
}

fn error(status: u16, code: i64, reason: &str) -> Answer {
    let body = json!({"sessionToken": null, "internalRequestId": 1, "status": "ERROR", "errCode": code, "reason": reason,
        "version": "1.0"});
    Answer::json(status, &body)
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(200, 1001, "Invalid checksum"),
        _ => error(status, 1000, "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let field = |name: &str| text(&body, &format!("/{name}")).to_owned();
    let method = request.path.strip_prefix("/ppp/api/v1/").and_then(|it| it.strip_suffix(".do")).unwrap_or_default();
    let known = ["getSessionToken", "openOrder", "cardTokenization", "payment", "refundTransaction"];
    if request.method != "POST" || !known.contains(&method) {
        return Err(Answer::text(404, "Not Found"));
    }
    let session = field("sessionToken");
    match method {
        "cardTokenization" => {
            state.active(&session, &["session", "order"]).map_err(|_| error(200, 1019, "Session expired"))?;
            Ok(Answer::json(200, &json!({"status": "SUCCESS", "errCode": 0, "ccTempToken": state.random_id("", 36)})))
        }
        "payment" if state.active(&session, &["order"]).is_ok() => {
            Ok(Answer::json(200, &json!({"status": "SUCCESS", "errCode": 0, "transactionStatus": "APPROVED"})))
        }
        "openOrder" if field("currency").len() != 3 || field("amount").parse::<f64>().is_err() => {
            Err(error(200, 1004, "Missing or invalid amount or currency"))
        }
        _ => {
            checked(&field)?;
            if !["getSessionToken", "openOrder"].contains(&method) {
                return Ok(Answer::json(200, &json!({"status": "SUCCESS", "errCode": 0})));
            }
            let token = [8, 4, 4, 4, 12].map(|length| state.random_id_of("", length, HEX_DIGITS)).join("-");
            let order = method == "openOrder";
            state.issue(&token, if order { "order" } else { "session" }, Some(state.now.saturating_add(900)), &[]);
            let order_id = order.then(|| state.random_id_of("", 9, b"123456789"));
            let mut made = json!({"sessionToken": token, "orderId": order_id, "internalRequestId": 123_456_789,
                "status": "SUCCESS", "errCode": 0, "reason": "", "merchantId": field("merchantId"),
                "merchantSiteId": field("merchantSiteId"), "version": "1.0", "clientRequestId": field("clientRequestId")});
            if let Some(made) = made.as_object_mut() {
                made.retain(|_, value| !value.is_null());
            }
            Ok(Answer::json(200, &made))
        }
    }
}

/// Checks the checksum: it accepts any merchant and site with the published secret.
fn checked(field: &impl Fn(&str) -> String) -> Result<(), Answer> {
    let timestamp = field("timeStamp");
    if timestamp.len() != 14 || timestamp.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(error(200, 1003, "Missing or invalid timeStamp"));
    }
    let too_long = |name: &str, most: usize| field(name).chars().count() > most;
    if too_long("clientRequestId", 255) || too_long("clientUniqueId", 45) {
        return Err(error(200, 1004, "Invalid clientRequestId or clientUniqueId"));
    }
    if !["", "0", "1"].contains(&field("preventOverride").as_str()) {
        return Err(error(200, 1004, "Invalid preventOverride"));
    }
    let names = ["merchantId", "merchantSiteId", "clientRequestId", "amount", "currency", "timeStamp"];
    let values = names.map(field);
    let [merchant, site, ..] = &values;
    if merchant.is_empty() || site.is_empty() {
        return Err(error(200, 1002, "Missing or invalid merchant"));
    }
    let valid = hex::encode(sha256(format!("{}{SECRET}", values.concat()))) == field("checksum");
    valid.then_some(()).ok_or_else(|| failure(401))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use serde_json::Value;

    fn ask(fake: &mut Fake, method: &str, order: &str, to_hash: &str) -> Value {
        let checksum = hex::encode(sha256(to_hash));
        let body = format!(
            r#"{{"merchantId":"m","merchantSiteId":"s","clientRequestId":"r","timeStamp":"20260101120000",{order}"checksum":"{checksum}"}}"#
        );
        fake.ask(&format!("POST /ppp/api/v1/{method}.do"), &[], &body).1
    }

    #[test]
    fn sessions_expire_after_15_minutes() {
        let mut fake = Fake::new("nuvei");
        let made = ask(&mut fake, "getSessionToken", "", &format!("msr20260101120000{SECRET}"));
        fake.check_token_use("session_token", &made["sessionToken"], &[], Some(900));
        let mut fake = Fake::new("nuvei");
        let order = r#""amount":"10.00","currency":"USD","#;
        let made = ask(&mut fake, "openOrder", order, &format!("msr10.00USD20260101120000{SECRET}"));
        fake.check_token_use("open_order", &made["sessionToken"], &[], Some(900));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("nuvei");
        let wrong = ask(&mut fake, "getSessionToken", "", "msr20260101120000other");
        assert_eq!((&wrong["status"], &wrong["errCode"]), (&json!("ERROR"), &json!(1001)));
        let wrong = ask(&mut fake, "openOrder", "", &format!("msr20260101120000{SECRET}"));
        assert_eq!(wrong["errCode"], 1004);
        let long = format!(r#""amount":"1","currency":"USD","clientUniqueId":"{}","#, "u".repeat(46));
        let wrong = ask(&mut fake, "openOrder", &long, &format!("msr1USD20260101120000{SECRET}"));
        assert_eq!(wrong["errCode"], 1004);
    }
}
