//! Qwikcilver: session tokens of a terminal, for servers.
//!
//! The vendor's portal is not public: the fake is written from what integrators send and read. The
//! numbers of its refusals are made up.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static QWIKCILVER: FakeVendor = FakeVendor {
    name: "qwikcilver",
    credentials: r#"{"bootstrap_bearer_token": "sandbox-bootstrap", "terminal_id": "sandbox-terminal", "username": "sandbox-user", "password": "sandbox-password"}"#,
    secrets: &["Username", "Password"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("access_token", "{}")];

const LIFETIME_SECONDS: i64 = 1_200;

fn failure(status: u16) -> Answer {
    let message = if status == 401 { "Authorization has been denied for this request" } else { "Refused" };
    Answer::json(
        status,
        &json!({"ResponseCode": 10_000, "ResponseMessage": message, "ErrorCode": null, "ErrorDescription": null}),
    )
}

/// A refusal of the terminal's own: HTTP says 200.
fn refused(code: i64, message: &str) -> Answer {
    Answer::json(200, &json!({"authToken": null, "responseCode": code, "responseMessage": message, "batchId": null}))
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = request.path.to_ascii_lowercase();
    if (request.method.as_str(), path.as_str()) != ("POST", "/qwikcilver/egms.restapi/api/v2/authorize") {
        return Err(failure(404));
    }
    // The older form of the call has no bootstrap token. One that is empty is a fault.
    if request.header("authorization").is_some() && request.bearer().is_none_or(str::is_empty) {
        return Err(failure(401));
    }
    let body = request.json().filter(|_| request.content_type() == "application/json").ok_or_else(|| failure(400))?;
    let [terminal, user, password, date] =
        ["/TerminalID", "/Username", "/Password", "/DateAtClient"].map(|at| text(&body, at));
    if [terminal, user, password].contains(&"") {
        return Err(refused(10_001, "Invalid terminal, username or password"));
    }
    let id = body.get("TransactionId").and_then(Value::as_i64).filter(|id| *id > 0);
    let Some(id) = id.filter(|_| date.parse::<jiff::Timestamp>().is_ok()) else {
        return Err(refused(10_002, "Validation failed"));
    };
    let name = format!("{terminal} {id}");
    if state.was_issued(&name) {
        return Err(refused(10_003, "Duplicate transaction"));
    }
    state.issue(&name, "transaction", None, &[]);
    let claims = json!({"sub": user, "terminal": terminal, "exp": state.now.saturating_add(LIFETIME_SECONDS)});
    let token = state.jwt("HS256", &claims);
    state.issue(&token, "access_token", Some(state.now.saturating_add(LIFETIME_SECONDS)), &[]);
    let answer =
        json!({"authToken": token, "responseCode": 0, "responseMessage": "Transaction successful.", "batchId": 1});
    Ok(Answer::json(200, &answer))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    const AUTHORIZE: &str = "POST /Qwikcilver/eGMS.RestApi/api/v2/authorize";
    const BODY: &str = r#"{"TerminalID":"t","Username":"u","Password":"p","TransactionId":2214908859757347984,"DateAtClient":"2026-11-27T02:14:47Z"}"#;

    #[test]
    fn gives_a_token_once_for_each_transaction() {
        let mut fake = Fake::new("qwikcilver");
        let (status, first) = fake.ask(AUTHORIZE, &[("authorization", "Bearer b")], BODY);
        assert_eq!((status, &first["responseCode"]), (200, &0.into()));
        assert!(first["authToken"].is_string());
        let (status, again) = fake.ask(AUTHORIZE, &[], BODY);
        assert_eq!((status, &again["responseCode"]), (200, &10_003.into()));
        assert!(again["authToken"].is_null());
    }

    #[test]
    fn refuses_faulty_requests() {
        for (body, status, code) in [
            (BODY.replace("\"p\"", "\"\""), 200, "responseCode"),
            (BODY.replace("2214908859757347984", "\"1\""), 200, "responseCode"),
            (BODY.replace("2026-11-27T02:14:47Z", "today"), 200, "responseCode"),
            ("a=b".to_owned(), 400, "ResponseCode"),
        ] {
            let (got, answer) = Fake::new("qwikcilver").ask(AUTHORIZE, &[], &body);
            assert_eq!(got, status, "{body}");
            assert!(answer[code].as_i64() > Some(0), "{body}");
        }
        assert_eq!(Fake::new("qwikcilver").ask(AUTHORIZE, &[("authorization", "Basic YTpi")], BODY).0, 401);
        assert_eq!(Fake::new("qwikcilver").ask("POST /api/initialize", &[], BODY).0, 404);
    }
}
