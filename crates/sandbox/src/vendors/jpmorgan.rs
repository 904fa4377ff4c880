//! J.P. Morgan Payments: access tokens for servers.
//!
//! Written from the vendor's repositories: authentication samples (Basic in the mock environment)
//! and agent skills, jpm-oauth 2.0.0 (signed assertion of a certificate). Both share one fake; the
//! path tells them apart.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};

use crate::{
    http::{Answer, Handled, Request},
    oauth::{self, AccessToken, CLIENT_CREDENTIALS, ClientAuth, TokenEndpoint, TokenRequestError, has_scopes},
    vendor::FakeVendor,
    vendor_state::VendorState,
};

pub(super) static JPMORGAN: FakeVendor = FakeVendor {
    name: "jpmorgan",
    credentials: r#"{"client_id": "sandbox-client", "client_secret": "sandbox-secret", "certificate_thumbprint": "A1B2C3D4E5F60718293A4B5C6D7E8F9001122334", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDO45dAbKRYj6JL\nc4R9O4Dh6Z8vq/mkzpHeBVDZy3MXCrIRMOicZdbxopfYhiGr4OmpfHCXuk7Zcc+e\nbTQbr+KAjgVyGxvmadeQl1hXBR1tEMNwYNElo8MpMJEP+6F+JlQXFv8I0eWsnu9U\nLY50leCWPHkNugEJAECEkl6dNDzahstWzYsHOBXUS0t6vZST64d0oVphoga/Kbka\npIOUioTX3eyJKfXoJAOkE+2NdCZbqbMpt0OM51B1vMO8q0V/teFhu13V3CuTEmoI\n/n/GBpQd3EgWkiEX1LvFqcW/XK2GhspgAWaQrLUuvhB2EpsvXyRK87Qekr0a7fwH\nd5uGrdjhAgMBAAECggEAAyL4gdoxz8tJ7oUZXGcRwy8OJiBIQSw98jbcOuiUkaQk\nhuniAW7CdHRysxZVwenvjfWaXQUGvXGGIGKrRUsQYvLARLKSNL8cnOM8BEn6ODNO\nlLxdiGGmL5h2Pw7he/C5ojXbswzwW5KXahw0lGo6Kunu24dDHTFqIP5peX57eJRH\nCsxE5z+JEAnH2BMhkICtR6FoX9vGt9eEzPZObDR97cr70/gb/BEMeek0X+zHPL10\nWgAwZCTtcHQJXI2NYQiYk2V7/ZEQTfLXHuK/mpoiO7Enk7YoggwhRM4Z9a9ZLGGl\ns29Zi8v2dv6KFPsY0k12krkWTAQ4Kp00/cnyU+R0QQKBgQDu7dc+olTGsEr2narP\nnPP0HxqAm+89q+RMvj7Ek0uMwIxjotcRsf33fEfC3PTMEppIuFZRXdbFjXIYSfqi\nIjz19nTtMMLUQVm0O7OY78WPMuCPUBy2Hz8jehMcBRss1Eym95oeUY+VKBfzMMeO\nCBNzeeZsaYTpOGFREHIXyX2uwQKBgQDdq7fSmfawkefN9NLmjbwz7qbWnKMCPkcu\nnDgK9eYumXA+mpMXLlaKBzTaLjc3j+/rJqAbN6dwnhQUVDiKzUJE/q0SCKSP3MBI\n82LZisHrTWsqtyX7EtREeIy/aL4pXazkcosd24NxDVKTXbUwn1gGiLk3apa62OFD\nRQqOnCDSIQKBgFpKKvMSaTMEX+++OVRnnZD9SAid5NTLZmTR5+plN0GjaeolGV0o\nhC7IGl47HY8Y4JDmiEgLTCQvhZREMKCgi6TvU9RmftmzMHD5tq7uvRuWQGIoBhGU\n0UlY0mveShywxZ67JtSaQcY99n8CSgcUajVTNY52ebGgirYVnuf6TrKBAoGBAIvJ\nbfJxBQ/z8qn+acDaQIS/Spar0F/pxhmuiejfiHh6aj4QXBGSNyBzyvCLlGaFblZr\n1StUvVJXXXI0ajOdnNzFfX6R1LSkEN3wHbXxurgX6izVsi3Sgelr29YYx1JusEif\nsvrxIsJ4FEq6HTi8Q1ZbgfFgVg0eF2/EahPkgQ4BAoGAe0sWaQSGXfdSbp+EPbD0\n8oPcME6gpfLMfHsRaC+sennGkc3hNJhHAZYpKzib4JuEIM/EtafVAUsxC2HnROI1\nZXB03OLDryOXOdA90dG33G2Od5jeaqoOcox4AhHxRObHasapvP2Z4qzQ4DPnszJV\nKBc8+dmLkt8pa85g/+aiwKA=\n-----END PRIVATE KEY-----\n"}"#,
    secrets: &["client_id"],
    request_id: None,
    serve,
    failure: |status, _| failure(status),
    examples: EXAMPLES,
    clients: &[],
};

const EXAMPLES: &[(&str, &str)] =
    &[("access_token", "{}"), ("client_assertion", r#"{"resource": "JPMC:URI:RS-000001-00001-Sandbox-PROD"}"#)];

/// The modulus of the published key; its exponent is 65537.
const MODULUS: &str = "cee397406ca4588fa24b73847d3b80e1e99f2fabf9a4ce91de0550d9cb73170ab21130e89c65d6f1a297d88621abe0e9a97c\
    7097ba4ed971cf9e6d341bafe2808e05721b1be669d790975857051d6d10c37060d125a3c32930910ffba17e26541716ff08\
    d1e5ac9eef542d8e7495e0963c790dba0109004084925e9d343cda86cb56cd8b073815d44b4b7abd9493eb8774a15a61a206\
    bf29b91aa483948a84d7ddec8929f5e82403a413ed8d74265ba9b329b7438ce75075bcc3bcab457fb5e161bb5dd5dc2b9312\
    6a08fe7fc606941ddc4816922117d4bbc5a9c5bf5cad8686ca60016690acb52ebe1076129b2f5f244af3b41e92bd1aedfc07\
    779b86add8e1";
const AUDIENCE: &str = "https://idag2.jpmorganchase.com/adfs/oauth2/token";

fn failure(status: u16) -> Answer {
    match status {
        401 => oauth::error(401, "invalid_client", "Client authentication failed"),
        403 => oauth::error(403, "access_denied", "The client may not do this"),
        500.. => oauth::error(status, "server_error", "Internal error"),
        _ => oauth::error(status, "invalid_request", "The request was refused"),
    }
}

fn refuse(fault: TokenRequestError) -> Answer {
    match fault {
        TokenRequestError::Client => failure(401),
        TokenRequestError::NotAForm => failure(400),
        TokenRequestError::MissingField(name) => oauth::error(400, "invalid_request", &format!("{name} is missing")),
        _ => oauth::error(400, "unsupported_grant_type", "Grant type is not supported"),
    }
}

static MOCK: TokenEndpoint = TokenEndpoint { client_auth: ClientAuth::Basic, grant_types: CLIENT_CREDENTIALS, refuse };

static IDENTITY: TokenEndpoint = TokenEndpoint {
    client_auth: ClientAuth::Vendor,
    grant_types: &[("client_credentials", &["client_id", "resource", "client_assertion_type", "client_assertion"])],
    refuse,
};

fn serve(request: &Request, state: &mut VendorState) -> Handled {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/am/oauth2/alpha/access_token") => mock(request, state),
        ("POST", "/adfs/oauth2/token") => identity(request, state),
        _ => Err(oauth::error(404, "invalid_request", "Not found")),
    }
}

/// Client id and secret are good for the mock environment's scope only.
fn mock(request: &Request, state: &mut VendorState) -> Handled {
    let asked = MOCK.check(request)?;
    let scope = asked.field("scope").filter(|scopes| has_scopes(scopes, |scope| scope == "jpm:payments:sandbox"));
    let scope = scope.ok_or_else(|| oauth::error(400, "invalid_scope", "Unknown/invalid scope(s)"))?;
    let claims = json!({"iat": state.now, "exp": state.now + 3_599, "sub": asked.client_id, "scope": scope});
    let token = AccessToken { token: state.jwt("RS256", &claims), token_type: "Bearer", lifetime_seconds: 3_599 };
    Ok(token.issue("access_token", json!({"scope": scope}), state))
}

fn identity(request: &Request, state: &mut VendorState) -> Handled {
    let asked = IDENTITY.check(request)?;
    let field = |name| asked.field(name).unwrap_or_default();
    let assertion = field("client_assertion");
    if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        || verified(assertion, &asked.client_id, state).is_none()
    {
        return Err(oauth::error(400, "invalid_grant", "MSIS9622: Client authentication failed."));
    }
    if !field("resource").starts_with("JPMC:URI:") {
        return Err(oauth::error(400, "invalid_resource", "MSIS9602: The received 'resource' parameter is invalid."));
    }
    let claims = json!({"iat": state.now, "exp": state.now + 3_600, "sub": asked.client_id, "aud": field("resource")});
    let token = AccessToken { token: state.jwt("RS256", &claims), token_type: "bearer", lifetime_seconds: 3_600 };
    Ok(token.issue("access_token", json!({}), state))
}

/// Checks an assertion: header, claims, and the signature by the published key.
fn verified(assertion: &str, client_id: &str, state: &VendorState) -> Option<()> {
    let (signed, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (header, claims) = (json(header)?, json(claims)?);
    let ours: Value = serde_json::from_str(JPMORGAN.credentials).ok()?;
    let is = |value: &Value, name: &str, want: &str| value.get(name).and_then(Value::as_str) == Some(want);
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
    let valid = is(&header, "alg", "RS256")
        && header.get("kid") == ours.get("certificate_thumbprint")
        && ["iss", "sub"].iter().all(|name| is(&claims, name, client_id))
        && is(&claims, "aud", AUDIENCE)
        && claims.get("jti").and_then(Value::as_str).is_some_and(|id| !id.is_empty())
        && seconds("iat")? <= state.now.saturating_add(300)
        && seconds("exp")? > state.now;
    let key = RsaPublicKeyComponents { n: hex::decode(MODULUS).ok()?, e: vec![1, 0, 1] };
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).ok().filter(|()| valid)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fake;

    #[test]
    fn id_and_secret_are_for_the_mock_environment() {
        const TOKEN: &str = "POST /am/oauth2/alpha/access_token";
        let (pair, grant) =
            ([("authorization", "Basic YTpi")], "grant_type=client_credentials&scope=jpm:payments:sandbox");
        let mut fake = Fake::new("jpmorgan");
        let (status, token) = fake.ask(TOKEN, &pair, grant);
        assert_eq!((status, &token["scope"]), (200, &"jpm:payments:sandbox".into()));
        assert_eq!(fake.ask(TOKEN, &[], grant).0, 401);
        assert_eq!(fake.ask(TOKEN, &pair, "grant_type=client_credentials").1["error"], "invalid_scope");
        assert_eq!(fake.ask(TOKEN, &pair, &grant.replace(":sandbox", "")).1["error"], "invalid_scope");
        assert_eq!(fake.ask(TOKEN, &pair, "grant_type=password").1["error"], "unsupported_grant_type");
    }

    /// OpenSSL made this assertion with the published key: client `sandbox-client`, issued at the
    /// fake's moment, valid for ten minutes.
    const ASSERTION: &str = "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJSUzI1NiIsICJraWQiOiAiQTFCMkMzRDRFNUY2MDcxODI5M0E0QjVDNkQ3RThGOTAwMTEy\
        MjMzNCJ9.eyJpc3MiOiAic2FuZGJveC1jbGllbnQiLCAic3ViIjogInNhbmRib3gtY2xpZW50IiwgImF1ZCI6ICJodHRwczovL2l\
        kYWcyLmpwbW9yZ2FuY2hhc2UuY29tL2FkZnMvb2F1dGgyL3Rva2VuIiwgImlhdCI6IDE4MDAwMDAwMDAsICJleHAiOiAxODAwMDA\
        wNjAwLCAianRpIjogIjEifQ.xunvtOyyP9NakCmClB36JIjy90rgGst-GsxjDmtJiMx-6oV94vI-w1EJgGaoTBM9oGkb6gIMg2D6\
        EcC0QdvQWQk5bt11S1h4vWuif3Nt6wvhL-1pPUiVvwjc9xTZ9eh5axCCQ8NQ8Qeb9_sAiIEhYhczv9kStCDKz3d115sOLF6oFBy2\
        eZsMsBtdxfydvlTAZ140s91zkX4TUeHHj1kQtiSvi_Nr35STEdfer0W0WCnTDQSV-vW4bPgZYwTy4KPbQDGCW7hSD0Go7Ai8ee0M\
        r2sbTE7DYX3oTyhas68-dVasGJtsw9rYUR-dwodua6ChPJTo4LGSA34ZdfSjOb8vKg";

    #[test]
    fn an_assertion_is_checked() {
        const TOKEN: &str = "POST /adfs/oauth2/token";
        let valid = format!(
            "grant_type=client_credentials&client_id=sandbox-client&resource=JPMC:URI:RS-1&client_assertion_type=\
             urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={ASSERTION}"
        );
        let mut fake = Fake::new("jpmorgan");
        let (status, token) = fake.ask(TOKEN, &[], &valid);
        assert_eq!((status, &token["expires_in"]), (200, &3_600.into()), "{token}");
        for (from, to, error) in [
            ("id=sandbox-client", "id=other", "invalid_grant"),
            ("jwt-bearer", "saml2-bearer", "invalid_grant"),
            ("JPMC:URI:RS-1", "else", "invalid_resource"),
            ("resource=", "r=", "invalid_request"),
            ("assertion=ey", "assertion=e", "invalid_grant"),
        ] {
            let (status, body) = fake.ask(TOKEN, &[], &valid.replace(from, to));
            assert_eq!((status, &body["error"]), (400, &error.into()), "{to}");
        }
        fake.state.now += 600;
        assert_eq!(fake.ask(TOKEN, &[], &valid).1["error"], "invalid_grant", "expired");
    }
}
