//! Wise: a partner's OAuth tokens, its own and those of the users who consented.
//! <https://docs.wise.com/api-reference/oauth-token/oauthtokencreate>

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(43_200);
const FOR_A_USER: &str = "act for one Wise user who consented";
/// The quarter in the path, such as 2026Q4. Without it, the path has none.
const API_VERSION: Input = Input::text_of("api_version", 6);
const MAIN: Host = Host::main("https://api.wise.com", "https://api.wise-sandbox.com");
/// The hosts that want a client certificate.
const MTLS: Host = Host::named("mtls", "https://api-mtls.transferwise.com", "https://api-mtls.wise-sandbox.com");
const NEW_CODE_NEW_TOKENS: MintingEndsEarlier = MintingEndsEarlier::No(
    "docs.wise.com, Refreshing user access tokens: the last access token of the older grant stays active",
);
const ENDED_BY_REFRESH: &str =
    "it ends earlier when the refresh token that came with it is used; that one is the one to keep";

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.wise.com/guides/developer/auth-and-security/client-credentials-token");

/// Where the vendor says which credentials there are.
const APP_KEYS: Source =
    Source::page("https://docs.wise.com/guides/product/send-money/use-cases/embedded/authentication-and-access");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret,
    refresh_token: Option<Secret>,
    client_certificate: Option<Secret>,
    private_key: Option<Secret>,
}

pub(super) struct Wise;

impl Connector for Wise {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "wise",
        name: "Wise",
        docs: "https://docs.wise.com/api-reference/oauth-token/oauthtokencreate",
        unconfirmed: &[
            "The error invalid_client for a wrong client id or secret.",
            "The hosts for client certificates, and that they are needed: two pages require them, the examples do not.",
            "That a registration code works once.",
            "That an earlier token of the client credentials lives on.",
        ],
        evidence: &[
            Evidence::new(
                "path, the fields of the four grants, members of the reply, hosts",
                Source::schema("Wise Platform OpenAPI document, POST /oauth/token"),
                "2026-11",
            ),
            Evidence::new(
                "a refresh ends the access token before; refresh tokens live for up to 20 years; the path with a quarter",
                Source::page("https://docs.wise.com/guides/product/account-setup/refreshing-access"),
                "2026-11",
            ),
            Evidence::new(
                "client certificates are required of OAuth partners",
                Source::page("https://docs.wise.com/guides/developer/auth-and-security/client-credentials-token"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Client ids have no prefix (Wise Platform OpenAPI document); each environment has its own.",
        ),
        hosts: &[MAIN, MTLS],
        credentials: &[
            required("client_id").public().found_in("Developer Hub: client ID", KEYS),
            required("client_secret").found_in("Developer Hub: client secret", KEYS),
            optional("refresh_token"),
            optional("client_certificate")
                .found_in("You make it, and upload it in the Developer Hub: mTLS certificate", APP_KEYS),
            optional("private_key")
                .found_in("You make it, for the mTLS certificate that you upload in the Developer Hub", APP_KEYS),
        ],
        grants: &[
            server_grant(
                "client_credentials",
                "call the partner APIs of the application",
                LIFETIME,
                client_credentials,
            )
            .inputs(&[API_VERSION]),
            server_grant("user_refresh_token", FOR_A_USER, LIFETIME, user_refresh_token)
                .inputs(&[Input::secret("refresh_token"), API_VERSION])
                .server_parameters(&["refresh_token"])
                .minting_ends_earlier(MintingEndsEarlier::Yes("docs.wise.com, Refreshing user access tokens"))
                .lifetime_note("it ends earlier when its refresh token is used again, by anybody"),
            server_grant(
                "registration_code",
                "act for a Wise user whom the partner created",
                LIFETIME,
                registration_code,
            )
            .inputs(&[Input::text("email").required(), Input::secret("registration_code").required(), API_VERSION])
            .server_parameters(&["refresh_token"])
            .minting_ends_earlier(NEW_CODE_NEW_TOKENS)
            .spends("registration_code")
            .lifetime_note(ENDED_BY_REFRESH),
            server_grant("authorization_code", FOR_A_USER, LIFETIME, authorization_code)
                .inputs(&[Input::secret("code").required(), Input::url("redirect_uri").required(), API_VERSION])
                .server_parameters(&["refresh_token"])
                .minting_ends_earlier(NEW_CODE_NEW_TOKENS)
                .spends("code")
                .lifetime_note(ENDED_BY_REFRESH),
        ],
    };
}

fn client_credentials(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = FormBody::new().field("grant_type", "client_credentials");
            post(credentials, exchange, form)?.repeatable().send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn user_refresh_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let own = credentials.refresh_token.as_ref().map(Secret::expose);
            let token = exchange.input.text("refresh_token").or(own).ok_or_else(|| {
                Error::missing_inputs(&["refresh_token"], "neither it nor the credential of that name is there")
            })?;
            let form = FormBody::new().field("grant_type", "refresh_token").field("refresh_token", token);
            // Not repeatable: a second call ends the token of the first.
            post(credentials, exchange, form)?.send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn registration_code(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = FormBody::new()
                .field("grant_type", "registration_code")
                .field("client_id", &credentials.client_id)
                .field("email", exchange.input.required_text("email")?)
                .field("registration_code", exchange.input.required_text("registration_code")?);
            // Not repeatable: a code can be used once.
            post(credentials, exchange, form)?.send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn authorization_code(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = FormBody::new()
                .field("grant_type", "authorization_code")
                .field("client_id", &credentials.client_id)
                .field("code", exchange.input.required_text("code")?)
                .field("redirect_uri", exchange.input.required_text("redirect_uri")?);
            // Not repeatable: a code can be used once.
            post(credentials, exchange, form)?.send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, form: FormBody) -> Result<Call> {
    let path = match exchange.input.text("api_version") {
        None => "/oauth/token".to_owned(),
        Some(version) if is_quarter(version) => format!("/{version}/oauth/token"),
        Some(_) => return Err(Error::invalid_input("api_version", "must be a quarter such as 2026Q4")),
    };
    let call = match (&credentials.client_certificate, &credentials.private_key) {
        (None, None) => Call::post(exchange.url(&path)?),
        (Some(certificate), Some(key)) => {
            Call::post(exchange.url_on(&MTLS, &path)?).client_certificate(certificate, key)
        }
        (None, _) => return Err(Error::invalid_credential("client_certificate", "private_key is there without it")),
        (_, None) => return Err(Error::invalid_credential("private_key", "client_certificate is there without it")),
    };
    Ok(call.basic(&credentials.client_id, credentials.client_secret.expose()).form(form))
}

fn is_quarter(version: &str) -> bool {
    version.split_once('Q').is_some_and(|(year, quarter)| {
        year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && ["1", "2", "3", "4"].contains(&quarter)
    })
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let token = reply.accept::<oauth::AccessToken>(oauth::refusal)?.token(reply, exchange.grant)?;
    let end = reply.json::<End>()?.expires_at.map(|date| Expiry::at_date(&date)).transpose()?;
    Ok(Step::Done(end.into_iter().fold(token, Token::ends_by)))
}

/// The end of the token, next to its lifetime.
#[derive(Deserialize)]
struct End {
    expires_at: Option<String>,
}
