//! Mollie: a session for its Components, a payment's checkout page, an Apple Pay merchant session,
//! or the access token of a connected merchant.
//! <https://docs.mollie.com/reference/create-session>

use http::Uri;

use crate::input::kind::with_decimals;
use crate::prelude::*;

/// The lifetime of a session whose answer has no `expiresAt`, in seconds.
const SESSION_LIFETIME: u32 = 900;
/// The lifetime of an Apple Pay session, in seconds. A later `expiresAt` in it does not count.
const APPLE_PAY_LIFETIME: u32 = 300;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.mollie.com/connect/getting-started");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    profile_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    refresh_token: Option<Secret>,
}

/// The currencies without decimals; all others that the vendor lists have two.
/// <https://docs.mollie.com/docs/currencies>
const WHOLE: &[&str] = &["ISK", "JPY"];

const AMOUNT: Input = Input::decimal("amount").required();
const CURRENCY: Input = Input::currency("currency").required();
const DESCRIPTION: Input = Input::text("description").required();
const RETURN_URL: Input = Input::url("return_url").required();
const SEQUENCE_TYPE: Input = Input::one_of("sequence_type", &["oneoff", "first"]);
const CUSTOMER_ID: Input = Input::text("customer_id");
const LINES: Input =
    Input::objects("lines").amounts("each amount has a currency and a value in major units: \"10.50\" is EUR 10.50");
const BILLING_ADDRESS: Input = Input::object("billing_address");
const SHIPPING_ADDRESS: Input = Input::object("shipping_address");
const WEBHOOK_URL: Input = Input::url("webhook_url");

pub(super) struct Mollie;

impl Connector for Mollie {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "mollie",
        name: "Mollie",
        docs: "https://docs.mollie.com/reference/create-session",
        unconfirmed: &[
            "Sessions are in private beta: the account must be admitted, and the vendor may still change them.",
            "A session lives for 15 minutes in an older example of the vendor; no schema and no client says so.",
            "The number and the lengths of metadata are our bounds; Mollie takes about 1 kB of any JSON.",
            "An amount of zero makes a first payment that verifies and stores a card.",
            "A refresh token can be used again, and an earlier access token lives on.",
        ],
        evidence: &[
            Evidence::new(
                "paths, members and methods of sessions, payments, Apple Pay sessions and OAuth tokens; errors",
                Source::sdk("mollie-api-typescript 1.12.28 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "the OAuth call as a form with Basic authentication",
                Source::sdk("@mollie/api-client 4.6.0 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "the session's token starts Mollie Components",
                Source::page("https://docs.mollie.com/docs/custom-checkout-components"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "API keys begin with test_ or live_ (Mollie's OpenAPI document); access tokens (access_) serve both modes.",
        ),
        hosts: &[Host::main("https://api.mollie.com", "https://api.mollie.com")],
        credentials: &[
            required("api_key").key_prefixes(&["live_", "test_", "access_"]).found_in("Web app > Developers > API access tokens > Create access token: standard API key, or advanced access token", Source::page("https://help.mollie.com/hc/en-us/articles/360023732273-What-is-an-API-key")),
            optional("profile_token").public(),
            optional("client_id").public().found_in("Dashboard, at the registration of the app: Client ID", KEYS),
            optional("client_secret").found_in("Dashboard, at the registration of the app: Client Secret", KEYS),
            optional("refresh_token").found_in("Mollie's token endpoint answers it after a merchant's consent: refresh token", KEYS),
        ],
        grants: GRANTS,
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        match credentials.api_key.expose().split_once('_') {
            Some(("test", _)) => Some(Mode::Test),
            Some(("live", _)) => Some(Mode::Live),
            _ => None,
        }
    }
}

const GRANTS: &[Grant<StepFn<Credentials>>] = &[
    client_grant("session", "run Mollie Components for this one order", Lifetime::Fixed(SESSION_LIFETIME), session)
        .by_default()
        .inputs(&[
            AMOUNT,
            CURRENCY,
            DESCRIPTION,
            RETURN_URL,
            SEQUENCE_TYPE,
            CUSTOMER_ID,
            LINES,
            BILLING_ADDRESS,
            SHIPPING_ADDRESS,
            WEBHOOK_URL,
        ])
        .metadata_json(20, 40, 500)
        .worst_case("pay for that order, or try cards on it", &[Bound::Amount, Bound::Object])
        .client_source(Source::page("https://docs.mollie.com/docs/custom-checkout-components"))
        .client_parameters(&[ClientParameter::new(
            "session_id",
            "the id of the session, with which the backend reads the result",
            "no client SDK; GET /v2/sessions/{id} with the API key",
        )])
        .minting_ends_earlier(MintingEndsEarlier::No(
            "mollie-api-typescript 1.12.28: each call makes a session of its own",
        ))
        .lifetime_note("the newest client knows no end in the answer; without one, 15 minutes are taken"),
    client_grant("payment", "open Mollie's checkout page for this payment", Lifetime::InReply, payment)
        .inputs(&[
            AMOUNT,
            CURRENCY,
            DESCRIPTION,
            RETURN_URL,
            SEQUENCE_TYPE,
            CUSTOMER_ID,
            LINES,
            BILLING_ADDRESS,
            SHIPPING_ADDRESS,
            WEBHOOK_URL,
            Input::text("method"),
            Input::texts("methods"),
        ])
        .metadata_json(20, 40, 500)
        .worst_case(
            "pay that payment on Mollie's page, and see its description and amount",
            &[Bound::Amount, Bound::Object],
        )
        .client_source(Source::page("https://docs.mollie.com/docs/hosted-checkout"))
        .client_parameters(&[ClientParameter::new(
            "payment_id",
            "the id of the payment, with which the backend reads the result",
            "no client SDK; GET /v2/payments/{id} with the API key",
        )])
        .minting_ends_earlier(MintingEndsEarlier::No(
            "mollie-api-typescript 1.12.28: each call makes a payment of its own",
        ))
        .lifetime_note("it depends on the method: a bank transfer can be paid for days; some methods have no end"),
    client_grant(
        "apple_pay_session",
        "complete Apple Pay's merchant validation once",
        Lifetime::Fixed(APPLE_PAY_LIFETIME),
        apple_pay_session,
    )
    .inputs(&[Input::url("validation_url").required(), Input::text("domain").required()])
    .worst_case("show one Apple Pay sheet in the merchant's name on that domain", &[Bound::Origin, Bound::SingleUse])
    .client_source(Source::sdk("mollie-api-typescript 1.12.28 (npm), walletsRequestApplePaySession"))
    .minting_ends_earlier(MintingEndsEarlier::No(
        "mollie-api-typescript 1.12.28: each transaction has a session of its own",
    ))
    .single_use(),
    server_grant(
        "oauth_refresh",
        "act for one connected merchant within the scopes of its authorization",
        Lifetime::InReply,
        oauth_refresh,
    )
    .inputs(&[
        Input::text("client_id"),
        Input::secret("client_secret"),
        Input::secret("refresh_token"),
        Input::url("redirect_uri"),
    ])
    .server_parameters(&["refresh_token"]),
];

fn session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/v2/sessions", session_body(exchange)?),
        [reply, ..] => {
            let made: Made = reply.accept(refusal)?;
            let token = Token::new(
                &made.client_access_token.unwrap_or_default(),
                "client_access_token",
                match made.expires_at {
                    Some(date) => Expiry::at_date(&date)?,
                    None => Expiry::after_reply(reply, SESSION_LIFETIME)?,
                },
            )?;
            // A session that is over says when it ended.
            let ends = made.expired_at.map(|date| Expiry::at_date(&date)).transpose()?;
            Ok(Step::Done(ends.into_iter().fold(token.client("session_id", made.id), Token::ends_by)))
        }
    }
}

fn payment(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/v2/payments", payment_body(exchange)?),
        [reply, ..] => {
            let made: Made = reply.accept(refusal)?;
            // A payment that can no longer expire has no end.
            let expiry = made.expires_at.map_or(Ok(Expiry::Unpublished), |date| Expiry::at_date(&date))?;
            let url = encoding::text_at(&made.links, "/checkout/href").unwrap_or_default();
            Ok(Step::Done(Token::new(url, "checkout_url", expiry)?.client("payment_id", made.id)))
        }
    }
}

fn apple_pay_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let url = input.required_text("validation_url")?;
            if !url.parse::<Uri>().is_ok_and(|url| is_apples(&url)) {
                return Err(Error::invalid_input("validation_url", "must be https and on a host of apple.com"));
            }
            let mut body = Map::new();
            body.insert("validationUrl".into(), json!(url));
            body.insert("domain".into(), json!(input.required_text("domain")?));
            post(credentials, exchange, "/v2/wallets/applepay/sessions", body)
        }
        [reply, ..] => {
            let session: Map<String, Value> = reply.accept(refusal)?;
            if !session.contains_key("merchantSessionIdentifier") {
                return Err(Error::bad_reply("Mollie's answer is no Apple Pay session"));
            }
            let end = apple_pay_end(&session)?;
            // Only Apple reads the session, so the client gets the whole of it.
            let documented = Expiry::after_reply(reply, APPLE_PAY_LIFETIME)?;
            let token = Token::new(&Value::Object(session).to_string(), "apple_pay_session", documented)?;
            Ok(Step::Done(end.into_iter().fold(token, Token::ends_by)))
        }
    }
}

/// The end that the session itself has, in epoch milliseconds.
fn apple_pay_end(session: &Map<String, Value>) -> Result<Option<Expiry>> {
    match session.get("expiresAt") {
        None | Some(Value::Null) => Ok(None),
        Some(end) => {
            let end = end.as_i64().ok_or_else(|| Error::bad_reply("the Apple Pay session's end cannot be read"))?;
            Expiry::at_epoch_ms(end).map(Some)
        }
    }
}

/// The form and Basic authentication are those of the vendor's older client. The newer one sends
/// the same members as JSON.
fn oauth_refresh(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let given = |name: &'static str, own: Option<&str>| {
                let value = exchange.input.text(name).or(own).map(str::to_owned);
                value.ok_or_else(|| {
                    Error::missing_inputs(&[name], "neither it nor the credential of that name is there")
                })
            };
            let client_id = given("client_id", credentials.client_id.as_deref())?;
            let client_secret = given("client_secret", credentials.client_secret.as_ref().map(Secret::expose))?;
            let refresh_token = given("refresh_token", credentials.refresh_token.as_ref().map(Secret::expose))?;
            let form = FormBody::new()
                .field("grant_type", "refresh_token")
                .field("refresh_token", &refresh_token)
                .maybe("redirect_uri", exchange.input.text("redirect_uri"));
            Call::post(exchange.url("/oauth2/tokens")?)
                .basic(&client_id, &client_secret)
                .header("idempotency-key", exchange.idempotency_key)
                .form(form)
                .repeatable()
                .send()
        }
        [reply, ..] => Ok(Step::Done(reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?)),
    }
}

fn is_apples(url: &Uri) -> bool {
    url.scheme_str() == Some("https") && url.host().is_some_and(|host| host.ends_with(".apple.com"))
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, mut body: Map<String, Value>) -> Result<Step> {
    // An organization's token is valid for several profiles and in both modes, so the call names
    // both; an API key belongs to one profile and one mode.
    if credentials.api_key.expose().starts_with("access_") {
        let Some(profile) = &credentials.profile_token else {
            return Err(Error::invalid_credential("profile_token", "an organization's access token needs it"));
        };
        body.insert("profileId".into(), json!(profile));
        body.insert("testmode".into(), json!(exchange.mode == Mode::Test));
    }
    Call::post(exchange.url(path)?)
        .bearer(credentials.api_key.expose())
        .header("idempotency-key", exchange.idempotency_key)
        .json(&body)
        .repeatable()
        .send()
}

fn session_body(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let amount = amount(exchange)?;
    let mut body = order(exchange, &amount)?;
    body.entry("lines").or_insert_with(|| {
        let description = input.text("description");
        json!([{ "description": description, "quantity": 1, "unitPrice": amount, "totalAmount": amount }])
    });
    // In a session the webhook belongs to the payment that the session makes later.
    if let Some(url) = input.text("webhook_url") {
        body.insert("payment".into(), json!({ "webhookUrl": url }));
    }
    Ok(body)
}

fn payment_body(exchange: &Exchange<'_>) -> Result<Map<String, Value>> {
    let mut body = order(exchange, &amount(exchange)?)?;
    let input = exchange.input;
    if input.value("method").is_some() && input.value("methods").is_some() {
        return Err(Error::invalid_input("methods", "method names the one that the page goes straight to"));
    }
    // One name skips the page on which the shopper chooses; a list narrows it.
    let names = [("webhook_url", "webhookUrl"), ("method", "method"), ("methods", "method")];
    input.copy_into(&mut body, &names);
    Ok(body)
}

fn amount(exchange: &Exchange<'_>) -> Result<Value> {
    let currency = exchange.input.required_text("currency")?.to_ascii_uppercase();
    let value = exchange.input.required_amount("amount", decimals(&currency))?;
    Ok(json!({ "currency": currency, "value": value }))
}

/// The members that sessions and payments share.
fn order(exchange: &Exchange<'_>, amount: &Value) -> Result<Map<String, Value>> {
    let input = exchange.input;
    let mut metadata = input.metadata_json();
    // About 1 kB of metadata in all (mollie-api-typescript 1.12.28): any reference fits.
    metadata.entry("ref").or_insert_with(|| exchange.reference.into());
    let mut body = Map::new();
    body.insert("amount".into(), amount.clone());
    body.insert("metadata".into(), json!(metadata));
    input.copy_into(
        &mut body,
        &[
            ("description", "description"),
            ("return_url", "redirectUrl"),
            ("sequence_type", "sequenceType"),
            ("customer_id", "customerId"),
            ("billing_address", "billingAddress"),
            ("shipping_address", "shippingAddress"),
        ],
    );
    if let Some(Value::Array(lines)) = input.value("lines") {
        let lines: Vec<Value> = lines.iter().map(line).collect::<Option<_>>().ok_or_else(|| {
            Error::invalid_input("lines", "amounts must have a currency and a value with at most its decimals")
        })?;
        body.insert("lines".into(), lines.into());
    }
    Ok(body)
}

fn decimals(currency: &str) -> usize {
    if WHOLE.contains(&currency) { 0 } else { 2 }
}

/// A line whose amounts have their currency's decimals.
fn line(line: &Value) -> Option<Value> {
    let mut line = line.clone();
    for amount in line.as_object_mut()?.values_mut().filter(|member| member.get("value").is_some()) {
        let currency = amount.get("currency")?.as_str()?.to_ascii_uppercase();
        // What a discount, a voucher or a gift card takes off is negative.
        let given = amount.get("value")?;
        let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
        let (sign, given) = given.strip_prefix('-').map_or(("", given.as_str()), |given| ("-", given));
        let value = with_decimals(&given.into(), decimals(&currency))?;
        *amount = json!({ "currency": currency, "value": format!("{sign}{value}") });
    }
    Some(line)
}

/// A session or a payment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    id: String,
    client_access_token: Option<String>,
    expires_at: Option<String>,
    expired_at: Option<String>,
    #[serde(rename = "_links", default)]
    links: Value,
}

/// Mollie's own form (`status`, `title`, `detail`), and that of OAuth (`error`).
fn refusal(reply: &Reply) -> Refusal {
    let messages = ["/detail", "/error_description", "/title"];
    let refusal = reply.refusal(&["/error", "/status", "/title"], &messages, &["/field"]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.kind(kind)
}
