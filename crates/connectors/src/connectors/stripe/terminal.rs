//! Connection tokens, with which the Terminal SDK connects card readers.
//! <https://docs.stripe.com/api/terminal/connection_tokens/create>

use super::api::{ACCOUNT, Credentials, EACH_ITS_OWN, check, post, refusal};
use crate::prelude::*;

pub(super) const CONNECTION_TOKEN: Grant<StepFn<Credentials>> = client_grant(
    "terminal_connection_token",
    "connect card readers through the Terminal SDK: internet readers of the location, or of all locations",
    Lifetime::Unpublished,
    connection_token,
)
.inputs(&[ACCOUNT, Input::text("location"), Input::flag("all_locations")])
.one_of(&[&["location"], &["all_locations"]])
.worst_case(
    "connect a reader of the account and take payments on it; the location limits internet readers only",
    &[Bound::Object, Bound::SingleUse],
)
.client_source(Source::page(
    "https://stripe.dev/stripe-terminal-android (ConnectionTokenProvider: a new one for each connect, never cached)",
))
.minting_ends_earlier(EACH_ITS_OWN)
.single_use()
.lifetime_note("it is for the next connect of a reader; do not count on an expiry");

fn connection_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let form = match (input.text("location"), input.flag("all_locations")) {
                (Some(_), Some(true)) => {
                    return Err(Error::invalid_input("all_locations", "not together with location"));
                }
                (None, Some(false)) => {
                    return Err(Error::missing_inputs(&["location"], "all_locations is false"));
                }
                (location, _) => FormBody::new().maybe("location", location),
            };
            post(credentials, exchange, "/v1/terminal/connection_tokens", form)
        }
        [reply, ..] => {
            let token: ConnectionToken = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(&token.secret, "connection_token", Expiry::Unpublished)?))
        }
    }
}

#[derive(Deserialize)]
struct ConnectionToken {
    secret: String,
}
