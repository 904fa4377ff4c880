//! Worldpay: the JWT for the device data of 3-D Secure, and a hosted payment page.
//! <https://docs.worldpay.com/access/products/3ds/web/device-data>

use crate::prelude::*;

const DEVICE_DATA: &str = "application/vnd.worldpay.verifications.customers-v3.hal+json";
const PAYMENT_PAGE: &str = "application/vnd.worldpay.payment_pages-v1.hal+json";
const MAX_REFERENCE: usize = 64;

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Secret,
    password: Secret,
    entity_id: String,
}

pub(super) struct Worldpay;

impl Connector for Worldpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "worldpay",
        name: "Worldpay",
        docs: "https://docs.worldpay.com/access/products/3ds/web/device-data",
        unconfirmed: &["The error name accessDenied and the statuses 401 and 429 of the device-data call."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://access.worldpay.com", "https://try.access.worldpay.com")],
        credentials: &[required("username"), required("password"), required("entity_id").public()],
        grants: &[
            client_grant(
                "device_data_jwt",
                "run the device-data collection of one 3-D Secure check",
                Lifetime::InReply,
                device_data_jwt,
            )
            .by_default()
            .inputs(&[Input::object("paymentInstrument")]),
            client_grant(
                "payment_page",
                "make that one payment on Worldpay's page",
                Lifetime::Settable { min: 300, default: 1800, max: 2_592_000 },
                payment_page,
            )
            .inputs(&[
                Input::object("value").required(),
                Input::object("narrative").required(),
                Input::text("description"),
                Input::object("result_urls"),
                Input::text("locale"),
                Input::object("create_token"),
                Input::object("three_ds"),
                Input::object("billing_address"),
                Input::object("hosted_properties"),
            ]),
        ],
    };
}

fn device_data_jwt(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = body(credentials, exchange)?;
            exchange.input.copy_into(&mut body, &[("paymentInstrument", "paymentInstrument")]);
            let path = "/verifications/customers/3ds/deviceDataInitialization";
            post(credentials, exchange, path, DEVICE_DATA, body)?.send()
        }
        [reply, ..] => {
            let answer: DeviceData = reply.accept(refusal)?;
            // A wallet's token may count as authenticated already: there is no data to collect.
            if answer.outcome == "alreadyAuthenticated" {
                let refusal = Refusal::new(Some(answer.outcome), None::<String>);
                return Err(reply.refuse(refusal.kind(Some(Kind::RequestRejected))));
            }
            let missing = || Error::bad_reply("Worldpay's answer has no JWT in it");
            let Collection { jwt, url, bin } = answer.device_data_collection.ok_or_else(missing)?;
            let token = Token::new(&jwt, "JWT", Expiry::of_jwt(&jwt)?)?.client("url", url);
            Ok(Step::Done(bin.into_iter().fold(token, |token, bin| token.client("bin", bin))))
        }
    }
}

fn payment_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let body = page(credentials, exchange)?;
            post(credentials, exchange, "/payment_pages", PAYMENT_PAGE, body)?
                .header("wp-correlationid", exchange.idempotency_key)
                .send()
        }
        [reply, ..] => {
            let page: Page = reply.accept(refusal)?;
            Ok(Step::Done(Token::new(&page.url, "url", Expiry::after_reply(reply, exchange.ttl())?)?))
        }
    }
}

fn page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let given = Value::Object(exchange.input.body());
    for pointer in ["/value/amount", "/value/currency", "/narrative/line1"] {
        if given.pointer(pointer).is_none_or(Value::is_null) {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            return Err(Error::missing_inputs(&[&name], "payment_page needs it"));
        }
    }
    let mut body = body(credentials, exchange)?;
    body.insert("expiry".into(), json!(exchange.ttl()));
    exchange.input.copy_into(
        &mut body,
        &[
            ("value", "value"),
            ("narrative", "narrative"),
            ("description", "description"),
            ("result_urls", "resultURLs"),
            ("locale", "locale"),
            ("create_token", "createToken"),
            ("three_ds", "threeDS"),
            ("billing_address", "billingAddress"),
            ("hosted_properties", "hostedProperties"),
        ],
    );
    Ok(body)
}

/// The members that both calls have.
fn body(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    if exchange.reference.chars().count() > MAX_REFERENCE {
        let description = format!("Worldpay takes at most {MAX_REFERENCE} characters");
        return Err(Error::invalid("merchant_access_token_id", description));
    }
    let mut body = Map::new();
    body.insert("transactionReference".into(), json!(exchange.reference));
    body.insert("merchant".into(), json!({ "entity": credentials.entity_id }));
    Ok(body)
}

fn post(
    credentials: &Credentials,
    exchange: &Exchange<'_>,
    path: &str,
    media_type: &'static str,
    body: Map<String, Value>,
) -> Result<Call> {
    let call = Call::post(exchange.url(path)?)
        .basic(credentials.username.expose(), credentials.password.expose())
        .header("accept", media_type)
        .body(Value::Object(body).to_string(), media_type);
    Ok(call.repeatable())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceData {
    outcome: String,
    device_data_collection: Option<Collection>,
}

#[derive(Deserialize)]
struct Collection {
    jwt: String,
    url: String,
    bin: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    url: String,
}

fn refusal(reply: &Reply) -> Refusal {
    let faults = encoding::faults_at(&reply.lenient(), "/validationErrors", &["jsonPath", "message"]);
    let refusal = reply.refusal(&["/errorName"], &["/message"], &[]).reason(faults);
    let wrong = matches!(refusal.code.as_deref(), Some("unauthorized" | "accessDenied"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
