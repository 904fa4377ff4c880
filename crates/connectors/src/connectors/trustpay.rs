//! TrustPay: the secrets of one wallet payment, and the project's own access token.
//! <https://doc.trustpay.eu/aapi>

use crate::prelude::*;

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
            "The whole call for a wallet's secrets: host, path, fields, answer and refusals.",
            "The fields token_type, expires_in and ResultInfo of the token answer.",
            "The meaning of the result codes in refusals with status 200.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
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
            ]),
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
                .field("reference", exchange.reference)
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
            let token = Token::new(&secrets.payment, "wallet_secret", Expiry::Unpublished)?
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
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Intent {
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

/// The shape of the bank API (`ResultInfo`) and that of the card gateway (`description`, `errors`).
#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    #[serde(rename = "ResultInfo", deserialize_with = "encoding::null_as_default")]
    result_info: ResultInfo,
    description: Option<String>,
    #[serde(deserialize_with = "encoding::null_as_default")]
    errors: Vec<Fault>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct ResultInfo {
    result_code: Option<Seconds>,
    additional_info: Option<String>,
}

#[derive(Deserialize)]
struct Fault {
    code: Option<Seconds>,
    description: Option<String>,
}

/// The error of a success without a token: the refusal in it, where there is one.
fn without_token(reply: &Reply) -> Error {
    match refusal(reply) {
        Refusal { code: None, message: None, .. } => Error::bad_reply("TrustPay's answer lacks what is documented"),
        refusal => reply.refuse(refusal),
    }
}

/// A refusal may come with status 200; then the result code gives the kind.
fn refusal(reply: &Reply) -> Refusal {
    let Failure { result_info, description, errors } = reply.lenient();
    let (code, reason) = errors.into_iter().next().map_or((None, None), |fault| (fault.code, fault.description));
    let code = result_info.result_code.or(code).map(|code| code.0);
    let kind = reply.is_success().then_some(match code {
        Some(1002 | 1004 | 1006) => Kind::CredentialsRejected,
        Some(1003 | 1008) => Kind::PermissionDenied,
        Some(1100) => Kind::Unavailable,
        Some(_) => Kind::RequestRejected,
        None => Kind::Refused,
    });
    let reason = reason.or_else(|| result_info.additional_info.clone());
    let message = result_info.additional_info.or(description);
    Refusal::new(code.map(|code| code.to_string()), message).reason(reason).kind(kind)
}
