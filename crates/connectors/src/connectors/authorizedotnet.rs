//! Authorize.Net: form tokens for Accept Hosted, which pays, and for Accept Customer, which manages
//! stored cards.
//! <https://developer.authorize.net/api/reference/features/accept-hosted.html>

use crate::prelude::*;

const LIFETIME: u32 = 900;
/// The longest `refId` (AnetApiSchema.xsd, `ANetApiRequest`). It is only echoed and may repeat.
const MAX_REF_ID: usize = 20;
/// The setting that asks the payer of the payment form for a captcha.
const SECURITY: &str = "hostedPaymentSecurityOptions";
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
            "The address of the test form that manages a profile; several integrators use it.",
            "The meaning of the error codes.",
            "Whether an authorization of 0.00 is taken.",
        ],
        evidence: &[
            Evidence::new("sequence of the members, length of refId", Source::schema("AnetApiSchema.xsd"), "2026-11"),
            Evidence::new(
                "path, members of both requests, transaction types, names of the settings, test host",
                Source::sdk("npm authorizenet 1.0.10"),
                "2026-11",
            ),
            Evidence::new(
                "sequence and settings of the profile request, test host, the forms are shown in the page",
                Source::sdk("AuthorizeNet/accept-sample-app, getToken.php and index.php"),
                "2026-11",
            ),
            Evidence::new(
                "15 minutes, one amount, addresses of the live forms, the token is posted by the browser",
                Source::page("https://developer.authorize.net/api/reference/features/accept-hosted.html"),
                "2026-11",
            ),
            Evidence::new(
                "addresses of the test forms, the byte-order mark before each answer, members of the JSON form",
                Source::third_party("integrations on GitHub: terminusgps, a Frappe app, two shop backends"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The vendor documents no form of a login id or transaction key that tells the environments apart.",
        ),
        hosts: &[Host::main("https://api.authorize.net", "https://apitest.authorize.net")],
        credentials: &[required("name").public().found_in("Merchant Interface > Account > Settings > API Credentials & Keys: API Login ID", Source::page("https://support.authorize.net/knowledgebase/Knowledgearticle/?code=KA-07619")), required("transaction_key").found_in("Merchant Interface > Account > Settings > API Credentials & Keys > New Transaction Key: transaction key", Source::page("https://developer.authorize.net/hello_world/common_setup_questions.html"))],
        grants: &[
            client_grant(
                "hosted_payment_page",
                "pay that one amount on the hosted form, as a charge or, where that was asked for, as a hold",
                Lifetime::Fixed(LIFETIME),
                hosted_payment_page,
            )
            .by_default()
            .worst_case(
                "pay that amount once from any page, with stolen cards too; the form asks for a captcha unless the \
                 settings turn it off",
                &[Bound::Amount, Bound::Object, Bound::SingleUse],
            )
            .client_source(Source::page("https://developer.authorize.net/api/reference/features/accept-hosted.html"))
            .minting_ends_earlier(MintingEndsEarlier::No("Accept Hosted page: each call makes a form of its own"))
            .client_parameters(&[ClientParameter::new(
                "form_url",
                "the address of the payment form",
                "the action of an HTML form that posts the token as its field token",
            )])
            .lifetime_note("the form must be opened within the 15 minutes, and a finished payment uses the token up")
            .inputs(&[
                Input::decimal("amount").required(),
                Input::one_of("transaction_type", &["authCaptureTransaction", "authOnlyTransaction"]),
                SETTINGS,
            ]),
            client_grant(
                "hosted_profile_page",
                "add, change and remove that customer's stored cards on the hosted form",
                Lifetime::Fixed(LIFETIME),
                hosted_profile_page,
            )
            .worst_case(
                "see the customer's masked cards and addresses, and add, change or delete them",
                &[Bound::Customer],
            )
            .client_source(Source::sdk("AuthorizeNet/accept-sample-app, getToken.php and index.php"))
            .client_parameters(&[ClientParameter::new(
                "form_url",
                "the address of the form that manages the profile",
                "the action of an HTML form that posts the token as its field token",
            )])
            .inputs(&[Input::text("customer_profile_id").required(), SETTINGS]),
        ],
    };
}

fn hosted_payment_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let kind = exchange.input.text("transaction_type").unwrap_or("authCaptureTransaction");
            let transaction = object(&[
                ("transactionType", Some(json!(kind).to_string())),
                ("amount", Some(json!(exchange.input.required_decimal("amount")?).to_string())),
            ]);
            let members = object(&[
                ("merchantAuthentication", Some(login(credentials))),
                ("refId", Some(ref_id(exchange))),
                ("transactionRequest", Some(transaction)),
                ("hostedPaymentSettings", settings(exchange, &[(SECURITY, json!({ "captcha": true }))])),
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
                ("hostedProfileSettings", settings(exchange, &[])),
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

/// The caller's settings, and ours where the caller has no word on them.
fn settings(exchange: &Exchange<'_>, ours: &[(&str, Value)]) -> Option<String> {
    let text = |value: &Value| json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let setting = |(name, value): (&str, &Value)| json!({ "settingName": name, "settingValue": text(value) });
    let given = exchange.input.value("settings").and_then(Value::as_object);
    let is_given = |name: &str| given.is_some_and(|given| given.contains_key(name));
    let ours = ours.iter().filter(|(name, _)| !is_given(name)).map(|(name, value)| (*name, value));
    let settings: Vec<Value> =
        given.into_iter().flatten().map(|(name, value)| (name.as_str(), value)).chain(ours).map(setting).collect();
    (!settings.is_empty()).then(|| json!({ "setting": settings }).to_string())
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
    #[serde(default, deserialize_with = "encoding::lenient")]
    token: Option<String>,
    messages: Messages,
}

#[derive(Deserialize)]
struct Messages {
    #[serde(rename = "resultCode")]
    result_code: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    message: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "encoding::lenient")]
    code: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    text: String,
}

/// The answer without the byte-order mark before it.
fn answer(reply: &Reply) -> Option<Answer> {
    serde_json::from_str(reply.text().ok()?.trim_start_matches('\u{feff}')).ok()
}

/// Refusals come with status 200, so the kind is read from the code.
/// <https://developer.authorize.net/api/reference/responseCodes.html>
fn refusal(reply: &Reply) -> Refusal {
    let messages = answer(reply).map(|answer| answer.messages.message).unwrap_or_default();
    let mut messages = messages.into_iter();
    let Some(Message { code, text }) = messages.next() else { return Refusal::default() };
    let kind = match code.as_str() {
        "E00005" | "E00006" | "E00007" | "E00008" => Some(Kind::CredentialsRejected),
        "E00010" | "E00011" | "E00044" => Some(Kind::PermissionDenied),
        "E00001" | "E00049" | "E00053" => Some(Kind::Unavailable),
        _ => reply.is_success().then_some(Kind::RequestRejected),
    };
    let further: Vec<String> = messages.map(|message| format!("{}: {}", message.code, message.text)).collect();
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    Refusal::new(filled(code), filled(text)).reason(filled(further.join("; "))).kind(kind)
}
