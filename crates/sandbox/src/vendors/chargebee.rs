//! Chargebee: portal sessions and hosted pages.
//!
//! Written from the schemas of the vendor's client chargebee 3.33.0. A hosted page ends after one
//! hour, as in a sample of the vendor's.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{Idempotent, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[
    ("portal_session", r#"{"customer_id": "cust_1"}"#),
    ("manage_payment_sources", r#"{"customer_id": "cust_1"}"#),
    ("hosted_checkout", r#"{"items": [{"item_price_id": "gold-EUR-Monthly", "quantity": 1}]}"#),
];

pub(super) static CHARGEBEE: FakeVendor = FakeVendor {
    name: "chargebee",
    credentials: r#"{"api_key": "test_sandbox", "site": "sandbox-test"}"#,
    secrets: &[],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "portal_session",
            allowed: |client| {
                let path = format!("/chargebee/portal/v2/authenticate?token={}", client.token);
                ClientCall::new("open the portal", "GET", path)
            },
            forbidden: customers,
        },
        TokenUse {
            grant: "manage_payment_sources",
            allowed: |client| ClientCall::new("open the page", "GET", format!("/chargebee/pages/v3/{}/", client.token)),
            forbidden: customers,
        },
        TokenUse {
            grant: "hosted_checkout",
            allowed: |client| ClientCall::new("open the page", "GET", format!("/chargebee/pages/v4/{}/", client.token)),
            forbidden: customers,
        },
    ],
};

fn customers(client: &ClientToken) -> ClientCall {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let login = BASE64_STANDARD.encode(format!("{}:", client.token));
    ClientCall::new("read all customers", "GET", "/chargebee/api/v2/customers")
        .header("authorization", format!("Basic {login}"))
}

fn error(status: u16, kind: Option<&str>, code: &str, message: &str, param: Option<&str>) -> Answer {
    let body =
        json!({"message": message, "type": kind, "api_error_code": code, "param": param, "http_status_code": status});
    let present = body.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    Answer::json(status, &present.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, None, "api_authentication_failed", "Sorry, authentication failed. Invalid api key", None),
        403 => error(403, None, "api_authorization_failed", "Sorry, the api key may not do this", None),
        429 => error(429, Some("operation_failed"), "api_request_limit_exceeded", "Too many requests", None),
        503 => error(503, Some("operation_failed"), "internal_temporary_error", "Temporary error, try again", None),
        500.. => error(status, Some("operation_failed"), "internal_error", "Internal error", None),
        _ => error(status, Some("invalid_request"), "invalid_request", "The request was refused", None),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let kind = match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["portal", "v2", "authenticate"]) => {
            let token = request.query.value("token").unwrap_or_default();
            return state.active(token, &["portal_session"]).map_err(|_| failure(401)).map(|session| {
                session.used = true;
                Answer::of(200, "text/html", format!("<html><body>{}</body></html>", session.attribute("customer")))
            });
        }
        ("GET", ["pages", version @ ("v3" | "v4"), id, ""]) => {
            let kind = if *version == "v3" { "manage_payment_sources" } else { "checkout_new" };
            let page = state.active(id, &[kind]).map_err(|_| Answer::text(404, "This page has expired"))?;
            return Ok(Answer::of(
                200,
                "text/html",
                format!("<html><body>{}</body></html>", page.attribute("customer")),
            ));
        }
        ("GET", ["api", "v2", "customers"]) => "",
        ("POST", ["api", "v2", "portal_sessions"]) => "portal_session",
        ("POST", ["api", "v2", "hosted_pages", "manage_payment_sources"]) => "manage_payment_sources",
        ("POST", ["api", "v2", "hosted_pages", "checkout_new" | "checkout_new_for_items"]) => "checkout_new",
        _ => return Err(error(404, Some("invalid_request"), "resource_not_found", "There is no such resource", None)),
    };
    let merchant =
        request.basic().filter(|(key, password)| !key.is_empty() && password.is_empty() && !state.was_issued(key));
    let (key, _) = merchant.ok_or_else(|| failure(401))?;
    if kind.is_empty() {
        return Ok(Answer::json(200, &json!({"list": []})));
    }
    let once = request.header("chargebee-idempotency-key");
    if once.is_some_and(|once| once.chars().count() > 100) {
        return Err(error(400, Some("invalid_request"), "param_wrong_value", "The idempotency key is too long", None));
    }
    let make = |state: &mut VendorState| page(kind, request, state).unwrap_or_else(|refusal| refusal);
    match state.idempotent(once.map(|once| format!("{key}\n{once}")), 1_800, request, make) {
        Idempotent::First(answer) => Ok(answer),
        Idempotent::Replay(answer) => Ok(answer.with("chargebee-idempotency-replayed", "true")),
        Idempotent::Conflict => Err(error(
            400,
            Some("invalid_request"),
            "invalid_request",
            "The idempotency key was used for another request",
            None,
        )),
    }
}

/// The parameters of each call.
const PORTAL: &str = "customer[id] redirect_url forward_url";
const SOURCES: &str = "customer[id] redirect_url card[gateway_account_id] business_entity_id";
const ITEMS: &str = "subscription_items[item_price_id] subscription_items[quantity] subscription_items[unit_price] \
    customer[id] customer[email] redirect_url cancel_url pass_thru_content layout card[gateway_account_id] coupon_ids";
const PLAN: &str = "subscription[plan_id] subscription[plan_quantity] customer[id] customer[email] redirect_url \
    cancel_url pass_thru_content embed card[gateway_account_id] coupon_ids";

fn page(kind: &'static str, request: &Request, state: &mut VendorState) -> Handled {
    let wrong = |name: &str, message: &str| {
        error(400, Some("invalid_request"), "param_wrong_value", &format!("{name} : {message}"), Some(name))
    };
    if request.content_type() != "application/x-www-form-urlencoded" {
        return Err(error(415, Some("invalid_request"), "invalid_request", "The body must be a form", None));
    }
    let form = request.form();
    let items = request.path.ends_with("_for_items");
    let parameters = match kind {
        "portal_session" => PORTAL,
        "checkout_new" if items => ITEMS,
        "checkout_new" => PLAN,
        _ => SOURCES,
    };
    // A list has an index after its name.
    let known = |name: &str| {
        let list = name.rsplit_once('[').filter(|(_, index)| index.bytes().all(|it| it.is_ascii_digit() || it == b']'));
        parameters.split_whitespace().any(|known| known == list.map_or(name, |(list, _)| list))
    };
    if let Some((name, _)) = form.0.iter().find(|(name, _)| !known(name)) {
        return Err(wrong(name, "is not a parameter of this call"));
    }
    let subscribed = if items { "subscription_items[item_price_id][0]" } else { "subscription[plan_id]" };
    if kind == "checkout_new" && form.value(subscribed).is_none_or(|id| id.is_empty() || id.chars().count() > 100) {
        return Err(wrong(subscribed, "must have 1 to 100 characters"));
    }
    let customer = form.value("customer[id]").unwrap_or_default();
    if customer.is_empty() && kind != "checkout_new" || customer.chars().count() > 50 {
        return Err(wrong("customer[id]", "must have 1 to 50 characters"));
    }
    if form.value("redirect_url").is_some_and(|url| !url.contains("://") || url.chars().count() > 250) {
        return Err(wrong("redirect_url", "must be a URL of at most 250 characters"));
    }
    if customer.contains("missing") {
        return Err(error(
            404,
            Some("invalid_request"),
            "resource_not_found",
            &format!("{customer} not found"),
            Some("customer[id]"),
        ));
    }
    let (now, token, id) = (state.now, state.random_id("cd", 40), state.random_id("portal_", 20));
    let expires_at = now.saturating_add(3_600);
    state.issue(&token, kind, Some(expires_at), &[("customer", customer)]);
    Ok(Answer::json(
        200,
        &if kind == "portal_session" {
            let url = format!("https://sandbox-test.chargebeeportal.com/portal/v2/authenticate?token={token}");
            json!({"portal_session": {"id": id, "token": token, "access_url": url, "status": "created", "created_at": now,
            "expires_at": expires_at, "object": "portal_session", "customer_id": customer, "linked_customers": []}})
        } else {
            let version = if kind == "checkout_new" { "v4" } else { "v3" };
            let url = format!("https://sandbox-test.chargebee.com/pages/{version}/{token}/");
            json!({"hosted_page": {"id": token, "type": kind, "url": url, "state": "created", "embed": kind != "checkout_new", "created_at": now,
            "expires_at": expires_at, "object": "hosted_page"}})
        },
    ))
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    /// Basic authentication with `a:`.
    const KEY: (&str, &str) = ("authorization", "Basic YTo=");
    const MAKE: &str = "POST /api/v2/portal_sessions";

    #[test]
    fn a_page_is_for_one_customer() {
        let mut fake = Fake::new("chargebee");
        let headers = [KEY, ("chargebee-idempotency-key", "k")];
        let (_, body) = fake.ask(MAKE, &headers, "customer[id]=c");
        let again = fake.send(MAKE, &headers, "customer[id]=c");
        assert!(again.headers.contains(&("chargebee-idempotency-replayed", "true".to_owned())));
        fake.check_token_use("portal_session", &body["portal_session"]["token"], &[], Some(3_600));
        let (_, body) = fake.ask("POST /api/v2/hosted_pages/manage_payment_sources", &[KEY], "customer[id]=c");
        fake.check_token_use("manage_payment_sources", &body["hosted_page"]["id"], &[], Some(3_600));
        for (call, form) in [
            ("checkout_new_for_items", "subscription_items[item_price_id][0]=gold&subscription_items[quantity][0]=1"),
            ("checkout_new", "subscription[plan_id]=gold&customer[id]=c&pass_thru_content=r"),
        ] {
            let (status, body) = fake.ask(&format!("POST /api/v2/hosted_pages/{call}"), &[KEY], form);
            assert_eq!(status, 200, "{body}");
            fake.check_token_use("hosted_checkout", &body["hosted_page"]["id"], &[], Some(3_600));
        }
        let refused = fake.ask("POST /api/v2/hosted_pages/checkout_new_for_items", &[KEY], "customer[id]=c");
        assert_eq!(refused.1["param"], "subscription_items[item_price_id][0]");
    }

    #[test]
    fn refuses_faulty_requests() {
        let url = format!("customer[id]=c&redirect_url=https://{}", "a".repeat(250));
        for (headers, form, status, code) in [
            (&[][..], "customer[id]=c", 401, "api_authentication_failed"),
            (&[("authorization", "Basic YTpi")], "customer[id]=c", 401, "api_authentication_failed"),
            (&[KEY], "", 400, "param_wrong_value"),
            (&[KEY], "customer[id]=c&colour=red", 400, "param_wrong_value"),
            (&[KEY], &url, 400, "param_wrong_value"),
            (&[KEY], "customer[id]=missing", 404, "resource_not_found"),
        ] {
            let (got, body) = Fake::new("chargebee").ask(MAKE, headers, form);
            assert_eq!((got, body["api_error_code"].as_str()), (status, Some(code)), "{form}");
        }
    }
}
