//! Trust Payments: a JWT, signed here, with which the JavaScript library or a mobile SDK runs the
//! requests that it names.
//! <https://help.trustpayments.com/hc/en-us/articles/4402694206353-JSON-Web-Token>

use crate::prelude::*;

/// The bound on `orderreference` in characters; longer ones may be cut (3DS API field
/// specification).
const MAX_REFERENCE: usize = 25;

const JWT_GENERATOR: Source = Source::sdk("npm package @trustpayments/jwt-generator 2.0.135");
const JWT_PAGE: Source = Source::page("https://help.trustpayments.com/hc/en-us/articles/4402694206353-JSON-Web-Token");

/// The gateway takes the JWT for so many seconds from `iat`.
const LIFETIME: u32 = 3600;

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.trustpayments.com/doc_tag/user/");

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
            "ACCOUNTCHECK with amount 0 for tokenizing a card without a payment.",
        ],
        evidence: &[
            Evidence::new("claims iat, iss and payload, HS256", JWT_GENERATOR, "2026-11"),
            Evidence::new("members of the payload, algorithms, amounts in base units", JWT_PAGE, "2026-11"),
            Evidence::new(
                "the length of orderreference",
                Source::page("https://help.trustpayments.com/hc/en-us/articles/6743917116945-3DS-API-Field-Specification"),
                "2026-11",
            ),
            Evidence::new(
                "the address of the JavaScript library",
                Source::third_party("several public shops that load st.js"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::ByCredentials(
            "Site references of test sites begin with test_ (help page JSON Web Token, test_site12345); others show none.",
        ),
        // Never called: the page loads the library from it. Regions other than Europe have hosts of
        // their own.
        hosts: &[Host::main("https://cdn.eu.trustpayments.com", "https://cdn.eu.trustpayments.com")],
        credentials: &[required("site_reference").public().found_in("Trust Payments hands it out at sign-up, one for test and one for live: site reference", Source::third_party("support.br-dge.io, Adding a Trust Payments Connection")), optional("username").found_in("MyST > Users > Add user, with the role Webservices: user name", KEYS), optional("password").found_in("MyST > Users > Add user, with the role Webservices: password", KEYS)],
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
        .scopes(Scopes::OneOf(&["THREEDQUERY", "AUTH", "ACCOUNTCHECK"]))
        .worst_case(
            "run the listed requests on this site with this amount, several times within the hour and with stolen cards \
             (card testing)",
            &[Bound::Amount, Bound::Object],
        )
        .client_source(JWT_PAGE)
        .client_parameters(&[
            ClientParameter::new("library_url", "the address of the JavaScript library (Europe)", "<script src>"),
            ClientParameter::new("livestatus", "0 for test, 1 for live", "SecureTrading({ jwt, livestatus })"),
        ])
        .minting_ends_earlier(MintingEndsEarlier::No("it is signed here; the gateway keeps no earlier one"))],
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
            "orderreference": exchange.reference_up_to(MAX_REFERENCE),
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
