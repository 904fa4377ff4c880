//! The common parts of PayPal's calls: credentials, the token endpoint, a partner's headers, the errors.

use crate::prelude::*;

/// The vendor's browser SDK: its types and its loader.
pub(super) const PAYPAL_JS: Source = Source::sdk("npm package @paypal/paypal-js 11.3.0");

/// The tokens of clients: no document says that one ends another.
pub(super) const EACH_ITS_OWN: MintingEndsEarlier =
    MintingEndsEarlier::No("developer.paypal.com: a client token lives for its own expires_in");

pub(super) const CUSTOMER_ID: Input = Input::text("customer_id");
pub(super) const PARTNER_ATTRIBUTION_ID: Input = Input::text("partner_attribution_id");

pub(super) const CLIENT_ID_OUT: ClientParameter =
    ClientParameter::new("client_id", "the app's public client id", "the SDK's script address, client-id=…");
pub(super) const ENVIRONMENT_OUT: ClientParameter = ClientParameter::new(
    "environment",
    "sandbox or production",
    "loadCoreSdkScript({ environment }) of SDK v6; the script's host in SDK v5",
);

#[derive(Deserialize)]
pub(in crate::connectors) struct Credentials {
    pub(super) client_id: String,
    client_secret: Secret,
    payer_id: Option<String>,
}

pub(super) fn client_credentials() -> FormBody {
    FormBody::new().field("grant_type", "client_credentials")
}

/// The call of every grant to the token endpoint, with the pairs that differ.
pub(super) fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, form: FormBody) -> Result<Call> {
    Ok(Call::post(exchange.url("/v1/oauth2/token")?)
        .basic(&credentials.client_id, credentials.client_secret.expose())
        .header("accept", "application/json")
        .header("paypal-request-id", exchange.idempotency_key)
        .form(form)
        .repeatable())
}

/// Adds the headers of a partner: its own code, and the seller for whom it calls, as a JWT without
/// a signature.
pub(super) fn acting_for_seller(credentials: &Credentials, exchange: &Exchange<'_>, call: Call) -> Result<Step> {
    let call = match exchange.input.text("partner_attribution_id") {
        Some(code) => call.header("paypal-partner-attribution-id", code),
        None => call,
    };
    let Some(payer_id) = &credentials.payer_id else { return call.send() };
    let header = encoding::base64(json!({ "alg": "none" }).to_string());
    let claims = encoding::base64(json!({ "iss": credentials.client_id, "payer_id": payer_id }).to_string());
    call.header("paypal-auth-assertion", &format!("{header}.{claims}.")).send()
}

/// The token with the values that the page's SDK needs.
pub(super) fn for_page(token: Token, credentials: &Credentials, exchange: &Exchange<'_>) -> Token {
    let environment = match exchange.mode {
        Mode::Test => "sandbox",
        Mode::Live => "production",
    };
    token.client("client_id", &credentials.client_id).client("environment", environment)
}

/// The access token of the first of two calls. Nothing else of its answer is used.
#[derive(Deserialize)]
pub(super) struct Login {
    pub(super) access_token: Secret,
}

/// The token endpoint refuses in the form of RFC 6749 (`error`), the others in PayPal's own
/// (`name`).
/// <https://developer.paypal.com/api/rest/responses/>
pub(super) fn refusal(reply: &Reply) -> Refusal {
    let details = encoding::faults_at(&reply.lenient(), "/details", &["issue", "description"]);
    let refusal = reply.refusal(&["/error", "/name"], &["/error_description", "/message"], &[]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.reason(details).kind(kind)
}
