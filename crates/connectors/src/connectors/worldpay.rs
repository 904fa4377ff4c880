//! Worldpay: the JWT for the device data of 3-D Secure, and a hosted payment page.
//! <https://docs.worldpay.com/access/products/3ds/web/device-data>

use crate::prelude::*;

const DEVICE_DATA: &str = "application/vnd.worldpay.verifications.customers-v3.hal+json";
const PAYMENT_PAGE: &str = "application/vnd.worldpay.payment_pages-v1.hal+json";
/// The longest `transactionReference` and its characters next to letters and digits (Access
/// Worldpay, Formatting). Worldpay wants a new one for each payment, and its test host refuses a
/// used one.
const MAX_REFERENCE: usize = 64;
const REFERENCE: &str = "-_/!@#$%()*=.:;?[]{}~+";
/// The longest first line of the narrative (the same page).
const MAX_NARRATIVE: usize = 24;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.worldpay.com/access/products/transfers/v1/get-started");

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
        unconfirmed: &[
            "The error name accessDenied and the statuses 401 and 429 of the device-data call.",
            "Whether a device-data call takes a used transaction reference; it is sent as it is.",
        ],
        evidence: &[
            Evidence::new(
                "path, media types, members of request and answer, error names of the device-data call",
                Source::schema("Access Worldpay 3DS v3, OpenAPI document"),
                "2026-11",
            ),
            Evidence::new(
                "path, media types, WP-CorrelationId, members and bounds of a payment page",
                Source::schema("Access Worldpay Hosted Payment Pages v1, OpenAPI document"),
                "2026-11",
            ),
            Evidence::new(
                "length and characters of the transaction reference and of the narrative, a used reference is refused",
                Source::page(
                    "https://developer.worldpay.com/products/access/hosted-payment-pages/reference/formatting/",
                ),
                "2026-11",
            ),
            Evidence::new(
                "path and members of the device-data call",
                Source::sdk("Worldpay/Worldpay-Magento2-AW"),
                "2026-11",
            ),
            Evidence::new(
                "media types and members of both calls",
                Source::third_party("SN-Dan/neat-worldpay-ecommerce and others on GitHub"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The vendor documents no form of a user name or an entity that tells the hosts apart.",
        ),
        hosts: &[Host::main("https://access.worldpay.com", "https://try.access.worldpay.com")],
        credentials: &[
            required("username").found_in("The Implementation Manager hands it out: Basic Auth username", KEYS),
            required("password").found_in("The Implementation Manager hands it out: Basic Auth password", KEYS),
            required("entity_id").public(),
        ],
        grants: &[
            client_grant(
                "device_data_jwt",
                "run the device-data collection of one 3-D Secure check",
                Lifetime::InReply,
                device_data_jwt,
            )
            .by_default()
            .worst_case("run one collection of device data; there is nothing to read or to pay", &[Bound::Object])
            .client_source(Source::page("https://developer.worldpay.com/products/3ds/web/device-data"))
            .client_parameters(&[
                ClientParameter::new("url", "the address that collects", "the action of the hidden form"),
                ClientParameter::new("bin", "the first digits of the card", "the field Bin of the hidden form"),
            ])
            .url_domains_unknown()
            .minting_ends_earlier(MintingEndsEarlier::No("Access Worldpay 3DS: each JWT is for one check"))
            .inputs(&[Input::object("paymentInstrument")]),
            client_grant(
                "payment_page",
                "make that one payment on Worldpay's page",
                Lifetime::Settable { min: 300, default: 1800, max: 2_592_000 },
                payment_page,
            )
            .worst_case(
                "pay that amount, with stolen cards too, and see the billing address that was given for the page",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::page("https://developer.worldpay.com/products/hosted-payment-pages/setup-a-payment"))
            .minting_ends_earlier(MintingEndsEarlier::No("Hosted Payment Pages: each call makes a page of its own"))
            .inputs(&[
                Input::object("value").amounts("amount is in minor units: 1050 is GBP 10.50").required(),
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
            let mut body = body(credentials, &exchange.reference_within(MAX_REFERENCE, REFERENCE));
            if exchange.input.value("paymentInstrument").is_some_and(is_raw_card) {
                let description = "must name a token: a card number does not belong here";
                return Err(Error::invalid_input("paymentInstrument", description));
            }
            exchange.input.copy_into(&mut body, &[("paymentInstrument", "paymentInstrument")]);
            let path = "/verifications/customers/3ds/deviceDataInitialization";
            post(credentials, exchange, path, DEVICE_DATA, body)?.repeatable().send()
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

/// Whether a payment instrument has the number of a card in it.
fn is_raw_card(instrument: &Value) -> bool {
    instrument.get("cardNumber").is_some() || encoding::text_at(instrument, "/type") == Some("card/front")
}

/// The call is sent once: Worldpay refuses a reference that it has seen, and a page that nobody
/// opens does no harm.
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
    if encoding::text_at(&given, "/narrative/line1").is_some_and(|line| line.chars().count() > MAX_NARRATIVE) {
        let description = format!("its line1 must have at most {MAX_NARRATIVE} characters");
        return Err(Error::invalid_input("narrative", description));
    }
    let mut body = body(credentials, &exchange.object_reference_without_key(MAX_REFERENCE, REFERENCE));
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
fn body(credentials: &Credentials, reference: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("transactionReference".into(), json!(reference));
    body.insert("merchant".into(), json!({ "entity": credentials.entity_id }));
    body
}

fn post(
    credentials: &Credentials,
    exchange: &Exchange<'_>,
    path: &str,
    media_type: &'static str,
    body: Map<String, Value>,
) -> Result<Call> {
    Ok(Call::post(exchange.url(path)?)
        .basic(credentials.username.expose(), credentials.password.expose())
        .header("accept", media_type)
        .body(Value::Object(body).to_string(), media_type))
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
    #[serde(default, deserialize_with = "encoding::lenient")]
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
