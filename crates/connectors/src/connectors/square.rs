//! Square: a token for the Mobile Payments SDK, a code that pairs a Terminal, and a seller's
//! short-lived OAuth token.
//! <https://developer.squareup.com/reference/square/devices-api/create-device-code>

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developer.squareup.com/docs/build-basics/access-tokens");

#[derive(Deserialize)]
pub(super) struct Credentials {
    access_token: Option<Secret>,
    application_id: Option<Secret>,
    application_secret: Option<Secret>,
    refresh_token: Option<Secret>,
}

/// The permissions that the Mobile Payments SDK needs, and no others.
const MOBILE_PAYMENTS: [&str; 3] = ["MERCHANT_PROFILE_READ", "PAYMENTS_WRITE", "PAYMENTS_WRITE_IN_PERSON"];
const USE_JWT: Input = Input::flag("use_jwt");
const SDK: Source = Source::sdk("npm square 46.0.0");

pub(super) struct Square;

impl Connector for Square {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "square",
        name: "Square",
        docs: "https://developer.squareup.com/reference/square/devices-api/create-device-code",
        unconfirmed: &[
            "The members message and type of refusals that come without a list of errors.",
            "That a mobile payments token has no other permission: Square says that it has what was asked for and granted, and the answer does not list it.",
        ],
        evidence: &[
            Evidence::new(
                "device codes and OAuth: members, bounds and errors",
                Source::schema("Square's OpenAPI file, version 2026-09-16"),
                "2026-11",
            ),
            Evidence::new("hosts, paths, use_jwt, forms of application ids", SDK, "2026-11"),
            Evidence::new(
                "short-lived tokens of reduced scope are for browsers and apps",
                Source::page("developer.squareup.com/docs/auth"),
                "2026-11",
            ),
            Evidence::new(
                "permissions and arguments of the Mobile Payments SDK",
                Source::page("developer.squareup.com/docs/mobile-payments-sdk/android/configure-authorize"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "The application_id of the sandbox begins with sandbox-sq0idb-, a live one with sq0idp-; other credentials show nothing (npm square 46.0.0).",
        ),
        hosts: &[Host::main("https://connect.squareup.com", "https://connect.squareupsandbox.com")],
        credentials: &[
            optional("access_token").key_prefixes(&["EAAA"]).found_in("Developer Console > the application > Credentials: Access token", KEYS),
            optional("application_id").public().found_in("Developer Console > the application > Credentials: Application ID", KEYS),
            optional("application_secret").key_prefixes(&["sq0csp-", "sandbox-sq0csb-"]).found_in("Developer Console > the application > OAuth: Application secret", KEYS),
            optional("refresh_token").found_in("Square's ObtainToken answers it after a seller's consent: refresh_token", Source::page("https://developer.squareup.com/forums/t/7265")),
        ],
        grants: &[
            client_grant(
                "mobile_payments_token",
                "authorize the Mobile Payments SDK for a day: take and refund payments as the seller, read the seller's profile",
                Lifetime::Fixed(86_400),
                mobile_payments_token,
            )
            .inputs(&[Input::text_of("location_id", 50).required(), USE_JWT])
            .worst_case("take, cancel and refund payments of the seller at every location, and read the seller's profile", &[])
            .client_source(Source::page("developer.squareup.com/docs/auth and /docs/mobile-payments-sdk"))
            .client_parameters(&[
                ClientParameter::new(
                    "location_id",
                    "the location that payments are for",
                    "authorizationManager.authorize(accessToken, locationId)",
                ),
                ClientParameter::new(
                    "application_id",
                    "the id of the application",
                    "MobilePaymentsSdk.initialize(applicationId, …)",
                ),
            ])
            // All access tokens of Square's OAuth begin alike.
            .begins_as_keys()
            .minting_ends_earlier(NOT_ENDED),
            client_grant(
                "device_code",
                "sign in one Square Terminal at the seller's location by typing the code on it",
                Lifetime::Fixed(300),
                device_code,
            )
            .inputs(&[Input::text_of("location_id", 50), Input::text_of("name", 128)])
            .worst_case("sign in a Terminal of their own, so that later checkouts with amount and note reach it", DEVICE)
            .client_source(Source::page("developer.squareup.com, Terminal API: the seller types the code on the device"))
            .server_parameters(&["device_code_id"])
            .minting_ends_earlier(MintingEndsEarlier::No("each code is an object of its own (npm square 46.0.0)")),
            server_grant(
                "oauth_refresh",
                "call what the seller granted, or fewer scopes of it",
                Lifetime::Fixed(86_400),
                oauth_refresh,
            )
            .inputs(&[USE_JWT])
            .scopes(Scopes::Any)
            .server_parameters(&["refresh_token"])
            .lifetime_note("without application_secret (PKCE) the refresh token works once: keep the one that comes back")
            .minting_ends_earlier(NOT_ENDED),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.application_id.as_ref()?.expose(), &["sandbox-"], &["sq0idp-"])
    }
}

const DEVICE: &[Bound] = &[Bound::Object, Bound::SingleUse];
const NOT_ENDED: MintingEndsEarlier = MintingEndsEarlier::No("Square's OAuth reference: earlier access tokens live on");

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
            Ok(Step::Done(match text(reply, "/device_code/id") {
                Ok(id) => token.server("device_code_id", id),
                Err(_) => token,
            }))
        }
    }
}

/// A token of the three permissions: Square gives what is asked for and granted, and lists it
/// nowhere in the answer.
fn mobile_payments_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            // A refresh token of the PKCE flow works once: its successor would be lost.
            needed(&credentials.application_secret, "application_secret", exchange.grant)?;
            token_call(credentials, exchange, &MOBILE_PAYMENTS)
        }
        [reply, ..] => {
            let expiry = Expiry::at_date(&text(reply, "/expires_at")?)?;
            if reply.json::<Value>()?.get("short_lived") != Some(&json!(true)) {
                return Err(Error::bad_reply("Square's token is not short-lived"));
            }
            let token = Token::new(&text(reply, "/access_token")?, "bearer", expiry)?
                .client("location_id", exchange.input.required_text("location_id")?)
                .client("application_id", needed(&credentials.application_id, "application_id", exchange.grant)?);
            Ok(Step::Done(token))
        }
    }
}

fn oauth_refresh(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let scopes: Vec<&str> = exchange.input.scopes.iter().map(String::as_str).collect();
            token_call(credentials, exchange, &scopes)
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

fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, scopes: &[&str]) -> Result<Step> {
    let secret = credentials.application_secret.as_ref().map(Secret::expose);
    let body = encoding::sparse(json!({
        "client_id": needed(&credentials.application_id, "application_id", exchange.grant)?,
        // The PKCE flow has none.
        "client_secret": secret,
        "grant_type": "refresh_token",
        "refresh_token": needed(&credentials.refresh_token, "refresh_token", exchange.grant)?,
        "short_lived": true,
        "scopes": (!scopes.is_empty()).then_some(scopes),
        "use_jwt": exchange.input.flag(USE_JWT.name),
    }));
    let call = Call::post(exchange.url("/oauth2/token")?).json(&body);
    // Not repeatable in the PKCE flow: the use of its refresh token makes it invalid.
    if secret.is_some() { call.repeatable().send() } else { call.send() }
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

/// A list of errors, or a message with a type from the OAuth endpoints.
/// <https://developer.squareup.com/docs/build-basics/general-considerations/handling-errors>
fn refusal(reply: &Reply) -> Refusal {
    let refusal =
        reply.refusal(&["/errors/0/code", "/type"], &["/errors/0/detail", "/message"], &["/errors/0/category"]);
    let kind = match refusal.reason.as_deref() {
        Some("AUTHENTICATION_ERROR") if reply.status != 403 => Some(Kind::CredentialsRejected),
        Some("INVALID_REQUEST_ERROR") if reply.is_success() => Some(Kind::RequestRejected),
        Some("RATE_LIMIT_ERROR") => Some(Kind::RateLimited),
        Some("API_ERROR") => Some(Kind::Unavailable),
        None if reply.is_success() => Some(Kind::RequestRejected),
        _ => None,
    };
    refusal.kind(kind)
}
