//! Plaid: tokens that start Link or Layer for one end user, and an OAuth token for its newer APIs.
//! <https://plaid.com/docs/api/link/#linktokencreate>

use crate::prelude::*;

/// The languages that Link supports.
const LANGUAGES: &[&str] =
    &["da", "nl", "en", "et", "fr", "de", "hi", "it", "lv", "lt", "no", "pl", "pt", "ro", "es", "sv", "vi"];
const SCOPES: &[&str] = &["user:read", "user:write", "exchange", "mcp:dashboard"];
const PURPOSES: &[&str] = &[
    "ACCOUNT_REVIEW_CREDIT",
    "ACCOUNT_REVIEW_NON_CREDIT",
    "EXTENSION_OF_CREDIT",
    "LEGITIMATE_BUSINESS_NEED_TENANT_SCREENING",
    "LEGITIMATE_BUSINESS_NEED_OTHER",
    "WRITTEN_INSTRUCTION_PREQUALIFICATION",
    "WRITTEN_INSTRUCTION_OTHER",
    "ELIGIBILITY_FOR_GOVT_BENEFITS",
];
const USER: Input = Input::object("user");
const USER_ID: Input = Input::text("user_id");
const REDIRECT_URI: Input = Input::url("redirect_uri");
const ANDROID_PACKAGE_NAME: Input = Input::text("android_package_name");
const WEBHOOK: Input = Input::url("webhook");
const HOSTED_LINK_URL: ClientParameter = ClientParameter::new(
    "hosted_link_url",
    "Plaid's own page for this session, where hosted_link was asked for",
    "the address that the end user opens, in place of Link in a page",
);
const NEW_TOKEN_EACH_TIME: MintingEndsEarlier =
    MintingEndsEarlier::No("plaid 47.0.0: a token can be used until its expiration");

/// Where the vendor says which credentials there are.
const KEYS: Source =
    Source::page("https://support.plaid.com/hc/en-us/articles/360008422293-API-key-rotation-and-permissions");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    secret: Secret,
}

pub(super) struct Plaid;

impl Connector for Plaid {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "plaid",
        name: "Plaid",
        docs: "https://plaid.com/docs/api/link/#linktokencreate",
        unconfirmed: &["The HTTP status of INVALID_API_KEYS, of the rate limit and of maintenance."],
        evidence: &[
            Evidence::new(
                "paths, headers, members of the requests and replies, ends of Link tokens, hosts, errors",
                Source::schema("plaid-openapi 2020-09-14"),
                "2026-11",
            ),
            Evidence::new("the same, as types of version 1.740.1", Source::sdk("plaid 47.0.0 (npm)"), "2026-11"),
            Evidence::new("Link takes the token", Source::sdk("react-plaid-link 5.0.0 (npm)"), "2026-11"),
        ],
        mode_shown: ModeShown::No(
            "Keys have no prefix (plaid-openapi 2020-09-14); the secret differs for each environment.",
        ),
        hosts: &[Host::main("https://production.plaid.com", "https://sandbox.plaid.com")],
        credentials: &[
            required("client_id").public().found_in("Dashboard > Keys: client_id", KEYS),
            required("secret").found_in("Dashboard > Keys: the secret of the environment", KEYS),
        ],
        grants: &[
            client_grant("link_token", "open one Link session for one end user", Lifetime::InReply, link_token)
                .by_default()
                .inputs(LINK)
                // Without products, the session can only update items: that one or the user's.
                .one_of(&[&["products"], &["access_token"], &["user_id", "update"]])
                .worst_case(
                    "link a bank account of its own to that user, or log that user's item in again",
                    &[Bound::Customer],
                )
                .client_source(Source::sdk("react-plaid-link 5.0.0 (npm), usePlaidLink({ token })"))
                .client_parameters(&[HOSTED_LINK_URL])
                .minting_ends_earlier(NEW_TOKEN_EACH_TIME)
                .lifetime_note(
                    "4 hours for a new item, 30 minutes for an existing one or Hosted Link, up to 21 days by \
                     hosted_link.url_lifetime_seconds; with Identity Verification Plaid does not enforce any end, \
                     so none is given",
                ),
            client_grant("session_token", "open one Layer session for one end user", Lifetime::InReply, session_token)
                .inputs(&[
                    Input::text("template_id").required(),
                    USER,
                    USER_ID,
                    REDIRECT_URI,
                    ANDROID_PACKAGE_NAME,
                    WEBHOOK,
                ])
                .worst_case(
                    "open Layer in that user's name; data comes only after the owner of the phone agrees",
                    &[Bound::Customer],
                )
                .client_source(Source::schema("plaid-openapi 2020-09-14, session/token/create"))
                .client_parameters(&[HOSTED_LINK_URL])
                .minting_ends_earlier(NEW_TOKEN_EACH_TIME)
                .lifetime_note("4 hours as a rule; the answer states the end"),
            server_grant(
                "oauth_client_credentials",
                "call the APIs of the scopes asked for",
                Lifetime::InReply,
                oauth_client_credentials,
            )
            .inputs(&[Input::text("resource")])
            .scopes(Scopes::OneOf(SCOPES))
            .server_parameters(&["refresh_token"]),
        ],
    };
}

const LINK: &[Input] = &[
    Input::text_of("client_name", 30).required(),
    Input::one_of("language", LANGUAGES).required(),
    Input::texts("country_codes").required(),
    USER,
    Input::texts("products"),
    Input::texts("required_if_supported_products"),
    Input::texts("optional_products"),
    Input::texts("additional_consented_products"),
    Input::secret("access_token"),
    WEBHOOK,
    REDIRECT_URI,
    ANDROID_PACKAGE_NAME,
    USER_ID,
    Input::secret("user_token"),
    Input::text("link_customization_name"),
    Input::text("institution_id"),
    Input::one_of("consumer_report_permissible_purpose", PURPOSES),
    Input::flag("enable_multi_item_link"),
    Input::flag("financekit_supported"),
    Input::flag("cra_enabled"),
    Input::object("account_filters"),
    Input::object("hosted_link"),
    Input::object("update"),
    Input::object("institution_data"),
    Input::one_of("appearance_mode", &["LIGHT", "DARK", "SYSTEM"]),
    Input::secret("third_party_user_token"),
    // Plaid has marked it as deprecated.
    Input::object("eu_config"),
    // Each of these belongs to one product.
    Input::object("auth"),
    // Plaid has marked it as deprecated.
    Input::object("base_report"),
    Input::object("card_switch"),
    Input::object("cashflow_report"),
    Input::object("cra_options"),
    Input::object("credit_partner_insights"),
    Input::object("employment"),
    Input::object("identity"),
    Input::object("identity_verification"),
    Input::object("income_verification"),
    Input::object("investments"),
    Input::object("investments_auth"),
    Input::object("payment_configuration").amounts("amount is in major units: \"10.50\" is USD 10.50"),
    Input::object("payment_initiation"),
    Input::object("statements"),
    Input::object("transactions"),
    Input::object("transfer"),
];

fn link_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/link/token/create"),
        [reply, ..] => token(reply.accept(refusal)?, verifies_identity(exchange)),
    }
}

/// Whether the session is one of Identity Verification.
fn verifies_identity(exchange: &Exchange<'_>) -> bool {
    let lists = ["products", "required_if_supported_products", "optional_products"];
    exchange.input.value("identity_verification").is_some()
        || lists.iter().any(|list| exchange.input.texts(list).contains(&"identity_verification"))
}

fn session_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => post(credentials, exchange, "/session/token/create"),
        [reply, ..] => token(reply.accept::<Session>(refusal)?.link, false),
    }
}

fn oauth_client_credentials(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] if exchange.input.scopes.is_empty() => {
            Err(Error::missing_inputs(&["scopes"], "Plaid gives a token for named scopes only"))
        }
        [] => {
            let mut body = exchange.input.body();
            body.insert("grant_type".into(), json!("client_credentials"));
            body.insert("client_id".into(), json!(credentials.client_id));
            body.insert("client_secret".into(), json!(credentials.secret.expose()));
            body.insert("scope".into(), json!(exchange.input.scope()));
            Call::post(exchange.url("/oauth/token")?).json(&body).repeatable().send()
        }
        [reply, ..] => Ok(Step::Done(reply.accept::<oauth::AccessToken>(refusal)?.token(reply, exchange.grant)?)),
    }
}

fn post(credentials: &Credentials, exchange: &Exchange<'_>, path: &str) -> Result<Step> {
    let mut body = exchange.input.body();
    // The user is given by Plaid's id or by a description.
    if !body.contains_key("user_id")
        && let Value::Object(user) = body.entry("user").or_insert_with(|| json!({}))
    {
        // plaid-openapi 2020-09-14: at least one character, and no upper bound.
        user.entry("client_user_id").or_insert_with(|| json!(exchange.reference));
    }
    Call::post(exchange.url(path)?)
        .header("plaid-client-id", &credentials.client_id)
        .secret_header("plaid-secret", credentials.secret.expose())
        .header("plaid-version", "2020-09-14")
        .json(&body)
        .repeatable()
        .send()
}

/// Plaid's tokens have prefixes. One with `access-` would give access to an item's data.
fn token(link: Link, verifies_identity: bool) -> Result<Step> {
    if !link.link_token.starts_with("link-") {
        return Err(Error::bad_reply("Plaid's token is not one for Link"));
    }
    // Plaid starts a session of Identity Verification with an expired token, too.
    let end = Expiry::at_date(&link.expiration)?;
    let expiry = if verifies_identity { Expiry::Unpublished } else { end };
    let token = Token::new(&link.link_token, "link_token", expiry)?;
    Ok(Step::Done(link.hosted_link_url.into_iter().fold(token, |token, url| token.client("hosted_link_url", url))))
}

#[derive(Deserialize)]
struct Link {
    link_token: String,
    expiration: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    hosted_link_url: Option<String>,
}

#[derive(Deserialize)]
struct Session {
    link: Link,
}

/// Plaid's page says to read its types and codes, not the status.
/// <https://plaid.com/docs/errors/>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(
        &["/error_code", "/error"],
        &["/error_message", "/display_message", "/error_description", "/message"],
        &["/error_type"],
    );
    let kind = match (refusal.code.as_deref(), refusal.reason.as_deref()) {
        (Some("INVALID_API_KEYS"), _) => Some(Kind::CredentialsRejected),
        (_, Some("RATE_LIMIT_EXCEEDED")) => Some(Kind::RateLimited),
        (_, Some("API_ERROR")) => Some(Kind::Unavailable),
        (_, Some("INVALID_REQUEST" | "INVALID_INPUT")) => Some(Kind::RequestRejected),
        _ => None,
    };
    refusal.kind(kind)
}
