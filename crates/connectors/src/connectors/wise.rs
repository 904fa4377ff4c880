//! Wise: a partner's OAuth tokens, its own and those of the users who consented.
//! <https://docs.wise.com/api-reference/oauth-token/oauthtokencreate>

use crate::prelude::*;

const LIFETIME: Lifetime = Lifetime::Fixed(43_200);
const FOR_A_USER: &str = "act for one Wise user who consented";

#[derive(Deserialize)]
pub struct Credentials {
    client_id: String,
    client_secret: Secret,
    refresh_token: Option<Secret>,
}

pub struct Wise;

impl Connector for Wise {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "wise",
        name: "Wise",
        docs: "https://docs.wise.com/api-reference/oauth-token/oauthtokencreate",
        unconfirmed: &["The error invalid_client for a wrong client id or secret."],
        hosts: &[Host::main("https://api.wise.com", "https://api.wise-sandbox.com")],
        credentials: &[required("client_id").public(), required("client_secret"), optional("refresh_token")],
        grants: &[
            Grant::server_unconverted("client_credentials", "call the partner APIs of the application", LIFETIME),
            Grant::server_unconverted("user_refresh_token", FOR_A_USER, LIFETIME)
                .inputs(&[Input::secret("refresh_token")])
                .server_parameters(&["refresh_token"]),
            Grant::server_unconverted("registration_code", "act for a Wise user whom the partner created", LIFETIME)
                .inputs(&[Input::text("email").required(), Input::secret("registration_code").required()])
                .server_parameters(&["refresh_token"]),
            Grant::server_unconverted("authorization_code", FOR_A_USER, LIFETIME)
                .inputs(&[Input::secret("code").required(), Input::url("redirect_uri").required()])
                .server_parameters(&["refresh_token"]),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let input = exchange.input;
        let [reply, ..] = exchange.replies else {
            let form = |grant_type| FormBody::new().field("grant_type", grant_type);
            let form = match exchange.grant.name {
                "client_credentials" => form("client_credentials"),
                "user_refresh_token" => {
                    let own = credentials.refresh_token.clone();
                    let token = input.secret("refresh_token").or(own).ok_or_else(|| {
                        Error::missing_inputs(&["refresh_token"], "neither it nor the credential of that name is there")
                    })?;
                    form("refresh_token").field("refresh_token", token.expose())
                }
                "registration_code" => form("registration_code")
                    .field("client_id", &credentials.client_id)
                    .maybe("email", input.text("email"))
                    .maybe("registration_code", input.text("registration_code")),
                "authorization_code" => form("authorization_code")
                    .field("client_id", &credentials.client_id)
                    .maybe("code", input.text("code"))
                    .maybe("redirect_uri", input.text("redirect_uri")),
                _ => return Err(Error::new(Kind::Internal, "Wise has no such grant")),
            };
            let call = Call::post(exchange.url("/oauth/token")?)
                .basic(&credentials.client_id, credentials.client_secret.expose())
                .form(form);
            // A code is spent by its use, and nothing says that a refresh token is not.
            let call = if exchange.grant.name == "client_credentials" { call.repeatable() } else { call };
            return call.send();
        };
        Ok(Step::Done(reply.accept::<oauth::AccessToken>(oauth::refusal)?.token(reply, exchange.grant)?))
    }
}
