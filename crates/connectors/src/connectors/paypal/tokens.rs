//! The grants of the token endpoint and of the identity service.

use super::{
    api::{
        CLIENT_ID_OUT, CUSTOMER_ID, Credentials, EACH_ITS_OWN, ENVIRONMENT_OUT, Login, PARTNER_ATTRIBUTION_ID,
        PAYPAL_JS, acting_for_seller, client_credentials, for_page, refusal, token_call,
    },
    scopes,
};
use crate::prelude::*;

pub(super) const CLIENT_TOKEN: Grant<StepFn<Credentials>> = client_grant(
    "client_token",
    "start the JS SDK v6 or Fastlane on the given domains: eligibility and client-side order calls; other uses of SDK \
     v6 need the public client_id only",
    Lifetime::Fixed(900),
    client_token,
)
.by_default()
.inputs(&[
    Input::texts("domains").required(),
    Input::one_of("intent", &["sdk_init"]),
    PARTNER_ATTRIBUTION_ID,
])
.worst_case(
    "start SDK sessions as the merchant and make orders of amounts of the holder's own, whose money goes to the merchant",
    &[Bound::Origin],
)
.client_source(PAYPAL_JS)
.client_parameters(&[CLIENT_ID_OUT, ENVIRONMENT_OUT])
.minting_ends_earlier(EACH_ITS_OWN);

pub(super) const IDENTITY_CLIENT_TOKEN: Grant<StepFn<Credentials>> = client_grant(
    "identity_client_token",
    "start the hosted card fields of the JS SDK v5",
    Lifetime::Fixed(3600),
    identity_client_token,
)
.inputs(&[CUSTOMER_ID, PARTNER_ATTRIBUTION_ID])
.worst_case(
    "tokenize cards in hosted fields (card testing), and perhaps use that customer's saved methods; what the access token inside may do is not published",
    &[Bound::Customer],
)
.client_source(PAYPAL_JS)
.client_parameters(&[CLIENT_ID_OUT, ENVIRONMENT_OUT])
.minting_ends_earlier(EACH_ITS_OWN);

pub(super) const ID_TOKEN: Grant<StepFn<Credentials>> = client_grant(
    "id_token",
    "show and use that customer's saved methods in the JS SDK v5",
    Lifetime::InReply,
    id_token,
)
.inputs(&[CUSTOMER_ID, PARTNER_ATTRIBUTION_ID])
.worst_case("see and use that customer's saved methods in the SDK", &[Bound::Customer])
.client_source(PAYPAL_JS)
.client_parameters(&[CLIENT_ID_OUT, ENVIRONMENT_OUT])
.minting_ends_earlier(EACH_ITS_OWN);

pub(super) const ACCESS_TOKEN: Grant<StepFn<Credentials>> =
    server_grant("access_token", "call all REST APIs of the app", Lifetime::InReply, access_token)
        .scopes(Scopes::Any)
        .minting_ends_earlier(MintingEndsEarlier::No(
            "public programs that call PayPal: every caller of the app gets the same token until it expires",
        ))
        .lifetime_note("the answer states what is left of the app's one token, about nine hours at most");

fn client_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = client_credentials()
                .field("response_type", "client_token")
                .field("domains[]", &exchange.input.texts("domains").join(","))
                .maybe("intent", exchange.input.text("intent"));
            acting_for_seller(credentials, exchange, token_call(credentials, exchange, form)?)
        }
        [reply, ..] => {
            let granted: oauth::AccessToken = reply.accept(refusal)?;
            scopes::check(granted.scope.as_deref())?;
            let token = granted.token_or_bearer(reply, exchange.grant)?;
            Ok(Step::Done(for_page(token, credentials, exchange)))
        }
    }
}

fn identity_client_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => token_call(credentials, exchange, client_credentials())?.send(),
        [login] => {
            let login: Login = login.accept(refusal)?;
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
        [login, reply, ..] => {
            let login: Login = login.accept(refusal)?;
            let granted: ClientToken = reply.accept(refusal)?;
            // The token is JSON in base64.
            let inside = encoding::base64_decode(&granted.client_token).unwrap_or_default();
            if String::from_utf8_lossy(&inside).contains(login.access_token.expose()) {
                return Err(Error::bad_reply("PayPal's client token has the app's own access token inside"));
            }
            let expiry = Expiry::after_reply(reply, granted.expires_in.unwrap_or(Seconds(3600)))?;
            let token = Token::new(&granted.client_token, "client_token", expiry)?;
            Ok(Step::Done(for_page(token, credentials, exchange)))
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
            Ok(Step::Done(for_page(token, credentials, exchange)))
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

#[derive(Deserialize)]
struct ClientToken {
    client_token: String,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
struct IdToken {
    id_token: String,
}
