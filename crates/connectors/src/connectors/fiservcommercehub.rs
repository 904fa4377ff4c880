//! Fiserv Commerce Hub: credentials for one card form of its Checkout SDK.
//! <https://github.com/Fiserv/Commerce-Hub>
//!
//! Fiserv's older credentials reach the same API. They differ in the names of the fields only.

use crate::prelude::*;

const LIFETIME: u32 = 1800;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::sdk("repository Fiserv/Commerce-Hub, docs/Resources/Guides/Dev-Studio/Key-Management.md");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key: String,
    secret: Secret,
    merchant_id: String,
    terminal_id: String,
}

pub(super) const HOSTS: &[Host] =
    &[Host::main("https://connect.fiservapis.com", "https://connect-cert.fiservapis.com")];

pub(super) const EVIDENCE: &[Evidence] = &[
    Evidence::new(
        "path, headers, members of request and answer, statuses, 30 minutes at most",
        Source::schema("Commerce Hub 1.24.11, OpenAPI document"),
        "2026-11",
    ),
    Evidence::new("hosts", Source::schema("Commerce Hub 1.24.08, 1.24.09 and 1.24.11, OpenAPI documents"), "2026-11"),
    Evidence::new(
        "the signed text and its place, the session id stays in the backend, the idempotency of the request id",
        Source::page("Fiserv/Commerce-Hub: Authentication-Header.md, Credentials.md, Idempotency.md"),
        "2026-11",
    ),
    Evidence::new(
        "what the Checkout SDK takes",
        Source::page("Fiserv/Commerce-Hub: Hosted-Fields-Request.md"),
        "2026-11",
    ),
];

pub(super) const MODE_SHOWN: ModeShown =
    ModeShown::No("The vendor's guide to its environments shows no form of a key that tells them apart.");

/// The values that the Checkout SDK takes next to the token.
const CLIENT_PARAMETERS: &[ClientParameter] = &[
    ClientParameter::new("environment", "CERT or PROD", "createPaymentForm({ data: { environment } })"),
    ClientParameter::new("api_key", "the public API key", "paymentForm.submit({ apiKey })"),
    ClientParameter::new("merchant_id", "the merchant", "paymentForm.submit({ merchantId })"),
    ClientParameter::new("terminal_id", "the terminal", "paymentForm.submit({ terminalId })"),
    ClientParameter::new("key_id", "the id of the encryption key", "paymentForm.submit({ keyId })"),
    ClientParameter::new("public_key", "the key that encrypts the card", "paymentForm.submit({ publicKey })"),
    ClientParameter::new(
        "asymmetric_encryption_algorithm",
        "the algorithm of the encryption key",
        "the encryption of the card where a page makes the capture call itself",
    ),
];

pub(super) const fn security_credentials<C>(step: StepFn<C>) -> Grant<StepFn<C>> {
    client_grant(
        "security_credentials",
        "put one card or bank account, encrypted, into the payment session that it was made with",
        Lifetime::Fixed(LIFETIME),
        step,
    )
    .by_default()
    .worst_case(
        "put card data, stolen cards too, into that payment session; a charge needs the session id, which stays in \
         the backend",
        &[Bound::Object],
    )
    .client_source(Source::page("Fiserv/Commerce-Hub, docs/…/Checkout/Hosted-Fields/Hosted-Fields-Request.md"))
    .client_parameters(CLIENT_PARAMETERS)
    .minting_ends_earlier(MintingEndsEarlier::No("Commerce Hub: each call opens a session of its own"))
    .lifetime_note("the vendor wants new credentials for each submission of a form; the session ends with its charge")
    .server_parameters(&["session_id"])
}

pub(super) struct FiservCommerceHub;

impl Connector for FiservCommerceHub {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "fiservcommercehub",
        name: "Fiserv Commerce Hub",
        docs: "https://github.com/Fiserv/Commerce-Hub",
        unconfirmed: &[
            "The names of the credentials' fields.",
            "The member expiresAt of the answer: it is in the vendor's guide and not in its API document.",
        ],
        evidence: EVIDENCE,
        mode_shown: MODE_SHOWN,
        hosts: HOSTS,
        credentials: &[
            required("api_key")
                .public()
                .found_in("Developer Studio > Dashboard > Credentials > Add API Key: API Key", KEYS),
            required("secret").found_in("Developer Studio > Dashboard > Credentials > Add API Key: API Secret", KEYS),
            required("merchant_id").public().found_in(
                "Developer Studio > Dashboard > Credentials > Add API Key: the Merchant ID that is chosen there",
                KEYS,
            ),
            required("terminal_id").public(),
        ],
        grants: &[security_credentials(security_credentials_step)],
    };
}

fn security_credentials_step(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    Merchant::of(credentials).security_credentials(exchange)
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
            [] => self.call(exchange),
            [reply, ..] => {
                let session: Session = reply.accept(refusal)?;
                let expiry = session.expiry(reply)?;
                let environment = if exchange.mode == Mode::Live { "PROD" } else { "CERT" };
                // The SDK sends it as a bearer token, whatever its type.
                let token_type = session.access_token_type.unwrap_or("Bearer".into());
                let token = Token::new(&session.access_token, token_type, expiry)?
                    .client("environment", environment)
                    .client("api_key", self.api_key)
                    .client("merchant_id", self.merchant_id)
                    .client("terminal_id", self.terminal_id)
                    .client("key_id", session.key_id)
                    .client("public_key", session.public_key)
                    .server("session_id", session.session_id);
                Ok(Step::Done(match session.asymmetric_encryption_algorithm {
                    Some(algorithm) => token.client("asymmetric_encryption_algorithm", algorithm),
                    None => token,
                }))
            }
        }
    }

    /// The call is repeatable: Fiserv answers a repeated request id as it did the first time.
    fn call(&self, exchange: &Exchange<'_>) -> Result<Step> {
        let body = json!({ "merchantDetails": { "merchantId": self.merchant_id, "terminalId": self.terminal_id } });
        let (body, timestamp) = (body.to_string(), exchange.now.as_millisecond().to_string());
        let signed = [self.api_key, exchange.idempotency_key, &timestamp, &body].map(str::as_bytes);
        Call::post(exchange.url("/ch/payments-vas/v1/security/credentials")?)
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
    #[serde(default, deserialize_with = "encoding::lenient")]
    access_token_type: Option<String>,
    session_id: String,
    #[serde(default, deserialize_with = "encoding::lenient")]
    asymmetric_encryption_algorithm: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: i64 = 1_767_225_600;

    /// The end of a session whose call was sent ten seconds after `ISSUED`.
    fn end(more: &Value) -> Option<i64> {
        let mut answer = json!({
            "keyId": "k", "publicKey": "p", "accessToken": "t", "accessTokenType": "JWT", "sessionId": "s",
            "asymmetricEncryptionAlgorithm": "RSA",
        });
        answer.as_object_mut()?.extend(more.as_object()?.clone());
        let session: Session = serde_json::from_value(answer).ok()?;
        let sent_at = Timestamp::from_second(ISSUED + 10).ok()?;
        let reply = Reply { status: 201, headers: Default::default(), body: Default::default(), sent_at };
        session.expiry(&reply).ok()?.epoch()
    }

    #[test]
    fn the_earliest_end_counts_and_an_unreadable_one_is_an_error() {
        let issued = "2026-01-01T00:00:00Z";
        for (more, want) in [
            (json!({ "accessTokenIssuedTime": issued, "accessTokenTimeToLive": 1800 }), Some(1800)),
            (json!({ "accessTokenIssuedTime": issued, "accessTokenTimeToLive": "1200" }), Some(1200)),
            (json!({ "accessTokenIssuedTime": issued }), Some(1800)),
            (json!({ "accessTokenTimeToLive": 1200 }), Some(1210)),
            (json!({}), Some(1810)),
            (json!({ "accessTokenIssuedTime": issued, "expiresAt": "2026-01-01T00:10:00Z" }), Some(600)),
            (json!({ "accessTokenIssuedTime": issued, "expiresAt": "2026-01-01T00:40:00Z" }), Some(1800)),
            (json!({ "expiresAt": "2026-01-01T00:10:00Z" }), Some(600)),
            (json!({ "accessTokenIssuedTime": issued, "expiresAt": "soon" }), None),
            (json!({ "accessTokenIssuedTime": issued, "expiresAt": 1_767_226_200 }), None),
            (json!({ "accessTokenIssuedTime": issued, "accessTokenTimeToLive": "half an hour" }), None),
        ] {
            assert_eq!(end(&more), want.map(|seconds| ISSUED + seconds), "{more}");
        }
    }
}
