//! Volt: an embedded checkout for one payment, and the API user's own access token.
//! <https://docs.volt.io/gateway/>

use crate::prelude::*;

/// The older gateway, with a login of its own.
const API: Host = Host::named("api", "https://api.volt.io", "https://api.sandbox.volt.io");
/// Volt's bound on the unique reference, in letters and digits.
const MAX_REFERENCE: usize = 18;

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Secret,
    password: Secret,
    client_id: Secret,
    client_secret: Secret,
}

pub(super) struct Volt;

impl Connector for Volt {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "volt",
        name: "Volt",
        docs: "https://docs.volt.io/gateway/",
        unconfirmed: &[
            "The JSON body of the token call; the older guide has a form.",
            "The shape of the token call's refusals.",
            "The fields id and token in the answer to an embedded payment.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://gateway.volt.io", "https://gateway.sandbox.volt.io"), API],
        credentials: &[
            required("username").public(),
            required("password"),
            required("client_id").public(),
            required("client_secret"),
        ],
        grants: &[
            client_grant("embedded_payment", "authorise that one payment", Lifetime::Unpublished, embedded_payment)
                .inputs(&[
                    Input::integer("amount", 1, 999_999_999_999).required(),
                    Input::currency("currency").required(),
                    Input::one_of("type", &["BILL", "GOODS", "PERSON_TO_PERSON", "SERVICES", "OTHER"]).required(),
                    Input::object("shopper").required(),
                    Input::text("bank"),
                    Input::text("callback"),
                    Input::url("notification_url"),
                ]),
            server_grant("access_token", "pay, refund, pay out, read the account", Lifetime::Fixed(3600), access_token),
        ],
    };
}

fn embedded_payment(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let login = login(credentials);
            let form = login.iter().fold(FormBody::new(), |form, (name, value)| form.field(name, value));
            Call::post(exchange.url_on(&API, "/oauth")?).form(form).repeatable().send()
        }
        [login] => Call::post(exchange.url_on(&API, "/dropin")?)
            .bearer(login.accept::<oauth::AccessToken>(refusal)?.access_token.expose())
            .json(&payment(exchange)?)
            .send(),
        [login, reply, ..] => {
            let made: Payment = reply.accept(refusal)?;
            if made.token == login.json::<oauth::AccessToken>()?.access_token.expose() {
                return Err(Error::bad_reply("Volt gave the API user's token in place of the payment's"));
            }
            let token = Token::new(&made.token, "embedded_payment", Expiry::Unpublished)?;
            Ok(Step::Done(token.client("payment_id", made.id)))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let login = login(credentials);
            let body: Map<String, Value> = login.iter().map(|(name, value)| ((*name).into(), json!(value))).collect();
            Call::post(exchange.url("/oauth")?).json(&body).repeatable().send()
        }
        // The answer has a long-lived refresh token too, which is not handed out.
        [reply, ..] => {
            Ok(Step::Done(reply.accept::<oauth::AccessToken>(refusal)?.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

fn login(credentials: &Credentials) -> [(&'static str, &str); 5] {
    [
        ("grant_type", "password"),
        ("client_id", credentials.client_id.expose()),
        ("client_secret", credentials.client_secret.expose()),
        ("username", credentials.username.expose()),
        ("password", credentials.password.expose()),
    ]
}

fn payment(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut body = Map::new();
    input.copy_into(&mut body, &["amount", "type", "shopper", "bank", "callback"].map(|name| (name, name)));
    input.copy_into(&mut body, &[("notification_url", "notificationUrl")]);
    body.insert("currencyCode".into(), json!(input.required_text("currency")?.to_ascii_uppercase()));
    body.insert("uniqueReference".into(), json!(exchange.reference_within(MAX_REFERENCE, "")));
    Ok(body)
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    token: String,
}

/// `code` is a number from the token call and a text from the others. The shape of RFC 6749 is read
/// too.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    code: Option<Value>,
    message: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    #[serde(deserialize_with = "encoding::null_as_default")]
    errors: Vec<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fault {
    property_path: Option<String>,
    message: Option<String>,
}

fn refusal(reply: &Reply) -> Refusal {
    let failure: Failure = reply.lenient();
    let code = failure.code.map(|code| code.as_str().map_or_else(|| code.to_string(), Into::into));
    // The password grant refuses a wrong user with invalid_grant (RFC 6749 section 5.2).
    let wrong_user =
        failure.error.as_deref() == Some("invalid_grant") || reply.status == 400 && code.as_deref() == Some("401");
    let kind = oauth::kind(failure.error.as_deref()).or(wrong_user.then_some(Kind::CredentialsRejected));
    let reason = failure
        .errors
        .into_iter()
        .next()
        .map(|fault| [fault.property_path, fault.message].into_iter().flatten().collect::<Vec<_>>().join(": "));
    Refusal::new(code.or(failure.error), failure.message.or(failure.error_description)).reason(reason).kind(kind)
}
