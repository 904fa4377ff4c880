//! TrustPay: the secrets of one wallet payment, and the project's own access token.
//! <https://doc.trustpay.eu/aapi>

use crate::prelude::*;

/// The vendor's bank API has texts of 35 characters (`Max35Text` of ISO 20022) for references. No
/// document of the card gateway was found.
const MAX_REFERENCE: usize = 35;
const REFERENCE_SIGNS: &str = "-_./:";

const GATEWAY: Host = Host::named("gateway", "https://tpgw.trustpay.eu", "https://test-tpgw.trustpay.eu");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    project_id: Secret,
    secret_key: Secret,
}

pub(super) struct Trustpay;

impl Connector for Trustpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "trustpay",
        name: "TrustPay",
        docs: "https://doc.trustpay.eu/aapi",
        unconfirmed: &[
            "The whole call for a wallet's secrets: path, fields, answer and refusals; and which secret is for whom.",
            "The bound of 35 characters on a reference.",
            "The fields token_type, expires_in and ResultInfo of the token answer.",
            "The meaning of the result codes in refusals with status 200.",
            "A test host of the bank API (aapitest.trustpay.eu), which old SDKs use: test_base_url can name it.",
        ],
        evidence: &[
            Evidence::new(
                "the token call: address, Basic authentication, form, access_token",
                Source::page("https://doc.trustpay.eu/aapi"),
                "2026-11",
            ),
            Evidence::new(
                "the token call with the project's id and secret key",
                Source::third_party("MarekVikartovsky\\TrustPay (PHP) and one more public client"),
                "2026-11",
            ),
            Evidence::new(
                "the card gateway's hosts and the script that takes a wallet's secrets",
                Source::third_party("hyperswitch-web"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("No form that tells the environment is documented (https://doc.trustpay.eu/aapi)."),
        hosts: &[
            // One host for both modes: the project decides.
            Host::main("https://aapi.trustpay.eu", "https://aapi.trustpay.eu"),
            GATEWAY,
        ],
        credentials: &[required("api_key"), required("project_id").public(), required("secret_key")],
        grants: &[
            client_grant(
                "wallet_intent_secrets",
                "show and pay one payment with Apple Pay or Google Pay",
                Lifetime::Unpublished,
                wallet_intent_secrets,
            )
            .inputs(&[
                Input::decimal("amount").required(),
                Input::currency("currency").required(),
                Input::one_of("wallet", &["apple_pay", "google_pay"]).required(),
            ])
            .worst_case("show and pay that one payment with a wallet, own or stolen", &[Bound::Amount, Bound::Object])
            .client_parameters(&[
                ClientParameter::new(
                    "display_secret",
                    "the secret that shows the wallet's sheet",
                    "TrustPay's script (js/v1.js)",
                ),
                ClientParameter::new("instance_id", "the id of the payment", "TrustPay's script (js/v1.js)"),
                ClientParameter::new(
                    "init_result_data",
                    "the wallet's request, as JSON: country, currency, total",
                    "ApplePaySession or the payments client of Google Pay",
                ),
                ClientParameter::new(
                    "library_url",
                    "TrustPay's script for this environment",
                    "the src of the script that defines TrustPayApi",
                ),
            ])
            .minting_ends_earlier(MintingEndsEarlier::Unknown),
            server_grant(
                "access_token",
                "use the project's API: payments, refunds, reports",
                Lifetime::InReply,
                access_token,
            ),
        ],
    };
}

fn wallet_intent_secrets(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let wallet = match input.required_text("wallet")? {
                "apple_pay" => "initApplePay",
                _ => "initGooglePay",
            };
            let form = FormBody::new()
                .field("amount", &input.required_decimal("amount")?)
                .field("currency", &input.required_text("currency")?.to_ascii_uppercase())
                .field("reference", &exchange.reference_within(MAX_REFERENCE, REFERENCE_SIGNS))
                .field(wallet, "true");
            Call::post(exchange.url_on(&GATEWAY, "/api/v1/intent")?)
                .secret_header("x-api-key", credentials.api_key.expose())
                .form(form)
                .send()
        }
        [reply, ..] => {
            let intent: Intent = reply.accept(refusal)?;
            let Some(secrets) = intent.secrets else { return Err(without_token(reply)) };
            let init =
                intent.init_result_data.ok_or_else(|| Error::bad_reply("TrustPay sent no data for the wallet"))?;
            let library = format!("{}/js/v1.js", GATEWAY.of(exchange.mode));
            let token = Token::new(&secrets.payment, "wallet_secret", Expiry::Unpublished)?
                .client("library_url", library)
                .client("display_secret", secrets.display)
                .client("init_result_data", init.to_string());
            Ok(Step::Done(intent.instance_id.into_iter().fold(token, |token, id| token.client("instance_id", id))))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/api/oauth2/token")?)
            .basic(credentials.project_id.expose(), credentials.secret_key.expose())
            .form(FormBody::new().field("grant_type", "client_credentials"))
            .repeatable()
            .send(),
        [reply, ..] => {
            let granted: Granted = reply.accept(refusal)?;
            let (Some(token), Some(seconds)) = (granted.access_token, granted.expires_in) else {
                return Err(without_token(reply));
            };
            let token_type = granted.token_type.unwrap_or("Bearer".into());
            Ok(Step::Done(Token::new(token.expose(), token_type, Expiry::after_reply(reply, seconds)?)?))
        }
    }
}

/// All members are optional, as a refusal may come with status 200 in their place.
#[derive(Deserialize)]
struct Granted {
    access_token: Option<Secret>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intent {
    #[serde(default, deserialize_with = "encoding::lenient")]
    instance_id: Option<String>,
    secrets: Option<Secrets>,
    #[serde(alias = "appleInitResultData", alias = "googleInitResultData")]
    init_result_data: Option<Value>,
}

#[derive(Deserialize)]
struct Secrets {
    display: String,
    payment: String,
}

/// The error of a success without a token: the refusal in it, where there is one.
fn without_token(reply: &Reply) -> Error {
    match refusal(reply) {
        Refusal { code: None, message: None, .. } => Error::bad_reply("TrustPay's answer lacks what is documented"),
        refusal => reply.refuse(refusal),
    }
}

/// The shape of the bank API (`ResultInfo`), then that of the card gateway (`description`,
/// `errors`). A refusal may come with status 200; then the result code gives the kind.
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/ResultInfo/ResultCode", "/errors/0/code"],
        &["/ResultInfo/AdditionalInfo", "/description", "/errors/0/description"],
        &["/errors/0/description", "/ResultInfo/AdditionalInfo"],
    );
    let kind = reply.is_success().then_some(match refusal.code.as_deref() {
        Some("1002" | "1004" | "1006") => Kind::CredentialsRejected,
        Some("1003" | "1008") => Kind::PermissionDenied,
        Some("1100") => Kind::Unavailable,
        Some(_) => Kind::RequestRejected,
        None => Kind::Refused,
    });
    refusal.kind(kind)
}
