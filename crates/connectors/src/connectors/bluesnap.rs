//! BlueSnap: a token to which the browser's Hosted Payment Fields bind one set of card data.
//! <https://developers.bluesnap.com/v8976-Tools/docs/create-hosted-payment-fields-token>

use crate::prelude::*;

const PATH: &str = "/services/2/payment-fields-tokens";
const LIFETIME: u32 = 3600;

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
            "The query parameter shopperId.",
            "Status 403 for a caller whose address is not on the account's list.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://ws.bluesnap.com", "https://sandbox.bluesnap.com")],
        credentials: &[required("username").public(), required("password")],
        grants: &[client_grant(
            "payment_fields_token",
            "attach one set of card data from the browser, for the backend to use once",
            Lifetime::Fixed(LIFETIME),
            payment_fields_token,
        )
        .by_default()
        .inputs(&[
            Input::text("shopper_id"),
            Input::flag("authentication_required_3ds"),
            Input::flag("challenge_requested_3ds"),
        ])],
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
            Ok(Step::Done(token.client("environment", exchange.mode.label())))
        }
    }
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/message/0/code"], &["/message/0/description"], &["/message/0/errorName"])
}
