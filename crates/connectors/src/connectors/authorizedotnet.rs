//! Authorize.Net: form tokens for Accept Hosted, which pays, and Accept Customer, which manages stored cards.
//! <https://developer.authorize.net/api/reference/features/accept-hosted.html>

use crate::prelude::*;

const LIFETIME: u32 = 900;
const MAX_REF_ID: usize = 20;
/// Settings by Authorize.Net's own names; a text is sent as it is, anything else as JSON in a text.
const SETTINGS: Input = Input::object("settings");

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    transaction_key: Secret,
}

pub struct Authorizedotnet;

impl Connector for Authorizedotnet {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "authorizedotnet",
        name: "Authorize.Net",
        docs: "https://developer.authorize.net/api/reference/features/accept-hosted.html",
        unconfirmed: &[
            "The form addresses other than the live payment form's.",
            "What the error codes mean.",
            "The byte-order mark before each answer.",
        ],
        hosts: &[Host::main("https://api.authorize.net", "https://apitest.authorize.net")],
        credentials: &[required("name").public(), required("transaction_key")],
        grants: &[
            Grant::client_unconverted(
                "hosted_payment_page",
                "pay that one amount on the hosted form",
                Lifetime::Fixed(LIFETIME),
            )
            .by_default()
            .inputs(&[Input::decimal("amount").required(), SETTINGS]),
            Grant::client_unconverted(
                "hosted_profile_page",
                "add, change and remove that customer's stored cards on the hosted form",
                Lifetime::Fixed(LIFETIME),
            )
            .inputs(&[Input::text("customer_profile_id").required(), SETTINGS]),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let (request, page) = match exchange.grant.name {
            "hosted_payment_page" => ("getHostedPaymentPageRequest", "payment/payment"),
            _ => ("getHostedProfilePageRequest", "customer/manage"),
        };
        match exchange.replies {
            [] => Call::post(exchange.url("/xml/v1/request.api")?)
                .body(body(credentials, exchange, request), "application/json")
                .repeatable()
                .send(),
            [reply, ..] => {
                reply.succeed(refusal)?;
                let answer = answer(reply).ok_or_else(|| Error::bad_reply("Authorize.Net's answer cannot be read"))?;
                if answer.messages.result_code != "Ok" {
                    return Err(reply.refuse(refusal(reply)));
                }
                let token =
                    Token::new(&answer.token.unwrap_or_default(), "token", Expiry::after_reply(reply, LIFETIME)?)?;
                let host = match exchange.mode {
                    Mode::Live => "https://accept.authorize.net",
                    Mode::Test => "https://test.authorize.net",
                };
                Ok(Step::Done(token.client("form_url", format!("{host}/{page}"))))
            }
        }
    }
}

/// Member by member: the vendor maps the JSON to XML with a fixed sequence.
fn body(credentials: &Credentials, exchange: &Exchange<'_>, request: &str) -> String {
    let input = exchange.input;
    let login = json!({ "name": credentials.name, "transactionKey": credentials.transaction_key.expose() });
    let reference = exchange.reference_within(MAX_REF_ID, "-_.");
    let text = |value: &Value| json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let settings = input.value("settings").and_then(Value::as_object).map(|settings| {
        let setting = |(name, value)| json!({ "settingName": name, "settingValue": text(value) });
        json!({ "setting": settings.iter().map(setting).collect::<Vec<_>>() }).to_string()
    });
    let transaction = input.decimal("amount").map(|amount| {
        object(&[
            ("transactionType", Some(json!("authCaptureTransaction").to_string())),
            ("amount", Some(json!(amount).to_string())),
        ])
    });
    let pays = exchange.grant.name == "hosted_payment_page";
    let members = object(&[
        ("merchantAuthentication", Some(login.to_string())),
        ("refId", Some(json!(reference).to_string())),
        ("transactionRequest", transaction),
        ("customerProfileId", input.value("customer_profile_id").map(Value::to_string)),
        (if pays { "hostedPaymentSettings" } else { "hostedProfileSettings" }, settings),
    ]);
    object(&[(request, Some(members))])
}

/// A JSON object of those members, already JSON themselves, that are there.
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

/// Refusals come with status 200, so only the code tells what is meant.
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
