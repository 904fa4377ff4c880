//! PayPal: client tokens for its browser SDKs, a customer's ID token, and the app's own access
//! token.
//! <https://developer.paypal.com/api/rest/authentication/>

use crate::prelude::*;

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Secret,
    payer_id: Option<String>,
}

const CUSTOMER_ID: Input = Input::text("customer_id");
const PARTNER_ATTRIBUTION_ID: Input = Input::text("partner_attribution_id");

pub(super) struct Paypal;

impl Connector for Paypal {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "paypal",
        name: "PayPal",
        docs: "https://developer.paypal.com/api/rest/authentication/",
        unconfirmed: &["The encoding of PayPal-Auth-Assertion (standard base64 with padding)."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api-m.paypal.com", "https://api-m.sandbox.paypal.com")],
        credentials: &[required("client_id").public(), required("client_secret"), optional("payer_id").public()],
        grants: &[
            client_grant(
                "client_token",
                "start the JS SDK v6 or Fastlane: eligibility and client-side order calls, on the given domains",
                Lifetime::Fixed(900),
                client_token,
            )
            .by_default()
            .inputs(&[
                Input::texts("domains"),
                Input::one_of("intent", &["sdk_init"]),
                PARTNER_ATTRIBUTION_ID,
            ]),
            client_grant(
                "identity_client_token",
                "start the hosted card fields of the JS SDK v5",
                Lifetime::Fixed(3600),
                identity_client_token,
            )
            .inputs(&[CUSTOMER_ID, PARTNER_ATTRIBUTION_ID]),
            client_grant(
                "id_token",
                "show and use that customer's saved methods in the JS SDK v5",
                Lifetime::InReply,
                id_token,
            )
            .inputs(&[CUSTOMER_ID, PARTNER_ATTRIBUTION_ID]),
            server_grant("access_token", "call all REST APIs of the app", Lifetime::InReply, access_token)
                .scopes(Scopes::Any),
        ],
    };
}

fn client_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let domains = exchange.input.texts("domains").join(",");
            let form = client_credentials()
                .field("response_type", "client_token")
                .maybe("domains[]", Some(domains.as_str()).filter(|domains| !domains.is_empty()))
                .maybe("intent", exchange.input.text("intent"));
            acting_for_seller(credentials, exchange, token_call(credentials, exchange, form)?)
        }
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(refusal)?;
            if !granted.scope.as_deref().is_some_and(is_client_side) {
                return Err(Error::bad_reply("PayPal granted more than a browser may hold"));
            }
            let token = granted.token_or_bearer(reply, exchange.grant)?;
            Ok(Step::Done(token.client("client_id", &credentials.client_id)))
        }
    }
}

fn identity_client_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => token_call(credentials, exchange, client_credentials())?.send(),
        [login] => {
            let login: oauth::AccessToken = login.accept(refusal)?;
            let body = match exchange.input.text("customer_id") {
                Some(customer) => json!({ "customer_id": customer }),
                None => json!({}),
            };
            let call = Call::post(exchange.url("/v1/identity/generate-token")?)
                .bearer(login.access_token.expose())
                .header("accept", "application/json")
                .header("accept-language", "en_US")
                .json(&body)
                .repeatable();
            acting_for_seller(credentials, exchange, call)
        }
        [_, reply, ..] => {
            let granted: ClientToken = reply.accept(refusal)?;
            let expiry = Expiry::after_reply(reply, granted.expires_in.unwrap_or(Seconds(3600)))?;
            let token = Token::new(&granted.client_token, "client_token", expiry)?;
            Ok(Step::Done(token.client("client_id", &credentials.client_id)))
        }
    }
}

fn id_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = client_credentials()
                .field("response_type", "id_token")
                .maybe("target_customer_id", exchange.input.text("customer_id"));
            acting_for_seller(credentials, exchange, token_call(credentials, exchange, form)?)
        }
        // The answer also holds an access token with all rights of the app, and the `expires_in` of
        // that one. Neither is read.
        [reply, ..] => {
            let granted: IdToken = reply.accept(refusal)?;
            let token = Token::new(&granted.id_token, "id_token", Expiry::of_jwt(&granted.id_token)?)?;
            Ok(Step::Done(token.client("client_id", &credentials.client_id)))
        }
    }
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let scope = exchange.input.scope();
            let form = client_credentials().maybe("scope", Some(scope.as_str()).filter(|scope| !scope.is_empty()));
            token_call(credentials, exchange, form)?.send()
        }
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(refusal)?;
            Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
        }
    }
}

fn client_credentials() -> FormBody {
    FormBody::new().field("grant_type", "client_credentials")
}

/// The call of every grant to the token endpoint, with the pairs that differ.
fn token_call(credentials: &Credentials, exchange: &Exchange<'_>, form: FormBody) -> Result<Call> {
    Ok(Call::post(exchange.url("/v1/oauth2/token")?)
        .basic(&credentials.client_id, credentials.client_secret.expose())
        .header("accept", "application/json")
        .header("paypal-request-id", exchange.idempotency_key)
        .form(form)
        .repeatable())
}

/// Adds the headers of a partner: its own code, and the seller for whom it calls, as a JWT without
/// a signature.
fn acting_for_seller(credentials: &Credentials, exchange: &Exchange<'_>, call: Call) -> Result<Step> {
    let call = match exchange.input.text("partner_attribution_id") {
        Some(code) => call.header("paypal-partner-attribution-id", code),
        None => call,
    };
    let Some(payer_id) = &credentials.payer_id else { return call.send() };
    let header = encoding::base64(json!({ "alg": "none" }).to_string());
    let claims = encoding::base64(json!({ "iss": credentials.client_id, "payer_id": payer_id }).to_string());
    call.header("paypal-auth-assertion", &format!("{header}.{claims}.")).send()
}

/// Whether the scopes are those of a client token. A server token comes in the same form, so only
/// the scopes show the difference: there must be at least one, and each must name one of PayPal's
/// client-side services (`…/orders/client_sdk_orders_api`, `…/client-payments-eligibility`).
fn is_client_side(scope: &str) -> bool {
    let service = |scope: &str| {
        scope
            .strip_prefix("https://uri.paypal.com/services/payments/")
            .and_then(|path| path.rsplit('/').next())
            .is_some_and(|service| service.starts_with("client_") || service.starts_with("client-"))
    };
    scope.split_whitespace().next().is_some() && scope.split_whitespace().all(service)
}

#[derive(Deserialize)]
struct ClientToken {
    client_token: String,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
struct IdToken {
    id_token: String,
}

/// The token endpoint refuses in the form of RFC 6749 (`error`), the others in PayPal's own
/// (`name`).
/// <https://developer.paypal.com/api/rest/responses/>
fn refusal(reply: &Reply) -> Refusal {
    let details = encoding::faults_at(&reply.lenient(), "/details", &["issue", "description"]);
    let refusal = reply.refusal(&["/error", "/name"], &["/error_description", "/message"], &[]);
    let kind = oauth::kind(refusal.code.as_deref());
    refusal.reason(details).kind(kind)
}
