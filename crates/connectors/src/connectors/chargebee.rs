//! Chargebee: the portal session of one customer, and hosted pages for that customer's payment
//! methods or for a new subscription.
//! <https://apidocs.chargebee.com/docs/api/portal_sessions>

use http::Uri;

use crate::{input::kind::InputKind, prelude::*};

/// Chargebee's bound on the redirect URL, in characters.
const MAX_REDIRECT_URL: usize = 250;
/// The time within which a portal session's URL can be opened, in seconds.
const PORTAL_LIFETIME: u32 = 3600;
/// The bound on `pass_thru_content` in characters, by the OpenAPI document v1 and chargebee 3.33.0.
const MAX_PASS_THRU: usize = 2048;
const CUSTOMER: Input = Input::text_of("customer_id", 50);
const REDIRECT_URL: Input = Input::url("redirect_url");
const GATEWAY_ACCOUNT: Input = Input::text_of("gateway_account_id", 50);
/// Only the merchant has it; it is handed out and not sent.
const PUBLISHABLE_KEY: Input = Input::text("publishable_key");
const SITE: ClientParameter =
    ClientParameter::new("site", "the site, with -test for a test site", "Chargebee.init({ site })");
const KEY: ClientParameter = ClientParameter::new(
    "publishable_key",
    "the publishable key, where it was given",
    "Chargebee.init({ publishableKey })",
);
const PAGE_URL: ClientParameter = ClientParameter::new(
    "url",
    "the address of the hosted page",
    "openCheckout({ hostedPage }) of Chargebee.js as the member url, or a redirect; never an iframe of one's own",
);
const EACH_OF_ITS_OWN: MintingEndsEarlier =
    MintingEndsEarlier::No("chargebee 3.33.0: each call makes a session or page of its own");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: Secret,
    site: String,
}

pub(super) struct Chargebee;

impl Connector for Chargebee {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "chargebee",
        name: "Chargebee",
        docs: "https://apidocs.chargebee.com/docs/api/portal_sessions",
        unconfirmed: &[
            "The prefixes live_ and test_ of API keys.",
            "The error codes that come with each status.",
            "How long a hosted page can be opened; the answer says its end.",
        ],
        evidence: &[
            Evidence::new(
                "paths, members of the forms and replies, the idempotency header, members of errors",
                Source::sdk("chargebee 3.33.0 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "members, lengths and notes of portal sessions",
                Source::schema("Chargebee OpenAPI document v1"),
                "2026-11",
            ),
            Evidence::new(
                "Chargebee.js takes the site, the publishable key, a portal session's token, a hosted page's url",
                Source::sdk("@chargebee/chargebee-js-types 1.0.8 (npm)"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "API keys begin with live_ or test_, and a test site ends with -test (not confirmed by a document).",
        ),
        hosts: &[Host::main("https://{site}.chargebee.com", "https://{site}-test.chargebee.com")],
        credentials: &[
            required("api_key").found_in(
                "Settings > Configure Chargebee > API Keys and Webhooks > API Keys: full-access key",
                Source::page("https://www.chargebee.com/docs/api_keys.html"),
            ),
            required("site").public().found_in(
                "The first label of the site's address: acme of acme.chargebee.com",
                Source::third_party("docs.n8n.io, Chargebee credentials"),
            ),
        ],
        grants: &[
            client_grant(
                "portal_session",
                "open the self-service portal as that customer",
                Lifetime::Fixed(PORTAL_LIFETIME),
                portal_session,
            )
            .by_default()
            .inputs(&[CUSTOMER.required(), REDIRECT_URL, PUBLISHABLE_KEY])
            .server_parameters(&["portal_session_id"])
            .worst_case(
                "act as that customer in the portal: invoices, addresses, cards, cancel or change subscriptions",
                &[Bound::Customer],
            )
            .client_source(Source::sdk("@chargebee/chargebee-js-types 1.0.8 (npm), PortalSession"))
            .client_parameters(&[
                SITE,
                KEY,
                ClientParameter::new(
                    "access_url",
                    "the address that opens the portal, once",
                    "a redirect, where the page has no Chargebee.js",
                ),
            ])
            .url_domains(&["chargebeeportal.com"])
            .minting_ends_earlier(EACH_OF_ITS_OWN)
            .lifetime_note("within it the session can be opened; once opened, it lasts until the customer logs out"),
            client_grant(
                "manage_payment_sources",
                "add and change that customer's payment methods on a hosted page",
                Lifetime::InReply,
                hosted_page,
            )
            .inputs(&[CUSTOMER.required(), REDIRECT_URL, GATEWAY_ACCOUNT, PUBLISHABLE_KEY])
            .worst_case(
                "add, change and remove that customer's payment methods on the page",
                &[Bound::Customer, Bound::Object],
            )
            .client_source(Source::sdk("@chargebee/chargebee-js-types 1.0.8 (npm), HostedPageData"))
            .client_parameters(&[SITE, KEY, PAGE_URL])
            .minting_ends_earlier(EACH_OF_ITS_OWN),
            client_grant(
                "hosted_checkout",
                "subscribe to the named item prices or plan on a hosted page",
                Lifetime::InReply,
                hosted_page,
            )
            .inputs(&[
                Input::objects("items"),
                Input::text_of("plan_id", 100),
                Input::integer("plan_quantity", 1, 1_000_000),
                CUSTOMER,
                Input::text_of("customer_email", 70),
                REDIRECT_URL,
                GATEWAY_ACCOUNT,
                Input::one_of("layout", &["in_app", "full_page"]),
                PUBLISHABLE_KEY,
            ])
            .one_of(&[&["items"], &["plan_id"]])
            .worst_case(
                "subscribe to those prices with cards of its own, in the name of the given customer if there is one",
                &[Bound::Amount, Bound::Object],
            )
            .client_source(Source::sdk("@chargebee/chargebee-js-types 1.0.8 (npm), HostedPageData"))
            .client_parameters(&[SITE, KEY, PAGE_URL])
            .minting_ends_earlier(EACH_OF_ITS_OWN),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.api_key.expose(), &["test_"], &["live_"])
            .or_else(|| credentials.site.ends_with("-test").then_some(Mode::Test))
    }
}

fn portal_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/api/v2/portal_sessions", FormBody::new()),
        [reply, ..] => {
            let session = reply.accept::<Portal>(refusal)?.portal_session;
            // Chargebee's documents list expires_at among the members that may be absent.
            let end = match (session.expires_at, session.created_at) {
                (Some(Seconds(end)), _) => end,
                (None, Some(Seconds(start))) => start.saturating_add(PORTAL_LIFETIME.into()),
                (None, None) => return Err(Error::bad_reply("Chargebee's portal session has no dates")),
            };
            let token = Token::new(&session.token, "portal_session", Expiry::at_epoch(end)?)?
                .client("access_url", session.access_url);
            let token = session.id.into_iter().fold(token, |token, id| token.server("portal_session_id", id));
            Ok(Step::Done(with_site(credentials, exchange, token)?))
        }
    }
}

/// The page of either kind.
fn hosted_page(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    match exchange.replies {
        [] => {
            let gateway = input.text("gateway_account_id");
            let form = FormBody::new().maybe("card[gateway_account_id]", gateway);
            let (path, form) = match (input.value("items"), input.text("plan_id")) {
                (Some(_), Some(_)) => {
                    return Err(Error::invalid_input("plan_id", "is for catalog 1.0, and items for catalog 2.0"));
                }
                (Some(Value::Array(items)), None) => {
                    ("checkout_new_for_items", checkout(exchange, with_items(form, items)?))
                }
                (_, Some(_)) if input.value("layout").is_some() => {
                    return Err(Error::invalid_input("layout", "is for catalog 2.0: for items"));
                }
                (_, Some(plan)) => {
                    let quantity = input.integer("plan_quantity").map(|count| count.to_string());
                    let form = form
                        .field("subscription[plan_id]", plan)
                        .maybe("subscription[plan_quantity]", quantity.as_deref());
                    ("checkout_new", checkout(exchange, form))
                }
                _ => ("manage_payment_sources", form),
            };
            post(credentials, exchange, &format!("/api/v2/hosted_pages/{path}"), form)
        }
        [reply, ..] => {
            let page = reply.accept::<Hosted>(refusal)?.hosted_page;
            // Chargebee's types list expires_at among the members that may be absent.
            let expiry = page.expires_at.map_or(Ok(Expiry::Unpublished), Expiry::at_epoch)?;
            let token = Token::new(&page.id, "hosted_page_id", expiry)?.client("url", page.url);
            Ok(Step::Done(with_site(credentials, exchange, token)?))
        }
    }
}

/// The fields that the two checkouts share.
fn checkout(exchange: &Exchange<'_>, form: FormBody) -> FormBody {
    let input = exchange.input;
    form.maybe("customer[email]", input.text("customer_email"))
        .maybe("layout", input.text("layout"))
        .field("pass_thru_content", &exchange.reference_within(MAX_PASS_THRU, " !#$%&'()*+,-./:;=?@[]^_{|}~"))
}

/// Names with brackets, the index last: `subscription_items[item_price_id][0]`.
fn with_items(form: FormBody, items: &[Value]) -> Result<FormBody> {
    let wrong = || {
        let form = "each must have a text item_price_id; its other members are texts, numbers or flags";
        Error::invalid_input("items", form)
    };
    items.iter().enumerate().try_fold(form, |form, (nth, item)| {
        encoding::text_at(item, "/item_price_id").ok_or_else(wrong)?;
        item.as_object().into_iter().flatten().try_fold(form, |form, (name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return Err(wrong()),
            };
            Ok(form.field(&format!("subscription_items[{name}][{nth}]"), &value))
        })
    })
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str, form: FormBody) -> Result<Step> {
    let redirect_url = exchange.input.text("redirect_url");
    if redirect_url.is_some_and(|url| url.chars().count() > MAX_REDIRECT_URL) {
        let most = format!("Chargebee takes at most {MAX_REDIRECT_URL} characters");
        return Err(Error::invalid_input("redirect_url", most));
    }
    let form = form.maybe("customer[id]", exchange.input.text("customer_id")).maybe("redirect_url", redirect_url);
    Call::post(url(credentials, exchange, path)?)
        .basic(credentials.api_key.expose(), "")
        .header("chargebee-idempotency-key", exchange.idempotency_key)
        .form(form)
        .repeatable()
        .send()
}

/// Adds the values with which Chargebee.js starts.
fn with_site(credentials: &Credentials, exchange: &Exchange<'_>, token: Token) -> Result<Token> {
    let suffix = if exchange.mode == Mode::Test { "-test" } else { "" };
    let token = token.client("site", format!("{}{suffix}", site(credentials, exchange)?));
    Ok(match exchange.input.text("publishable_key") {
        Some(key) => token.client("publishable_key", key),
        None => token,
    })
}

/// The label in the host name is the merchant's site, which is a credential and not an input.
fn url(credentials: &Credentials, exchange: &Exchange<'_>, path: &str) -> Result<Uri> {
    exchange.url_with_label(site(credentials, exchange)?, path)
}

/// The site without the suffix of test sites.
fn site<'a>(credentials: &'a Credentials, exchange: &Exchange<'_>) -> Result<&'a str> {
    let site = match exchange.mode {
        Mode::Live if credentials.site.ends_with("-test") => {
            return Err(Error::invalid_credential("site", "is a test site, which live mode cannot use"));
        }
        Mode::Live => credentials.site.as_str(),
        Mode::Test => credentials.site.strip_suffix("-test").unwrap_or(&credentials.site),
    };
    if !InputKind::Label.accepts(&Value::from(site)) {
        return Err(Error::invalid_credential("site", format!("must be {}", InputKind::Label.describe())));
    }
    Ok(site)
}

#[derive(Deserialize)]
struct Portal {
    portal_session: Session,
}

#[derive(Deserialize)]
struct Session {
    #[serde(default, deserialize_with = "encoding::lenient")]
    id: Option<String>,
    token: String,
    access_url: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    created_at: Option<Seconds>,
    expires_at: Option<Seconds>,
}

#[derive(Deserialize)]
struct Hosted {
    hosted_page: Page,
}

#[derive(Deserialize)]
struct Page {
    id: String,
    url: String,
    expires_at: Option<Seconds>,
}

/// <https://apidocs.chargebee.com/docs/api/error-handling>
fn refusal(reply: &Reply) -> Refusal {
    // `error_code` and `error_msg` are the older names of the same.
    reply.refusal(
        &["/api_error_code", "/error_code"],
        &["/message", "/error_msg"],
        &["/param", "/error_param", "/type"],
    )
}
