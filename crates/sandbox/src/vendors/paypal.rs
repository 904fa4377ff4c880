//! PayPal: access tokens, client tokens, ID tokens and setup tokens of the vault. The file is over 400
//! lines because three APIs share one login.
//!
//! Written from <https://developer.paypal.com/api/rest/authentication/>, the vendor's guides to SDK
//! v6 and v5, and for the vault from the types of the npm package `@paypal/paypal-server-sdk`
//! 2.5.0. The third scope of a client token is from the tests of PayPal's plugin for Shopware. No page
//! gives the lifetime of an ID token (one hour is invented) or of a setup token (three days are).
//! The endpoints of clients check the token only.

mod vault;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Pairs, Request},
    oauth::{self, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError},
    token_use::{ClientCall, ClientToken, TokenUse},
    vendor::FakeVendor,
    vendor_state::{HEX_DIGITS, Issued, VendorState},
};

const EXAMPLES: &[(&str, &str)] = &[
    ("client_token", r#"{"domains": ["shop.example"]}"#),
    ("identity_client_token", "{}"),
    ("id_token", "{}"),
    ("vault_setup_token", "{}"),
    ("access_token", "{}"),
];

pub(super) static PAYPAL: FakeVendor = FakeVendor {
    name: "paypal",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}"#,
    secrets: &["client_secret"],
    request_id: Some("paypal-debug-id"),
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[
        TokenUse {
            grant: "client_token",
            allowed: |client| {
                let call = ClientCall::new(
                    "ask which methods are eligible",
                    "POST",
                    "/paypal/v2/payments/find-eligible-methods",
                );
                call.bearer(&client.token).json(&json!({"purchase_units": [{"amount": {"currency_code": "USD"}}]}))
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "identity_client_token",
            allowed: |client| {
                let path = "/paypal/v2/checkout/orders/SOMEORDER/confirm-payment-source";
                let card = json!({"payment_source": {"card": {"number": "4111111111111111", "expiry": "2030-01"}}});
                ClientCall::new("put a card on an order", "POST", path).bearer(&client.token).json(&card)
            },
            forbidden: refund,
        },
        TokenUse {
            grant: "id_token",
            allowed: |client| {
                ClientCall::new("list the customer's saved methods", "GET", "/paypal/v3/vault/payment-tokens")
                    .bearer(&client.token)
            },
            forbidden: |client| {
                let path = "/paypal/v3/vault/payment-tokens?customer_id=somebody-else";
                ClientCall::new("list another customer's methods", "GET", path).bearer(&client.token)
            },
        },
        TokenUse {
            grant: "vault_setup_token",
            allowed: |client| {
                let path = format!("/paypal/v3/vault/setup-tokens/{}/fill", client.token);
                let card = json!({"payment_source": {"card": {"number": "4111111111111111", "expiry": "2030-01"}}});
                ClientCall::new("put a card on the setup token", "POST", path).json(&card)
            },
            forbidden: refund,
        },
    ],
};

fn refund(client: &ClientToken) -> ClientCall {
    let call = ClientCall::new("refund a capture", "POST", "/paypal/v2/payments/captures/SOMECAPTURE/refund");
    call.bearer(&client.token).json(&json!({}))
}

/// A refusal of all endpoints but the token endpoint.
fn error(status: u16, name: &str, message: &str, state: &mut VendorState) -> Answer {
    Answer::json(
        status,
        &json!({"name": name, "message": message, "debug_id": state.random_id_of("", 13, HEX_DIGITS), "details": []}),
    )
}

fn failure(status: u16, state: &mut VendorState) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Client Authentication failed"),
        403 => not_authorized(state),
        429 => error(429, "RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting.", state),
        500.. => error(status, "INTERNAL_SERVER_ERROR", "An internal server error has occurred.", state),
        _ => error(status, "INVALID_REQUEST", "The request was refused.", state),
    }
}

fn not_authorized(state: &mut VendorState) -> Answer {
    error(403, "NOT_AUTHORIZED", "Authorization failed due to insufficient permissions.", state)
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v1", "oauth2", "token"]) => token(request, state),
        ("POST", ["v1", "identity", "generate-token"]) => {
            holder(request, &["access_token"], state)?;
            identity_token(request, state)
        }
        ("POST", ["v2", "payments", "find-eligible-methods"]) => {
            holder(request, &["access_token", "client_token"], state)?;
            Ok(Answer::json(200, &json!({"eligible_methods": {"paypal": {"eligible_in_paypal_network": true}}})))
        }
        ("POST", ["v2", "checkout", "orders", id, "confirm-payment-source"]) => {
            holder(request, &["access_token", "client_token", "identity_client_token"], state)?;
            Ok(Answer::json(200, &json!({"id": id, "status": "APPROVED"})))
        }
        ("POST", ["v3", "vault", "setup-tokens"]) => {
            holder(request, &["access_token"], state)?;
            vault::setup_token(request, state)
        }
        // Invented: the page's card fields fill a setup token in.
        ("POST", ["v3", "vault", "setup-tokens", id, "fill"]) => match state.active(id, &["vault_setup_token"]) {
            Ok(token) => {
                token.used = true;
                Ok(Answer::json(200, &json!({"id": id, "status": "APPROVED"})))
            }
            Err(_) => Err(error(404, "RESOURCE_NOT_FOUND", "The specified resource does not exist.", state)),
        },
        ("GET", ["v3", "vault", "payment-tokens"]) => {
            let token = holder(request, &["access_token", "id_token"], state)?;
            let asked = request.query.value("customer_id").unwrap_or(token.attribute("customer"));
            if token.kind == "id_token" && asked != token.attribute("customer") {
                return Err(not_authorized(state));
            }
            Ok(Answer::json(200, &json!({"customer": {"id": asked}, "payment_tokens": []})))
        }
        ("POST", ["v2", "payments", "captures", _, "refund"]) => {
            holder(request, &["access_token"], state)?;
            Ok(Answer::json(
                201,
                &json!({"id": state.random_id_of("", 17, b"0123456789ABCDEFGH"), "status": "COMPLETED"}),
            ))
        }
        _ => Err(error(404, "RESOURCE_NOT_FOUND", "The specified resource does not exist.", state)),
    }
}

/// The bearer token: 401 if it is not valid, 403 if it is of another kind.
fn holder(request: &Request, kinds: &[&str], state: &mut VendorState) -> Result<Issued, Answer> {
    let all = ["access_token", "client_token", "identity_client_token", "id_token"];
    let message = "Authentication failed due to invalid authentication credentials or a missing Authorization header.";
    let token = request.bearer().and_then(|token| state.active(token, &all).cloned().ok());
    let token = token.ok_or_else(|| error(401, "AUTHENTICATION_FAILURE", message, state))?;
    if kinds.contains(&token.kind) { Ok(token) } else { Err(not_authorized(state)) }
}

const CLIENT_SCOPE: &str = "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api \
    https://uri.paypal.com/services/payments/client-payments-eligibility \
    https://uri.paypal.com/services/pricing/exchange-currency/read";
const SERVER_SCOPE: &str = "https://uri.paypal.com/services/invoicing https://uri.paypal.com/services/vault/payment-tokens/readwrite \
    https://uri.paypal.com/services/payments/refund openid";

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::Client => oauth::error(401, "invalid_client", "Client Authentication failed"),
        TokenRequestError::NotAForm => {
            oauth::error(415, "invalid_request", "The body must be application/x-www-form-urlencoded")
        }
        TokenRequestError::NoGrantType => oauth::error(400, "unsupported_grant_type", "Grant Type is NULL"),
        _ => oauth::error(400, "unsupported_grant_type", "unsupported grant_type"),
    },
};

fn token(request: &Request, state: &mut VendorState) -> Handled {
    let asked = TOKEN.check(request)?;
    let (client_id, form) = (&asked.client_id, asked.form());
    if let Some(assertion) = request.header("paypal-auth-assertion") {
        let described = || oauth::error(401, "invalid_client", "PayPal-Auth-Assertion is not one of this client");
        assertion_of(assertion, client_id).ok_or_else(described)?;
    }
    let scope = granted(form)?;
    match form.value("response_type") {
        None | Some("token") => Ok(Answer::json(200, &access_token(&scope, state))),
        Some("client_token") => {
            domains(form)?;
            let claims = json!({"iss": "https://api.sandbox.paypal.com", "sub": client_id, "iat": state.now, "exp": state.now + 900});
            let token = state.jwt("ES256", &claims);
            state.issue(&token, "client_token", Some(state.now + 900), &[]);
            Ok(Answer::json(
                200,
                &json!({"scope": CLIENT_SCOPE, "access_token": token, "token_type": "Bearer", "expires_in": 900}),
            ))
        }
        Some("id_token") => {
            let customer = form.value("target_customer_id").unwrap_or_default();
            let claims = json!({"iss": "https://api.sandbox.paypal.com", "aud": client_id, "iat": state.now,
                "exp": state.now + 3_600, "options": {"customer_id": customer}});
            let token = state.jwt("ES256", &claims);
            state.issue(&token, "id_token", Some(state.now + 3_600), &[("customer", customer)]);
            let mut body = access_token(&scope, state);
            body.as_object_mut().and_then(|body| body.insert("id_token".to_owned(), json!(token)));
            Ok(Answer::json(200, &body))
        }
        Some(_) => Err(oauth::error(400, "invalid_request", "unsupported response_type")),
    }
}

/// An access token with all rights: it is opaque, the tokens of clients are JWTs.
fn access_token(scope: &str, state: &mut VendorState) -> Value {
    let token = state.random_id("A21AA", 80);
    state.issue(&token, "access_token", Some(state.now + 31_000), &[]);
    json!({"scope": scope, "access_token": token, "token_type": "Bearer", "app_id": "APP-80W284485P519543T",
        "expires_in": 31_000, "nonce": state.random_id("", 40)})
}

/// The requested scopes, if they look like PayPal's; all scopes if the request has none.
fn granted(form: &Pairs) -> Result<String, Answer> {
    let known = |scope: &str| {
        scope.starts_with("https://uri.paypal.com/")
            || scope.starts_with("https://api.paypal.com/")
            || ["openid", "email", "profile", "address", "phone"].contains(&scope)
    };
    let scopes: Vec<&str> = form.value("scope").unwrap_or(SERVER_SCOPE).split_whitespace().collect();
    if scopes.iter().all(|scope| known(scope)) {
        return Ok(scopes.join(" "));
    }
    Err(oauth::error(
        400,
        "invalid_scope",
        "Requested scope is invalid, unknown, malformed, or exceeds the scope granted",
    ))
}

/// Checks the root domains: without scheme, wildcard and path.
fn domains(form: &Pairs) -> Result<(), Answer> {
    let given = form.0.iter().filter(|(name, _)| name.starts_with("domains")).flat_map(|(_, value)| value.split(','));
    let valid = |domain: &str| !domain.is_empty() && domain.chars().all(|it| it.is_alphanumeric() || "-.".contains(it));
    if given.into_iter().all(|domain| valid(domain.trim())) {
        return Ok(());
    }
    Err(oauth::error(400, "invalid_request", "domains[] takes root domains without scheme, wildcard and path"))
}

/// Checks `base64({"alg":"none"}).base64({"iss": the client, "payer_id": …}).`
fn assertion_of(assertion: &str, client_id: &str) -> Option<()> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, ""] = parts.as_slice() else { return None };
    let read = |part: &str| {
        let plain = part.trim_end_matches('=').replace('-', "+").replace('_', "/");
        serde_json::from_slice::<Value>(&base64::prelude::BASE64_STANDARD_NO_PAD.decode(plain).ok()?).ok()
    };
    let (header, claims) = (read(header)?, read(claims)?);
    let names_seller = ["payer_id", "email"].iter().any(|name| claims.get(name).is_some_and(Value::is_string));
    (header.get("alg")? == "none" && claims.get("iss")? == client_id && names_seller).then_some(())
}

fn identity_token(request: &Request, state: &mut VendorState) -> Handled {
    let body = if request.body.is_empty() { Some(json!({})) } else { request.json() };
    let customer = match &body {
        Some(Value::Object(body)) if body.keys().all(|name| name == "customer_id") => body.get("customer_id"),
        _ => {
            return Err(error(
                400,
                "INVALID_REQUEST",
                "Request is not well-formed, syntactically incorrect, or violates schema.",
                state,
            ));
        }
    };
    let inner = json!({"braintree": {}, "paypal": {"accessToken": state.random_id("", 40), "customerId": customer}});
    let token = BASE64_STANDARD.encode(inner.to_string());
    state.issue(&token, "identity_client_token", Some(state.now + 3_600), &[]);
    Ok(Answer::json(200, &json!({"client_token": token, "expires_in": 3_600})))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Fake, NOW};
    use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    /// Basic authentication with `a:b`.
    const PAIR: (&str, &str) = ("authorization", "Basic YTpi");
    const TOKEN: &str = "POST /v1/oauth2/token";
    const GRANT: &str = "grant_type=client_credentials";

    fn token(fake: &mut Fake, more: &str) -> Value {
        let (status, body) = fake.ask(TOKEN, &[PAIR], &format!("{GRANT}{more}"));
        assert_eq!(status, 200, "{body}");
        body
    }

    fn bearer(fake: &mut Fake) -> String {
        format!("Bearer {}", token(fake, "")["access_token"].as_str().unwrap())
    }

    #[test]
    fn a_token_of_every_grant_allows_its_call() {
        let mut fake = Fake::new("paypal");
        let client = token(&mut fake, "&response_type=client_token&domains%5B%5D=shop.example,other.example");
        assert_eq!(
            (client["expires_in"].as_i64(), client["scope"].as_str().map(|it| it.contains("client_sdk"))),
            (Some(900), Some(true))
        );
        let claims = client["access_token"].as_str().and_then(|it| it.split('.').nth(1)).unwrap();
        let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["exp"], NOW + 900);
        fake.check_token_use("client_token", &client["access_token"], &[], Some(900));
        let id = token(&mut fake, "&response_type=id_token&target_customer_id=c1");
        fake.check_token_use("id_token", &id["id_token"], &[], Some(3_600));
        let server = bearer(&mut fake);
        let (status, identity) =
            fake.ask("POST /v1/identity/generate-token", &[("authorization", &server)], "{\"customer_id\": \"c1\"}");
        assert_eq!((status, &identity["expires_in"]), (200, &json!(3_600)));
        fake.check_token_use("identity_client_token", &identity["client_token"], &[], Some(3_600));
    }

    #[test]
    fn a_setup_token_takes_one_source() {
        let mut fake = Fake::new("paypal");
        let server = bearer(&mut fake);
        let headers = [("authorization", server.as_str()), ("paypal-request-id", "k")];
        let make = |fake: &mut Fake, headers: &[(&str, &str)], body: &str| {
            fake.ask("POST /v3/vault/setup-tokens", headers, body)
        };
        let card = r#"{"payment_source": {"card": {}}}"#;
        let (status, token) = make(&mut fake, &headers, card);
        assert_eq!((status, &token["status"]), (201, &json!("CREATED")));
        assert_eq!(make(&mut fake, &headers, card), (200, token.clone()), "repeated");
        fake.check_token_use("vault_setup_token", &token["id"], &[], None);
        let wallet = r#"{"payment_source": {"paypal": {"usage_type": "MERCHANT", "experience_context":
            {"return_url": "https://a.example", "cancel_url": "https://a.example"}}}}"#;
        let (status, token) = make(&mut fake, &headers[..1], wallet);
        assert_eq!((status, &token["links"][1]["rel"]), (201, &json!("approve")));
        for body in [
            "{}",
            r#"{"payment_source": {"card": {}, "venmo": {}}}"#,
            &wallet.replace("cancel_url", "other_url"),
            &wallet.replace("paypal", "venmo"),
        ] {
            let (status, refusal) = make(&mut fake, &headers[..1], body);
            assert_eq!((status, refusal["details"][0]["issue"].is_string()), (422, true), "{body}");
        }
        assert_eq!(make(&mut fake, &[PAIR], card).0, 401);
    }

    #[test]
    fn a_server_token_may_refund_until_it_expires() {
        let mut fake = Fake::new("paypal");
        let server = bearer(&mut fake);
        let refund =
            |fake: &mut Fake| fake.ask("POST /v2/payments/captures/C/refund", &[("authorization", &server)], "{}");
        assert_eq!(refund(&mut fake).0, 201);
        fake.state.now += 31_000;
        let (status, body) = refund(&mut fake);
        assert_eq!((status, &body["name"]), (401, &json!("AUTHENTICATION_FAILURE")));
    }

    #[test]
    fn a_client_token_is_not_authorized_to_refund() {
        let mut fake = Fake::new("paypal");
        let client = token(&mut fake, "&response_type=client_token");
        let client = format!("Bearer {}", client["access_token"].as_str().unwrap());
        let (status, body) = fake.ask("POST /v2/payments/captures/C/refund", &[("authorization", &client)], "{}");
        assert_eq!((status, &body["name"]), (403, &json!("NOT_AUTHORIZED")));
    }

    #[test]
    fn refuses_faulty_requests() {
        let mut fake = Fake::new("paypal");
        for (headers, body, status, error) in [
            (&[][..], GRANT, 401, "invalid_client"),
            (&[("authorization", "Basic Og==")], GRANT, 401, "invalid_client"),
            (&[PAIR, ("content-type", "application/json")], GRANT, 415, "invalid_request"),
            (&[PAIR], "", 400, "unsupported_grant_type"),
            (&[PAIR], "grant_type=password", 400, "unsupported_grant_type"),
            (&[PAIR], &format!("{GRANT}&response_type=any"), 400, "invalid_request"),
            (&[PAIR], &format!("{GRANT}&scope=everything"), 400, "invalid_scope"),
            (
                &[PAIR],
                &format!("{GRANT}&response_type=client_token&domains[]=https://a.example"),
                400,
                "invalid_request",
            ),
            (&[PAIR], &format!("{GRANT}&response_type=client_token&domains[]=*.a.example"), 400, "invalid_request"),
            (&[PAIR, ("paypal-auth-assertion", "e30.e30.")], GRANT, 401, "invalid_client"),
        ] {
            let (got, answer) = fake.ask(TOKEN, headers, body);
            assert_eq!((got, answer["error"].as_str()), (status, Some(error)), "{body}");
        }
        let (status, body) = fake.ask("POST /v1/identity/generate-token", &[PAIR], "{}");
        assert_eq!((status, &body["name"]), (401, &json!("AUTHENTICATION_FAILURE")));
        let server = bearer(&mut fake);
        let (status, _) = fake.ask("POST /v1/identity/generate-token", &[("authorization", &server)], "{\"no\": 1}");
        assert_eq!(status, 400);
    }

    #[test]
    fn an_assertion_names_the_client_and_the_seller() {
        let mut fake = Fake::new("paypal");
        let encode = |value: Value| BASE64_STANDARD.encode(value.to_string());
        for (client, status) in [("a", 200), ("other", 401)] {
            let assertion =
                format!("{}.{}.", encode(json!({"alg": "none"})), encode(json!({"iss": client, "payer_id": "P"})));
            assert_eq!(fake.ask(TOKEN, &[PAIR, ("paypal-auth-assertion", &assertion)], GRANT).0, status);
        }
    }

    #[test]
    fn the_scope_can_be_narrowed() {
        let body = token(&mut Fake::new("paypal"), "&scope=openid");
        assert_eq!(body["scope"], "openid");
    }
}
