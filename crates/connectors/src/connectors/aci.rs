//! ACI (Open Payment Platform): a COPYandPAY checkout. With it, the widget or the mobile SDK stores
//! a card or pays once.
//! <https://docs.oppwa.com/integrations/widget/registration-tokens>

use crate::prelude::*;

const LIFETIME: u32 = 1800;
/// ACI takes a `merchantTransactionId` of 8 to 255 characters (API reference of the platform).
const REFERENCE_LENGTH: (usize, usize) = (8, 255);
/// The characters besides letters and digits that are sent as they are.
const PLAIN: &str = " !#$%&'()*+,-./:;=?@[]^_{|}~";
const GUIDE: &str = "https://hyperpay.docs.oppwa.com/node/37";
/// True where it is absent: with it, the page can check the script that it loads.
const INTEGRITY: Input = Input::flag("integrity");
const CLIENT: &[ClientParameter] = &[
    ClientParameter::new(
        "environment",
        "TEST or LIVE",
        "the provider mode of the mobile SDK: Connect.ProviderMode of Android, OPPProviderMode of iOS",
    ),
    ClientParameter::new(
        "script_url",
        "the address of the widget for this checkout",
        "the src of the script element on the page (COPYandPAY)",
    ),
    ClientParameter::new(
        "integrity",
        "the hash of the script (Subresource Integrity)",
        "the attribute integrity of that script element, next to crossorigin=\"anonymous\"",
    ),
];
const CHECKOUT_OF_ITS_OWN: MintingEndsEarlier =
    MintingEndsEarlier::No("COPYandPAY guide: each call prepares a checkout of its own");
const TEST_MODE: Input = Input::one_of("test_mode", &["EXTERNAL", "INTERNAL"]);
/// Inputs that are objects, and the prefix of their fields in the form.
const OBJECTS: [(&str, &str); 3] =
    [("customer", "customer"), ("billing", "billing"), ("standing_instruction", "standingInstruction")];

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.aciworldwide.com/reference/parameters");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    entity_id: String,
}

pub(super) struct Aci;

impl Connector for Aci {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "aci",
        name: "ACI",
        docs: "https://docs.oppwa.com/integrations/widget/registration-tokens",
        unconfirmed: &[
            "The status and code of a refused key (401, 800.900.300).",
            "The bounds on merchantTransactionId.",
        ],
        evidence: &[
            Evidence::new("path, form fields, the script and its integrity", Source::page(GUIDE), "2026-11"),
            Evidence::new(
                "a checkout ends after 30 minutes",
                Source::page("https://hyperpay.docs.oppwa.com/support/widget"),
                "2026-11",
            ),
            Evidence::new(
                "integrity=true and its answer; the whole answer of a checkout",
                Source::third_party("https://docs.cardcorp.com/changelog/pci-dss-4x, a reseller of the same platform"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("Access tokens and entity ids have no prefix (COPYandPAY guide); the host decides."),
        hosts: &[Host::main("https://eu-prod.oppwa.com", "https://eu-test.oppwa.com")],
        credentials: &[
            required("api_key")
                .found_in("Backend > Administration > Account data > Merchant / Channel Info: access token", KEYS),
            required("entity_id").public().found_in("The entity identifier of the channel, in the same menu", KEYS),
        ],
        grants: &[
            client_grant(
                "registration_checkout",
                "store one card or account; no money moves",
                Lifetime::Fixed(LIFETIME),
                registration_checkout,
            )
            .by_default()
            .inputs(&[INTEGRITY, TEST_MODE])
            .worst_case("store cards on this registration, which tells whether a stolen card works", &[Bound::Object])
            .client_source(Source::page(GUIDE))
            .client_parameters(CLIENT)
            .minting_ends_earlier(CHECKOUT_OF_ITS_OWN),
            client_grant("payment_checkout", "pay that one amount", Lifetime::Fixed(LIFETIME), payment_checkout)
                .inputs(&[
                    Input::decimal("amount").required(),
                    Input::currency("currency").required(),
                    Input::one_of("payment_type", &["DB", "PA"]).required(),
                    Input::flag("create_registration"),
                    Input::object("customer"),
                    Input::object("billing"),
                    Input::object("standing_instruction"),
                    INTEGRITY,
                    TEST_MODE,
                ])
                .worst_case("pay that amount", &[Bound::Amount, Bound::Object])
                .client_source(Source::page(GUIDE))
                .client_parameters(CLIENT)
                .minting_ends_earlier(CHECKOUT_OF_ITS_OWN),
        ],
    };
}

fn registration_checkout(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = checkout(credentials, exchange)?.field("createRegistration", "true");
            post(credentials, exchange, with_switches(exchange, form))
        }
        [reply, ..] => checkout_id(exchange, reply),
    }
}

fn payment_checkout(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let form = checkout(credentials, exchange)?
                .maybe("createRegistration", if_true(exchange, "create_registration"))
                .field("amount", &input.required_amount("amount", 2)?)
                .field("currency", &input.required_text("currency")?.to_ascii_uppercase())
                .field("paymentType", input.required_text("payment_type")?);
            let objects = OBJECTS.iter().filter_map(|(name, prefix)| Some((prefix, input.value(name)?)));
            let form = objects.fold(with_switches(exchange, form), |form, (prefix, value)| dotted(form, prefix, value));
            post(credentials, exchange, form)
        }
        [reply, ..] => checkout_id(exchange, reply),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, form: FormBody) -> Result<Step> {
    Call::post(exchange.url("/v1/checkouts")?).bearer(credentials.api_key.expose()).form(form).repeatable().send()
}

fn checkout_id(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let answer: Answer = reply.accept(refusal)?;
    if !answer.result.code.starts_with("000.200") {
        return Err(reply.refuse(refusal(reply)));
    }
    let id = answer.id.ok_or_else(|| Error::bad_reply("ACI's answer has no checkout id in it"))?;
    let host = exchange.hosts.first().map_or("", |host| host.of(exchange.mode));
    let script = format!("{host}/v1/paymentWidgets.js?checkoutId={}", Exchange::segment(&id));
    let token = Token::new(&id, "checkoutId", Expiry::after_reply(reply, LIFETIME)?)?
        .client("environment", if exchange.mode == Mode::Test { "TEST" } else { "LIVE" })
        .client("script_url", script);
    Ok(Step::Done(match answer.integrity {
        Some(hash) => token.client("integrity", hash),
        None => token,
    }))
}

/// The first fields of every checkout.
fn checkout(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<FormBody> {
    if exchange.mode == Mode::Live && exchange.input.text("test_mode").is_some() {
        return Err(Error::invalid_input("test_mode", "is for test mode only"));
    }
    let (least, most) = REFERENCE_LENGTH;
    let reference = format!("{:-<least$}", exchange.reference_within(most, PLAIN));
    Ok(FormBody::new().field("entityId", &credentials.entity_id).field("merchantTransactionId", &reference))
}

/// Adds the fields of `integrity` and `test_mode`, which every checkout may have.
fn with_switches(exchange: &Exchange<'_>, form: FormBody) -> FormBody {
    let integrity = exchange.input.flag("integrity").unwrap_or(true);
    form.maybe("integrity", integrity.then_some("true")).maybe("testMode", exchange.input.text("test_mode"))
}

/// The value of a form field that is sent only where the flag is true.
fn if_true(exchange: &Exchange<'_>, flag: &str) -> Option<&'static str> {
    exchange.input.flag(flag).and_then(|set| set.then_some("true"))
}

/// Members of objects get names with dots: `billing.city`.
fn dotted(form: FormBody, name: &str, value: &Value) -> FormBody {
    match value {
        Value::Object(members) => {
            members.iter().fold(form, |form, (member, value)| dotted(form, &format!("{name}.{member}"), value))
        }
        Value::String(text) => form.field(name, text),
        Value::Null => form,
        other => form.field(name, &other.to_string()),
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Outcome,
    id: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    integrity: Option<String>,
}

#[derive(Deserialize)]
struct Outcome {
    code: String,
}

/// <https://docs.oppwa.com/reference/resultCodes>
fn refusal(reply: &Reply) -> Refusal {
    let faults = encoding::faults_at(&reply.lenient(), "/result/parameterErrors", &["name", "message"]);
    let refusal = reply.refusal(&["/result/code"], &["/result/description", "/message"], &[]).reason(faults);
    let code = refusal.code.as_deref();
    let within = |prefixes: &[&str]| code.is_some_and(|code| prefixes.iter().any(|prefix| code.starts_with(prefix)));
    let kind = if within(&["800.900.3"]) {
        Some(Kind::CredentialsRejected)
    } else if within(&["900.100", "900.200", "900.300", "900.400", "600.1", "800.5", "800.6", "999."]) {
        Some(Kind::Unavailable)
    } else {
        reply.is_success().then_some(Kind::RequestRejected)
    };
    refusal.kind(kind)
}
