//! J.P. Morgan Payments: bearer tokens for the project's payment APIs, in the mock environment by
//! client id and secret, in client testing and production by certificate and signed assertion.
//! <https://github.com/jpmorgan-payments/authentication>

use crate::prelude::*;

/// The token host of the mock environment.
const MOCK: &str = "https://id.payments.jpmorgan.com";
/// The token host of client testing and of production; credentials and `resource` tell them apart.
const IDENTITY: Host = Host::named("identity", "https://idag2.jpmorganchase.com", "https://idag2.jpmorganchase.com");
/// The audience of an assertion: the token address, whatever base URL replaces its host.
const AUDIENCE: &str = "https://idag2.jpmorganchase.com/adfs/oauth2/token";
/// How long an assertion is valid, in seconds. The vendor advises 8 hours at most in production;
/// each assertion is used at once.
const ASSERTION_SECONDS: i64 = 600;

/// Where the vendor says how a request for a token is signed.
const SIGNING: Source = Source::sdk("repository jpmorgan-payments/authentication");

/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://developer.payments.jpmorgan.com/blog/guides/oauth");

#[derive(Deserialize)]
pub(super) struct Credentials {
    client_id: String,
    client_secret: Option<Secret>,
    private_key: Option<Secret>,
    certificate_thumbprint: Option<String>,
}

pub(super) struct Jpmorgan;

impl Connector for Jpmorgan {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "jpmorgan",
        name: "J.P. Morgan Payments",
        docs: "https://github.com/jpmorgan-payments/authentication",
        unconfirmed: &[
            "The payment APIs' shape of a refusal in answers to the token call.",
            "Whether a second token ends the first.",
        ],
        evidence: &[
            Evidence::new(
                "client_assertion: address, form fields, header and claims of the assertion, answer, refusals",
                Source::sdk("jpmorgan-payments/pdp-skills, jpm-oauth 2.0.0"),
                "2026-11",
            ),
            Evidence::new(
                "client_assertion: issuer, subject and audience, kid is the SHA-1 thumbprint in upper-case hex",
                Source::sdk("jpmorgan-payments/authentication, js/sample-authentication-code"),
                "2026-11",
            ),
            Evidence::new(
                "access_token: address, Basic authentication, form, scope jpm:payments:sandbox",
                Source::sdk("jpmorgan-payments/authentication, Postman collection and Go samples"),
                "2026-11",
            ),
            Evidence::new(
                "client id and secret belong to the mock environment, certificate and assertion to the others",
                Source::page("https://developer.payments.jpmorgan.com, OAuth"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "The end of a client id (-PROD) names the environment of the identity service: ids of client testing have it \
             too in the vendor's samples, and the token address is the same.",
        ),
        hosts: &[Host::main(MOCK, MOCK), IDENTITY],
        credentials: &[
            required("client_id")
                .public()
                .found_in("Payments Developer Portal > the project's dashboard: CLIENT_ID", KEYS),
            optional("client_secret")
                .found_in("Payments Developer Portal > the project's dashboard: CLIENT_SECRET", KEYS),
            optional("private_key").found_in("You make it, with the certificate that J.P. Morgan registers", SIGNING),
            optional("certificate_thumbprint")
                .public()
                .found_in("The SHA-1 thumbprint of the certificate that J.P. Morgan registers", SIGNING),
            optional("company_name").public(),
            optional("product_name").public(),
            optional("merchant_purchase_description").public(),
            optional("statement_descriptor").public(),
        ],
        grants: &[
            server_grant(
                "access_token",
                "call every payment API of the project in the mock environment",
                Lifetime::Fixed(3600),
                access_token,
            )
            .scopes(Scopes::Any),
            server_grant(
                "client_assertion",
                "call every payment API that the resource is entitled to: payments, refunds, verifications",
                Lifetime::Fixed(3600),
                client_assertion,
            )
            .inputs(&[Input::text("resource").required()]),
        ],
    };
}

fn access_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] if exchange.mode == Mode::Live => Err(Error::invalid_input(
            "grant",
            "J.P. Morgan takes client id and secret in its mock environment only; name the grant client_assertion, \
             which needs private_key, certificate_thumbprint and resource",
        )),
        [] => {
            let requested = exchange.input.scope();
            let scope = if requested.is_empty() { "jpm:payments:sandbox" } else { &requested };
            let secret = credentials.client_secret.as_ref().ok_or_else(|| absent("client_secret"))?;
            Call::post(exchange.url("/am/oauth2/alpha/access_token")?)
                .basic(&credentials.client_id, secret.expose())
                .form(FormBody::new().field("grant_type", "client_credentials").field("scope", scope))
                .repeatable()
                .send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

fn client_assertion(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let form = FormBody::new()
                .field("grant_type", "client_credentials")
                .field("client_id", &credentials.client_id)
                .field("resource", exchange.input.required_text("resource")?)
                .field("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                .field("client_assertion", &assertion(credentials, exchange)?);
            Call::post(exchange.url_on(&IDENTITY, "/adfs/oauth2/token")?).form(form).repeatable().send()
        }
        [reply, ..] => token(exchange, reply),
    }
}

/// A signed JWT that stands for the client (RFC 7523 section 2.2).
fn assertion(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<String> {
    let key = credentials.private_key.as_ref().ok_or_else(|| absent("private_key"))?;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": thumbprint(credentials)? });
    let now = exchange.now.as_second();
    let claims = json!({
        "iss": credentials.client_id,
        "sub": credentials.client_id,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now.saturating_add(ASSERTION_SECONDS),
        "jti": exchange.nonce.uuid(),
    });
    let to_sign = crypto::jwt_to_sign(&header, &claims);
    let wrong = |why: String| Error::invalid_credential("private_key", why);
    let key = pem::private_key(key.expose(), "RSA").map_err(wrong)?;
    let signature = crypto::rs256(&key.der, key.label == "RSA PRIVATE KEY", to_sign.as_bytes());
    let signature = signature.ok_or_else(|| wrong("must be an RSA key of 2048 bits or more".into()))?;
    Ok(crypto::signed_jwt(&to_sign, signature))
}

/// The certificate's SHA-1 thumbprint as the vendor wants it: upper-case hex without colons.
fn thumbprint(credentials: &Credentials) -> Result<String> {
    let given = credentials.certificate_thumbprint.as_ref().ok_or_else(|| absent("certificate_thumbprint"))?;
    let hex = given.replace(':', "").to_ascii_uppercase();
    if hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(hex);
    }
    Err(Error::invalid_credential("certificate_thumbprint", "must be the SHA-1 thumbprint: 40 hexadecimal digits"))
}

fn absent(name: &str) -> Error {
    Error::invalid_credential(name, "this grant of J.P. Morgan's needs it")
}

fn token(exchange: &Exchange<'_>, reply: &Reply) -> Result<Step> {
    let granted: oauth::AccessToken = reply.accept(refusal)?;
    Ok(Step::Done(granted.token_or_bearer(reply, exchange.grant)?))
}

/// A refusal has the form of RFC 6749 or that of the payment APIs. The identity service answers
/// `invalid_grant` to an assertion that it cannot verify.
fn refusal(reply: &Reply) -> Refusal {
    let refusal =
        reply.refusal(&["/error", "/responseCode"], &["/error_description", "/responseMessage"], &["/responseStatus"]);
    let kind = match refusal.code.as_deref() {
        Some("invalid_grant") => Some(Kind::CredentialsRejected),
        code => oauth::kind(code),
    };
    refusal.kind(kind)
}
