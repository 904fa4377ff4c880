//! `GrabPay`: the token with which the backend completes the one charge that a customer consented to.
//! <https://developer.grab.com/docs/>

use crate::prelude::*;

const PATH: &str = "/grabid/v1/oauth2/token";
const VIETNAM: Host = Host::named("vietnam", "https://partner-gw.moca.vn", "https://stg-paysi.moca.vn");
const SDK: Source = Source::sdk("repository grab/grabpay-merchant-sdk, Go and Java");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret,
}

pub(super) struct Grabpay;

impl Connector for Grabpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "grabpay",
        name: "GrabPay",
        docs: "https://developer.grab.com/docs/",
        unconfirmed: &[
            "How long a token lives (each answer says it).",
            "The form of refusals: that of RFC 6749 is read.",
            "That a code works once (RFC 6749 section 4.1.2 demands it).",
            "Whether an answer without openid in the scope has an id_token; with a nonce it is demanded.",
        ],
        evidence: &[
            Evidence::new("hosts of each country, path, JSON, members of request and answer", SDK, "2026-11"),
            Evidence::new(
                "the checks of nonce and state, names of the credentials",
                Source::third_party("PyPI hyperswitch-prism 0.6.0"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("The vendor's SDK takes the environment as a setting of its own, beside the credentials."),
        hosts: &[Host::main("https://partner-api.grab.com", "https://partner-api.stg-myteksi.com"), VIETNAM],
        credentials: &[
            optional("partner_id").public().found_in("Developer Home: Partner ID", SDK),
            optional("partner_secret").found_in("Developer Home: Partner Secret", SDK),
            required("client_id").public().found_in("Developer Home: Client ID", SDK),
            required("client_secret").found_in("Developer Home: Client Secret", SDK),
            optional("merchant_id").public().found_in("Developer Home: Merchant ID", SDK),
        ],
        grants: &[server_grant(
            "authorization_code",
            "complete, read and refund the one-time charge that the customer consented to; each call is also signed with client_secret",
            Lifetime::InReply,
            authorization_code,
        )
        .inputs(&[
            Input::secret("code").required(),
            Input::secret("code_verifier").required(),
            Input::url("redirect_uri").required(),
            Input::country("country"),
            Input::text("nonce"),
            Input::text("state"),
            Input::text("callback_state"),
        ])
        .spends("code")],
    };
}

fn authorization_code(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    match exchange.replies {
        [] => {
            check_state(exchange)?;
            let vietnam = input.text("country").is_some_and(|country| country.eq_ignore_ascii_case("VN"));
            let url = if vietnam { exchange.url_on(&VIETNAM, PATH)? } else { exchange.url(PATH)? };
            // Not repeatable: a code can be used once.
            Call::post(url)
                .json(&json!({
                    "grant_type": "authorization_code",
                    "client_id": credentials.client_id,
                    "client_secret": credentials.client_secret.expose(),
                    "code_verifier": input.required_text("code_verifier")?,
                    "redirect_uri": input.required_text("redirect_uri")?,
                    "code": input.required_text("code")?,
                }))
                .send()
        }
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(oauth::refusal)?;
            check_nonce(exchange, reply)?;
            Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

/// The state that came back with the code must be the one that was sent (RFC 6749 section 10.12).
fn check_state(exchange: &Exchange<'_>) -> Result<()> {
    match (exchange.input.text("state"), exchange.input.text("callback_state")) {
        (sent, came) if sent == came => Ok(()),
        (Some(_), None) => Err(Error::missing_inputs(&["callback_state"], "state is there without it")),
        (None, Some(_)) => Err(Error::missing_inputs(&["state"], "callback_state is there without it")),
        _ => Err(Error::invalid_input(
            "callback_state",
            "is not the state that was sent: the code may be somebody else's",
        )),
    }
}

/// The nonce of the `id_token` must be the one that was sent (OpenID Connect Core 1.0 section
/// 3.1.3.7). Its signature need not be checked, as it comes straight from the vendor.
fn check_nonce(exchange: &Exchange<'_>, reply: &Reply) -> Result<()> {
    #[derive(Deserialize)]
    struct Granted {
        id_token: Option<Secret>,
    }
    #[derive(Deserialize)]
    struct Claims {
        nonce: Option<String>,
    }
    let Some(sent) = exchange.input.text("nonce") else { return Ok(()) };
    let id_token = reply.json::<Granted>()?.id_token;
    let id_token = id_token.ok_or_else(|| Error::bad_reply("the connector's answer has no id_token for the nonce"))?;
    match encoding::jwt_claims::<Claims>(id_token.expose())?.nonce {
        Some(nonce) if nonce == sent => Ok(()),
        _ => Err(Error::bad_reply("the id_token of the connector's answer has another nonce")),
    }
}
