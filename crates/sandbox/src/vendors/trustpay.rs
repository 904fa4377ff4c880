//! TrustPay: access tokens, and the secrets of wallet payments.
//!
//! The token call is written from <https://doc.trustpay.eu/aapi> and two public clients of it. The
//! wallet call has no public page: connector and fake share the router's code as their one source,
//! and the use of the secrets by the vendor's client code is invented.

use serde_json::json;

use crate::{
    http::{Answer, Handled, Request},
    oauth::{AccessToken, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError},
    token_use::{ClientCall, TokenUse},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static TRUSTPAY: FakeVendor = FakeVendor {
    name: "trustpay",
    credentials: r#"{"api_key": "sandbox-key", "project_id": "4107000000", "secret_key": "sandbox-secret"}"#,
    secrets: &["x-api-key"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[TokenUse {
        grant: "wallet_intent_secrets",
        allowed: |client| {
            ClientCall::new("pay with the wallet", "POST", "/trustpay/api/v1/wallet/pay")
                .form(&[("secret", &client.token), ("walletToken", "made-up")])
        },
        forbidden: |client| {
            ClientCall::new("start another payment", "POST", "/trustpay/api/v1/intent")
                .header("x-api-key", &client.token)
                .form(&[("amount", "1.00"), ("currency", "EUR"), ("reference", "r"), ("initApplePay", "true")])
        },
    }],
};

const EXAMPLES: &[(&str, &str)] = &[
    ("wallet_intent_secrets", r#"{"amount": "10.00", "currency": "EUR", "wallet": "apple_pay"}"#),
    ("access_token", "{}"),
];

/// A refusal of the bank API.
fn result(status: u16, code: u16, info: &str) -> Answer {
    Answer::json(
        status,
        &json!({"ResultInfo": {"ResultCode": code, "AdditionalInfo": info, "CorrelationId": "sandbox"}}),
    )
}

/// A refusal of the card gateway.
fn fault(status: u16, description: &str) -> Answer {
    let errors = json!([{"code": status, "description": description}]);
    Answer::json(status, &json!({"status": 0, "description": "Invalid request", "errors": errors}))
}

fn failure(status: u16) -> Answer {
    match status {
        401 => result(401, 1006, "Invalid authentication"),
        403 => result(403, 1008, "Service not allowed"),
        500.. => result(status, 1100, "General error"),
        _ => result(status, 1001, "Invalid request"),
    }
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Basic,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::NotAForm => not_a_form(),
        _ => result(400, 1001, "Invalid grant type"),
    },
};

fn not_a_form() -> Answer {
    result(400, 1001, "A form must be posted")
}

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    let form = request.form();
    if request.method != "POST" || request.content_type() != "application/x-www-form-urlencoded" {
        return Err(not_a_form());
    }
    match request.path.as_str() {
        "/api/oauth2/token" => {
            TOKEN.check(request)?;
            let token = AccessToken { token: state.random_id("", 80), token_type: "bearer", lifetime_seconds: 1_799 };
            let info = json!({"ResultCode": 0, "AdditionalInfo": null, "CorrelationId": "sandbox"});
            Ok(token.issue("access_token", json!({"ResultInfo": info}), state))
        }
        "/api/v1/intent" => {
            request
                .header("x-api-key")
                .filter(|key| !state.was_issued(key))
                .ok_or_else(|| fault(401, "Unknown API key"))?;
            let whole = |name: &str| form.value(name).filter(|value| !value.is_empty());
            let amount = whole("amount").filter(|amount| amount.parse::<f64>().is_ok_and(|amount| amount > 0.0));
            let amount = amount.ok_or_else(|| fault(400, "amount is wrong"))?;
            let currency =
                whole("currency").filter(|it| it.len() == 3).ok_or_else(|| fault(400, "currency is wrong"))?;
            let short = |reference: &&str| reference.chars().count() <= 35;
            whole("reference").filter(short).ok_or_else(|| fault(400, "reference is wrong"))?;
            let total = json!({"label": "Sandbox", "amount": amount});
            let (name, init) = match (form.value("initApplePay"), form.value("initGooglePay")) {
                (Some("true"), None) => {
                    ("appleInitResultData", json!({"countryCode": "SK", "currencyCode": currency, "total": total}))
                }
                (None, Some("true")) => {
                    ("googleInitResultData", json!({"countryCode": "SK", "currencyCode": currency}))
                }
                _ => return Err(fault(400, "one wallet must be named")),
            };
            let [instance, display, payment] = [8, 32, 33].map(|length| state.random_id("", length));
            state.issue(&payment, "payment", None, &[]);
            state.issue(&display, "display", None, &[]);
            let secrets = json!({"display": display, "payment": payment});
            Ok(Answer::json(200, &json!({"instanceId": instance, "secrets": secrets, name: init})))
        }
        "/api/v1/wallet/pay" => {
            let secret = form.value("secret").unwrap_or_default();
            let payment = state.active(secret, &["payment"]).map_err(|_| fault(401, "Unknown secret"))?;
            payment.used = true;
            Ok(Answer::json(200, &json!({"status": 1})))
        }
        _ => Err(fault(404, "No such path")),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn the_secret_of_a_payment_pays_once() {
        let mut fake = Fake::new("trustpay");
        let key = [("x-api-key", "k")];
        let valid = "amount=1.00&currency=EUR&reference=r&initGooglePay=true";
        let (status, made) = fake.ask("POST /api/v1/intent", &key, valid);
        assert_eq!((status, &made["googleInitResultData"]["currencyCode"]), (200, &"EUR".into()));
        fake.check_token_use("wallet_intent_secrets", &made["secrets"]["payment"], &[], None);
        assert_eq!(fake.ask("POST /api/v1/intent", &key, &valid.replace("initGooglePay", "initNothing")).0, 400);
        let long = valid.replace("=r&", &format!("={}&", "r".repeat(36)));
        assert_eq!(fake.ask("POST /api/v1/intent", &key, &long).0, 400);
        assert_eq!(fake.ask("POST /api/v1/intent", &[], valid).0, 401);
        let basic = [("authorization", "Basic YTpi")];
        let (status, token) = fake.ask("POST /api/oauth2/token", &basic, "grant_type=client_credentials");
        assert_eq!((status, &token["expires_in"]), (200, &1_799.into()));
        assert_eq!(fake.ask("POST /api/oauth2/token", &[], "grant_type=client_credentials").0, 401);
    }
}
