//! Authorize.Net: form tokens for Accept Hosted, which pays, and for Accept Customer, which manages
//! stored cards.
//! <https://developer.authorize.net/api/reference/features/accept-hosted.html>

use crate::prelude::*;

const LIFETIME: u32 = 900;
const MAX_REF_ID: usize = 20;
/// Settings by Authorize.Net's own names; a text is sent as it is, anything else as JSON in a text.
const SETTINGS: Input = Input::object("settings");

#[derive(Deserialize)]
pub(super) struct Credentials {
    name: String,
    transaction_key: Secret,
}

pub(super) struct Authorizedotnet;

impl Connector for Authorizedotnet {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "authorizedotnet",
        name: "Authorize.Net",
        docs: "https://developer.authorize.net/api/reference/features/accept-hosted.html",
        unconfirmed: &[
            "The form addresses other than the live payment form's.",
            "The meaning of the error codes.",
            "The byte-order mark before each answer.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.authorize.net", "https://apitest.authorize.net")],
        credentials: &[required("name").public(), required("transaction_key")],
        grants: &[
            client_grant(
                "hosted_payment_page",
                "pay that one amount on the hosted form",
                Lifetime::Fixed(LIFETIME),
                hosted_payment_page,
            )
            .by_default()
            .inputs(&[Input::decimal("amount").required(), SETTINGS]),
            client_grant(
                "hosted_profile_page",
                "add, change and remove that customer's stored cards on the hosted form",
                Lifetime::Fixed(LIFETIME),
                hosted_profile_page,
            )
            .inputs(&[Input::text("customer_profile_id").required(), SETTINGS]),
        ],
    };
}

fn hosted_payment_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let transaction = object(&[
                ("transactionType", Some(json!("authCaptureTransaction").to_string())),
                ("amount", Some(json!(exchange.input.required_decimal("amount")?).to_string())),
            ]);
            let members = object(&[
                ("merchantAuthentication", Some(login(credentials))),
                ("refId", Some(ref_id(exchange))),
                ("transactionRequest", Some(transaction)),
                ("hostedPaymentSettings", settings(exchange)),
            ]);
            post(exchange, object(&[("getHostedPaymentPageRequest", Some(members))]))
        }
        [reply, ..] => form_token(exchange, reply, "payment/payment"),
    }
}

fn hosted_profile_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let members = object(&[
                ("merchantAuthentication", Some(login(credentials))),
                ("refId", Some(ref_id(exchange))),
                ("customerProfileId", Some(exchange.input.required_value("customer_profile_id")?.to_string())),
                ("hostedProfileSettings", settings(exchange)),
            ]);
            post(exchange, object(&[("getHostedProfilePageRequest", Some(members))]))
        }
        [reply, ..] => form_token(exchange, reply, "customer/manage"),
    }
}

fn post(exchange: &Exchange<'_>, body: String) -> Result<Step> {
    Call::post(exchange.url("/xml/v1/request.api")?).body(body, "application/json").repeatable().send()
}

fn form_token(exchange: &Exchange<'_>, reply: &Reply, page: &str) -> Result<Step> {
    reply.succeed(refusal)?;
    let answer = answer(reply).ok_or_else(|| Error::bad_reply("Authorize.Net's answer cannot be read"))?;
    if answer.messages.result_code != "Ok" {
        return Err(reply.refuse(refusal(reply)));
    }
    let token = Token::new(&answer.token.unwrap_or_default(), "token", Expiry::after_reply(reply, LIFETIME)?)?;
    let host = match exchange.mode {
        Mode::Live => "https://accept.authorize.net",
        Mode::Test => "https://test.authorize.net",
    };
    Ok(Step::Done(token.client("form_url", format!("{host}/{page}"))))
}

fn login(credentials: &Credentials) -> String {
    json!({ "name": credentials.name, "transactionKey": credentials.transaction_key.expose() }).to_string()
}

fn ref_id(exchange: &Exchange<'_>) -> String {
    json!(exchange.reference_within(MAX_REF_ID, "-_.")).to_string()
}

fn settings(exchange: &Exchange<'_>) -> Option<String> {
    let text = |value: &Value| json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let setting = |(name, value)| json!({ "settingName": name, "settingValue": text(value) });
    let settings = exchange.input.value("settings")?.as_object()?.iter().map(setting).collect::<Vec<_>>();
    Some(json!({ "setting": settings }).to_string())
}

/// A JSON object of the members that are present, each of which is JSON already.
///
/// The order of the members counts: Authorize.Net maps the JSON to XML, where a sequence is fixed.
fn object(members: &[(&str, Option<String>)]) -> String {
    let member = |(name, json): &(&str, Option<String>)| Some(format!("\"{name}\":{}", json.as_ref()?));
    format!("{{{}}}", members.iter().filter_map(member).collect::<Vec<_>>().join(","))
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    messages: Messages,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(rename = "resultCode")]
    result_code: String,
    message: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    code: String,
    text: String,
}

/// The answer without the byte-order mark before it.
fn answer(reply: &Reply) -> Option<Answer> {
    serde_json::from_str(reply.text().ok()?.trim_start_matches('\u{feff}')).ok()
}

/// Refusals come with status 200, so the kind is read from the code.
/// <https://developer.authorize.net/api/reference/responseCodes.html>
fn refusal(reply: &Reply) -> Refusal {
    let message = answer(reply).and_then(|answer| answer.messages.message.into_iter().next());
    let Some(Message { code, text }) = message else { return Refusal::default() };
    let kind = match code.as_str() {
        "E00005" | "E00006" | "E00007" | "E00008" => Some(Kind::CredentialsRejected),
        "E00010" | "E00011" | "E00044" => Some(Kind::PermissionDenied),
        "E00001" | "E00049" | "E00053" => Some(Kind::Unavailable),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    Refusal::new(Some(code), Some(text)).kind(kind)
}
