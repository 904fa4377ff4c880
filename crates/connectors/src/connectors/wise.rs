//! Wise: a partner's OAuth tokens, its own and those of the users who consented.
//! <https://docs.wise.com/api-reference/oauth-token/oauthtokencreate>

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(43_200);
const FOR_A_USER: &str = "act for one Wise user who consented";

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret,
    refresh_token: Option<Secret>,
}

pub(super) struct Wise;

impl Connector for Wise {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "wise",
        name: "Wise",
        docs: "https://docs.wise.com/api-reference/oauth-token/oauthtokencreate",
        unconfirmed: &["The error invalid_client for a wrong client id or secret."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.wise.com", "https://api.wise-sandbox.com")],
        credentials: &[required("client_id").public(), required("client_secret"), optional("refresh_token")],
        grants: &[
            server_grant(
                "client_credentials",
                "call the partner APIs of the application",
                LIFETIME,
                client_credentials,
            ),
            server_grant("user_refresh_token", FOR_A_USER, LIFETIME, user_refresh_token)
                .inputs(&[Input::secret("refresh_token")])
                .server_parameters(&["refresh_token"]),
            server_grant(
                "registration_code",
                "act for a Wise user whom the partner created",
                LIFETIME,
                registration_code,
            )
            .inputs(&[Input::text("email").required(), Input::secret("registration_code").required()])
            .server_parameters(&["refresh_token"]),
            server_grant("authorization_code", FOR_A_USER, LIFETIME, authorization_code)
                .inputs(&[Input::secret("code").required(), Input::url("redirect_uri").required()])
                .server_parameters(&["refresh_token"]),
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
            // Not repeatable: no document says that a refresh token can be used twice.
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
    Ok(Call::post(exchange.url("/oauth/token")?)
        .basic(&credentials.client_id, credentials.client_secret.expose())
        .form(form))
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    Ok(Step::Done(reply.accept::<oauth::AccessToken>(oauth::refusal)?.token(reply, exchange.grant)?))
}
