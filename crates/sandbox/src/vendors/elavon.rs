//! Elavon Converge: transaction tokens of hosted payments.
//!
//! Written from Elavon's PHP samples for Lightbox and Checkout.js (path, fields, the answer as plain
//! text) and its developer guide (types, bounds).

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const EXAMPLES: &[(&str, &str)] = &[("transaction_token", "{}")];

pub(super) static ELAVON: FakeVendor = FakeVendor {
    name: "elavon",
    credentials: r#"{"ssl_merchant_id": "900001", "ssl_user_id": "sandboxuser", "ssl_pin": "SANDBOXPIN"}"#,
    secrets: &["ssl_merchant_id", "ssl_user_id", "ssl_pin"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "transaction_token",
        allowed: |client| {
            let token: String = form_urlencoded::byte_serialize(client.token.as_bytes()).collect();
            let path = format!("/elavon/hosted-payments?ssl_txn_auth_token={token}");
            ClientCall::new("open the payment page", "GET", path)
        },
        forbidden: |client| {
            let call = ClientCall::new("refund a payment", "POST", "/elavon/VirtualMerchantDemo/process.do");
            let merchant = [("ssl_merchant_id", "900002"), ("ssl_user_id", "guessed"), ("ssl_pin", &client.token)];
            call.form(&[&merchant[..], &[("ssl_transaction_type", "ccreturn"), ("ssl_txn_id", "1")]].concat())
        },
    }],
};

fn error(status: u16, code: &str, name: &str, message: &str) -> Answer {
    Answer::text(status, &format!("errorCode={code}\r\nerrorName={name}\r\nerrorMsg={message}\r\n"))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(
            401,
            "4025",
            "Invalid Credentials",
            "The credentials supplied in the authorization request are invalid.",
        ),
        403 => Answer::of(403, "text/html", "<html><body>403 Forbidden</body></html>".to_owned()),
        429 => Answer::text(429, "Too many requests"),
        500.. => Answer::of(status, "text/html", "<html><body>The service is not available</body></html>".to_owned()),
        _ => error(status, "5000", "Request Refused", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let text = |name: &str| form.value(name).unwrap_or_default();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/hosted-payments") => {
            let token = request.query.value("ssl_txn_auth_token").unwrap_or_default();
            let issued = state.active(token, &["transaction_token"]).map_err(|_| failure(401))?;
            return Ok(Answer::of(200, "text/html", format!("<html><body>{}</body></html>", issued.attribute("type"))));
        }
        ("POST", "/hosted-payments/transaction_token" | "/VirtualMerchantDemo/process.do") => {}
        _ => return Err(Answer::text(404, "Not Found")),
    }
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Err(Answer::text(415, "Unsupported Media Type"));
    }
    if text("ssl_merchant_id").is_empty() && text("ssl_account_id").is_empty() {
        return Err(error(
            400,
            "4000",
            "VID Not Supplied",
            "The Merchant ID was not supplied in the authorization request.",
        ));
    }
    if text("ssl_user_id").is_empty() || text("ssl_pin").is_empty() || state.was_issued(text("ssl_pin")) {
        return Err(failure(401));
    }
    if request.path != "/hosted-payments/transaction_token" {
        return Ok(Answer::text(200, "ssl_result=0\r\nssl_result_message=APPROVAL\r\n"));
    }
    let kind = text("ssl_transaction_type");
    let types = ["ccsale", "ccauthonly", "ccverify", "ccgettoken", "ecspurchase", "egcsale"];
    let cents = text("ssl_amount").split_once('.').is_some_and(|(_, cents)| cents.len() == 2);
    let amount = cents && text("ssl_amount").parse::<f64>().is_ok_and(|amount| amount >= 0.0);
    let flags = ["ssl_get_token", "ssl_add_token"]
        .iter()
        .all(|name| form.value(name).is_none_or(|it| ["Y", "N"].contains(&it)));
    if let Some((name, _)) = form.0.iter().find(|(name, _)| !name.starts_with("ssl_")) {
        return Err(error(400, "5000", "Unknown Field", &format!("{name} is not a field")));
    }
    if !types.contains(&kind) || !flags || text("ssl_invoice_number").chars().count() > 25 {
        return Err(error(400, "5000", "Invalid Field", "A field has a value that is not allowed"));
    }
    if (kind == "ccgettoken") == form.has("ssl_amount") || (kind != "ccgettoken" && !amount) {
        return Err(error(
            200,
            "5000",
            "Invalid Amount",
            "The amount supplied in the authorization request is invalid.",
        ));
    }
    let token = BASE64_STANDARD.encode(state.bytes(31));
    state.issue(&token, "transaction_token", Some(state.now.saturating_add(900)), &[("type", kind)]);
    Ok(Answer::text(200, &token))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::json;

    const MAKE: &str = "POST /hosted-payments/transaction_token";
    const LOGIN: &str = "ssl_merchant_id=1&ssl_user_id=u&ssl_pin=p";

    #[test]
    fn a_token_opens_the_page_for_a_quarter_of_an_hour() {
        for more in
            ["&ssl_transaction_type=ccgettoken&ssl_add_token=Y", "&ssl_transaction_type=ccsale&ssl_amount=10.00"]
        {
            let mut fake = Fake::new("elavon");
            let answer = fake.send(MAKE, &[], &format!("{LOGIN}{more}"));
            assert!((20..=100).contains(&answer.body.len()), "{}", answer.body);
            fake.check_token_use("transaction_token", &json!(answer.body), &[], Some(900));
        }
    }

    #[test]
    fn refuses_faulty_requests() {
        for (form, status, code) in [
            ("ssl_user_id=u&ssl_pin=p".to_owned(), 400, "4000"),
            ("ssl_merchant_id=1&ssl_user_id=u".to_owned(), 401, "4025"),
            (LOGIN.to_owned(), 400, "5000"),
            (format!("{LOGIN}&ssl_transaction_type=ccsale"), 200, "5000"),
            (format!("{LOGIN}&ssl_transaction_type=ccgettoken&ssl_amount=1.00"), 200, "5000"),
            (format!("{LOGIN}&ssl_transaction_type=ccsale&ssl_amount=1"), 200, "5000"),
            (format!("{LOGIN}&ssl_transaction_type=ccgettoken&colour=red"), 400, "5000"),
        ] {
            let answer = Fake::new("elavon").send(MAKE, &[], &form);
            assert_eq!((answer.status, answer.body.contains(&format!("errorCode={code}"))), (status, true), "{form}");
        }
    }
}
