//! Trust Payments: a JWT, signed here, with which the JavaScript library or a mobile SDK runs the
//! requests that it names.
//! <https://help.trustpayments.com/hc/en-us/articles/4402694206353-JSON-Web-Token>

use crate::prelude::*;

/// The gateway takes the JWT for so many seconds from `iat`.
const LIFETIME: u32 = 3600;

#[derive(Deserialize)]
pub(super) struct Credentials {
    site_reference: String,
}

pub(super) struct Trustpayments;

impl Connector for Trustpayments {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "trustpayments",
        name: "Trust Payments",
        docs: "https://help.trustpayments.com/hc/en-us/articles/4402694206353-JSON-Web-Token",
        unconfirmed: &[
            "The gateway takes a JWT for 60 minutes from iat.",
            "The address of the JavaScript library.",
            "ACCOUNTCHECK with amount 0 for tokenizing a card without a payment.",
        ],
        // Never called: the page loads the library from it. Regions other than Europe have hosts of
        // their own.
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://cdn.eu.trustpayments.com", "https://cdn.eu.trustpayments.com")],
        credentials: &[required("site_reference").public(), optional("username"), optional("password")],
        grants: &[client_grant(
            "jwt",
            "run the listed request types on this site with this amount; without an amount, check and tokenize a card",
            Lifetime::Fixed(LIFETIME),
            jwt,
        )
        .by_default()
        .inputs(&[
            Input::text("jwt_username").required(),
            Input::secret("jwt_secret").required(),
            Input::currency("currencyiso3a").required(),
            Input::minor_units("baseamount"),
        ])
        .scopes(Scopes::OneOf(&["THREEDQUERY", "AUTH", "ACCOUNTCHECK"]))],
    };

    fn mode(credentials: &Credentials) -> Option<Mode> {
        credentials.site_reference.starts_with("test_").then_some(Mode::Test)
    }
}

fn jwt(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let secret = input.required_text("jwt_secret")?;
    let amount = input.integer("baseamount").unwrap_or(0);
    let requests: Vec<&str> = match (input.scopes.as_slice(), amount) {
        ([], 0) => vec!["ACCOUNTCHECK"],
        ([], _) => vec!["THREEDQUERY", "AUTH"],
        (scopes, _) => scopes.iter().map(String::as_str).collect(),
    };
    let claims = json!({
        "iat": exchange.now.as_second(),
        "iss": input.required_text("jwt_username")?,
        "payload": {
            "accounttypedescription": "ECOM",
            "baseamount": amount.to_string(),
            "currencyiso3a": input.required_text("currencyiso3a")?.to_ascii_uppercase(),
            "orderreference": exchange.reference,
            "requesttypedescriptions": requests,
            "sitereference": credentials.site_reference,
        },
    });
    let to_sign = crypto::jwt_to_sign(&json!({ "alg": "HS256", "typ": "JWT" }), &claims);
    let jwt = crypto::signed_jwt(&to_sign, crypto::hmac_sha256(secret, &[to_sign.as_bytes()]));
    let livestatus = if exchange.mode == Mode::Live { "1" } else { "0" };
    let token = Token::new(&jwt, "JWT", Expiry::after(exchange.now, LIFETIME)?)?
        .scope_list(Some(&requests.join(" ")))
        .client("library_url", exchange.url("/js/latest/st.js")?.to_string())
        .client("livestatus", livestatus);
    Ok(Step::Done(token))
}
