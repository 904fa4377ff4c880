//! Qwikcilver (gift cards and wallets of Pine Labs): a session token for a terminal.
//! <https://developers.qwikcilver.com>

use crate::prelude::*;

const PATH: &str = "/Qwikcilver/eGMS.RestApi/api/v2/authorize";
/// The host of a merchant's own instance; the label says its environment, too.
const INSTANCE: Host =
    Host::named("instance", "https://{subdomain}.qwikcilver.com", "https://{subdomain}.qwikcilver.com");
/// The lifetime of a token, in seconds.
const LIFETIME: u32 = 1200;
const ROUTER: Source = Source::third_party("PyPI hyperswitch-prism 0.6.0 and the source of its server");
const GR4VY: Source = Source::third_party("https://gr4vy.mintlify.app/connections/payments/qwikcilver-gift-card");
const GIVEN: &str = "Qwikcilver gives it; there is no sign-up of one's own";

#[derive(Deserialize)]
pub(super) struct Credentials {
    bootstrap_bearer_token: Option<Secret>,
    terminal_id: String,
    username: String,
    password: Secret,
}

pub(super) struct Qwikcilver;

impl Connector for Qwikcilver {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "qwikcilver",
        name: "Qwikcilver",
        docs: "https://developers.qwikcilver.com",
        unconfirmed: &[
            "The whole token call: the vendor's portal is not public, and all facts are those of integrators.",
            "The shared live host; merchants have hosts of their own, which the input subdomain names.",
            "The lifetime of 20 minutes: no answer states it. An exp in the token counts where it is earlier.",
            "The bootstrap token in the header: one integrator sends it, two others do not have it.",
            "The meaning of the response codes other than 0.",
            "Whether a new token ends the terminal's earlier one: each answer has a batch number.",
        ],
        evidence: &[
            Evidence::new(
                "path, header, members of request and answer, responseCode 0 for success, 20 minutes",
                ROUTER,
                "2026-11",
            ),
            Evidence::new("user name, password, terminal id and a subdomain as the credentials", GR4VY, "2026-11"),
            Evidence::new(
                "the path on a merchant's own host; the test host; a call without a bootstrap token",
                Source::third_party("public integrations of shops and cinemas on GitHub"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "No document or integrator shows a form of credentials that tells the environments apart.",
        ),
        hosts: &[Host::main("https://api.qwikcilver.com", "https://qc3.qwikcilver.com"), INSTANCE],
        credentials: &[
            optional("bootstrap_bearer_token"),
            required("terminal_id").public().found_in(GIVEN, GR4VY),
            // An id: the vendor's JWT may repeat it.
            required("username").public().found_in(GIVEN, GR4VY),
            required("password").found_in(GIVEN, GR4VY),
        ],
        grants: &[server_grant(
            "access_token",
            "make all wallet and gift card calls of the terminal: read, redeem and recharge",
            Lifetime::Fixed(LIFETIME),
            access_token,
        )
        .inputs(&[Input::label("subdomain")])
        .lifetime_note(
            "it may end when something else authorizes the same terminal: give this service one of its own",
        )],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let url = match exchange.input.text("subdomain") {
                Some(_) => exchange.url_on(&INSTANCE, PATH)?,
                None => exchange.url(PATH)?,
            };
            let body = json!({
                "TerminalID": credentials.terminal_id,
                "Username": credentials.username,
                "Password": credentials.password.expose(),
                "TransactionId": transaction_id(exchange.idempotency_key),
                "DateAtClient": exchange.began.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            });
            let call = match &credentials.bootstrap_bearer_token {
                Some(token) => Call::post(url).bearer(token.expose()),
                None => Call::post(url),
            };
            // Not repeatable: a second call may end the token of the first.
            call.json(&body).send()
        }
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            if answer.response_code.0 != 0 {
                return Err(reply.refuse(refusal(reply)));
            }
            let token =
                answer.auth_token.ok_or_else(|| Error::bad_reply("the connector's answer has no token in it"))?;
            Ok(Step::Done(Token::new(token.expose(), "Bearer", Expiry::after_reply(reply, LIFETIME)?)?))
        }
    }
}

/// A whole number of up to 63 bits that is the same for each attempt, and another for the next token.
fn transaction_id(idempotency_key: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = crypto::sha256(&[idempotency_key.as_bytes()]);
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1
}

/// The members of the answer that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default, deserialize_with = "encoding::lenient")]
    auth_token: Option<Secret>,
    response_code: Seconds,
}

/// A refusal comes with any status, 200 too. Its members begin with small letters there, and with
/// capitals elsewhere.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/responseCode", "/ResponseCode", "/ErrorCode"],
        &["/responseMessage", "/ResponseMessage"],
        &["/errorDescription", "/ErrorDescription"],
    );
    let says = |word: &str| refusal.message.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains(word));
    let kind = match reply.status {
        200..300 if ["password", "credential", "unauthori", "authentication"].into_iter().any(says) => {
            Some(Kind::CredentialsRejected)
        }
        _ => None,
    };
    refusal.kind(kind)
}
