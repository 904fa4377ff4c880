//! GoCardless: billing requests and their flows.
//!
//! Written from the types and paths of the vendor's client gocardless-nodejs 10.1.2, and
//! <https://developer.gocardless.com/api-reference/>.

use serde_json::{Value, json};

use crate::{
    dates::timestamp,
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[
    ("billing_request_flow", r#"{"mandate_request": {"scheme": "bacs"}, "redirect_uri": "https://shop.example/back"}"#),
    ("billing_request_flow_session", "{}"),
];

pub(super) static GOCARDLESS: FakeVendor = FakeVendor {
    name: "gocardless",
    credentials: r#"{"api_key": "sandbox_access_token"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "billing_request_flow",
            allowed: |client| {
                ClientCall::new(
                    "open the drop-in",
                    "GET",
                    format!("/gocardless/billing/static/flow?id={}", client.token),
                )
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "billing_request_flow_session",
            allowed: |client| {
                let call =
                    ClientCall::new("give the payer's details", "POST", "/gocardless/billing/static/customer_details");
                call.bearer(&client.token).json(&json!({"data": {"customer": {"email": "payer@shop.example"}}}))
            },
            forbidden: refund,
        },
    ],
};

fn refund(client: &ClientToken) -> ClientCall {
    let body = json!({"refunds": {"amount": 100, "total_amount_confirmation": 100, "links": {"payment": "PM123"}}});
    let call = ClientCall::new("refund a payment", "POST", "/gocardless/refunds").bearer(&client.token);
    call.header("gocardless-version", "2015-07-06").json(&body)
}

fn error(status: u16, kind: &str, message: &str, detail: Value, state: &mut VendorState) -> Answer {
    Answer::json(
        status,
        &json!({"error": {"message": message, "errors": [detail], "type": kind, "code": status,
        "documentation_url": "https://developer.gocardless.com/api-reference", "request_id": state.random_id("", 36)}}),
    )
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    let (kind, reason, message) = match status {
        401 => (
            "invalid_api_usage",
            "access_token_not_found",
            "The access token you've used is not a valid sandbox API access token",
        ),
        403 => ("invalid_api_usage", "insufficient_permissions", "Your account does not have permission to do this"),
        429 => ("invalid_api_usage", "rate_limit_exceeded", "Rate limit exceeded"),
        404 => ("invalid_api_usage", "resource_not_found", "Resource not found"),
        500.. => ("gocardless", "internal_server_error", "An internal error occurred"),
        _ => ("invalid_api_usage", "bad_request", "The request was refused"),
    };
    error(status, kind, message, json!({"reason": reason, "message": message}), state)
}

fn invalid(field: &str, message: &str, state: &mut VendorState) -> Answer {
    error(
        422,
        "validation_failed",
        "Validation failed",
        json!({"field": field, "message": message, "request_pointer": "/"}),
        state,
    )
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let segments = request.segments();
    // The calls of a payer's browser have no access token.
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["billing", "static", "flow"]) => {
            let id = request.query.value("id").unwrap_or_default();
            let is_valid = state.active(id, &["billing_request_flow"]).is_ok();
            return if is_valid {
                Ok(Answer::of(200, "text/html", "<html></html>".to_owned()))
            } else {
                Err(failure(404, state))
            };
        }
        ("POST", ["billing", "static", "customer_details"]) => {
            let is_valid = state.active(request.bearer().unwrap_or_default(), &["session_token"]).is_ok();
            return if is_valid {
                Ok(Answer::json(200, &json!({"billing_requests": {}})))
            } else {
                Err(failure(401, state))
            };
        }
        _ => {}
    }
    let Some(key) = request.bearer().filter(|key| !key.is_empty() && !state.was_issued(key)) else {
        return Err(failure(401, state));
    };
    if request.header("gocardless-version") != Some("2015-07-06") {
        let detail = json!({"reason": "version_not_found", "message": "Version not found"});
        return Err(error(400, "invalid_api_usage", "Version not found", detail, state));
    }
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", [resource @ ("billing_requests" | "billing_request_flows")]) => {
            let once = request.header("idempotency-key").map(|once| format!("{key}\n{once}"));
            let make = |state: &mut VendorState| create(resource, request, state).unwrap_or_else(|refusal| refusal);
            match state.idempotent(once, 30 * 86_400, request, make) {
                Idempotent::First(answer) => Ok(answer),
                Idempotent::Replay(made) => {
                    let made: Value = serde_json::from_str(&made.body).unwrap_or_default();
                    let (id, message) = (
                        made.pointer(&format!("/{resource}/id")),
                        "A resource has already been created with this idempotency key",
                    );
                    let detail = json!({"reason": "idempotent_creation_conflict", "message": message, "links": {"conflicting_resource_id": id}});
                    Err(error(409, "invalid_state", message, detail, state))
                }
                Idempotent::Conflict => Err(invalid("idempotency_key", "was used for another request", state)),
            }
        }
        ("GET", ["billing_requests", id]) if state.active(id, &["billing_request"]).is_ok() => {
            Ok(Answer::json(200, &json!({"billing_requests": {"id": id, "status": "pending"}})))
        }
        ("GET", ["billing_request_flows", id]) => flow(200, id, None, state),
        ("POST", ["billing_request_flows", id, "actions", "initialise"]) => {
            let session = state.random_id("ses", 40);
            flow(200, id, Some(&session), state)
        }
        ("POST", ["refunds"]) => Ok(Answer::json(201, &json!({"refunds": {"id": state.random_id("RF", 12)}}))),
        _ => Err(failure(404, state)),
    }
}

/// The flow as JSON. A session token expires with its flow.
fn flow(status: u16, id: &str, session: Option<&str>, state: &mut VendorState) -> Handled {
    let Ok(found) = state.active(id, &["billing_request_flow"]).cloned() else { return Err(failure(404, state)) };
    if let Some(session) = session {
        state.issue(session, "session_token", found.expires_at, &[]);
    }
    let date = |seconds: i64| timestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    let ends = found.expires_at.unwrap_or_default();
    let flow = json!({"id": id, "authorisation_url": format!("https://pay-sandbox.gocardless.com/billing/static/flow?id={id}"),
        "expires_at": date(ends), "created_at": date(ends.saturating_sub(7 * 86_400)), "session_token": session,
        "links": {"billing_request": found.attribute("request")}});
    Ok(Answer::json(status, &json!({"billing_request_flows": flow})))
}

const REQUEST: &str = "mandate_request payment_request metadata links fallback_enabled instalment_schedule_request \
    payment_context_code payment_purpose_code purpose_code subscription_request";
const FLOW: &str = "redirect_uri exit_uri links auto_fulfil language lock_bank_account lock_currency lock_customer_details \
    prefilled_customer prefilled_bank_account show_redirect_buttons show_success_redirect_button skip_success_screen \
    customer_details_captured";

fn create(resource: &str, request: &Request, state: &mut VendorState) -> Handled {
    let body = request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    let Some(asked) = body.get(resource).and_then(Value::as_object) else { return Err(failure(400, state)) };
    let members = if resource == "billing_requests" { REQUEST } else { FLOW };
    if let Some(name) = asked.keys().find(|name| !members.split_whitespace().any(|known| known == *name)) {
        return Err(invalid(name, "is not a member of this resource", state));
    }
    if resource == "billing_request_flows" {
        let parent = asked
            .get("links")
            .and_then(|links| links.get("billing_request"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        // The fake accepts an unknown billing request: it may come from the merchant's dashboard.
        if !parent.starts_with("BRQ") {
            return Err(invalid("links.billing_request", "is missing or unknown", state));
        }
        let id = state.random_id("BRF", 12);
        state.issue(&id, "billing_request_flow", Some(state.now.saturating_add(7 * 86_400)), &[("request", parent)]);
        return flow(201, &id, None, state);
    }
    let amount = asked
        .get("payment_request")
        .map(|payment| payment.get("amount").and_then(Value::as_i64).is_some_and(|it| it > 0));
    if amount == Some(false)
        || !["mandate_request", "payment_request"].iter().any(|name| asked.get(*name).is_some_and(Value::is_object))
    {
        return Err(invalid("mandate_request", "is missing, or the payment has no amount", state));
    }
    let fits = |(key, value): (&String, &Value)| {
        key.chars().count() <= 50 && value.as_str().is_some_and(|it| it.chars().count() <= 500)
    };
    if asked
        .get("metadata")
        .is_some_and(|it| !it.as_object().is_some_and(|pairs| pairs.len() <= 3 && pairs.iter().all(fits)))
    {
        return Err(invalid("metadata", "has at most 3 pairs, keys of 50 and values of 500 characters", state));
    }
    let id = state.random_id("BRQ", 12);
    state.issue(&id, "billing_request", None, &[]);
    Ok(Answer::json(201, &json!({"billing_requests": {"id": id, "status": "pending"}})))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;
    use serde_json::{Value, json};

    const HEADERS: [(&str, &str); 2] = [("authorization", "Bearer t"), ("gocardless-version", "2015-07-06")];
    const BODY: &str = r#"{"billing_requests": {"mandate_request": {"scheme": "bacs"}}}"#;

    fn flow(fake: &mut Fake) -> Value {
        let (_, body) = fake.ask("POST /billing_requests", &HEADERS, BODY);
        let links = json!({"billing_request": body["billing_requests"]["id"]});
        let body = json!({"billing_request_flows": {"links": links}}).to_string();
        fake.ask("POST /billing_request_flows", &HEADERS, &body).1["billing_request_flows"].clone()
    }

    #[test]
    fn a_flow_is_for_one_payer() {
        let mut fake = Fake::new("gocardless");
        let made = flow(&mut fake);
        assert_eq!(made["expires_at"], "2027-01-22T08:00:00.000Z");
        fake.check_token_use("billing_request_flow", &made["id"], &[], Some(7 * 86_400));
        let mut fake = Fake::new("gocardless");
        let id = flow(&mut fake)["id"].as_str().unwrap().to_owned();
        let (_, body) = fake.ask(&format!("POST /billing_request_flows/{id}/actions/initialise"), &HEADERS, "");
        fake.check_token_use(
            "billing_request_flow_session",
            &body["billing_request_flows"]["session_token"],
            &[],
            Some(7 * 86_400),
        );
    }

    #[test]
    fn a_repeated_create_is_refused_with_the_first_id() {
        let mut fake = Fake::new("gocardless");
        let headers = [HEADERS[0], HEADERS[1], ("idempotency-key", "k")];
        let (_, first) = fake.ask("POST /billing_requests", &headers, BODY);
        let (status, second) = fake.ask("POST /billing_requests", &headers, BODY);
        let id = &second["error"]["errors"][0]["links"]["conflicting_resource_id"];
        assert_eq!((status, id), (409, &first["billing_requests"]["id"]));
        assert_eq!(fake.ask(&format!("GET /billing_requests/{}", id.as_str().unwrap()), &HEADERS, "").0, 200);
    }

    #[test]
    fn refuses_faulty_requests() {
        for (headers, body, status, kind) in [
            (&HEADERS[1..], BODY, 401, "invalid_api_usage"),
            (&HEADERS[..1], BODY, 400, "invalid_api_usage"),
            (&HEADERS, "{}", 400, "invalid_api_usage"),
            (&HEADERS, r#"{"billing_requests": {}}"#, 422, "validation_failed"),
            (&HEADERS, r#"{"billing_requests": {"payment_request": {"currency": "GBP"}}}"#, 422, "validation_failed"),
            (&HEADERS, r#"{"billing_requests": {"mandate_request": {}, "colour": 1}}"#, 422, "validation_failed"),
        ] {
            let (got, answer) = Fake::new("gocardless").ask("POST /billing_requests", headers, body);
            assert_eq!((got, answer["error"]["type"].as_str()), (status, Some(kind)), "{body}");
        }
    }
}
