//! Stax: an ephemeral token that stands for one of its users, or for the owner of the key.
//! <https://docs.staxpayments.com/reference/ephemeral-authentication-tokens-1>

use crate::prelude::*;

const DAY: u32 = 86_400;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

pub(super) struct Stax;

impl Connector for Stax {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "stax",
        name: "Stax",
        docs: "https://docs.staxpayments.com/reference/ephemeral-authentication-tokens-1",
        unconfirmed: &["The body of the 401."],
        evidence: &[
            Evidence::new(
                "path, query, the token's lifetime, the refusal of an ephemeral token",
                Source::schema(
                    "Stax's OpenAPI document 0.1, GET /ephemeral (as the repository api-evangelist/stax keeps it)",
                ),
                "2026-11",
            ),
            Evidence::new(
                "host, method, header, member token",
                Source::sdk("repository fattmerchantorg/stax-sdk-samples, StaxService.swift"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Test and live keys are JWTs of one form for one host; the account behind the key decides (Stax's OpenAPI document).",
        ),
        hosts: &[Host::main("https://apiprod.fattlabs.com", "https://apiprod.fattlabs.com")],
        credentials: &[required("api_key").found_in(
            "Stax Pay > Apps > API Keys > New Key: API key",
            Source::page("https://api-docs.staxpayments.com/docs/accessing-and-creating-api-keys"),
        )],
        grants: &[
            // For servers: the token makes the same calls as the key, from any origin, any number
            // of times.
            server_grant(
                "ephemeral_token",
                "call the whole API as that user, with charges, refunds, customers and stored methods",
                Lifetime::Fixed(DAY),
                ephemeral_token,
            )
            .inputs(&[Input::text("user_id"), Input::text("user_email")])
            .one_of(&[&["user_id"], &["user_email"]])
            .lifetime_note("the vendor lets a staff member's own app hold it; it has all rights of that user"),
            server_grant(
                "owner_ephemeral_token",
                "call the whole API as the owner of the key",
                Lifetime::Fixed(DAY),
                owner_ephemeral_token,
            ),
        ],
    };
}

fn ephemeral_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let user = match (exchange.input.text("user_id"), exchange.input.text("user_email")) {
                (Some(_), Some(_)) => return Err(Error::invalid_input("user_email", "not together with user_id")),
                (id, email) => FormBody::new().maybe("user_id", id).maybe("user_email", email),
            };
            get(credentials, exchange, &format!("/ephemeral?{}", user.as_str()))
        }
        [reply, ..] => token(reply),
    }
}

fn owner_ephemeral_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => get(credentials, exchange, "/ephemeral"),
        [reply, ..] => token(reply),
    }
}

fn get(credentials: &Credentials, exchange: &Exchange<'_>, path: &str) -> Result<Step> {
    Call::get(exchange.url(path)?).bearer(credentials.api_key.expose()).header("accept", "application/json").send()
}

fn token(reply: &Reply) -> Result<Step> {
    let token = reply.accept::<Ephemeral>(refusal)?.token;
    let own = Expiry::inside_jwt(&token)?.and_then(Expiry::epoch);
    // A key is a JWT too, and lives for years. The bound has a day more for a clock that is ahead.
    if own > Expiry::after_reply(reply, 2 * DAY)?.epoch() {
        return Err(Error::bad_reply("Stax's token lives longer than an ephemeral one"));
    }
    // The documented day, or the token's own exp where that is earlier.
    Ok(Step::Done(Token::new(&token, "Bearer", Expiry::after_reply(reply, DAY)?)?))
}

#[derive(Deserialize)]
struct Ephemeral {
    token: String,
}

/// The fields at fault, each with a list of texts. `error` and `message` are no fields and may
/// stand next to them.
fn refusal(reply: &Reply) -> Refusal {
    let mut faults: Map<String, Value> = reply.lenient();
    faults.retain(|_, texts| !texts.is_null());
    let is_field = |name: &str| !matches!(name, "error" | "message");
    let Some((name, texts)) = faults.iter().find(|(name, _)| is_field(name)).or_else(|| faults.iter().next()) else {
        return Refusal::default();
    };
    let message = texts.get(0).unwrap_or(texts).as_str().map(ToOwned::to_owned);
    let kind = faults.contains_key("is_api_key").then_some(Kind::CredentialsRejected);
    let code = if is_field(name) { name.clone() } else { reply.status.to_string() };
    Refusal::new(Some(code), message).kind(kind)
}
