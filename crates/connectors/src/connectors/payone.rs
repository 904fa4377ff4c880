//! PAYONE Commerce Platform: a token that starts its card tokenizer for one merchant.
//! <https://github.com/PAYONE-GmbH/PCP-ServerSDK-NodeJs>

use crate::prelude::*;

const CONTENT_TYPE: &str = "application/json";
/// The longest `x-request-id`, in characters: our own bound, as PAYONE's SDKs state none. It may
/// repeat: it is for PAYONE's logs.
const MAX_REQUEST_ID: usize = 128;
/// The body of PAYONE's own SDKs.
const BODY: &str = "{}";

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
            "The live host: the SDKs name the test host only.",
        ],
        evidence: &[
            Evidence::new(
                "path, headers, body, signed text, members of the answer, lifetime of 10 minutes",
                Source::sdk("PyPI pcp_serversdk_python 1.15.0"),
                "2026-11",
            ),
            Evidence::new(
                "mode of the tokenizer, which is live unless told",
                Source::sdk("PAYONE-GmbH/PCP-client-javascript-SDK, credit card tokenizer"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "Keys of both platforms have the same form; the host decides (PyPI pcp_serversdk_python 1.15.0).",
        ),
        hosts: &[Host::main("https://api.commerce.payone.com", "https://api.preprod.commerce.payone.com")],
        credentials: &[required("api_key"), required("api_secret"), required("merchant_id").public()],
        grants: &[client_grant(
            "authentication_token",
            "start the card tokenizer or the hosted tokenization page for this merchant",
            Lifetime::Fixed(600),
            authentication_token,
        )
        .by_default()
        .worst_case("turn stolen cards into payment tokens as this merchant (card testing needs the backend)", &[])
        .client_source(Source::sdk("PAYONE-GmbH/PCP-client-javascript-SDK: config.token is the JWT from the backend"))
        .client_parameters(&[ClientParameter::new(
            "mode",
            "test or live, as the tokenizer names it",
            "PCPCreditCardTokenizer.create({ token, mode })",
        )])],
    };
}

fn authentication_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => token_call(credentials, exchange),
        [reply, ..] => {
            let answer: Answer = reply.accept(refusal)?;
            let token = Token::new(&answer.token, "JWT", Expiry::at_date(&answer.expiration_date)?)?;
            Ok(Step::Done(token.client("mode", exchange.mode.label())))
        }
    }
}

/// The signature covers the content type and PAYONE's own path: an operator's base URL may have a
/// path before it, which PAYONE does not see. The body is not signed.
fn token_call(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let merchant = Exchange::segment(&credentials.merchant_id);
    let path = format!("/v1/{merchant}/authentication-tokens");
    let date = exchange.http_date()?;
    let signed = format!("POST\n{CONTENT_TYPE}\n{date}\n{path}\n");
    let signature = encoding::base64(crypto::hmac_sha256(credentials.api_secret.expose(), &[signed.as_bytes()]));
    Call::post(exchange.url(&path)?)
        .header("date", &date)
        .secret_header("authorization", &format!("GCS v1HMAC:{}:{signature}", credentials.api_key.expose()))
        .header("x-request-id", &exchange.reference_within(MAX_REQUEST_ID, "-_"))
        .body(BODY, CONTENT_TYPE)
        .repeatable()
        .send()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    token: String,
    expiration_date: String,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(
        &["/errors/0/errorCode", "/errors/0/id", "/errorId"],
        &["/errors/0/message", "/message"],
        &["/errors/0/id", "/errors/0/propertyName"],
    )
}
