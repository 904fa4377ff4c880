//! PowerTranz: simplified 3-D Secure and hosted pages (`/api/spi`).
//!
//! Written from First Atlantic Commerce's support pages, a copy of its guide to hosted pages and
//! the models of cloudcogsio/omnipay-powertranz-3ds2-gateway (names, lengths). No document has the
//! path and the form that the redirect data sends: both are invented.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static POWERTRANZ: FakeVendor = FakeVendor {
    name: "powertranz",
    credentials: r#"{"power_tranz_id": "sandbox_powertranz_id", "power_tranz_password": "sandbox_powertranz_password"}"#,
    secrets: &["powertranz-powertranzid", "powertranz-powertranzpassword"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "spi_hosted_page",
        allowed: |client| {
            let call = ClientCall::new("fill in the hosted page", "POST", "/powertranz/api/spi/hpp");
            call.form(&[("Session", &session(client))])
        },
        forbidden: |client| {
            let call = ClientCall::new("complete the payment", "POST", "/powertranz/api/spi/payment");
            call.json(&json!(session(client)))
        },
    }],
};

/// The value of the only field of the redirect data.
fn session(client: &ClientToken) -> String {
    let page = String::from_utf8(BASE64_STANDARD.decode(&client.token).unwrap_or_default()).unwrap_or_default();
    page.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

const EXAMPLES: &[(&str, &str)] = &[(
    "spi_hosted_page",
    r#"{"total_amount": "1.00", "currency_code": "840", "page_set": "PTZ/Sandbox", "page_name": "Checkout", "merchant_response_url": "https://shop.example/done"}"#,
)];

/// The answer to wrong credentials has an empty body.
fn failure(status: u16) -> Answer {
    match status {
        401 | 403 => Answer::text(status, ""),
        _ => error(status, "98", "System error"),
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let errors = json!([{"Code": code, "Message": message}]);
    Answer::json(
        status,
        &json!({"Approved": false, "IsoResponseCode": code, "ResponseMessage": message, "Errors": errors}),
    )
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if request.method != "POST" {
        return Err(error(404, "404", "Not found"));
    }
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    match request.segments().as_slice() {
        ["api", "spi", operation @ ("auth" | "sale" | "riskmgmt")] => {
            authenticated(request)?;
            start(operation, &body, state)
        }
        // The browser carries this answer to the shop after the payer has filled in the page. The
        // payment is not complete yet.
        ["api", "spi", "hpp"] => {
            let issued = state.active(request.form().value("Session").unwrap_or_default(), &["page"]);
            let issued = issued.map_err(|_| error(400, "12", "Invalid session"))?;
            issued.used = true;
            let (token, end) = (issued.attribute("token").to_owned(), issued.expires_at);
            let attributes = ["transaction", "order"].map(|name| (name, issued.attribute(name).to_owned()));
            state.issue(&token, "spi", end, &attributes.each_ref().map(|(name, value)| (*name, value.as_str())));
            let [(_, id), (_, order)] = attributes;
            Ok(Answer::json(
                200,
                &json!({"Approved": false, "TransactionIdentifier": id, "IsoResponseCode": "HP0",
                "ResponseMessage": "HPP preprocessing complete", "OrderIdentifier": order, "SpiToken": token}),
            ))
        }
        // The completion needs the token only, no credentials.
        ["api", "spi", "payment"] => {
            let token = body.as_str().unwrap_or_default();
            let issued = state.active(token, &["spi"]).map_err(|_| error(400, "12", "Invalid SPI token"))?;
            let made = json!({"Approved": true, "IsoResponseCode": "00", "ResponseMessage": "Transaction is approved",
                "OrderIdentifier": issued.attribute("order")});
            issued.used = true;
            Ok(Answer::json(200, &made))
        }
        ["api", "refund"] => {
            authenticated(request)?;
            Ok(Answer::json(200, &json!({"Approved": true, "IsoResponseCode": "00", "ResponseMessage": "Success"})))
        }
        _ => Err(error(404, "404", "Not found")),
    }
}

fn authenticated(request: &Request) -> Result<(), Answer> {
    let names = ["powertranz-powertranzid", "powertranz-powertranzpassword"];
    names.iter().all(|name| request.header(name).is_some()).then_some(()).ok_or_else(|| failure(401))
}

fn start(operation: &str, body: &Value, state: &mut VendorState) -> Handled {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let invalid = |name: &str| error(200, "957", &format!("Invalid {name}"));
    let id =
        text("/TransactionIdentifier").filter(|id| id.len() == 36).ok_or_else(|| invalid("TransactionIdentifier"))?;
    if state.find_token("transaction", id).is_some() {
        return Err(error(200, "94", "Duplicate TransactionIdentifier"));
    }
    let total = body.get("TotalAmount").and_then(Value::as_f64).filter(|total| *total > 0.0 || operation == "riskmgmt");
    let total = total.ok_or_else(|| invalid("TotalAmount"))?;
    let digits = |code: &&str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let currency = text("/CurrencyCode").filter(digits).ok_or_else(|| invalid("CurrencyCode"))?;
    let order = text("/OrderIdentifier").ok_or_else(|| invalid("OrderIdentifier"))?;
    for name in ["MerchantResponseUrl", "HostedPage/PageSet", "HostedPage/PageName"] {
        text(&format!("/ExtendedData/{name}")).ok_or_else(|| invalid(name))?;
    }
    let (token, session) = (state.random_id("", 48), state.random_id("", 32));
    let attributes = [("transaction", id), ("order", order), ("token", &token)];
    state.issue(&session, "page", Some(state.now.saturating_add(300)), &attributes);
    Ok(Answer::json(
        200,
        &json!({"TransactionType": 1, "Approved": false, "TransactionIdentifier": id, "TotalAmount": total,
            "CurrencyCode": currency, "IsoResponseCode": "SP4", "ResponseMessage": "SPI Preprocessing complete",
            "OrderIdentifier": order, "SpiToken": token,
            "RedirectData": format!("<!DOCTYPE html>\r\n<html><body><form><input name=\"Session\" value=\"{session}\"></form></body></html>")}),
    ))
}

#[cfg(test)]
mod tests {
    use super::{BASE64_STANDARD, Engine};
    use crate::testing::Fake;
    use serde_json::{Value, json};

    const HEADERS: [(&str, &str); 2] = [("powertranz-powertranzid", "id"), ("powertranz-powertranzpassword", "p")];

    fn body(changes: Value) -> String {
        let page = json!({"MerchantResponseUrl": "https://a.example", "HostedPage": {"PageSet": "s", "PageName": "n"}});
        let mut body = json!({"TransactionIdentifier": "00000000-0000-4000-8000-000000000001", "TotalAmount": 1.0,
            "CurrencyCode": "840", "OrderIdentifier": "o", "ExtendedData": page});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body.to_string()
    }

    #[test]
    fn a_page_works_once_and_its_spi_token_completes_the_payment_for_five_minutes() {
        let mut fake = Fake::new("powertranz");
        let (_, made) = fake.ask("POST /api/spi/auth", &HEADERS, &body(json!({})));
        assert_eq!(made["IsoResponseCode"], "SP4", "{made}");
        let (page, token) = (made["RedirectData"].as_str().unwrap(), made["SpiToken"].as_str().unwrap());
        assert!(!page.contains(token));
        let json = [("content-type", "application/json")];
        let complete = |fake: &mut Fake| fake.ask("POST /api/spi/payment", &json, &made["SpiToken"].to_string()).0;
        assert_eq!(complete(&mut fake), 400, "the page is not filled in yet");
        fake.check_token_use("spi_hosted_page", &json!(BASE64_STANDARD.encode(page)), &[], Some(300));
        fake.state.now += 1;
        assert_eq!(complete(&mut fake), 400, "too late");
        fake.state.now -= 1;
        assert_eq!((complete(&mut fake), complete(&mut fake)), (200, 400), "once");
        let (_, again) = fake.ask("POST /api/spi/auth", &HEADERS, &body(json!({})));
        assert_eq!(again["Errors"][0]["Code"], "94");
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("powertranz");
        assert_eq!(fake.send("POST /api/spi/auth", &HEADERS[..1], &body(json!({}))).status, 401);
        for (operation, changes) in [
            ("auth", json!({"TotalAmount": 0})),
            ("sale", json!({"CurrencyCode": "USD"})),
            ("auth", json!({"ExtendedData": {}})),
            ("auth", json!({"TransactionIdentifier": "1"})),
        ] {
            let (status, answer) = fake.ask(&format!("POST /api/spi/{operation}"), &HEADERS, &body(changes));
            assert_eq!((status, &answer["Errors"][0]["Code"]), (200, &json!("957")));
        }
    }
}
