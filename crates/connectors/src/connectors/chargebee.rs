//! Chargebee: the portal session of one customer, and a hosted page for that customer's payment
//! methods.
//! <https://apidocs.chargebee.com/docs/api/portal_sessions>

use http::Uri;

use crate::{input::kind::InputKind, prelude::*};

/// Chargebee's bound on the redirect URL, in characters.
const MAX_REDIRECT_URL: usize = 250;
/// The time within which a portal session's URL can be opened, in seconds.
const PORTAL_LIFETIME: u32 = 3600;
const INPUTS: &[Input] = &[Input::text_of("customer_id", 50).required(), Input::url("redirect_url")];

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
            "The header chargebee-idempotency-key.",
            "The error codes that come with each status.",
        ],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://{site}.chargebee.com", "https://{site}-test.chargebee.com")],
        credentials: &[required("api_key"), required("site").public()],
        grants: &[
            client_grant(
                "portal_session",
                "open the self-service portal as that customer",
                Lifetime::Fixed(PORTAL_LIFETIME),
                portal_session,
            )
            .by_default()
            .inputs(INPUTS),
            client_grant(
                "manage_payment_sources",
                "add and change that customer's payment methods on a hosted page",
                Lifetime::InReply,
                manage_payment_sources,
            )
            .inputs(INPUTS),
        ],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        Mode::of_key(credentials.api_key.expose(), &["test_"], &["live_"])
            .or_else(|| credentials.site.ends_with("-test").then_some(Mode::Test))
    }
}

fn portal_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/api/v2/portal_sessions"),
        [reply, ..] => {
            let session = reply.accept::<Portal>(refusal)?.portal_session;
            // Chargebee's documents list expires_at among the members that may be absent.
            let end = match (session.expires_at, session.created_at) {
                (Some(Seconds(end)), _) => end,
                (None, Some(Seconds(start))) => start.saturating_add(PORTAL_LIFETIME.into()),
                (None, None) => return Err(Error::bad_reply("Chargebee's portal session has no dates")),
            };
            let token = Token::new(&session.token, "portal_session", Expiry::at_epoch(end)?)?
                .client("access_url", session.access_url)
                .client("portal_session_id", session.id);
            Ok(Step::Done(token))
        }
    }
}

fn manage_payment_sources(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/api/v2/hosted_pages/manage_payment_sources"),
        [reply, ..] => {
            let page = reply.accept::<Hosted>(refusal)?.hosted_page;
            let token = Token::new(&page.id, "hosted_page", Expiry::at_epoch(page.expires_at)?)?;
            Ok(Step::Done(token.client("url", page.url)))
        }
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str) -> Result<Step> {
    let redirect_url = exchange.input.text("redirect_url");
    if redirect_url.is_some_and(|url| url.chars().count() > MAX_REDIRECT_URL) {
        let most = format!("Chargebee takes at most {MAX_REDIRECT_URL} characters");
        return Err(Error::invalid_input("redirect_url", most));
    }
    let form = FormBody::new()
        .field("customer[id]", exchange.input.required_text("customer_id")?)
        .maybe("redirect_url", redirect_url);
    Call::post(url(credentials, exchange, path)?)
        .basic(credentials.api_key.expose(), "")
        .header("chargebee-idempotency-key", exchange.idempotency_key)
        .form(form)
        .repeatable()
        .send()
}

/// The label in the host name is the merchant's site, which is a credential and not an input.
fn url(credentials: &Credentials, exchange: &Exchange<'_>, path: &str) -> Result<Uri> {
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
    exchange.url_with_label(site, path)
}

#[derive(Deserialize)]
struct Portal {
    portal_session: Session,
}

#[derive(Deserialize)]
struct Session {
    id: String,
    token: String,
    access_url: String,
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
    expires_at: Seconds,
}

/// <https://apidocs.chargebee.com/docs/api/error-handling>
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/api_error_code"], &["/message"], &["/param", "/type"])
}
