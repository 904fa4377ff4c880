//! A connector that is not on the list: a grant for each way in which a token is made and ends.

use connectors::{
    Audience, Call, Connector, Exchange, Expiry, Grant, Host, Input, Lifetime, Meta, MintingEndsEarlier, ModeShown,
    Refusal, Registration, Reply, Result, Secret, Step, StepFn, Token, optional, required,
};
use serde::Deserialize;
use serde_json::json;

/// The connector as the engine gets it.
pub(crate) static FAKE: Registration = connectors::entry::<Fake>();

const REFRESH_TOKEN: Input = Input::secret("refresh_token");

#[derive(Deserialize)]
pub(crate) struct Credentials {
    client_id: String,
    client_secret: Secret,
    refresh_token: Option<Secret>,
}

pub(crate) struct Fake;

const fn grant(name: &'static str, audience: Audience, lifetime: Lifetime) -> Grant<StepFn<Credentials>> {
    Grant::new(name, audience, "do what a test does", lifetime, step)
}

const fn client(name: &'static str, lifetime: Lifetime) -> Grant<StepFn<Credentials>> {
    grant(name, Audience::Client, lifetime)
}

const fn server(name: &'static str, ends_earlier: MintingEndsEarlier) -> Grant<StepFn<Credentials>> {
    grant(name, Audience::Server, Lifetime::Fixed(3600)).minting_ends_earlier(ends_earlier)
}

const YES: MintingEndsEarlier = MintingEndsEarlier::Yes("the fake keeps the newest token");
const NO: MintingEndsEarlier = MintingEndsEarlier::No("the fake keeps all tokens");

impl Connector for Fake {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "fake",
        name: "Fake",
        docs: "",
        unconfirmed: &[],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://fake.example", "https://test.fake.example")],
        credentials: &[required("client_id").public(), required("client_secret"), optional("refresh_token")],
        grants: &[
            client("session", Lifetime::InReply),
            client("order", Lifetime::Fixed(900)),
            server("access", NO),
            server("refresh", YES).inputs(&[REFRESH_TOKEN, Input::text("note")]).server_parameters(&["refresh_token"]),
            server("code", YES)
                .inputs(&[Input::secret("code").required(), Input::text("note")])
                .spends("code")
                .server_parameters(&["refresh_token"]),
            client("connection", Lifetime::Unpublished).single_use(),
            client("week", Lifetime::Fixed(604_800)),
            client("settable", Lifetime::Settable { min: 600, default: 172_800, max: 604_800 }),
        ],
    };
}

fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let [reply, ..] = exchange.replies else {
        let own = || credentials.refresh_token.as_ref().map(Secret::expose);
        let secret = exchange.input.text("code").or(exchange.input.text("refresh_token")).or_else(own);
        let call = Call::post(exchange.url(&format!("/{}", exchange.grant.name))?)
            .basic(&credentials.client_id, credentials.client_secret.expose())
            .header("idempotency-key", exchange.idempotency_key)
            .json(&json!({
                "secret": secret,
                "reference": exchange.object_reference(40, "-_"),
                "began": exchange.began.as_millisecond(),
                "ttl": exchange.ttl(),
            }));
        // Against what the grants say: the engine knows better.
        return call.repeatable().send();
    };
    let made: Made = reply.accept(refusal)?;
    let mut token = match (made.expires_in, made.expires_at) {
        (Some(seconds), Some(moment)) => {
            Token::new(&made.token, "fake", Expiry::after_reply(reply, seconds)?)?.ends_by(Expiry::at_epoch(moment)?)
        }
        (Some(seconds), None) => Token::new(&made.token, "fake", Expiry::after_reply(reply, seconds)?)?,
        (None, Some(moment)) => Token::new(&made.token, "fake", Expiry::at_epoch(moment)?)?,
        (None, None) => Token::new(&made.token, "fake", Expiry::Unpublished)?,
    };
    if let Some(secret) = made.refresh_token {
        token = token.server("refresh_token", secret);
    }
    Ok(Step::Done(token))
}

#[derive(Deserialize)]
struct Made {
    token: String,
    expires_in: Option<i64>,
    expires_at: Option<i64>,
    refresh_token: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/error"], &[], &[])
}
