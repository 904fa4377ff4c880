//! Fiserv Commerce Hub: credentials for one card form of its Checkout SDK, and public keys that
//! encrypt card data.
//! <https://github.com/Fiserv/Commerce-Hub>
//!
//! Fiserv's older credentials reach the same API. They differ in the names of the fields only.

use crate::prelude::*;

const LIFETIME: u32 = 1800;

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: String,
    secret: Secret,
    merchant_id: String,
    terminal_id: String,
}

pub(super) const HOSTS: &[Host] =
    &[Host::main("https://connect.fiservapis.com", "https://connect-cert.fiservapis.com")];

pub(super) const fn security_credentials<C>(step: StepFn<C>) -> Grant<StepFn<C>> {
    client_grant(
        "security_credentials",
        "put one card or bank account, encrypted, into the payment session that it was made with",
        Lifetime::Fixed(LIFETIME),
        step,
    )
    .by_default()
    .server_parameters(&["session_id"])
}

pub(super) struct FiservCommerceHub;

impl Connector for FiservCommerceHub {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "fiservcommercehub",
        name: "Fiserv Commerce Hub",
        docs: "https://github.com/Fiserv/Commerce-Hub",
        unconfirmed: &["The names of the credentials' fields."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: HOSTS,
        credentials: &[
            required("api_key").public(),
            required("secret"),
            required("merchant_id").public(),
            required("terminal_id").public(),
        ],
        grants: &[
            security_credentials(security_credentials_step),
            client_grant(
                "multi_use_public_key",
                "encrypt card data for this merchant: a public key, which opens nothing",
                Lifetime::Fixed(604_800),
                multi_use_public_key,
            ),
        ],
    };
}

fn security_credentials_step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    Merchant::of(credentials).security_credentials(exchange)
}

fn multi_use_public_key(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => Merchant::of(credentials).call(exchange, "/ch/security/v1/keys/generate"),
        [reply, ..] => {
            let key = reply.accept::<GeneratedKey>(refusal)?.asymmetric_key_details;
            if key.status.is_some_and(|status| status != "ACTIVE") {
                return Err(Error::bad_reply("the key that Commerce Hub made is not active"));
            }
            // Clients usually pass on the id and the key as one text; both also come alone.
            let both = format!("{}|||{}", key.key_id, key.encoded_public_key);
            let token = Token::new(&both, "public_key", Expiry::at_date(&key.valid_to)?)?;
            Ok(Step::Done(token.client("key_id", key.key_id).client("public_key", key.encoded_public_key)))
        }
    }
}

/// The credentials of both connectors, whose fields have different names.
pub(super) struct Merchant<'a> {
    pub(super) api_key: &'a str,
    pub(super) secret: &'a Secret,
    pub(super) merchant_id: &'a str,
    pub(super) terminal_id: &'a str,
}

impl<'a> Merchant<'a> {
    fn of(credentials: &'a Credentials) -> Self {
        let Credentials { api_key, secret, merchant_id, terminal_id } = credentials;
        Self { api_key, secret, merchant_id, terminal_id }
    }

    pub(super) fn security_credentials(&self, exchange: &Exchange<'_>) -> Result<Step> {
        match exchange.replies {
            [] => self.call(exchange, "/ch/payments-vas/v1/security/credentials"),
            [reply, ..] => {
                let session: Session = reply.accept(refusal)?;
                let expiry = session.expiry(reply)?;
                let token = Token::new(&session.access_token, session.access_token_type, expiry)?
                    .client("api_key", self.api_key)
                    .client("merchant_id", self.merchant_id)
                    .client("terminal_id", self.terminal_id)
                    .client("key_id", session.key_id)
                    .client("public_key", session.public_key)
                    .client("asymmetric_encryption_algorithm", session.asymmetric_encryption_algorithm)
                    .server("session_id", session.session_id);
                Ok(Step::Done(token))
            }
        }
    }

    /// The call is repeatable: Fiserv answers a repeated request id as it did the first time.
    fn call(&self, exchange: &Exchange<'_>, path: &str) -> Result<Step> {
        let body = json!({ "merchantDetails": { "merchantId": self.merchant_id, "terminalId": self.terminal_id } });
        let (body, timestamp) = (body.to_string(), exchange.now.as_millisecond().to_string());
        let signed = [self.api_key, exchange.idempotency_key, &timestamp, &body].map(str::as_bytes);
        Call::post(exchange.url(path)?)
            .header("client-request-id", exchange.idempotency_key)
            .secret_header("api-key", self.api_key)
            .header("timestamp", &timestamp)
            .header("auth-token-type", "HMAC")
            .secret_header("authorization", &encoding::base64(crypto::hmac_sha256(self.secret.expose(), &signed)))
            .body(body, "application/json")
            .repeatable()
            .send()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    key_id: String,
    public_key: String,
    access_token: String,
    access_token_type: String,
    session_id: String,
    asymmetric_encryption_algorithm: String,
    access_token_issued_time: Option<String>,
    access_token_time_to_live: Option<Seconds>,
    expires_at: Option<String>,
}

impl Session {
    /// The token expires `access_token_time_to_live` seconds after its issue, and at the latest
    /// with its session. A repeated answer may come long after the issue.
    fn expiry(&self, reply: &Reply) -> Result<Expiry> {
        let moment = |date: &Option<String>| match date.as_deref().map(Expiry::at_date).transpose()? {
            Some(Expiry::At(moment)) => Ok(Some(moment.as_second())),
            _ => Ok(None),
        };
        let Seconds(lifetime) = self.access_token_time_to_live.unwrap_or(Seconds(LIFETIME.into()));
        let token = moment(&self.access_token_issued_time)?.map(|issued| issued.saturating_add(lifetime));
        match token.into_iter().chain(moment(&self.expires_at)?).min() {
            Some(end) => Expiry::at_epoch(end),
            None => Expiry::after_reply(reply, lifetime),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeneratedKey {
    asymmetric_key_details: Key,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    key_id: String,
    encoded_public_key: String,
    valid_to: String,
    status: Option<String>,
}

/// The places of the list of errors: at the top, or inside one of two objects.
const FAULTS: [&str; 4] =
    ["/error", "/errorResponse/error", "/gatewayResponse/error", "/errorResponse/gatewayResponse/error"];

/// <https://github.com/Fiserv/Commerce-Hub/blob/main/docs/Resources/Guides/Response-Codes/Error-Response.md>
fn refusal(reply: &Reply) -> Refusal {
    let body: Value = reply.lenient();
    let faults: Vec<&Value> = FAULTS.iter().filter_map(|at| body.pointer(at)?.as_array()).flatten().collect();
    let words = |fault: &&Value| {
        let words = [word(fault, &["/field", "/type"]), word(fault, &["/message"])];
        words.into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    let reasons: Vec<String> = faults.iter().map(words).collect();
    let first = faults.first();
    let first = |names: &[&str]| first.and_then(|fault| word(fault, names));
    Refusal::new(first(&["/code", "/type"]), first(&["/message"]))
        .reason(Some(reasons.join("; ")).filter(|reasons| !reasons.is_empty()))
        // 425 (Too Early, RFC 8470 section 5.2): the connector asks for a later attempt.
        .kind((reply.status == 425).then_some(Kind::Unavailable))
}

/// The first of these members that is a text.
fn word<'a>(fault: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| encoding::text_at(fault, name))
}
