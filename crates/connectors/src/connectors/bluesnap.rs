//! BlueSnap: a token to which the browser's Hosted Payment Fields bind one set of card data.
//! <https://developers.bluesnap.com/v8976-Tools/docs/create-hosted-payment-fields-token>

use crate::prelude::*;

const PATH: &str = "/services/2/payment-fields-tokens";
const LIFETIME: u32 = 3600;
const SCRIPT_LIVE: &str = "https://pay.bluesnap.com/web-sdk/5/bluesnap.js";
const SCRIPT_TEST: &str = "https://sandpay.bluesnap.com/web-sdk/5/bluesnap.js";

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developers.bluesnap.com/reference/api-credentials");

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Secret,
    password: Secret,
}

pub(super) struct Bluesnap;

impl Connector for Bluesnap {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "bluesnap",
        name: "BlueSnap",
        docs: "https://developers.bluesnap.com/v8976-Tools/docs/create-hosted-payment-fields-token",
        unconfirmed: &[
            "The place and the names of the 3-D Secure parameters.",
            "Status 403 for a caller whose address is not on the account's list.",
        ],
        evidence: &[
            Evidence::new(
                "path, shopperId, Basic, the token in Location, hosts",
                Source::third_party("PyPI bluesnap 1.2025.4.6"),
                "2026-11",
            ),
            Evidence::new(
                "lifetime of 60 minutes, use in the browser",
                Source::page("developers.bluesnap.com, Hosted Payment Fields"),
                "2026-11",
            ),
            Evidence::new(
                "members of refusals, statuses 429 and 503 for too many calls",
                Source::page("developers.bluesnap.com, JSON API, messages and error handling"),
                "2026-11",
            ),
            Evidence::new(
                "addresses of the browser's script",
                Source::third_party("npm @bigcommerce/checkout-sdk, BlueSnap Direct"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Credentials of the sandbox and live ones have the same form; the host decides (PyPI bluesnap 1.2025.4.6).",
        ),
        hosts: &[Host::main("https://ws.bluesnap.com", "https://sandbox.bluesnap.com")],
        credentials: &[required("username").public().found_in("Merchant Portal > Settings > API Settings > Request API credentials: API User Key", KEYS), required("password").found_in("Merchant Portal > Settings > API Settings: the password that you define there", KEYS)],
        grants: &[client_grant(
            "payment_fields_token",
            "attach one set of card data from the browser, for the backend to use once; with shopper_id also see that shopper's masked cards",
            Lifetime::Fixed(LIFETIME),
            payment_fields_token,
        )
        .by_default()
        .inputs(&[
            Input::text("shopper_id"),
            Input::flag("authentication_required_3ds"),
            Input::flag("challenge_requested_3ds"),
        ])
        .worst_case(
            "bind a stolen card to this token, and with shopper_id see that shopper's masked cards; only the backend can charge",
            &[Bound::SingleUse],
        )
        .client_source(Source::page("developers.bluesnap.com, Hosted Payment Fields: bluesnap.hostedPaymentFieldsCreate({ token })"))
        .client_parameters(&[ClientParameter::new(
            "script_url",
            "the script of the environment that made the token",
            "the src of the page's <script>, before bluesnap.hostedPaymentFieldsCreate({ token })",
        )])
        .minting_ends_earlier(MintingEndsEarlier::No("each call makes a token of its own (developers.bluesnap.com)"))],
    };
}

fn payment_fields_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let flag = |name| input.flag(name).map(|flag| if flag { "true" } else { "false" });
            let query = FormBody::new()
                .maybe("shopperId", input.text("shopper_id"))
                .maybe("authenticationrequired3ds", flag("authentication_required_3ds"))
                .maybe("challengerequested3ds", flag("challenge_requested_3ds"));
            let separator = if query.is_empty() { "" } else { "?" };
            Call::post(exchange.url(&format!("{PATH}{separator}{}", query.as_str()))?)
                .basic(credentials.username.expose(), credentials.password.expose())
                .header("accept", "application/json")
                .body("", "application/json")
                .repeatable()
                .send()
        }
        // The body is empty. The token is the last segment of the address of the new resource.
        [reply, ..] => {
            reply.succeed(refusal)?;
            let token = reply
                .header("location")
                .and_then(|location| location.split_once("/payment-fields-tokens/"))
                .and_then(|(_, id)| id.split(['?', '#', '/']).next())
                .ok_or_else(|| Error::bad_reply("BlueSnap's answer has no token in its Location"))?;
            let token = Token::new(token, "pf_token", Expiry::after_reply(reply, LIFETIME)?)?;
            let script = if exchange.mode == Mode::Live { SCRIPT_LIVE } else { SCRIPT_TEST };
            Ok(Step::Done(token.client("script_url", script)))
        }
    }
}

/// A list of messages, or the members of one without a list.
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(
        &["/message/0/code", "/code"],
        &["/message/0/description", "/description", "/message"],
        &["/message/0/errorName", "/errorName"],
    )
}
