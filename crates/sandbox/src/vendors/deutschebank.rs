//! Deutsche Bank's directPOS: access tokens for servers.
//!
//! Written from the bank's OpenAPI document "Merchant-Server II REST Security API" 1.0.0. The
//! document does not describe the signature: it is made here as an open-source payment router makes
//! it.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    http::{Answer, Handled, Pairs, Request},
    oauth::{AccessToken, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError},
    signing::hmac_sha256,
    vendor::FakeVendor,
    vendor_state::VendorState,
};

const CLIENT_KEY: &str = "sandbox-client-key";

pub(super) static DEUTSCHEBANK: FakeVendor = FakeVendor {
    name: "deutschebank",
    credentials: r#"{"client_id": "sandbox-client", "client_key": "sandbox-client-key", "merchant_id": "sandbox-merchant"}"#,
    secrets: &["client_id"],
    request_id: None,
    serve,
    failure,
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] = &[("client_credentials", "{}")];

fn failure(status: u16, _: &mut VendorState) -> Answer {
    refused(status, if status == 401 { "unauthorized" } else { "request_invalid" })
}

/// An `AccessTokenError`. The document has a status for `unauthorized` only.
fn refused(status: u16, cause: &str) -> Answer {
    Answer::json(status, &json!({"cause": cause, "description": format!("The request was refused: {cause}")}))
}

static TOKEN: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Vendor,
    grant_types: CLIENT_CREDENTIALS,
    refuse: |fault| match fault {
        TokenRequestError::NotAForm => refused(400, "request_invalid"),
        _ => refused(400, "grant_type_invalid"),
    },
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    if (request.method.as_str(), request.path.as_str()) != ("POST", "/rest-api/security/v1/token") {
        return Err(failure(404, state));
    }
    let asked = TOKEN.check(request)?;
    if asked.field("scope") != Some("ftx") {
        return Err(refused(400, "scope_invalid"));
    }
    check_signature(request, asked.form()).ok_or_else(|| failure(401, state))?;
    let expires_on = state.now + 3_600;
    let token = state.jwt("HS256", &json!({"iat": state.now, "exp": expires_on}));
    let token = AccessToken { token, token_type: "Bearer", lifetime_seconds: 3_600 };
    Ok(token.issue("access_token", json!({"expires_on": expires_on, "scope": "ftx"}), state))
}

/// Checks `client_secret`: `V1:` and an HMAC over the client's id and the two headers. Both headers
/// are required.
fn check_signature(request: &Request, form: &Pairs) -> Option<()> {
    let (id, date, random) =
        (form.value("client_id")?, request.header("x-requestdate")?, request.header("x-randomvalue")?);
    Timestamp::strptime("%a, %d %b %Y %H:%M:%S %z", date.replace("GMT", "+0000")).ok()?;
    let signature = BASE64_STANDARD.decode(form.value("client_secret")?.strip_prefix("V1:")?).ok()?;
    (signature == hmac_sha256(CLIENT_KEY, format!("{id}{date}{random}"))).then_some(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn gives_a_token_for_the_right_signature_only() {
        const TOKEN: &str = "POST /rest-api/security/v1/token";
        let random = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghij";
        let headers = [("x-requestdate", "Fri, 15 Jan 2027 08:00:00 GMT"), ("x-randomvalue", random)];
        // Another implementation made the HMAC-SHA-256.
        let valid = "grant_type=client_credentials&scope=ftx&client_id=sandbox-client&client_secret=V1%3AybIetex1OmvbFgPBNKD6jgW1mGVz8lR5VlGvW0BvY5I%3D";
        let mut fake = Fake::new("deutschebank");
        let (status, token) = fake.ask(TOKEN, &headers, valid);
        assert_eq!((status, &token["expires_on"]), (200, &1_800_003_600.into()));
        assert_eq!(fake.ask(TOKEN, &headers, &valid.replace("sandbox-client", "other-client")).0, 401);
        assert_eq!(fake.ask(TOKEN, &headers[..1], valid).1["cause"], "unauthorized");
        for hyphenated in [[("x-request-date", headers[0].1), headers[1]], [headers[0], ("x-random-value", random)]] {
            assert_eq!(fake.ask(TOKEN, &hyphenated, valid).0, 401, "{hyphenated:?}");
        }
        let (status, refusal) = fake.ask(TOKEN, &headers, &valid.replace("ftx", "all"));
        assert_eq!((status, &refusal["cause"]), (400, &"scope_invalid".into()));
    }
}
