//! Worldline: a client session that its SDKs use to list payment products and encrypt card data.
//! <https://apireference.connect.worldline-solutions.com/s2sapi/v1/en_US/java/sessions.html>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: String,
    api_secret: Secret,
    merchant_account_id: String,
}

pub(super) struct Worldline;

impl Connector for Worldline {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "worldline",
        name: "Worldline",
        docs: "https://apireference.connect.worldline-solutions.com/s2sapi/v1/en_US/java/sessions.html",
        unconfirmed: &["The live host and the numbers of the errors."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main(
            "https://api.connect.worldline-solutions.com",
            "https://api.preprod.connect.worldline-solutions.com",
        )],
        credentials: &[required("api_key").public(), required("api_secret"), required("merchant_account_id").public()],
        grants: &[client_grant(
            "client_session",
            "call the Client API of the merchant for one customer: list products, encrypt card data",
            Lifetime::Fixed(7200),
            client_session,
        )
        .by_default()
        .inputs(&[Input::texts("tokens"), Input::object("payment_product_filters")])],
    };
}

fn client_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let path = format!("/v1/{}/sessions", Exchange::segment(&credentials.merchant_account_id));
            let date = exchange.http_date()?;
            let mut body = Map::new();
            exchange
                .input
                .copy_into(&mut body, &[("tokens", "tokens"), ("payment_product_filters", "paymentProductFilters")]);
            Call::post(exchange.url(&path)?)
                .header("date", &date)
                .header("x-gcs-idempotence-key", exchange.idempotency_key)
                .secret_header("authorization", &authorization(credentials, exchange.idempotency_key, &date, &path))
                .json(&body)
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            let token = Token::new(&session.client_session_id, "GCS v1Client", Expiry::after_reply(reply, 7200)?)?
                .client("customer_id", session.customer_id)
                .client("client_api_url", session.client_api_url)
                .client("asset_url", session.asset_url);
            Ok(Step::Done(session.region.into_iter().fold(token, |token, region| token.client("region", region))))
        }
    }
}

/// <https://apireference.connect.worldline-solutions.com/s2sapi/v1/en_US/java/authentication.html>
fn authorization(credentials: &Credentials, idempotence_key: &str, date: &str, path: &str) -> String {
    let signed = format!("POST\napplication/json\n{date}\nx-gcs-idempotence-key:{idempotence_key}\n{path}\n");
    let signature = encoding::base64(crypto::hmac_sha256(credentials.api_secret.expose(), &[signed.as_bytes()]));
    format!("GCS v1HMAC:{}:{signature}", credentials.api_key)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    client_session_id: String,
    customer_id: String,
    client_api_url: String,
    asset_url: String,
    region: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/errors/0/code"], &["/errors/0/message"], &["/errors/0/id"])
}
