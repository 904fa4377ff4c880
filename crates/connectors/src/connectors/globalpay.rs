//! Global Payments (GP API): a token limited to making single-use card tokens, and the app's own token.
//! <https://developer.globalpay.com/authentication>

use std::collections::BTreeSet;

use crate::prelude::*;

/// The version that is spoken: the vendor names them by date.
const VERSION: &str = "2021-03-22";
/// What hosted fields and the drop-in UI need.
const SINGLE_USE: &str = "PMT_POST_Create_Single";
/// What the vendor's own shop plugins let a browser hold.
const FOR_BROWSERS: &[&str] = &[SINGLE_USE, "PMT_POST_Create", "BIN_GET_Details", "INS_POST_Query", "CCS_POST_DCC"];
const DATA_RESIDENCY: Input = Input::one_of("data_residency", &["EU"]);

#[derive(Deserialize)]
pub struct Credentials {
    app_id: Secret,
    app_key: Secret,
}

pub struct Globalpay;

impl Connector for Globalpay {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "globalpay",
        name: "Global Payments",
        docs: "https://developer.globalpay.com/authentication",
        unconfirmed: &[
            "An access token lives for a day where the caller asks for no other time; the answer says it.",
            "The permission PMT_POST_Create_Single is in the vendor's plugins and tests, not in its document.",
        ],
        hosts: &[
            Host::main("https://apis.globalpay.com", "https://apis.sandbox.globalpay.com"),
            Host::named("eu", "https://apis.eu.globalpay.com", "https://apis.sandbox.eu.globalpay.com"),
        ],
        credentials: &[required("app_id"), required("app_key")],
        grants: &[
            Grant::client_unconverted(
                "restricted_token",
                "make single-use card tokens with hosted fields or the drop-in UI",
                Lifetime::Settable { min: 60, default: 600, max: 604_800 },
            )
            .by_default()
            .inputs(&[DATA_RESIDENCY])
            .scopes(Scopes::OneOf(FOR_BROWSERS)),
            Grant::server_unconverted(
                "access_token",
                "do all that the app may do",
                Lifetime::Settable { min: 60, default: 86_400, max: 604_800 },
            )
            .inputs(&[DATA_RESIDENCY])
            .scopes(Scopes::Any),
        ],
    };

    fn step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
        let restricted = exchange.grant.name == "restricted_token";
        let mut wanted: Vec<&str> = exchange.input.scopes.iter().map(String::as_str).collect();
        if restricted && wanted.is_empty() {
            wanted.push(SINGLE_USE);
        }
        let residency = exchange.input.text("data_residency");
        match exchange.replies {
            [] => {
                let nonce = exchange.nonce.alphanumeric(32);
                let secret = crypto::sha512(&[nonce.as_bytes(), credentials.app_key.expose().as_bytes()]);
                let body = json!({
                    "app_id": credentials.app_id.expose(),
                    "nonce": nonce,
                    "secret": hex::encode(secret),
                    "grant_type": "client_credentials",
                    // The app's own token lives as long as the vendor says, unless the caller asks for another time.
                    "seconds_to_expire":
                        (restricted || exchange.input.ttl_seconds.is_some()).then(|| exchange.ttl()),
                    "restricted_token": restricted.then_some("YES"),
                    "permissions": (!wanted.is_empty()).then_some(&wanted),
                });
                Call::post(exchange.url_at(usize::from(residency.is_some()), "/ucp/accesstoken")?)
                    .header("x-gp-version", VERSION)
                    .json(&encoding::sparse(body))
                    .repeatable()
                    .send()
            }
            [reply, ..] => {
                let granted: AccessToken = reply.accept(refusal)?;
                let accounts = granted.scope.accounts;
                let listed = accounts.iter().all(|account| account.permissions.is_some());
                let permissions: BTreeSet<String> =
                    accounts.into_iter().flat_map(|account| account.permissions.unwrap_or_default()).collect();
                // Masking alone (restricted_token) takes no power away: what is listed must be all that was asked for.
                let narrow =
                    listed && !permissions.is_empty() && permissions.iter().all(|it| wanted.contains(&it.as_str()));
                if restricted && !narrow {
                    return Err(Error::bad_reply("Global Payments granted more than a browser may hold"));
                }
                let expiry = Expiry::after_reply(reply, granted.seconds_to_expire)?;
                let mut token = Token::new(granted.token.expose(), granted.token_type, expiry)?;
                token.scopes = permissions.into_iter().collect();
                let env = if exchange.mode == Mode::Live { "production" } else { "sandbox" };
                let token = token.client("api_version", VERSION).client("env", env);
                Ok(Step::Done(match residency {
                    Some(residency) => token.client("data_residency", residency),
                    None => token,
                }))
            }
        }
    }
}

#[derive(Deserialize)]
struct AccessToken {
    token: Secret,
    #[serde(rename = "type")]
    token_type: String,
    seconds_to_expire: Seconds,
    #[serde(default)]
    scope: Scope,
}

#[derive(Deserialize, Default)]
struct Scope {
    #[serde(default)]
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    permissions: Option<Vec<String>>,
}

/// Wrong credentials come with status 403. <https://developer.globalpay.com/resources/messages>
fn refusal(reply: &Reply) -> Refusal {
    let refusal = Refusal::read(reply, &["/error_code"], &["/detailed_error_description"], &["/detailed_error_code"]);
    let wrong = matches!(refusal.reason.as_deref(), Some("40004"));
    refusal.kind(wrong.then_some(Kind::CredentialsRejected))
}
