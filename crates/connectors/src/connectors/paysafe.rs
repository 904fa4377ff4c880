//! Paysafe: a token for one use, with which its SDK shows one customer's stored cards and pays with
//! them.
//! <https://developer.paysafe.com/en/api-docs/paysafe-checkout/cards-and-addresses/>

use crate::prelude::*;

const PATH: &str = "/paymenthub/v1/customers";
/// The lifetime of a token where the answer states none, in seconds.
const LIFETIME: u32 = 900;

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
        docs: "https://developer.paysafe.com/en/api-docs/paysafe-checkout/cards-and-addresses/",
        unconfirmed: &[
            "The member timeToLiveSeconds in this answer; without it, 15 minutes are taken.",
            "The meaning of the error codes 5279, 5270 and 1200.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.paysafe.com", "https://api.test.paysafe.com")],
        credentials: &[required("username").public(), required("password")],
        grants: &[client_grant(
            "single_use_customer_token",
            "list, use and update that customer's stored payment methods in the SDK, once",
            Lifetime::Fixed(LIFETIME),
            single_use_customer_token,
        )
        .by_default()
        .inputs(&[Input::text("customer_id"), Input::object("create_customer"), Input::texts("payment_types")])
        .one_of(&[&["customer_id"], &["create_customer"]])],
    };
}

fn single_use_customer_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    match (input.value("create_customer"), exchange.replies) {
        (Some(_), _) if input.text("customer_id").is_some() => {
            Err(Error::invalid_input("create_customer", "customer_id names a customer that is there"))
        }
        (Some(customer), []) => post(credentials, exchange, PATH, customer),
        (Some(_), [customer]) => {
            let customer: Customer = customer.accept(refusal)?;
            token_call(credentials, exchange, &encoding::not_blank(customer.id)?)
        }
        (None, []) => token_call(credentials, exchange, input.required_text("customer_id")?),
        (Some(_), [_, reply, ..]) | (None, [reply, ..]) => {
            let granted: Granted = reply.accept(refusal)?;
            let seconds = granted.time_to_live_seconds.unwrap_or(Seconds(LIFETIME.into()));
            let expiry = Expiry::after_reply(reply, seconds)?;
            Ok(Step::Done(Token::new(&granted.single_use_customer_token, "singleUseCustomerToken", expiry)?))
        }
    }
}

/// The call may not be repeated: Paysafe takes each reference once.
fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, customer: &str) -> Result<Step> {
    let types = exchange.input.value("payment_types").cloned().unwrap_or(json!(["CARD"]));
    let path = format!("{PATH}/{}/singleusecustomertokens", Exchange::segment(customer));
    let body = json!({ "merchantRefNum": exchange.reference, "paymentTypes": types });
    post(credentials, exchange, &path, &body)
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, body: &Value) -> Result<Step> {
    Call::post(exchange.url(path)?)
        .basic(credentials.username.expose(), credentials.password.expose())
        .json(body)
        .send()
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

fn refusal(reply: &Reply) -> Refusal {
    let answer: Value = reply.lenient();
    let code = encoding::text_at(&answer, "/error/code");
    let kind = match code {
        Some("5279") => Some(Kind::CredentialsRejected),
        Some("5270") => Some(Kind::PermissionDenied),
        Some("1200") => Some(Kind::RateLimited),
        _ => None,
    };
    let fields = encoding::faults_at(&answer, "/error/fieldErrors", &["field", "error"]);
    let reason: Vec<String> = encoding::faults_at(&answer, "/error/details", &[]).into_iter().chain(fields).collect();
    Refusal::new(code, encoding::text_at(&answer, "/error/message"))
        .reason((!reason.is_empty()).then(|| reason.join("; ")))
        .kind(kind)
}
