//! TrueLayer: a resource token that lets a payer authorise one payment, and the app's own access
//! token.
//! <https://docs.truelayer.com/docs/generate-access-tokens-for-the-api>

use p521::SecretKey;

use crate::prelude::*;

const AUTH: Host = Host::named("auth", "https://auth.truelayer.com", "https://auth.truelayer-sandbox.com");
/// The lifetime of a resource token that has no `exp` claim.
const RESOURCE_TOKEN_SECONDS: u32 = 900;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.truelayer.com/docs/application-settings");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret,
    private_key: Option<Secret>,
    kid: Option<Secret>,
}

pub(super) struct Truelayer;

impl Connector for Truelayer {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "truelayer",
        name: "TrueLayer",
        docs: "https://docs.truelayer.com/docs/generate-access-tokens-for-the-api",
        unconfirmed: &[
            "The 15 minutes of a resource token that has no exp claim.",
            "The bounds on the metadata of a payment.",
            "Mandates (/v3/mandates) give a resource token in the same way, which is not supported.",
        ],
        evidence: &[
            Evidence::new(
                "text that is signed, header of the signature, signed header",
                Source::sdk("npm truelayer-signing 0.2.3"),
                "2026-11",
            ),
            Evidence::new(
                "hosts, token call, members of a payment and of its answer, refusals, idempotency key",
                Source::sdk("TrueLayer/truelayer-rust, truelayer-java, truelayer-dotnet"),
                "2026-11",
            ),
            Evidence::new(
                "what the page takes with a resource token: payment_id, return_uri, production",
                Source::sdk("npm truelayer-embedded-payment-page 0.2.25"),
                "2026-11",
            ),
            Evidence::new(
                "client ids of the sandbox begin with sandbox-",
                Source::page("https://docs.truelayer.com/docs/sandbox-plugin-credentials"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "A client id that begins with sandbox- belongs to the sandbox \
             (https://docs.truelayer.com/docs/sandbox-plugin-credentials).",
        ),
        hosts: &[Host::main("https://api.truelayer.com", "https://api.truelayer-sandbox.com"), AUTH],
        credentials: &[
            required("client_id").public().found_in("Console > the app > Settings > Application settings: client_id", KEYS),
            required("client_secret").found_in("Console > the app: the text file that comes with a new app or a reset secret: client_secret", KEYS),
            optional("private_key").found_in("You make it, and upload its public key: Console > the app > Settings > Application settings > Payments settings", KEYS),
            optional("kid").public(),
            optional("merchant_account_id").public(),
            optional("account_holder_name").public(),
        ],
        grants: &[
            client_grant(
                "resource_token",
                "see and authorise that one payment",
                Lifetime::Fixed(RESOURCE_TOKEN_SECONDS),
                resource_token,
            )
            .by_default_with("payment")
            .worst_case(
                "see that payment (amount, payee, the payer's name) and start its authorisation; the payer's bank asks \
                 for its own login",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("npm truelayer-embedded-payment-page 0.2.25, README: resource_token"))
            .client_parameters(&[
                ClientParameter::new("payment_id", "the payment", "Payment({ payment_id })"),
                ClientParameter::new(
                    "return_uri",
                    "where the payer comes back to, as it was given",
                    "Payment({ return_uri })",
                ),
                ClientParameter::new(
                    "production",
                    "true in live and false in the sandbox, which is the library's default",
                    "Payment({ production }), as a boolean",
                ),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No(
                "Payments API v3: each payment has a resource token of its own",
            ))
            .inputs(&[Input::object("payment").amounts("amount_in_minor is in minor units: 1050 is GBP 10.50").required(), Input::url("return_uri")])
            .metadata(10, 40, 500),
            server_grant("access_token", "use the APIs of its scopes (payments)", Lifetime::Fixed(3600), access_token)
                .minting_ends_earlier(MintingEndsEarlier::No("https://docs.truelayer.com, Request authentication"))
                .scopes(Scopes::Any),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        credentials.client_id.starts_with("sandbox-").then_some(Mode::Test)
    }
}

fn resource_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            // A wrong key is an error before the first call.
            signing_key(credentials)?;
            login(credentials, exchange)
        }
        [login] => payment(credentials, exchange, &login.accept(refusal)?),
        [login, reply, ..] => {
            let made: Payment = reply.accept(refusal)?;
            if made.resource_token == login.json::<oauth::AccessToken>()?.access_token.expose() {
                return Err(Error::bad_reply("TrueLayer gave the app's token in place of the payment's"));
            }
            let documented = Expiry::after_reply(reply, RESOURCE_TOKEN_SECONDS)?;
            let expiry = Expiry::inside_jwt(&made.resource_token)?.unwrap_or(documented);
            let token = Token::new(&made.resource_token, "resource_token", expiry)?
                .client("payment_id", made.id)
                .client("production", (exchange.mode == Mode::Live).to_string());
            Ok(Step::Done(match exchange.input.text("return_uri") {
                Some(uri) => token.client("return_uri", uri),
                None => token,
            }))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => login(credentials, exchange),
        [reply, ..] => {
            Ok(Step::Done(reply.accept::<oauth::AccessToken>(refusal)?.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

fn login(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let scope = exchange.input.scope();
    let form = FormBody::new()
        .field("grant_type", "client_credentials")
        .field("client_id", &credentials.client_id)
        .field("client_secret", credentials.client_secret.expose())
        .field("scope", if scope.is_empty() { "payments" } else { &scope });
    Call::post(exchange.url_on(&AUTH, "/connect/token")?).form(form).repeatable().send()
}

fn payment(credentials: &Credentials, exchange: &Exchange<'_>, login: &oauth::AccessToken) -> Result<Step> {
    const PATH: &str = "/v3/payments";
    let (kid, key) = signing_key(credentials)?;
    let mut body = exchange.input.required_value("payment")?.as_object().cloned().unwrap_or_default();
    let metadata = &exchange.input.metadata;
    if !metadata.is_empty() && body.insert("metadata".into(), json!(metadata)).is_some() {
        return Err(Error::invalid_input("payment", "its metadata and the request's own exclude each other"));
    }
    let body = Value::from(body).to_string();
    // A JWS with detached content:
    // <https://github.com/TrueLayer/truelayer-signing/blob/main/request-signing-v2.md>
    let header = json!({ "alg": "ES512", "kid": kid, "tl_version": "2", "tl_headers": "Idempotency-Key" });
    let header = encoding::base64url(header.to_string());
    let signed = format!("POST {PATH}\nIdempotency-Key: {}\n{body}", exchange.idempotency_key);
    let signature = crypto::es512(&key, format!("{header}.{}", encoding::base64url(signed)).as_bytes())
        .ok_or_else(|| Error::new(Kind::Internal, "the payment could not be signed"))?;
    Call::post(exchange.url(PATH)?)
        .bearer(login.access_token.expose())
        .header("idempotency-key", exchange.idempotency_key)
        .header("tl-signature", &format!("{header}..{}", encoding::base64url(signature)))
        .body(body, "application/json")
        .repeatable()
        .send()
}

fn signing_key(credentials: &Credentials) -> Result<(&str, SecretKey)> {
    let absent = |name| Error::invalid_credential(name, "TrueLayer takes signed payments only");
    let kid = credentials.kid.as_ref().ok_or_else(|| absent("kid"))?;
    let private_key = credentials.private_key.as_ref().ok_or_else(|| absent("private_key"))?.expose();
    let key = pem::ec_private_key(private_key).map_err(|why| Error::invalid_credential("private_key", why))?;
    Ok((kid.expose(), key))
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    resource_token: String,
}

/// The token endpoint answers as in RFC 6749, the payments API as in RFC 9457.
/// <https://docs.truelayer.com/docs/payments-api-errors>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/error", "/title"],
        &["/error_description", "/detail"],
        &["/error_details/reason", "/trace_id"],
    );
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.kind(kind)
}
