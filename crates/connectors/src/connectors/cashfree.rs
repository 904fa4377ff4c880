//! Cashfree: the payment session of an order, with which the web and mobile SDKs pay that order.
//! <https://www.cashfree.com/docs/api-reference/payments/latest/orders/create>

use crate::prelude::*;

/// The bounds of an order's life by Cashfree's pages on orders: 15 minutes to 30 days.
const LIFETIME: Lifetime = Lifetime::Settable { min: 900, default: 1800, max: 30 * 86_400 };
/// The newest version, which npm cashfree-pg 6.0.6 sends, and the one before it. No member of our
/// request differs between them.
const VERSIONS: &[&str] = &["2026-01-01", "2025-01-01"];
const SDK: Source = Source::sdk("npm cashfree-pg 6.0.6");
const CLIENT_SDK: Source = Source::sdk("npm react-native-cashfree-pg-sdk 2.4.0");

/// Cashfree's bounds on the length of texts, in characters: the input, the least, the most.
const BOUNDS: &[(&str, usize, usize)] = &[
    ("customer_id", 3, 50),
    ("customer_email", 3, 100),
    ("customer_name", 3, 100),
    ("return_url", 1, 250),
    ("notify_url", 1, 250),
    ("order_note", 3, 200),
];

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://www.cashfree.com/docs/api-reference/authentication");

#[derive(Deserialize)]
pub(super) struct Credentials {
    app_id: Secret,
    secret_key: Secret,
}

pub(super) struct Cashfree;

impl Connector for Cashfree {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "cashfree",
        name: "Cashfree",
        docs: "https://www.cashfree.com/docs/api-reference/payments/latest/orders/create",
        unconfirmed: &[
            "An order may expire after 15 minutes to 30 days.",
            "The prefixes of secret keys and app ids.",
            "The bounds on the length of a tag.",
        ],
        evidence: &[
            Evidence::new(
                "path, headers, members and bounds of the request, the reply and the refusals",
                Source::schema("Cashfree Payment Gateway APIs 2025-01-01 (OpenAPI)"),
                "2026-11",
            ),
            Evidence::new("version 2026-01-01 and the members of its request", SDK, "2026-11"),
            Evidence::new(
                "the modes of the browser's SDK",
                Source::sdk("npm @cashfreepayments/cashfree-js 1.0.7"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Secret keys begin with cfsk_ma_test_ or cfsk_ma_prod_, and app ids of the test environment with TEST (public integrations only).",
        ),
        hosts: &[Host::main("https://api.cashfree.com", "https://sandbox.cashfree.com")],
        credentials: &[
            required("app_id")
                .public()
                .found_in("Merchant dashboard > Developers > API Keys, under Payment Gateway: App ID", KEYS),
            required("secret_key")
                .found_in("Merchant dashboard > Developers > API Keys, under Payment Gateway: Secret Key", KEYS),
        ],
        grants: &[client_grant("payment_session", "pay this one order with the SDK", LIFETIME, payment_session)
            .by_default()
            .inputs(&[
                Input::decimal("order_amount").required(),
                Input::currency("order_currency").required(),
                Input::text_of("customer_id", 50).required(),
                Input::text_of("customer_phone", 10).required(),
                Input::text_of("customer_email", 100),
                Input::text_of("customer_name", 100),
                Input::url("return_url"),
                Input::url("notify_url"),
                Input::texts("payment_methods"),
                Input::text_of("order_note", 200),
                Input::one_of("api_version", VERSIONS),
            ])
            .metadata(10, 255, 255)
            .worst_case(
                "pay the order with any card, so try stolen ones on it (card testing), and learn its amount",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(CLIENT_SDK)
            .client_parameters(&[
                ClientParameter::new("order_id", "the order", "CFSession(paymentSessionId, orderId, environment)"),
                ClientParameter::new("mode", "sandbox or production", "load({ mode }) of cashfree-js"),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No("each call makes an order of its own (OpenAPI 2025-01-01)"))
            .lifetime_note("the session lives as long as its order")],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.secret_key.expose(), &["cfsk_ma_test_"], &["cfsk_ma_prod_"])
            .or_else(|| Mode::of_key(credentials.app_id.expose(), &["TEST"], &[]))
    }
}

fn payment_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Call::post(exchange.url("/pg/orders")?)
            .secret_header("x-client-id", credentials.app_id.expose())
            .secret_header("x-client-secret", credentials.secret_key.expose())
            .header("x-api-version", exchange.input.text("api_version").unwrap_or("2026-01-01"))
            .header("x-idempotency-key", exchange.idempotency_key)
            .json(&order(exchange)?)
            .repeatable()
            .send(),
        [reply, ..] => {
            let order: Order = reply.accept(refusal)?;
            if order.order_status != "ACTIVE" {
                return Err(Error::bad_reply("Cashfree's order is not one that can be paid"));
            }
            let expiry = Expiry::at_date(&order.order_expiry_time)?;
            let token = Token::new(&order.payment_session_id, "payment_session_id", expiry)?
                .client("order_id", order.order_id)
                .client("mode", if exchange.mode == Mode::Live { "production" } else { "sandbox" });
            Ok(Step::Done(token))
        }
    }
}

fn order(exchange: &Exchange<'_>) -> Result<Value> {
    let input = exchange.input;
    let amount = input.required_decimal("order_amount")?;
    if amount.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 2) {
        return Err(Error::invalid_input("order_amount", "Cashfree takes at most two decimals"));
    }
    let amount: f64 = amount.parse().map_err(|_| Error::invalid_input("order_amount", "must be an amount"))?;
    if amount < 1.0 {
        return Err(Error::invalid_input("order_amount", "Cashfree takes at least 1"));
    }
    let phone = input.required_text("customer_phone")?;
    if phone.len() != 10 || !phone.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid_input("customer_phone", "must be 10 digits"));
    }
    for (name, least, most) in BOUNDS {
        if input.text(name).is_some_and(|text| !(*least..=*most).contains(&text.chars().count())) {
            return Err(Error::invalid_input(name, format!("Cashfree takes {least} to {most} characters")));
        }
    }
    let expires_at = exchange.expires_on()?;
    let methods = input.texts("payment_methods").join(",");
    // 3 to 45 letters, digits, _ and - (OpenAPI 2025-01-01); a second order of an id is refused.
    let order_id = exchange.object_reference(45, "_-");
    Ok(encoding::sparse(json!({
        // Without an id, Cashfree makes one.
        "order_id": Some(order_id).filter(|id| id.len() >= 3),
        "order_amount": amount,
        "order_currency": input.required_text("order_currency")?.to_ascii_uppercase(),
        "customer_details": encoding::sparse(json!({
            "customer_id": input.required_text("customer_id")?,
            "customer_phone": phone,
            "customer_email": input.text("customer_email"),
            "customer_name": input.text("customer_name"),
        })),
        "order_meta": encoding::sparse(json!({
            "return_url": input.text("return_url"),
            "notify_url": input.text("notify_url"),
            "payment_methods": Some(methods).filter(|methods| !methods.is_empty()),
        })),
        "order_expiry_time": expires_at.to_string(),
        "order_note": input.text("order_note"),
        "order_tags": input.metadata,
    })))
}

#[derive(Deserialize)]
struct Order {
    order_id: String,
    order_status: String,
    payment_session_id: String,
    order_expiry_time: String,
}

fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/code"], &["/message"], &["/type"])
}
