//! Razorpay: a customer session of Turbo UPI for its mobile SDK, an order for its checkout, and a
//! partner's OAuth tokens. <https://razorpay.com/docs/api/>

use crate::prelude::*;

/// Orders of test and live keys have one host.
const API: Host = Host::named("api", "https://api.razorpay.com", "https://api.razorpay.com");
const AUTH: Host = Host::named("auth", "https://auth.razorpay.com", "https://auth.razorpay.com");
const CLIENT_ID: Input = Input::text("client_id").required();
const CLIENT_SECRET: Input = Input::secret("client_secret").required();
/// About three months.
const OAUTH_LIFETIME: Lifetime = Lifetime::Fixed(7_862_400);
const TURBO: Source = Source::page(
    "https://razorpay.com/docs/payments/payment-gateway/ios-integration/custom/payment-methods/turbo-upi/integrate-ui",
);
const SDK: Source = Source::sdk("npm razorpay 2.9.8");
const KEY_ID: ClientParameter = ClientParameter::new(
    "key_id",
    "the public key id of the account",
    "the option key of checkout.js, and initWithKey of the mobile SDKs",
);
const OAUTH_PARAMETERS: &[ClientParameter] = &[
    ClientParameter::new("public_token", "a key for public calls of the account", "the option key of checkout.js"),
    ClientParameter::new("razorpay_account_id", "the account that consented", "nothing: it names the account"),
];

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://razorpay.com/docs/payments/dashboard/account-settings/api-keys/");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    api_secret: Option<Secret>,
}

pub(super) struct Razorpay;

impl Connector for Razorpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "razorpay",
        name: "Razorpay",
        docs: "https://razorpay.com/docs/payments/payment-gateway/android-integration/custom/payment-methods/turbo-upi/",
        unconfirmed: &[
            "The body of the 401.",
            "That an api_key without api_secret is a ready Basic value.",
            "The grant type client_credentials at auth.razorpay.com; the SDK knows authorization_code and refresh_token.",
            "That an order can be paid for as long as nobody has paid it.",
        ],
        evidence: &[
            Evidence::new("path, hosts, Basic header, request and reply of the Turbo UPI session", TURBO, "2026-11"),
            Evidence::new("path, members and bounds of an order, and its reply", SDK, "2026-11"),
            Evidence::new("host, path, members and reply of the OAuth calls", SDK, "2026-11"),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Key ids begin with rzp_test_ or rzp_live_ (npm razorpay 2.9.8 and the vendor's pages).",
        ),
        hosts: &[Host::main("https://api.razorpay.com", "https://api-web-turbo-upi.ext.dev.razorpay.in"), API, AUTH],
        credentials: &[
            required("api_key")
                .public()
                .found_in("Dashboard > Account & Settings > API Keys > Generate Key: Key Id", KEYS),
            optional("api_secret")
                .found_in("Dashboard > Account & Settings > API Keys > Generate Key: Key Secret", KEYS),
        ],
        grants: &[TURBO_CUSTOMER_SESSION, ORDER, OAUTH_CLIENT_CREDENTIALS, OAUTH_REFRESH_TOKEN],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        // A ready Basic value is the base64 of such a key and its secret.
        Mode::of_key(credentials.api_key.expose(), &["rzp_test_", "cnpwX3Rlc3Rf"], &["rzp_live_", "cnpwX2xpdmVf"])
    }
}

const TURBO_CUSTOMER_SESSION: Grant<StepFn<Credentials>> = client_grant(
    "turbo_customer_session",
    "link UPI accounts of one customer in the mobile SDK and pay with them",
    Lifetime::InReply,
    turbo_customer_session,
)
.by_default()
.inputs(&[Input::text("customer_reference").required()])
.worst_case(
    "begin to bind a device to the named customer for UPI; a payment still needs the SIM and the UPI PIN of the payer",
    &[Bound::Customer],
)
.client_source(TURBO)
.client_parameters(&[KEY_ID]);

const ORDER: Grant<StepFn<Credentials>> =
    client_grant("order", "pay this one order in the browser's or the app's checkout", Lifetime::UntilUsed, order)
        .inputs(&[
            // In subunits; the SDK names no least amount.
            Input::minor_units_from("amount", 1).required(),
            Input::currency("currency").required(),
            Input::one_of("method", &["netbanking", "upi", "card", "emandate", "nach"]),
            Input::text("customer_id"),
            Input::flag("partial_payment"),
            Input::minor_units_from("first_payment_min_amount", 1),
        ])
        .metadata(15, 256, 256)
        .worst_case(
            "pay this order with any method that it allows, so try stolen cards on it (card testing)",
            &[Bound::Amount, Bound::Object],
        )
        .client_source(Source::sdk("npm react-native-razorpay 3.0.0"))
        .client_parameters(&[KEY_ID])
        .minting_ends_earlier(MintingEndsEarlier::No("each call makes an order of its own (npm razorpay 2.9.8)"))
        .lifetime_note("Razorpay has no call that ends an unpaid order");

const OAUTH_CLIENT_CREDENTIALS: Grant<StepFn<Credentials>> = server_grant(
    "oauth_client_credentials",
    "call the APIs of the application",
    OAUTH_LIFETIME,
    oauth_client_credentials,
)
.inputs(&[CLIENT_ID, CLIENT_SECRET])
.server_parameters(&["refresh_token"])
.client_parameters(OAUTH_PARAMETERS);

const OAUTH_REFRESH_TOKEN: Grant<StepFn<Credentials>> =
    server_grant("oauth_refresh_token", "act for one sub-merchant who consented", OAUTH_LIFETIME, oauth_refresh_token)
        .inputs(&[CLIENT_ID, CLIENT_SECRET, Input::secret("refresh_token").required()])
        .spends("refresh_token")
        .server_parameters(&["refresh_token"])
        .client_parameters(OAUTH_PARAMETERS)
        .lifetime_note("the answer has a new refresh token, which is the one to keep");

fn turbo_customer_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let customer = exchange.input.required_text("customer_reference")?;
            let call = Call::post(exchange.url("/v1/upi/turbo/customer/session")?);
            signed(credentials, call).json(&json!({ "customer_reference": customer })).repeatable().send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            let token = Token::new(&session.token, "session_token", Expiry::at_epoch(session.expire_at)?)?;
            Ok(Step::Done(with_key_id(credentials, token)))
        }
    }
}

fn order(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = exchange.input.body();
            body.insert("currency".into(), json!(exchange.input.required_text("currency")?.to_ascii_uppercase()));
            // At most 40 characters, and unique (npm razorpay 2.9.8, orders).
            body.insert("receipt".into(), json!(exchange.object_reference(40, "_-")));
            if !exchange.input.metadata.is_empty() {
                body.insert("notes".into(), json!(exchange.input.metadata));
            }
            signed(credentials, Call::post(exchange.url_on(&API, "/v1/orders")?)).json(&body).send()
        }
        [reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            if !order.id.starts_with("order_") {
                return Err(Error::bad_reply("Razorpay's answer is not an order"));
            }
            if order.status.is_some_and(|status| status == "paid") {
                return Err(Error::bad_reply("Razorpay's order is paid already"));
            }
            Ok(Step::Done(with_key_id(credentials, Token::new(&order.id, "order_id", Expiry::UntilUsed)?)))
        }
    }
}

fn signed(credentials: &Credentials, call: Call) -> Call {
    match &credentials.api_secret {
        Some(secret) => call.basic(credentials.api_key.expose(), secret.expose()),
        None => call.secret_header("authorization", &format!("Basic {}", credentials.api_key.expose())),
    }
}

/// Hands out the key id. Without api_secret, api_key holds the secret too and stays here.
fn with_key_id(credentials: &Credentials, token: Token) -> Token {
    match &credentials.api_secret {
        Some(_) => token.client("key_id", credentials.api_key.expose()),
        None => token,
    }
}

fn oauth_client_credentials(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = exchange.input.body();
            body.insert("grant_type".into(), json!("client_credentials"));
            body.insert("mode".into(), json!(exchange.mode.label()));
            Call::post(exchange.url_on(&AUTH, "/token")?).json(&body).repeatable().send()
        }
        [reply, ..] => oauth_token(exchange, reply),
    }
}

fn oauth_refresh_token(_: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = exchange.input.body();
            body.insert("grant_type".into(), json!("refresh_token"));
            // Not repeatable: the use of a refresh token makes it invalid.
            Call::post(exchange.url_on(&AUTH, "/token")?).json(&body).send()
        }
        [reply, ..] => oauth_token(exchange, reply),
    }
}

fn oauth_token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let mut token = reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?;
    let Public { public_token, razorpay_account_id } = reply.json()?;
    for (name, value) in [("public_token", public_token), ("razorpay_account_id", razorpay_account_id)] {
        token = value.into_iter().fold(token, |token, value| token.client(name, value));
    }
    Ok(Step::Done(token))
}

#[derive(Deserialize)]
struct Session {
    token: String,
    expire_at: Seconds,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    status: Option<String>,
}

/// The public members of an OAuth answer. Checkout takes the public token in place of the key.
#[derive(Deserialize)]
struct Public {
    #[serde(default, deserialize_with = "encoding::lenient")]
    public_token: Option<String>,
    #[serde(default, deserialize_with = "encoding::lenient")]
    razorpay_account_id: Option<String>,
}

/// Bad requests and bad keys have the same code, so the text decides.
/// <https://razorpay.com/docs/errors/>
fn refusal(reply: &Reply) -> Refusal {
    // The APIs have an object, and OAuth may have the two texts of RFC 6749.
    let refusal = reply.refusal(
        &["/error/code", "/error"],
        &["/error/description", "/error_description", "/message"],
        &["/error/reason", "/error/field"],
    );
    let denied = refusal.message.as_deref().is_some_and(|text| {
        ["Authentication failed", "Access denied"].iter().any(|beginning| text.starts_with(beginning))
    });
    refusal.kind(denied.then_some(Kind::CredentialsRejected))
}
