//! The two tokens that belong to a customer: ephemeral keys and Customer Sessions.
//! <https://docs.stripe.com/api/ephemeral_keys>, <https://docs.stripe.com/api/customer_sessions>

use super::api::{
    ACCOUNT, CUSTOMER, ClientSecret, Credentials, EACH_ITS_OWN, NODE_TYPES, PUBLISHABLE_KEY, PUBLISHABLE_KEY_OUT,
    STRIPE_VERSION, bracketed, check, named, post, refusal, with_metadata, with_publishable_key,
};
use crate::prelude::*;

/// For whom or what an ephemeral key can be.
const SUBJECTS: [&str; 4] = ["customer", "issuing_card", "nonce", "verification_session"];

pub(super) const EPHEMERAL_KEY: Grant<StepFn<Credentials>> = client_grant(
    "ephemeral_key",
    "call the API for one customer (read it, manage its payment methods), or read one card or verification session",
    Lifetime::Fixed(3600),
    ephemeral_key,
)
.inputs(&[
    CUSTOMER,
    ACCOUNT,
    Input::flag("create_customer"),
    Input::text("issuing_card"),
    Input::text_of("nonce", 5000),
    Input::text("verification_session"),
    STRIPE_VERSION,
    PUBLISHABLE_KEY,
])
.one_of(&[&["customer"], &["create_customer"], &["issuing_card", "nonce"], &["verification_session"]])
// It goes to the customer that is created.
.metadata(50, 40, 500)
.worst_case(
    "read the customer (name, e-mail, phone, addresses) as with an API key, list, attach and detach its payment methods, \
     change its default and its shipping; for an issued card, read its full number and CVC",
    &[Bound::Customer],
)
.client_source(Source::page("https://stripe.dev/stripe-android (CustomerSession, EphemeralKeyProvider)"))
.client_parameters(&[
    ClientParameter::new(
        "customer_id",
        "the customer that the key is for",
        "the mobile SDKs' PaymentSheet.CustomerConfiguration(id, ephemeralKeySecret)",
    ),
    PUBLISHABLE_KEY_OUT,
])
.minting_ends_earlier(EACH_ITS_OWN);

pub(super) const CUSTOMER_SESSION: Grant<StepFn<Credentials>> = client_grant(
    "customer_session",
    "let Stripe's elements list, save and remove that customer's saved methods, per enabled component",
    Lifetime::Fixed(1800),
    customer_session,
)
.inputs(&[CUSTOMER, Input::text("customer_account"), ACCOUNT, Input::object("components").required(), PUBLISHABLE_KEY])
.one_of(&[&["customer"], &["customer_account"]])
.worst_case(
    "list, save and remove that customer's saved methods, as far as the enabled components and their features let",
    &[Bound::Customer, Bound::SingleUse],
)
.client_source(NODE_TYPES)
.client_parameters(&[PUBLISHABLE_KEY_OUT])
.minting_ends_earlier(EACH_ITS_OWN)
.single_use();

fn ephemeral_key(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    let create_customer = must_create_customer(exchange)?;
    match exchange.replies {
        [] if create_customer => post(credentials, exchange, "/v1/customers", with_metadata(exchange, FormBody::new())),
        [customer] if create_customer => {
            let customer: Customer = customer.accept(refusal)?;
            post(credentials, exchange, "/v1/ephemeral_keys", FormBody::new().field("customer", &customer.id))
        }
        [] => {
            let form =
                SUBJECTS.into_iter().fold(FormBody::new(), |form, name| form.maybe(name, exchange.input.text(name)));
            post(credentials, exchange, "/v1/ephemeral_keys", form)
        }
        [.., reply] => {
            let key: EphemeralKey = reply.accept(refusal)?;
            let token = Token::new(&key.secret, "Bearer", Expiry::at_epoch(key.expires)?)?;
            let customer = key.associated_objects.iter().find(|object| object["type"] == "customer");
            let id = customer.and_then(|customer| encoding::text_at(customer, "/id")).map(str::to_owned);
            Ok(Step::Done(named(token, exchange, "customer_id", id)))
        }
    }
}

fn must_create_customer(exchange: &Exchange<'_>) -> Result<bool> {
    let named = SUBJECTS.into_iter().any(|name| exchange.input.text(name).is_some());
    match exchange.input.flag("create_customer") {
        Some(true) if named => {
            Err(Error::invalid_input("create_customer", format!("not together with {}", SUBJECTS.join(", "))))
        }
        Some(false) if !named => {
            Err(Error::missing_inputs(&["customer"], "create_customer is false, so the key must be for somebody else"))
        }
        create => Ok(create == Some(true)),
    }
}

fn customer_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    check(credentials, exchange)?;
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let form = bracketed(FormBody::new(), "components", input.required_value("components")?)?;
            if form.is_empty() {
                return Err(Error::missing_inputs(&["components"], "enable at least one"));
            }
            let form = match (input.text("customer"), input.text("customer_account")) {
                (Some(_), Some(_)) => {
                    return Err(Error::invalid_input("customer_account", "not together with customer"));
                }
                (customer, account) => form.maybe("customer", customer).maybe("customer_account", account),
            };
            post(credentials, exchange, "/v1/customer_sessions", form)
        }
        [reply, ..] => {
            let session: ClientSecret = reply.accept(refusal)?;
            let expires_at =
                session.expires_at.ok_or_else(|| Error::bad_reply("the Customer Session has no expires_at"))?;
            let token = Token::new(&session.client_secret, "client_secret", Expiry::at_epoch(expires_at)?)?;
            Ok(Step::Done(with_publishable_key(token, exchange)))
        }
    }
}

#[derive(Deserialize)]
struct Customer {
    id: String,
}

#[derive(Deserialize)]
struct EphemeralKey {
    secret: String,
    expires: Seconds,
    #[serde(default, deserialize_with = "encoding::lenient")]
    associated_objects: Vec<Value>,
}
