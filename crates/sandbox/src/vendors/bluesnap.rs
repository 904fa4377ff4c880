//! BlueSnap: tokens of Hosted Payment Fields.
//!
//! Written from PyPI bluesnap 1.2025.4.6 (path, shopperId, Location) and
//! <https://developers.bluesnap.com/v8976-JSON/docs/error-handling-overview>.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, TokenError, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[("payment_fields_token", "{}")];

pub(super) static BLUESNAP: FakeVendor = FakeVendor {
    name: "bluesnap",
    credentials: r#"{"username": "API_sandbox", "password": "sandboxPassword1"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "payment_fields_token",
        allowed: |client| {
            let path = format!("/bluesnap/services/2/payment-fields-tokens/{}", client.token);
            let card = json!({"ccNumber": "4263982640269299", "expDate": "02/2030", "cvv": "837"});
            ClientCall::new("attach a card", "PUT", path).json(&card)
        },
        forbidden: |client| {
            let body = json!({"amount": 11, "currency": "USD", "cardTransactionType": "AUTH_CAPTURE", "pfToken": client.token});
            ClientCall::new("charge the card", "POST", "/bluesnap/services/2/transactions").json(&body)
        },
    }],
};

fn error(status: u16, name: &str, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"message": [{"errorName": name, "code": code, "description": description}]}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => Answer::of(401, "text/html", "<html><body>401 Unauthorized</body></html>".to_owned()),
        403 => Answer::text(403, "Forbidden"),
        429 => Answer::text(429, "Client request rate is too high"),
        500.. => error(status, "SYSTEM_ERROR", "10001", "A general failure occurred"),
        _ => error(status, "INVALID_PARAMETER", "10000", "The request was refused"),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let merchant = request.basic().is_some_and(|(user, password)| !user.is_empty() && !password.is_empty());
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["services", "2", "payment-fields-tokens"]) if merchant => make(request, state),
        ("POST", ["services", "2", "transactions"]) if merchant => {
            Ok(Answer::json(200, &json!({"transactionId": state.random_id_of("", 10, b"123456789")})))
        }
        ("POST", ["services", "2", "payment-fields-tokens" | "transactions"]) => Err(failure(401)),
        ("PUT", ["services", "2", "payment-fields-tokens", token]) => {
            match state.active(token, &["payment_fields_token"]) {
                Ok(_) => Ok(Answer::json(200, &json!({"last4Digits": "9299", "ccType": "VISA"}))),
                Err(TokenError::Expired) => Err(error(400, "EXPIRED_TOKEN", "14040", "Token is expired")),
                Err(TokenError::Unknown | TokenError::Used) => {
                    Err(error(400, "TOKEN_NOT_FOUND", "14041", "Token is not found"))
                }
            }
        }
        _ => Err(Answer::text(404, "Not Found")),
    }
}

fn make(request: &Request, state: &mut VendorState) -> Handled {
    let flag = |value: &str| ["true", "false"].contains(&value);
    let wrong = request.query.0.iter().find(|(name, value)| match name.as_str() {
        "shopperId" => value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()),
        "authenticationrequired3ds" | "challengerequested3ds" => !flag(value),
        _ => true,
    });
    if let Some((name, _)) = wrong {
        return Err(error(400, "INVALID_PARAMETER", "10000", &format!("{name} is not valid")));
    }
    if request.content_type() != "application/json" {
        return Err(Answer::text(415, "Unsupported Media Type"));
    }
    let token = state.random_id_of("", 64, HEX_DIGITS) + "_";
    state.issue(&token, "payment_fields_token", Some(state.now.saturating_add(3_600)), &[]);
    let location = format!("https://sandbox.bluesnap.com/services/2/payment-fields-tokens/{token}");
    Ok(Answer::of(201, "application/json", String::new()).with("location", location))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::json;

    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");
    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn a_token_takes_a_card_for_an_hour() {
        let mut fake = Fake::new("bluesnap");
        let call = "POST /services/2/payment-fields-tokens?shopperId=1&challengerequested3ds=true";
        let answer = fake.send(call, &[PAIR, JSON], "");
        let location = answer.headers.iter().find(|(name, _)| *name == "location").map(|(_, value)| value.as_str());
        let token = location.and_then(|it| it.rsplit('/').next()).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (201, ""));
        fake.check_token_use("payment_fields_token", &json!(token), &[], Some(3_600));
    }

    #[test]
    fn refuses_faulty_requests() {
        for (query, headers, status) in [
            ("", &[JSON][..], 401),
            ("", &[PAIR], 415),
            ("?shopperId=x", &[PAIR, JSON], 400),
            ("?colour=red", &[PAIR, JSON], 400),
        ] {
            let call = format!("POST /services/2/payment-fields-tokens{query}");
            assert_eq!(Fake::new("bluesnap").send(&call, headers, "").status, status, "{query}");
        }
    }
}
