//! Worldpay: the JWT for the device data of 3-D Secure, and a hosted payment page.
//! <https://docs.worldpay.com/access/products/3ds/web/device-data>

use crate::prelude::*;

const DEVICE_DATA: &str = "application/vnd.worldpay.verifications.customers-v3.hal+json";
const PAYMENT_PAGE: &str = "application/vnd.worldpay.payment_pages-v1.hal+json";
const MAX_REFERENCE: usize = 64;

#[derive(Deserialize)]
pub struct Credentials {
    username: Secret,
    password: Secret,
    entity_id: String,
}

pub struct Worldpay;

impl Connector for Worldpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "worldpay",
        name: "Worldpay",
        docs: "https://docs.worldpay.com/access/products/3ds/web/device-data",
        unconfirmed: &["The error name accessDenied and the statuses 401 and 429 of the device-data call."],
        hosts: &[Host::main("https://access.worldpay.com", "https://try.access.worldpay.com")],
        credentials: &[required("username"), required("password"), required("entity_id").public()],
        grants: &[
            Grant::client_unconverted(
                "device_data_jwt",
                "run the device-data collection of one 3-D Secure check",
                Lifetime::InReply,
            )
            .by_default()
            .inputs(&[Input::object("paymentInstrument")]),
            Grant::client_unconverted(
                "payment_page",
                "make that one payment on Worldpay's page",
                Lifetime::Settable { min: 300, default: 1800, max: 2_592_000 },
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

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        match (exchange.grant.name, exchange.replies) {
            ("device_data_jwt", []) => {
                let path = "/verifications/customers/3ds/deviceDataInitialization";
                call(credentials, exchange, path, DEVICE_DATA)?.send()
            }
            ("device_data_jwt", [reply, ..]) => {
                let answer: DeviceData = reply.accept(refusal)?;
                // A wallet's token may count as authenticated already: then there is nothing to collect.
                if answer.outcome == "alreadyAuthenticated" {
                    let refusal = Refusal::new(Some(answer.outcome), None::<String>);
                    return Err(reply.refuse(refusal.kind(Some(Kind::RequestRejected))));
                }
                let missing = || Error::bad_reply("Worldpay's answer has no JWT in it");
                let Collection { jwt, url, bin } = answer.device_data_collection.ok_or_else(missing)?;
                let token = Token::new(&jwt, "JWT", Expiry::of_jwt(&jwt)?)?.client("url", url);
                Ok(Step::Done(bin.into_iter().fold(token, |token, bin| token.client("bin", bin))))
            }
            ("payment_page", []) => {
                let given = Value::Object(exchange.input.body());
                for place in ["/value/amount", "/value/currency", "/narrative/line1"] {
                    if given.pointer(place).is_none_or(Value::is_null) {
                        let name = place.trim_start_matches('/').replace('/', ".");
                        return Err(Error::missing_inputs(&[&name], "payment_page needs it"));
                    }
                }
                call(credentials, exchange, "/payment_pages", PAYMENT_PAGE)?
                    .header("wp-correlationid", exchange.idempotency_key)
                    .send()
            }
            ("payment_page", [reply, ..]) => {
                let page: Page = reply.accept(refusal)?;
                Ok(Step::Done(Token::new(&page.url, "url", Expiry::after_reply(reply, exchange.ttl())?)?))
            }
            _ => Err(Error::new(Kind::Internal, "Worldpay has no such grant")),
        }
    }
}

fn call(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, media: &'static str) -> Result<Call> {
    if exchange.reference.chars().count() > MAX_REFERENCE {
        let description = format!("Worldpay takes at most {MAX_REFERENCE} characters");
        return Err(Error::invalid("merchant_access_token_id", description));
    }
    let mut body = Map::new();
    body.insert("transactionReference".into(), json!(exchange.reference));
    body.insert("merchant".into(), json!({ "entity": credentials.entity_id }));
    if let Lifetime::Settable { .. } = exchange.grant.lifetime {
        body.insert("expiry".into(), json!(exchange.ttl()));
    }
    exchange.input.copy_into(
        &mut body,
        &[
            ("paymentInstrument", "paymentInstrument"),
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
    let call = Call::post(exchange.url(path)?)
        .basic(credentials.username.expose(), credentials.password.expose())
        .header("accept", media)
        .body(Value::Object(body).to_string(), media);
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
    let refusal = Refusal::read(reply, &["/errorName"], &["/message"], &[]).reason(faults);
    let wrong = matches!(refusal.code.as_deref(), Some("unauthorized" | "accessDenied"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
