//! Paysafe: a token for one use, with which its SDK shows one customer's stored cards and pays with
//! them.
//! <https://developer.paysafe.com/en/api-docs/paysafe-checkout/cards-and-addresses/>

use crate::prelude::*;

const DOCS: &str = "https://developer.paysafe.com/en/api-docs/paysafe-checkout/cards-and-addresses/";
const PATH: &str = "/paymenthub/v1/customers";
/// The longest `merchantRefNum`, in characters, and the characters besides letters and digits that
/// are sent as they are. Paysafe takes each one once.
const MAX_REFERENCE: usize = 255;
const PLAIN: &str = " !#$%&'()*+,-./:;=?@[]^_{|}~";
const CLIENT: &[ClientParameter] = &[
    ClientParameter::new(
        "environment",
        "TEST or LIVE",
        "paysafe.checkout.setup(apiKey, { environment }), whose own default is LIVE",
    ),
    ClientParameter::new(
        "public_api_key",
        "the public key in base64, where it was given",
        "paysafe.checkout.setup(apiKey, …)",
    ),
    ClientParameter::new(
        "customer_id",
        "the id of the customer that was made or found",
        "no client SDK; the backend gives it as customer_id the next time",
    ),
];
/// The lifetime of a token where the answer states none, in seconds.
const LIFETIME: u32 = 900;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developer.paysafe.com/en/api-docs/paysafe-checkout/before-you-begin/");

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: Secret,
    password: Secret,
}

pub(super) struct Paysafe;

impl Connector for Paysafe {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "paysafe",
        name: "Paysafe",
        docs: DOCS,
        unconfirmed: &[
            "The member timeToLiveSeconds in this answer; without it, 15 minutes are taken.",
            "The meaning of the error codes 5031, 5279, 5270, 1200 and 7505.",
            "The name paymentTypes: all samples have it, while the vendor's WooCommerce plugin names paymentType.",
            "The 255 characters of merchantRefNum.",
        ],
        evidence: &[
            Evidence::new(
                "paths of customers and tokens, the look-up by merchantCustomerId, merchantRefNum",
                Source::sdk("paysafegroup/paysafe-checkout-woocommerce, PaysafeApiCardConnector (GitHub)"),
                "2026-11",
            ),
            Evidence::new(
                "path and members of the answer",
                Source::sdk("paysafegroup/paysafe_sdk_android_payments_api, sample app (GitHub)"),
                "2026-11",
            ),
            Evidence::new("Paysafe Checkout takes the token, once", Source::page(DOCS), "2026-11"),
            Evidence::new(
                "paymentTypes; the word TEST for the checkout's environment",
                Source::third_party("seven public integrations of Paysafe Checkout that agree (GitHub)"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No("User names and passwords have no prefix (developer.paysafe.com); the host decides."),
        hosts: &[Host::main("https://api.paysafe.com", "https://api.test.paysafe.com")],
        credentials: &[
            required("username")
                .public()
                .found_in("Business Portal > Integrate > API Keys > private key: Key Username", KEYS),
            required("password").found_in("Business Portal > Integrate > API Keys > private key: Key Password", KEYS),
        ],
        grants: &[client_grant(
            "single_use_customer_token",
            "see that customer's saved cards and addresses, add, edit and delete cards, and pay with them, once",
            Lifetime::Fixed(LIFETIME),
            single_use_customer_token,
        )
        .by_default()
        .inputs(&[
            Input::text("customer_id"),
            Input::object("create_customer"),
            Input::texts("payment_types"),
            // Only the merchant has it; it is handed out and not sent.
            Input::text("public_api_key"),
        ])
        .one_of(&[&["customer_id"], &["create_customer"]])
        .worst_case(
            "see that customer's saved cards and addresses, change or delete them, and pay with them in the \
             merchant's checkout",
            &[Bound::Customer, Bound::SingleUse],
        )
        .client_source(Source::page(DOCS))
        .client_parameters(CLIENT)
        .minting_ends_earlier(MintingEndsEarlier::No("developer.paysafe.com: each session has a token of its own"))
        .single_use()],
    };
}

fn single_use_customer_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let (customer, made, rest) = match input.value("create_customer") {
        Some(_) if input.text("customer_id").is_some() => {
            return Err(Error::invalid_input("create_customer", "customer_id names a customer that is there"));
        }
        None => (input.required_text("customer_id")?.to_owned(), false, exchange.replies),
        Some(customer) => match exchange.replies {
            [] => return call(credentials, Call::post(exchange.url(PATH)?)).json(customer).send(),
            // An earlier call made the customer, and its answer may have been lost.
            [made] if is_taken(made) && own_id(customer).is_some() => return look_up(credentials, exchange, customer),
            [taken, found, rest @ ..] if is_taken(taken) => (id_of(found)?, true, rest),
            [made, rest @ ..] => (id_of(made)?, true, rest),
        },
    };
    let reply = match rest {
        [] => {
            let reference = exchange.object_reference(MAX_REFERENCE, PLAIN);
            return token_call(credentials, exchange, &customer, &reference);
        }
        // An earlier call used the reference, and its answer was lost with its token.
        [used] if is_used(used) => return token_call(credentials, exchange, &customer, &exchange.nonce.uuid()),
        [used, reply, ..] if is_used(used) => reply,
        [reply, ..] => reply,
    };
    let granted: Granted = reply.accept(refusal)?;
    let seconds = granted.time_to_live_seconds.unwrap_or(Seconds(LIFETIME.into()));
    let token =
        Token::new(&granted.single_use_customer_token, "singleUseCustomerToken", Expiry::after_reply(reply, seconds)?)?
            .client("environment", if exchange.mode == Mode::Test { "TEST" } else { "LIVE" });
    let token = if made { token.client("customer_id", customer) } else { token };
    Ok(Step::Done(match input.text("public_api_key") {
        Some(key) => token.client("public_api_key", key),
        None => token,
    }))
}

/// Whether the `merchantRefNum` of the call was used before.
fn is_used(reply: &Reply) -> bool {
    reply.status == 409 && encoding::text_at(&reply.lenient(), "/error/code") == Some("5031")
}

/// Whether a customer of this `merchantCustomerId` is there already.
fn is_taken(reply: &Reply) -> bool {
    reply.status == 409
}

fn own_id(customer: &Value) -> Option<&str> {
    encoding::text_at(customer, "/merchantCustomerId")
}

fn look_up(credentials: &Credentials, exchange: &Exchange<'_>, customer: &Value) -> Result<Step> {
    let own = Exchange::segment(own_id(customer).unwrap_or_default());
    call(credentials, Call::get(exchange.url(&format!("{PATH}?merchantCustomerId={own}"))?)).send()
}

fn id_of(reply: &Reply) -> Result<String> {
    encoding::not_blank(reply.accept::<Customer>(refusal)?.id)
}

/// The call may not be repeated: Paysafe takes each reference once.
fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, customer: &str, reference: &str) -> Result<Step> {
    let types = exchange.input.value("payment_types").cloned().unwrap_or(json!(["CARD"]));
    let path = format!("{PATH}/{}/singleusecustomertokens", Exchange::segment(customer));
    let body = json!({ "merchantRefNum": reference, "paymentTypes": types });
    call(credentials, Call::post(exchange.url(&path)?)).json(&body).send()
}

fn call(credentials: &Credentials, call: Call) -> Call {
    call.basic(credentials.username.expose(), credentials.password.expose())
}

#[derive(Deserialize)]
struct Customer {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    single_use_customer_token: String,
    time_to_live_seconds: Option<Seconds>,
}

/// Paysafe's own form (`error`), and that of the gateway before it (`message`).
fn refusal(reply: &Reply) -> Refusal {
    let answer: Value = reply.lenient();
    let codes = ["/error/code", "/code", "/error"];
    let refusal = reply.refusal(&codes, &["/error/message", "/message", "/error_description"], &[]);
    let kind = match refusal.code.as_deref() {
        Some("5279") => Some(Kind::CredentialsRejected),
        Some("5270") => Some(Kind::PermissionDenied),
        Some("1200") => Some(Kind::RateLimited),
        _ => None,
    };
    let fields = encoding::faults_at(&answer, "/error/fieldErrors", &["field", "error"]);
    let reason: Vec<String> = encoding::faults_at(&answer, "/error/details", &[]).into_iter().chain(fields).collect();
    refusal.reason((!reason.is_empty()).then(|| reason.join("; "))).kind(kind)
}
