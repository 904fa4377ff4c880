//! PAYONE Commerce Platform: a token that starts its card tokenizer for one merchant.
//! <https://github.com/PAYONE-GmbH/PCP-ServerSDK-NodeJs>

use crate::prelude::*;

const CONTENT_TYPE: &str = "application/json";
/// The longest `x-request-id`, in characters.
const MAX_REQUEST_ID: usize = 128;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    api_secret: Secret,
    merchant_id: String,
}

pub(super) struct Payone;

impl Connector for Payone {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "payone",
        name: "PAYONE Commerce Platform",
        docs: "https://github.com/PAYONE-GmbH/PCP-ServerSDK-NodeJs",
        unconfirmed: &[
            "The greatest difference that the platform accepts between the Date header and its clock.",
            "The HTTP statuses of refusals.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.commerce.payone.com", "https://api.preprod.commerce.payone.com")],
        credentials: &[required("api_key"), required("api_secret"), required("merchant_id").public()],
        grants: &[client_grant(
            "authentication_token",
            "start the card tokenizer or the hosted tokenization page for this merchant",
            Lifetime::Fixed(600),
            authentication_token,
        )
        .by_default()],
    };
}

fn authentication_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => token_call(credentials, exchange),
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(&answer.token, "JWT", Expiry::at_date(&answer.expiration_date)?)?))
        }
    }
}

/// The call has no body. It still sends a content type, as the signature is over it.
fn token_call(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let merchant = Exchange::segment(&credentials.merchant_id);
    let uri = exchange.url(&format!("/v1/{merchant}/authentication-tokens"))?;
    let date = exchange.http_date()?;
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let signed = format!("POST\n{CONTENT_TYPE}\n{date}\n{path}\n");
    let signature = encoding::base64(crypto::hmac_sha256(credentials.api_secret.expose(), &[signed.as_bytes()]));
    let call = Call::post(uri)
        .header("date", &date)
        .secret_header("authorization", &format!("GCS v1HMAC:{}:{signature}", credentials.api_key.expose()))
        .body("", CONTENT_TYPE)
        .repeatable();
    match exchange.reference_of(MAX_REQUEST_ID, "-_") {
        Ok(reference) => call.header("x-request-id", reference).send(),
        Err(_) => call.send(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    token: String,
    expiration_date: String,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/errors/0/errorCode"], &["/errors/0/message"], &["/errors/0/id"])
}
