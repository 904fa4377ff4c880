//! `MultiSafepay`: an API token for its Payment Components.
//! <https://docs.multisafepay.com/docs/payment-components>

use crate::prelude::*;

/// The lifetime of a token, in seconds.
const LIFETIME: u32 = 600;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

/// The vendor's own pages and servers that use the token.
const EXAMPLES: Source = Source::sdk("repository MultiSafepay/payment-components-examples (server/nodejs, app)");

pub(super) struct Multisafepay;

impl Connector for Multisafepay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "multisafepay",
        name: "MultiSafepay",
        docs: "https://docs.multisafepay.com/docs/payment-components",
        unconfirmed: &[
            "The lifetime of 600 seconds; the vendor's own shop plugins keep a token for 240 and for 540.",
            "The meaning of the error code 1032 (the API key is not known).",
        ],
        evidence: &[
            Evidence::new(
                "path, header api_key, member data.api_token, and that the page gets it",
                EXAMPLES,
                "2026-11",
            ),
            Evidence::new(
                "hosts, header, error_code and error_info",
                Source::sdk("npm package @multisafepay/api-wrapper 1.0.1"),
                "2026-11",
            ),
            Evidence::new(
                "a lifetime above 540 seconds",
                Source::sdk("repository MultiSafepay/magento2-core, ApiTokenUtil"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Keys of test and live accounts have the same form; the hosts differ (npm package @multisafepay/api-wrapper 1.0.1).",
        ),
        hosts: &[Host::main("https://api.multisafepay.com", "https://testapi.multisafepay.com")],
        credentials: &[required("api_key").found_in(
            "Dashboard > Websites > the website: API key",
            Source::page("https://docs.multisafepay.com/docs/sites"),
        )],
        grants: &[client_grant(
            "api_token",
            "start Payment Components and encrypt payment details",
            Lifetime::Fixed(LIFETIME),
            api_token,
        )
        .by_default()
        .worst_case("start payment components as this shop and encrypt card details; no order, no refund", &[])
        .client_source(EXAMPLES)
        .client_parameters(&[ClientParameter::new("env", "test or live", "new MultiSafepay({ env, apiToken, order })")])
        .lifetime_note("the vendor publishes no lifetime: its shop plugins use a token for up to 540 seconds")],
    };
}

fn api_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::get(exchange.url("/v1/json/auth/api_token")?)
            .secret_header("api_key", credentials.api_key.expose())
            .header("accept", "application/json")
            .send(),
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            if !answer.success {
                return Err(reply.refuse(refusal(reply)));
            }
            let expiry = Expiry::after_reply(reply, LIFETIME)?;
            let token = encoding::text_at(&answer.data, "/api_token").unwrap_or_default();
            Ok(Step::Done(Token::new(token, "api_token", expiry)?.client("env", exchange.mode.label())))
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default, deserialize_with = "encoding::lenient")]
    data: Value,
}

/// A refusal may come with status 200. Its members are at the top, by some documents inside `data`.
fn refusal(reply: &Reply) -> Refusal {
    let message = &["/error_info", "/data/error_info", "/message"];
    let refusal = reply.refusal(&["/error_code", "/data/error_code"], message, &[]);
    let kind = match refusal.code.as_deref() {
        Some("1032") => Some(Kind::CredentialsRejected),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    refusal.kind(kind)
}
