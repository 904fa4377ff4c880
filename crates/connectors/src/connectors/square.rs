//! Square: a code that pairs a Terminal, a seller's short-lived OAuth token, and the code of the
//! retired Reader SDK.
//! <https://developer.squareup.com/reference/square/devices-api/create-device-code>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    access_token: Option<Secret>,
    application_id: Option<Secret>,
    application_secret: Option<Secret>,
    refresh_token: Option<Secret>,
}

pub(super) struct Square;

impl Connector for Square {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "square",
        name: "Square",
        docs: "https://developer.squareup.com/reference/square/devices-api/create-device-code",
        unconfirmed: &[
            "The test host and the prefixes of application ids.",
            "Whether mobile_authorization_code still answers: Square retired it with the Reader SDK at the end of 2025.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://connect.squareup.com", "https://connect.squareupsandbox.com")],
        credentials: &[
            optional("access_token"),
            optional("application_id").public(),
            optional("application_secret"),
            optional("refresh_token"),
        ],
        grants: &[
            client_grant(
                "device_code",
                "pair one Square Terminal by typing the code on it",
                Lifetime::Fixed(300),
                device_code,
            )
            .by_default()
            .inputs(&[Input::text_of("location_id", 50), Input::text_of("name", 128)]),
            client_grant(
                "mobile_authorization_code",
                "authorize the retired Reader SDK once, for in-person payments at that location; live only",
                Lifetime::Fixed(3600),
                mobile_authorization_code,
            )
            .inputs(&[Input::text_of("location_id", 191).required()]),
            server_grant(
                "oauth_refresh",
                "call what the seller granted, or fewer scopes of it",
                Lifetime::Fixed(86_400),
                oauth_refresh,
            )
            .scopes(Scopes::Any)
            .server_parameters(&["refresh_token"]),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match credentials.application_id.as_ref()?.expose() {
            id if id.starts_with("sandbox-") => Some(Mode::Test),
            id if id.starts_with("sq0idp-") => Some(Mode::Live),
            _ => None,
        }
    }
}

fn device_code(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut device_code = exchange.input.body();
            device_code.insert("product_type".into(), json!("TERMINAL_API"));
            Call::post(exchange.url("/v2/devices/codes")?)
                .bearer(needed(&credentials.access_token, "access_token", exchange.grant)?)
                .json(&json!({ "idempotency_key": exchange.idempotency_key, "device_code": device_code }))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let expiry = Expiry::at_date(&text(reply, "/device_code/pair_by")?)?;
            let token = Token::new(&text(reply, "/device_code/code")?, "device_code", expiry)?;
            Ok(Step::Done(token.client("device_code_id", text(reply, "/device_code/id")?)))
        }
    }
}

fn mobile_authorization_code(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/mobile/authorization-code")?)
            .bearer(needed(&credentials.access_token, "access_token", exchange.grant)?)
            .json(&json!({ "location_id": exchange.input.required_text("location_id")? }))
            .repeatable()
            .send(),
        [reply, ..] => {
            let expiry = Expiry::at_date(&text(reply, "/expires_at")?)?;
            Ok(Step::Done(Token::new(&text(reply, "/authorization_code")?, "authorization_code", expiry)?))
        }
    }
}

fn oauth_refresh(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let scopes = &exchange.input.scopes;
            let body = encoding::sparse(json!({
                "client_id": needed(&credentials.application_id, "application_id", exchange.grant)?,
                // The PKCE flow has none.
                "client_secret": credentials.application_secret.as_ref().map(Secret::expose),
                "grant_type": "refresh_token",
                "refresh_token": needed(&credentials.refresh_token, "refresh_token", exchange.grant)?,
                "short_lived": true,
                "scopes": (!scopes.is_empty()).then_some(scopes),
            }));
            // Not repeatable: the use of a refresh token of the PKCE flow makes it invalid.
            Call::post(exchange.url("/oauth2/token")?).json(&body).send()
        }
        [reply, ..] => {
            let expiry = Expiry::at_date(&text(reply, "/expires_at")?)?;
            let token = Token::new(&text(reply, "/access_token")?, "bearer", expiry)?;
            Ok(Step::Done(match text(reply, "/refresh_token") {
                Ok(refresh_token) => token.server("refresh_token", refresh_token),
                Err(_) => token,
            }))
        }
    }
}

/// A credential that only some grants need.
fn needed<'a>(credential: &'a Option<Secret>, name: &str, grant: &Grant) -> Result<&'a str> {
    let absent = || Error::invalid_credential(name, format!("{} needs it", grant.name));
    credential.as_ref().map(Secret::expose).ok_or_else(absent)
}

/// The text at a JSON pointer. An error may come with status 200 in its place.
fn text(reply: &Reply, pointer: &str) -> Result<String> {
    reply.succeed(refusal)?;
    let answer: Value = reply.json()?;
    match (answer.pointer(pointer).and_then(Value::as_str), refusal(reply)) {
        (Some(text), _) => Ok(text.to_owned()),
        (None, Refusal { code: None, .. }) => Err(Error::bad_reply("Square's answer lacks what is documented")),
        (None, refusal) => Err(reply.refuse(refusal)),
    }
}

/// <https://developer.squareup.com/docs/build-basics/general-considerations/handling-errors>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/errors/0/code"], &["/errors/0/detail"], &["/errors/0/category"]);
    let kind = match refusal.reason.as_deref() {
        Some("AUTHENTICATION_ERROR") if reply.status != 403 => Some(Kind::CredentialsRejected),
        Some("INVALID_REQUEST_ERROR") if reply.is_success() => Some(Kind::RequestRejected),
        Some("RATE_LIMIT_ERROR") => Some(Kind::RateLimited),
        Some("API_ERROR") => Some(Kind::Unavailable),
        _ => None,
    };
    refusal.kind(kind)
}
