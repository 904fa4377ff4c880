//! PhonePe's payment gateway v2: access tokens, and the tokens of orders.
//!
//! Written from the vendor's pages "Generate Authorization Token" and "Creating Order Token", and from
//! PyPI phonepe-pg-sdk-python 3.0.1. The calls of the mobile SDK and of the page are not described:
//! the payments at `/checkout/v2/sdk/pay` and `/transact/pay` are invented.

use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request, text},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const EXAMPLES: &[(&str, &str)] = &[
    (
        "sdk_order_token",
        r#"{"client_id": "SANDBOX_1", "client_secret": "sandbox-client-key", "client_version": "1", "amount": 1000}"#,
    ),
    (
        "checkout_pay_link",
        r#"{"client_id": "SANDBOX_1", "client_secret": "sandbox-client-key", "client_version": "1", "amount": 1000,
            "return_url": "https://shop.example/paid"}"#,
    ),
    (
        "client_credentials",
        r#"{"audience": "server", "client_id": "SANDBOX_1", "client_secret": "sandbox-client-key", "client_version": "1"}"#,
    ),
];

pub(super) static PHONEPE: FakeVendor = FakeVendor {
    name: "phonepe",
    credentials: r#"{"merchant_id": "SANDBOXMERCHANT", "salt_key": "sandbox-salt", "salt_index": "1"}"#,
    secrets: &["client_id", "client_secret"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "sdk_order_token",
            allowed: |client| {
                let body = json!({"orderId": client.starting("OMO"), "token": client.token, "instrument": "UPI"});
                ClientCall::new("pay the order", "POST", "/phonepe/apis/pg-sandbox/checkout/v2/sdk/pay").json(&body)
            },
            forbidden: |client| refund(&client.token),
        },
        TokenUse {
            grant: "checkout_pay_link",
            allowed: |client| {
                let body = json!({"token": of_page(client), "instrument": "UPI"});
                ClientCall::new("pay the order", "POST", "/phonepe/transact/pay").json(&body)
            },
            forbidden: |client| refund(of_page(client)),
        },
    ],
};

fn refund(token: &str) -> ClientCall {
    let call = ClientCall::new("refund the order", "POST", "/phonepe/apis/pg-sandbox/payments/v2/refund");
    call.header("authorization", format!("O-Bearer {token}")).json(&json!({"amount": 100}))
}

/// The token in the address of the page.
fn of_page(client: &ClientToken) -> &str {
    client.token.split_once("token=").map_or("", |(_, token)| token)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"success": false, "code": code, "message": message, "data": {}}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => error(401, "UNAUTHORIZED", "Unauthorized"),
        403 => error(403, "FORBIDDEN", "The client may not do this"),
        429 => error(429, "TOO_MANY_REQUESTS", "Too many requests"),
        500.. => error(status, "INTERNAL_SERVER_ERROR", "Something went wrong"),
        _ => error(status, "BAD_REQUEST", "Please check the inputs you have provided."),
    }
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let path = match request.path.as_str() {
        "/apis/identity-manager/v1/oauth/token" => "/v1/oauth/token",
        path => ["/apis/pg-sandbox", "/apis/pg"].iter().find_map(|base| path.strip_prefix(base)).unwrap_or_default(),
    };
    let body = || request.json().filter(|_| request.content_type() == "application/json").unwrap_or_default();
    match (request.method.as_str(), path) {
        ("POST", "/v1/oauth/token") => login(request, state),
        ("POST", "/checkout/v2/sdk/order") => {
            server(request, state)?;
            order(&body(), "sdk_order", state)
        }
        ("POST", "/checkout/v2/pay") => {
            server(request, state)?;
            order(&body(), "page", state)
        }
        ("POST", "/payments/v2/refund") => {
            server(request, state)?;
            Ok(Answer::json(200, &json!({"refundId": state.random_id("OMR", 12), "state": "PENDING"})))
        }
        ("POST", "/checkout/v2/sdk/pay") => {
            let body = body();
            let order = state.active(text(&body, "/token"), &["sdk_order"]).map_err(|_| failure(401))?;
            if order.attribute("id") != text(&body, "/orderId") {
                return Err(failure(401));
            }
            order.used = true;
            Ok(Answer::json(200, &json!({"orderId": order.attribute("id"), "state": "COMPLETED"})))
        }
        ("POST", "") if request.path == "/transact/pay" => {
            state.active(text(&body(), "/token"), &["page"]).map_err(|_| failure(401))?.used = true;
            Ok(Answer::json(200, &json!({"state": "COMPLETED"})))
        }
        _ => Err(error(404, "NOT_FOUND", "Api Mapping Not Found")),
    }
}

fn login(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    let given = |name: &str| form.value(name).is_some_and(|value| !value.is_empty());
    if !["client_id", "client_secret"].iter().all(|name| given(name)) {
        return Err(failure(401));
    }
    let kind = request.content_type() == "application/x-www-form-urlencoded";
    let version = form.value("client_version").is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
    if !kind || !version || !given("client_version") || form.value("grant_type") != Some("client_credentials") {
        return Err(failure(400));
    }
    let expires_at = state.now.saturating_add(3_600);
    let token = state.jwt("HS256", &json!({"expiresOn": expires_at, "merchantId": "SANDBOXMERCHANT"}));
    state.issue(&token, "login", Some(expires_at), &[]);
    Ok(Answer::json(
        200,
        &json!({"access_token": token, "encrypted_access_token": token, "expires_in": null, "issued_at": state.now,
            "expires_at": expires_at, "session_expires_at": expires_at, "token_type": "O-Bearer"}),
    ))
}

fn server(request: &Request, state: &mut VendorState) -> Result<(), Answer> {
    let token = request.header("authorization").and_then(|it| it.strip_prefix("O-Bearer ")).unwrap_or_default();
    state.active(token, &["login"]).map(|_| ()).map_err(|_| failure(401))
}

fn order(body: &Value, kind: &'static str, state: &mut VendorState) -> Handled {
    let id = text(body, "/merchantOrderId");
    let number = |name: &str| body.get(name).map_or(Some(1_200), Value::as_i64).unwrap_or_default();
    let good_id =
        (1..=63).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it));
    let amount = body.get("amount").is_some() && number("amount") >= 100;
    let flow = text(body, "/paymentFlow/type") == "PG_CHECKOUT";
    let lifetime = number("expireAfter");
    let returns = kind != "page" || text(body, "/paymentFlow/merchantUrls/redirectUrl").contains("://");
    if !good_id
        || !amount
        || !flow
        || !returns
        || !good_tags(body)
        || !(300..=3_600).contains(&lifetime)
        || state.find_token("merchant_order", id).is_some()
    {
        return Err(failure(400));
    }
    let expires_at = state.now.saturating_add(lifetime);
    let order = state.random_id_of("OMO", 12, b"0123456789");
    let token = state.jwt("HS256", &json!({"orderId": order, "expiresOn": expires_at}));
    state.issue(&token, kind, Some(expires_at), &[("id", &order), ("merchant_order", id)]);
    let expire_at = expires_at.saturating_mul(1_000);
    let url = format!("https://mercury-uat.phonepe.com/transact/uat_v2?token={token}");
    let (name, value) = if kind == "page" { ("redirectUrl", url) } else { ("token", token) };
    Ok(Answer::json(200, &json!({"orderId": order, "state": "PENDING", "expireAt": expire_at, name: value})))
}

/// Ten free tags of 256 characters, five of 50 of a few kinds.
fn good_tags(body: &Value) -> bool {
    body.get("metaInfo").and_then(Value::as_object).into_iter().flatten().all(|(name, value)| {
        let number = name.strip_prefix("udf").and_then(|number| number.parse::<usize>().ok()).unwrap_or_default();
        let value = value.as_str().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_- @.+".contains(c);
        match number {
            1..=10 => value.chars().count() <= 256,
            11..=15 => value.len() <= 50 && value.chars().all(plain),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    const LOGIN: &str = "client_id=a&client_secret=b&client_version=1&grant_type=client_credentials";

    #[test]
    fn an_order_token_pays_its_order() {
        let mut fake = Fake::new("phonepe");
        let (status, login) = fake.ask("POST /apis/identity-manager/v1/oauth/token", &[], LOGIN);
        assert_eq!((status, &login["expires_in"]), (200, &Value::Null));
        let bearer = format!("O-Bearer {}", login["access_token"].as_str().unwrap());
        let auth = [("authorization", bearer.as_str())];
        let path = "POST /apis/pg-sandbox/checkout/v2/sdk/order";
        let body = r#"{"merchantOrderId":"o-1","amount":100,"expireAfter":300,"paymentFlow":{"type":"PG_CHECKOUT"}}"#;
        let (status, made) = fake.ask(path, &auth, body);
        assert_eq!(status, 200, "{made}");
        for body in [body, &body.replace("o-1", "o/2"), &body.replace("\"amount\":100", "\"amount\":99"), "{}"] {
            assert_eq!(fake.ask(path, &auth, body).0, 400, "{body}");
        }
        let tagged = body.replace("o-1", "o-3").replace("}}", r#"},"metaInfo":{"udf11":"a/b"}}"#);
        assert_eq!(fake.ask(path, &auth, &tagged).0, 400, "{tagged}");
        assert_eq!(fake.ask(path, &[("authorization", "O-Bearer x")], body).0, 401);
        fake.check_token_use("sdk_order_token", &made["token"], &[made["orderId"].as_str().unwrap()], Some(300));
    }

    #[test]
    fn a_page_pays_its_order() {
        let mut fake = Fake::new("phonepe");
        let (_, login) = fake.ask("POST /apis/pg-sandbox/v1/oauth/token", &[], LOGIN);
        let bearer = format!("O-Bearer {}", login["access_token"].as_str().unwrap());
        let auth = [("authorization", bearer.as_str())];
        let path = "POST /apis/pg-sandbox/checkout/v2/pay";
        let flow = |more: &str| {
            format!(
                r#"{{"merchantOrderId":"o-1","amount":100,"expireAfter":300,"paymentFlow":{{"type":"PG_CHECKOUT"{more}}}}}"#
            )
        };
        assert_eq!(fake.ask(path, &auth, &flow("")).0, 400);
        let (status, made) = fake.ask(path, &auth, &flow(r#","merchantUrls":{"redirectUrl":"https://a.example"}"#));
        assert_eq!(status, 200, "{made}");
        fake.check_token_use("checkout_pay_link", &made["redirectUrl"], &[], Some(300));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("phonepe");
        for (form, status) in [("client_id=a", 401), (&*LOGIN.replace("_version=1", "_version=x"), 400)] {
            assert_eq!(fake.ask("POST /apis/pg-sandbox/v1/oauth/token", &[], form).0, status, "{form}");
        }
    }
}
