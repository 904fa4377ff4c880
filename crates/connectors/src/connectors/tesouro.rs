//! Tesouro: a token, sealed here, with which embedded components act as one user; the application's
//! access token; and that of a user.
//! <https://docs.tesouro.com/embedded-banking/guides/authentication/client-credentials>

use crate::prelude::*;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const LIFETIME: Lifetime = Lifetime::Fixed(3600);
const WIDGET_TOKENS: Source = Source::page("https://docs.tesouro.com/embedded-banking/guides/users/widget-tokens");
const SUBJECT_TOKEN: Input = Input::secret("subject_token").required();
const CLIENT_CREDENTIALS: Source =
    Source::page("https://docs.tesouro.com/embedded-banking/guides/authentication/client-credentials");
const REACT: Source = Source::page("https://docs.tesouro.com/finops/guides/sdks/react/index");
const ONBOARDING: &str = "Tesouro gives it at onboarding, after an access request";
const USER_TOKEN: Source = Source::page("https://docs.tesouro.com/embedded-banking/guides/authentication/user-token");

#[derive(Deserialize)]
pub(super) struct Credentials {
    /// The OAuth client's id.
    api_key: Secret,
    /// The OAuth client's secret.
    api_secret: Secret,
    /// The key of widget tokens: 32 bytes in hex.
    widget_secret: Option<Secret>,
}

pub(super) struct Tesouro;

impl Connector for Tesouro {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "tesouro",
        name: "Tesouro",
        docs: "https://docs.tesouro.com/embedded-banking/guides/authentication/client-credentials",
        unconfirmed: &[
            "The form of the token call's refusals: those of RFC 6749, of GraphQL and of the REST API are read.",
            "The lifetime of an hour (each answer says it); the JWT may end earlier, and then that counts.",
            "Whether a second token ends the first.",
            "The names in a widget token: the vendor says that it wraps the request of user_token with an expiry.",
            "The bounds on the lifetime of a widget token; the vendor's own example asks for 600 seconds.",
        ],
        evidence: &[
            Evidence::new(
                "hosts, path, form and answer of access_token; the answer to an expired token",
                CLIENT_CREDENTIALS,
                "2026-11",
            ),
            Evidence::new("form and answer of user_token, claims of the user's JWT", USER_TOKEN, "2026-11"),
            Evidence::new(
                "algorithms and content of widget_token, and that the page gets it",
                WIDGET_TOKENS,
                "2026-11",
            ),
            Evidence::new("widget_secret in hex, env of the page's components", REACT, "2026-11"),
            Evidence::new(
                "30 requests a second, 429 with retry-after",
                Source::page("https://docs.tesouro.com/embedded-banking/api/concepts/quick-reference"),
                "2026-11",
            ),
            Evidence::new(
                "names of the credentials, key1 (the acceptor) unused by the token call",
                Source::third_party("PyPI hyperswitch-prism 0.6.0"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The environments have credentials of their own, and the vendor's pages show no form of them.",
        ),
        hosts: &[Host::main("https://api.tesouro.com", "https://api.sandbox.tesouro.com")],
        credentials: &[
            required("api_key").public().found_in(ONBOARDING, CLIENT_CREDENTIALS),
            required("api_secret").found_in(ONBOARDING, CLIENT_CREDENTIALS),
            optional("key1").public(),
            optional("widget_secret").found_in(ONBOARDING, REACT),
        ],
        grants: &[
            client_grant(
                "widget_token",
                "run Tesouro's embedded components as one user, with that user's permissions",
                Lifetime::Settable { min: 60, default: 600, max: 3600 },
                widget_token,
            )
            .by_default_with("subject_token")
            .inputs(&[SUBJECT_TOKEN])
            .worst_case(
                "act as that user in everything that the components offer, and get user tokens until it ends; it holds \
                 client_secret, readable only with widget_secret",
                &[Bound::Customer],
            )
            .client_source(WIDGET_TOKENS)
            .client_parameters(&[ClientParameter::new("env", "sandbox or production", "<EmbeddedProvider env>")])
            .minting_ends_earlier(MintingEndsEarlier::No("it is sealed here; the vendor keeps no earlier one")),
            server_grant("access_token", "make all calls of the application", LIFETIME, access_token),
            server_grant("user_token", "act as one user, with that user's permissions", LIFETIME, user_token)
                .inputs(&[SUBJECT_TOKEN]),
        ],
    };
}

/// A JWE that holds the request of [`user_token`] with an expiry. The components give it to Tesouro,
/// which opens it and makes the exchange.
fn widget_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let key = widget_key(credentials.widget_secret.as_ref())?;
    let (seconds, subject_token) = (exchange.ttl(), subject_token(exchange)?);
    let payload = json!({
        "grant_type": TOKEN_EXCHANGE,
        "client_id": credentials.api_key.expose(),
        "client_secret": credentials.api_secret.expose(),
        "subject_token": subject_token,
        "subject_token_type": ACCESS_TOKEN,
        "iat": exchange.now.as_second(),
        "exp": exchange.now.as_second().saturating_add(seconds),
    });
    let sealed = crypto::jwe_a256kw(&key, &exchange.nonce.0, payload.to_string().into_bytes());
    let sealed = sealed.ok_or_else(|| Error::new(Kind::Internal, "a widget token could not be sealed"))?;
    let env = if exchange.mode == Mode::Live { "production" } else { "sandbox" };
    let token = Token::new(&sealed, "widget_token", Expiry::after(exchange.now, seconds)?)?.client("env", env);
    // Tesouro exchanges the user's JWT when the components ask, so it must be alive then.
    Ok(Step::Done(Expiry::inside_jwt(subject_token)?.into_iter().fold(token, Token::ends_by)))
}

fn widget_key(secret: Option<&Secret>) -> Result<[u8; 32]> {
    let secret = secret.ok_or_else(|| Error::invalid_credential("widget_secret", "widget_token needs it"))?;
    let bytes = hex::decode(secret.expose()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| Error::invalid_credential("widget_secret", "must be 32 bytes in hex: 64 digits"))
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(exchange, client(credentials, "client_credentials")),
        [reply, ..] => token(exchange, reply),
    }
}

fn user_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = client(credentials, TOKEN_EXCHANGE)
                .field("subject_token", subject_token(exchange)?)
                .field("subject_token_type", ACCESS_TOKEN);
            post(exchange, form)
        }
        [reply, ..] => token(exchange, reply),
    }
}

/// The user's JWT. It is not checked further: its key is known to Tesouro only.
fn subject_token<'a>(exchange: &Exchange<'a>) -> Result<&'a str> {
    #[derive(Deserialize)]
    struct User {
        sub: String,
        email: String,
    }
    let token = exchange.input.required_text("subject_token")?;
    let end =
        Expiry::inside_jwt(token).map_err(|_| Error::invalid_input("subject_token", "has an exp that is no time"))?;
    if end.and_then(Expiry::epoch).is_some_and(|end| end <= exchange.now.as_second()) {
        return Err(Error::invalid_input("subject_token", "has expired"));
    }
    match encoding::jwt_claims::<User>(token) {
        Ok(user) if !user.sub.is_empty() && !user.email.is_empty() => Ok(token),
        _ => Err(Error::invalid_input(
            "subject_token",
            "must be a JWT of the OIDC provider with the claims sub and email, neither of them empty",
        )),
    }
}

fn client(credentials: &Credentials, grant_type: &str) -> FormBody {
    FormBody::new()
        .field("grant_type", grant_type)
        .field("client_id", credentials.api_key.expose())
        .field("client_secret", credentials.api_secret.expose())
}

fn post(exchange: &Exchange<'_>, form: FormBody) -> Result<Step> {
    Call::post(exchange.url("/openid/connect/token")?).form(form).repeatable().send()
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let granted: oauth::AccessToken = reply.accept(refusal)?;
    Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
}

/// The token service refuses in the form of RFC 6749, the APIs in that of GraphQL or with an `error`
/// that is an object.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/error", "/errors/0/extensions/code"],
        &["/error_description", "/error/message", "/errors/0/message"],
        &["/errors/0/extensions/reason"],
    );
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.kind(kind)
}
