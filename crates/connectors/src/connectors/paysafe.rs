//! Paysafe: a token, for one use, with which its SDK shows and pays with one customer's stored cards.
//! <https://developer.paysafe.com/en/api-docs/paysafe-checkout/cards-and-addresses/>

use crate::prelude::*;

const PATH: &str = "/paymenthub/v1/customers";
const LIFETIME: u32 = 900;

#[derive(Deserialize)]
pub struct Credentials {
    username: Secret,
    password: Secret,
}

pub struct Paysafe;

impl Connector for Paysafe {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "paysafe",
        name: "Paysafe",
        docs: "https://developer.paysafe.com/en/api-docs/paysafe-checkout/cards-and-addresses/",
        unconfirmed: &[
            "The member timeToLiveSeconds in this answer; without it, 15 minutes are taken.",
            "What the error codes 5279, 5270 and 1200 mean.",
        ],
        hosts: &[Host::main("https://api.paysafe.com", "https://api.test.paysafe.com")],
        credentials: &[required("username"), required("password")],
        grants: &[Grant::client_unconverted(
            "single_use_customer_token",
            "list, use and update that customer's stored payment methods in the SDK, once",
            Lifetime::Fixed(LIFETIME),
        )
        .by_default()
        .inputs(&[Input::text("customer_id"), Input::object("create_customer"), Input::texts("payment_types")])
        .one_of(&[&["customer_id"], &["create_customer"]])],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let input = exchange.input;
        let call = |path: String| {
            Ok(Call::post(exchange.url(&path)?).basic(credentials.username.expose(), credentials.password.expose()))
        };
        let (customer, replies) = match (input.value("create_customer"), input.text("customer_id"), exchange.replies) {
            (Some(_), Some(_), _) => {
                return Err(Error::invalid_input("create_customer", "customer_id names a customer that is there"));
            }
            (Some(customer), None, []) => return call(PATH.to_owned())?.json(customer).send(),
            (Some(_), None, [reply, rest @ ..]) => (encoding::not_blank(reply.accept::<Customer>(refusal)?.id)?, rest),
            (None, id, replies) => (id.unwrap_or_default().to_owned(), replies),
        };
        match replies {
            [] => {
                let types = input.value("payment_types").cloned().unwrap_or(json!(["CARD"]));
                // The vendor takes each reference once, so the call is not repeatable.
                call(format!("{PATH}/{}/singleusecustomertokens", Exchange::segment(&customer)))?
                    .json(&json!({ "merchantRefNum": exchange.reference, "paymentTypes": types }))
                    .send()
            }
            [reply, ..] => {
                let granted: Granted = reply.accept(refusal)?;
                let seconds = granted.time_to_live_seconds.unwrap_or(Seconds(LIFETIME.into()));
                let expiry = Expiry::after_reply(reply, seconds)?;
                Ok(Step::Done(Token::new(&granted.single_use_customer_token, "singleUseCustomerToken", expiry)?))
            }
        }
    }
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
