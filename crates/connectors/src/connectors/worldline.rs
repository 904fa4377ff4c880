//! Worldline: a client session that its SDKs use to list payment products and encrypt card data.
//! <https://apireference.connect.worldline-solutions.com/s2sapi/v1/en_US/java/sessions.html>

use crate::prelude::*;

/// Where the vendor says which credentials there are.
const KEYS: Source =
    Source::page("https://docs.direct.worldline-solutions.com/en/integration/api-developer-guide/authentication");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: String,
    api_secret: Secret,
    merchant_account_id: String,
}

const CLIENT: &[ClientParameter] = &[
    ClientParameter::new("customer_id", "the id of the customer in this session", "new Session({ customerId })"),
    ClientParameter::new("client_api_url", "the address of the Client API", "new Session({ clientApiUrl })"),
    ClientParameter::new("asset_url", "the address of the products' images", "new Session({ assetUrl })"),
    ClientParameter::new(
        "region",
        "the region of the account: EU, US, AMS or PAR",
        "only the first versions of the SDK took it, in place of the addresses",
    ),
];

pub(super) struct Worldline;

impl Connector for Worldline {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "worldline",
        name: "Worldline",
        docs: "https://apireference.connect.worldline-solutions.com/s2sapi/v1/en_US/java/sessions.html",
        unconfirmed: &["The numbers of the errors.", "The limit on the number of stored tokens in a request is ours."],
        evidence: &[
            Evidence::new(
                "path, headers, the text that is signed, members of the request",
                Source::sdk("connect-sdk-nodejs 5.2.0 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "the live host",
                Source::sdk("connect-sdk-go, default configuration and its list of changes"),
                "2026-11",
            ),
            Evidence::new(
                "the browser takes session id, customer id and both addresses",
                Source::sdk("connect-sdk-client-js 6.0.6 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "a client session is valid for two hours",
                Source::page("Worldline Connect Client API reference, Authentication"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "API key ids are hexadecimal in both environments (connect-sdk-nodejs); the host decides.",
        ),
        hosts: &[Host::main(
            "https://api.connect.worldline-solutions.com",
            "https://api.preprod.connect.worldline-solutions.com",
        )],
        credentials: &[
            required("api_key")
                .public()
                .found_in("Merchant Portal > Developer > Payment API > Add API Key: API Key ID", KEYS),
            required("api_secret")
                .found_in("Merchant Portal > Developer > Payment API > Add API Key: Secret API Key", KEYS),
            required("merchant_account_id").public().found_in("The PSPID, which the keys belong to", KEYS),
        ],
        grants: &[client_grant(
            "client_session",
            "call the Client API of the merchant for one customer: list products, encrypt card data",
            Lifetime::Fixed(7200),
            client_session,
        )
        .by_default()
        .inputs(&[Input::texts("tokens"), Input::object("payment_product_filters")])
        .worst_case(
            "list payment products, look up card numbers' issuers, encrypt card data, and see the masked data of the \
             stored tokens that were given",
            &[Bound::Customer],
        )
        .client_source(Source::sdk("connect-sdk-client-js 6.0.6 (npm)"))
        .client_parameters(CLIENT)
        // The hosts of clientApiUrl and assetUrl differ by data centre and brand.
        .url_domains_unknown()
        .minting_ends_earlier(MintingEndsEarlier::No(
            "connect-sdk-nodejs 5.2.0: each call makes a session of its own",
        ))],
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

/// The path that is signed is Worldline's own, without a path of the operator's base URL: a proxy
/// takes that away again.
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
    #[serde(default, deserialize_with = "encoding::lenient")]
    region: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    let codes = ["/errors/0/code", "/errors/0/id", "/errorId"];
    reply.refusal(&codes, &["/errors/0/message", "/errors/0/propertyName", "/message"], &["/errors/0/id"])
}
