//! PowerTranz, by First Atlantic Commerce's support pages: simplified 3-D Secure and hosted pages (`/api/spi`).

use crate::{Answer, ClientCall, ClientStory, Desk, Processor, Request, Served};
use serde_json::{Value, json};

pub static POWERTRANZ: Processor = Processor {
    name: "powertranz",
    credentials: r#"{"power_tranz_id": "sandbox_powertranz_id", "power_tranz_password": "sandbox_powertranz_password"}"#,
    secrets: &["powertranz-powertranzid", "powertranz-powertranzpassword"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[ClientStory {
        grant: "spi_hosted_page",
        allowed: |pass| {
            ClientCall::new("complete the payment", "POST", "/powertranz/api/spi/payment").json(&json!(pass.token))
        },
        forbidden: |pass| {
            let call = ClientCall::new("refund a payment", "POST", "/powertranz/api/refund").bearer(&pass.token);
            call.json(&json!({"Refund": true, "TransactionIdentifier": "some-transaction", "TotalAmount": 1.0}))
        },
    }],
};

pub const EXAMPLES: &[(&str, &str)] = &[(
    "spi_hosted_page",
    r#"{"total_amount": "1.00", "currency_code": "840", "page_set": "PTZ/Sandbox", "page_name": "Checkout", "merchant_response_url": "https://shop.example/done"}"#,
)];

/// Wrong credentials get a status and nothing else.
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

fn serve(request: &Request, desk: &mut Desk) -> Served {
    if request.method != "POST" {
        return Err(error(404, "404", "Not found"));
    }
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    match request.segments().as_slice() {
        ["api", "spi", operation @ ("auth" | "sale" | "riskmgmt")] => {
            authenticated(request)?;
            start(operation, &body, desk)
        }
        // The token is all that it takes.
        ["api", "spi", "payment"] => {
            let token = body.as_str().unwrap_or_default();
            let issued = desk.live(token, &["spi"]).map_err(|_| error(400, "12", "Invalid SPI token"))?;
            let made = json!({"Approved": true, "IsoResponseCode": "00", "ResponseMessage": "Transaction is approved",
                "OrderIdentifier": issued.about("order")});
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

fn start(operation: &str, body: &Value, desk: &mut Desk) -> Served {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let invalid = |name: &str| error(200, "957", &format!("Invalid {name}"));
    let id =
        text("/TransactionIdentifier").filter(|id| id.len() == 36).ok_or_else(|| invalid("TransactionIdentifier"))?;
    if desk.find("transaction", id).is_some() {
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
    let token = desk.fresh("", 48);
    desk.issue(&token, "spi", Some(desk.now.saturating_add(300)), &[("transaction", id), ("order", order)]);
    Ok(Answer::json(
        200,
        &json!({"TransactionType": 1, "Approved": false, "TransactionIdentifier": id, "TotalAmount": total,
            "CurrencyCode": currency, "IsoResponseCode": "HP0", "ResponseMessage": "HPP Preprocessing complete",
            "OrderIdentifier": order, "SpiToken": token,
            "RedirectData": format!("<!DOCTYPE html><html><body><form><input name=\"SpiToken\" value=\"{token}\"></form></body></html>")}),
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;
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
    fn an_spi_token_completes_one_payment_within_five_minutes() {
        let mut bench = Bench::new("powertranz");
        let (_, made) = bench.ask("POST /api/spi/auth", &HEADERS, &body(json!({})));
        assert_eq!(made["IsoResponseCode"], "HP0", "{made}");
        bench.story("spi_hosted_page", &made["SpiToken"], &[], Some(300));
        let (_, again) = bench.ask("POST /api/spi/auth", &HEADERS, &body(json!({})));
        assert_eq!(again["Errors"][0]["Code"], "94");
    }

    #[test]
    fn refuses_as_powertranz_does() {
        let mut bench = Bench::new("powertranz");
        assert_eq!(bench.send("POST /api/spi/auth", &HEADERS[..1], &body(json!({}))).status, 401);
        for (operation, changes) in [
            ("auth", json!({"TotalAmount": 0})),
            ("sale", json!({"CurrencyCode": "USD"})),
            ("auth", json!({"ExtendedData": {}})),
            ("auth", json!({"TransactionIdentifier": "1"})),
        ] {
            let (status, answer) = bench.ask(&format!("POST /api/spi/{operation}"), &HEADERS, &body(changes));
            assert_eq!((status, &answer["Errors"][0]["Code"]), (200, &json!("957")));
        }
    }
}
