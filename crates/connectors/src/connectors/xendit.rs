//! Xendit: a payment session for its Components or its hosted page, to save a payment method or to
//! pay.
//! <https://docs.xendit.co/apidocs/create-session>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
}

const LIFETIME: Lifetime = Lifetime::Fixed(1800);
/// Xendit's page gives no bound on a reference that was found; this one is ours.
const MAX_REFERENCE: usize = 64;
const PAGE: Source = Source::page("https://docs.xendit.co/apidocs/create-session");
const CLIENT_SDK: Source = Source::sdk("npm xendit-components-web 0.0.24");
const SESSION_ID: ClientParameter =
    ClientParameter::new("payment_session_id", "Xendit's session", "nothing: it names the session");
const EACH_CALL: MintingEndsEarlier = MintingEndsEarlier::No("each call makes a session of its own (Xendit's page)");
/// The inputs of all grants, in such an order that each grant takes one part: those of links only,
/// those of sessions that pay, those of every session, those of Components only.
const INPUTS: &[Input] = &[
    Input::url("success_return_url").required(),
    Input::url("cancel_return_url").required(),
    Input::decimal("amount"),
    Input::one_of("allow_save_payment_method", &["DISABLED", "OPTIONAL", "FORCED"]),
    Input::currency("currency").required(),
    Input::country("country").required(),
    Input::object("customer"),
    Input::text("customer_id"),
    Input::text("for_user_id"),
    Input::text("locale"),
    Input::text_of("description", 1000),
    Input::objects("items"),
    Input::object("channel_properties"),
    Input::texts("allowed_payment_channels"),
    Input::origins("origins", 20).required(),
];
const LINK: &[Input] = INPUTS.split_at(14).0;
const PAY: &[Input] = INPUTS.split_at(2).1;
const SAVE: &[Input] = INPUTS.split_at(4).1;
const CUSTOMER: &[&[&str]] = &[&["customer"], &["customer_id"]];

/// The two types of a session, by Xendit's names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionType {
    Save,
    Pay,
}

impl SessionType {
    const fn name(self) -> &'static str {
        match self {
            Self::Save => "SAVE",
            Self::Pay => "PAY",
        }
    }
}

pub(super) struct Xendit;

impl Connector for Xendit {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "xendit",
        name: "Xendit",
        docs: "https://docs.xendit.co/apidocs/create-session",
        unconfirmed: &[
            "The error codes and the status 201.",
            "The bounds on metadata and on a reference.",
            "That a reference is refused the second time.",
        ],
        evidence: &[
            Evidence::new("path, headers, members and reply of a session, its 30 minutes", PAGE, "2026-11"),
            Evidence::new("the form of components_sdk_key, and the hosts in it", CLIENT_SDK, "2026-11"),
        ],
        mode_shown: ModeShown::ByCredentials("Keys begin with xnd_development_ or xnd_production_ (Xendit's pages)."),
        hosts: &[Host::main("https://api.xendit.co", "https://api.xendit.co")],
        credentials: &[required("api_key").key_prefixes(&["xnd_development_", "xnd_production_"]).found_in(
            "Dashboard > Settings > Developers > API Keys: secret API key",
            Source::page("https://docs.xendit.co/docs/create-an-api-key-1"),
        )],
        grants: &[
            client_grant(
                "components_session_save",
                "save a payment method of one customer; no money moves",
                LIFETIME,
                components_session_save,
            )
            .by_default()
            .inputs(SAVE)
            .one_of(CUSTOMER)
            .metadata(50, 40, 500)
            .worst_case(
                "save a payment method, its own or a stolen one, for that customer",
                &[Bound::Customer, Bound::Origin, Bound::Object],
            )
            .client_source(CLIENT_SDK)
            .client_parameters(&[SESSION_ID])
            .minting_ends_earlier(EACH_CALL),
            client_grant("components_session_pay", "pay that one amount", LIFETIME, components_session_pay)
                .inputs(PAY)
                .one_of(&[&["amount", "customer"], &["amount", "customer_id"]])
                .metadata(50, 40, 500)
                .worst_case(
                    "pay that amount, so try stolen cards on it (card testing)",
                    &[Bound::Amount, Bound::Origin, Bound::Object],
                )
                .client_source(CLIENT_SDK)
                .client_parameters(&[SESSION_ID])
                .minting_ends_earlier(EACH_CALL),
            client_grant(
                "payment_link_session",
                "pay that one amount on Xendit's page, or without one save a payment method there",
                LIFETIME,
                payment_link_session,
            )
            .inputs(LINK)
            .one_of(CUSTOMER)
            .metadata(50, 40, 500)
            .worst_case(
                "pay that amount or save a payment method on Xendit's page, and see the customer data shown there",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(PAGE)
            .client_parameters(&[SESSION_ID])
            .url_domains(&["xen.to"])
            .minting_ends_earlier(EACH_CALL),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match credentials.api_key.expose().split('_').collect::<Vec<_>>().as_slice() {
            ["xnd", "development", ..] => Some(Mode::Test),
            ["xnd", "production", ..] => Some(Mode::Live),
            _ => None,
        }
    }
}

fn components_session_save(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    components_session(credentials, exchange, SessionType::Save)
}

fn components_session_pay(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    components_session(credentials, exchange, SessionType::Pay)
}

fn components_session(credentials: &Credentials, exchange: &Exchange<'_>, session_type: SessionType) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = session(exchange, session_type)?;
            body.insert("mode".into(), json!("COMPONENTS"));
            let origins = exchange.input.required_value("origins")?;
            body.insert("components_configuration".into(), json!({ "origins": origins }));
            post(credentials, exchange, &body)
        }
        [reply, ..] => {
            let session = accept(reply, session_type)?;
            let expiry = Expiry::at_date(&session.expires_at)?;
            let token = Token::new(&session.components_sdk_key.unwrap_or_default(), "components_sdk_key", expiry)?;
            Ok(Step::Done(token.client("payment_session_id", session.payment_session_id)))
        }
    }
}

fn payment_link_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let session_type = match exchange.input.value("amount") {
        Some(_) => SessionType::Pay,
        None => SessionType::Save,
    };
    match exchange.replies {
        [] => {
            let mut body = session(exchange, session_type)?;
            body.insert("mode".into(), json!("PAYMENT_LINK"));
            post(credentials, exchange, &body)
        }
        [reply, ..] => {
            let session = accept(reply, session_type)?;
            let expiry = Expiry::at_date(&session.expires_at)?;
            let token = Token::new(&session.payment_link_url.unwrap_or_default(), "payment_link_url", expiry)?;
            Ok(Step::Done(token.client("payment_session_id", session.payment_session_id)))
        }
    }
}

/// Not repeatable: Xendit refuses a reference the second time.
fn post(credentials: &Credentials, exchange: &Exchange<'_>, body: &Map<String, Value>) -> Result<Step> {
    let call = Call::post(exchange.url("/sessions")?).basic(credentials.api_key.expose(), "");
    let call = match exchange.input.text("for_user_id") {
        Some(account) => call.header("for-user-id", account),
        None => call,
    };
    call.json(body).send()
}

fn accept(reply: &Reply, session_type: SessionType) -> Result<Session> {
    let session: Session = reply.accept(refusal)?;
    if session.session_type != session_type.name() {
        return Err(Error::bad_reply("Xendit's session is of another type than was asked for"));
    }
    Ok(session)
}

fn session(exchange: &Exchange<'_>, session_type: SessionType) -> Result<Map<String, Value>> {
    let input = exchange.input;
    // The inputs have the names that Xendit uses. These two go to other places.
    let mut body = input.body();
    body.retain(|name, _| !["origins", "for_user_id"].contains(&name.as_str()));
    let amount = input.decimal("amount").unwrap_or("0".into());
    let (units, fraction) = amount.split_once('.').unwrap_or((&amount, ""));
    let amount = match units.parse::<i64>() {
        Ok(units) if fraction.bytes().all(|digit| digit == b'0') => json!(units),
        _ => json!(amount.parse::<f64>().unwrap_or_default()),
    };
    if amount.as_f64() == Some(0.0) && session_type == SessionType::Pay {
        return Err(Error::invalid_input("amount", "a session that pays needs more than zero"));
    }
    body.insert("amount".into(), amount);
    body.insert("reference_id".into(), json!(exchange.object_reference_without_key(MAX_REFERENCE, "-_")));
    body.insert("session_type".into(), json!(session_type.name()));
    for name in ["currency", "country"] {
        body.insert(name.into(), json!(input.required_text(name)?.to_ascii_uppercase()));
    }
    if !input.metadata.is_empty() {
        body.insert("metadata".into(), json!(input.metadata));
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Session {
    payment_session_id: String,
    session_type: String,
    expires_at: String,
    components_sdk_key: Option<String>,
    payment_link_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Failure {
    error_code: Option<String>,
    message: Option<String>,
    #[serde(deserialize_with = "encoding::null_as_default")]
    errors: Vec<Fault>,
}

/// One fault, in either of the forms that the vendor's APIs have: a path with a message, or a field
/// with a list of messages.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Fault {
    path: Option<String>,
    message: Option<String>,
    field: Option<String>,
    messages: Option<Vec<String>>,
}

impl Fault {
    fn words(self) -> Option<String> {
        let messages = self.messages.map(|messages| messages.join("; "));
        let words = [self.path.or(self.field), self.message.or(messages)];
        let words: Vec<String> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
        Some(words.join(": ")).filter(|words| !words.is_empty())
    }
}

fn refusal(reply: &Reply) -> Refusal {
    let Failure { error_code, message, errors } = reply.lenient();
    Refusal::new(error_code, message).reason(errors.into_iter().find_map(Fault::words))
}
