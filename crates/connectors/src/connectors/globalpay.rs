//! Global Payments (GP API): a token that only makes single-use card tokens, and the app's own
//! token.
//! <https://developer.globalpay.com/authentication>

use std::collections::BTreeSet;

use crate::prelude::*;

/// The version of the API that the calls name; the vendor names versions by date.
const VERSION: &str = "2021-03-22";
/// The permission that hosted fields and the drop-in UI need.
const SINGLE_USE: &str = "PMT_POST_Create_Single";
/// The permissions that a browser may hold: those of the vendor's own shop plugins without
/// `PMT_POST_Create`, which stores cards for many uses.
const FOR_BROWSERS: &[&str] = &[SINGLE_USE, "BIN_GET_Details", "INS_POST_Query", "CCS_POST_DCC"];
/// The longest lifetime for a browser, in seconds. The vendor takes up to 604,800 (GP API
/// 2021-03-22, seconds_to_expire); its own plugins ask for ten minutes.
const MAX_FOR_BROWSERS: u32 = 3600;
/// The main host.
const MAIN: Host = Host::main("https://apis.globalpay.com", "https://apis.sandbox.globalpay.com");
/// The host of accounts whose data stays in the EU.
const EU: Host = Host::named("eu", "https://apis.eu.globalpay.com", "https://apis.sandbox.eu.globalpay.com");
const DATA_RESIDENCY: Input = Input::one_of("data_residency", &["EU"]);
/// The values that the browser library needs next to a token.
const CLIENT_PARAMETERS: &[ClientParameter] = &[
    ClientParameter::new("api_version", "the version of the API", "GlobalPayments.configure({ apiVersion })"),
    ClientParameter::new(
        "env",
        "the environment: production, or sandbox, which is the library's default",
        "GlobalPayments.configure({ env })",
    ),
    ClientParameter::new(
        "data_residency",
        "EU where the account's data stays in the EU",
        "GlobalPayments.configure({ dataResidency })",
    ),
];

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::third_party("help.getopenwater.com, Global Payments");

#[derive(Deserialize)]
pub(super) struct Credentials {
    app_id: Secret,
    app_key: Secret,
}

pub(super) struct Globalpay;

impl Connector for Globalpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "globalpay",
        name: "Global Payments",
        docs: "https://developer.globalpay.com/authentication",
        unconfirmed: &[
            "An access token lives for a day where the caller asks for no other time; the answer says it.",
            "The status 400 of an unknown permission and of a wrong lifetime.",
            "Whether a second token ends the first.",
        ],
        evidence: &[
            Evidence::new(
                "path, headers, members and bounds of the request, members of the answer, refusals",
                Source::schema("GP API 2021-03-22, OpenAPI document AccessToken v1.3"),
                "2026-11",
            ),
            Evidence::new(
                "path, X-GP-Version, members, the digest of nonce and key (recorded requests)",
                Source::sdk("npm globalpayments-api 3.10.10 and PyPI globalpayments-api 2.0.8"),
                "2026-11",
            ),
            Evidence::new(
                "accessToken, apiVersion, env and dataResidency of the browser library, and its permission",
                Source::sdk("npm @globalpayments/js 4.1.26"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "An app belongs to one environment; its id and key have no form that shows it in the vendor's document, \
             SDKs and samples.",
        ),
        hosts: &[MAIN, EU],
        credentials: &[
            required("app_id").public().found_in("Developer portal > Unified Payments Apps > the app: App ID", KEYS),
            required("app_key").found_in("Developer portal > Unified Payments Apps > the app: App Key", KEYS),
        ],
        grants: &[
            client_grant(
                "restricted_token",
                "make single-use card tokens with hosted fields or the drop-in UI",
                Lifetime::Settable { min: 60, default: 600, max: MAX_FOR_BROWSERS },
                restricted_token,
            )
            .by_default()
            .worst_case(
                "turn cards, stolen ones too, into single-use tokens from any page, until the token expires; with a \
                 further permission, look up card ranges, instalment plans or exchange rates",
                &[],
            )
            .client_source(Source::sdk("npm @globalpayments/js 4.1.26, README: accessToken"))
            .client_parameters(CLIENT_PARAMETERS)
            .inputs(&[DATA_RESIDENCY])
            .scopes(Scopes::OneOf(FOR_BROWSERS)),
            server_grant(
                "access_token",
                "do all that the app may do",
                Lifetime::Settable { min: 60, default: 86_400, max: 604_800 },
                access_token,
            )
            .client_parameters(CLIENT_PARAMETERS)
            .inputs(&[DATA_RESIDENCY])
            .scopes(Scopes::Any),
        ],
    };
}

fn restricted_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let mut permissions = requested(exchange);
    if permissions.is_empty() {
        permissions.push(SINGLE_USE);
    }
    match exchange.replies {
        [] => {
            let request = Request { seconds: Some(exchange.ttl()), restricted: Some("YES"), permissions };
            token_call(credentials, exchange, &request)
        }
        [reply, ..] => {
            let granted: AccessToken = reply.accept(refusal)?;
            // `restricted_token` only masks data in answers and takes no permission away, so the
            // permissions in the answer must be among the requested ones.
            if !granted.scope.is_within(&permissions) {
                return Err(Error::bad_reply("Global Payments granted more than a browser may hold"));
            }
            token(exchange, reply, granted)
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            // Without `ttl_seconds` the connector sets the lifetime.
            let seconds = exchange.input.ttl_seconds.map(i64::from);
            let request = Request { seconds, restricted: None, permissions: requested(exchange) };
            token_call(credentials, exchange, &request)
        }
        [reply, ..] => token(exchange, reply, reply.accept(refusal)?),
    }
}

/// The members of a token request in which the two grants differ. An absent one is not sent.
struct Request<'a> {
    seconds: Option<i64>,
    restricted: Option<&'static str>,
    permissions: Vec<&'a str>,
}

fn requested<'a>(exchange: &Exchange<'a>) -> Vec<&'a str> {
    exchange.input.scopes.iter().map(String::as_str).collect()
}

fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, request: &Request<'_>) -> Result<Step> {
    let nonce = exchange.nonce.alphanumeric(32);
    let secret = crypto::sha512(&[nonce.as_bytes(), credentials.app_key.expose().as_bytes()]);
    let body = json!({
        "app_id": credentials.app_id.expose(),
        "nonce": nonce,
        "secret": hex::encode(secret),
        "grant_type": "client_credentials",
        "seconds_to_expire": request.seconds,
        "restricted_token": request.restricted,
        "permissions": (!request.permissions.is_empty()).then_some(&request.permissions),
    });
    let host = if exchange.input.text("data_residency").is_some() { &EU } else { &MAIN };
    Call::post(exchange.url_on(host, "/ucp/accesstoken")?)
        .header("x-gp-version", VERSION)
        .json(&encoding::sparse(body))
        .repeatable()
        .send()
}

fn token(exchange: &Exchange<'_>, reply: &Reply, granted: AccessToken) -> Result<Step> {
    let expiry = Expiry::after_reply(reply, granted.seconds_to_expire)?;
    let mut token = Token::new(granted.token.expose(), granted.token_type, expiry)?;
    token.scopes = granted.scope.permissions().into_iter().map(str::to_owned).collect();
    let env = if exchange.mode == Mode::Live { "production" } else { "sandbox" };
    let token = token.client("api_version", VERSION).client("env", env);
    Ok(Step::Done(match exchange.input.text("data_residency") {
        Some(residency) => token.client("data_residency", residency),
        None => token,
    }))
}

#[derive(Deserialize)]
struct AccessToken {
    token: Secret,
    #[serde(rename = "type")]
    token_type: String,
    seconds_to_expire: Seconds,
    #[serde(default, deserialize_with = "encoding::lenient")]
    scope: Scope,
}

#[derive(Deserialize, Default)]
struct Scope {
    #[serde(default, deserialize_with = "encoding::lenient")]
    accounts: Vec<Account>,
}

impl Scope {
    /// The permissions of all accounts, each once.
    fn permissions(&self) -> BTreeSet<&str> {
        self.accounts.iter().flat_map(|account| account.permissions.iter().flatten()).map(String::as_str).collect()
    }

    /// Whether each account lists its permissions, there is at least one permission, and each is a
    /// requested one.
    fn is_within(&self, requested: &[&str]) -> bool {
        let listed = self.accounts.iter().all(|account| account.permissions.is_some());
        let permissions = self.permissions();
        listed && !permissions.is_empty() && permissions.iter().all(|permission| requested.contains(permission))
    }
}

#[derive(Deserialize)]
struct Account {
    #[serde(default, deserialize_with = "encoding::lenient")]
    permissions: Option<Vec<String>>,
}

/// Wrong credentials come with status 403. <https://developer.globalpay.com/resources/messages>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = reply.refusal(&["/error_code"], &["/detailed_error_description"], &["/detailed_error_code"]);
    let wrong = matches!(refusal.reason.as_deref(), Some("40004"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
