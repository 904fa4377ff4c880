//! Coinbase: a one-use session token for Onramp and Offramp.
//! <https://docs.cdp.coinbase.com/onramp-&-offramp/session-token-authentication>

use ed25519_dalek::Signer as _;

use crate::prelude::*;

const PATH: &str = "/onramp/v1/token";
/// The one call that the request's JWT permits. It names Coinbase's host also where the operator
/// has configured another one.
const URI: &str = "POST api.developer.coinbase.com/onramp/v1/token";
/// The lifetime of the request's JWT, in seconds.
const JWT_LIFETIME: i64 = 120;
/// The lifetime of a session token, in seconds.
const LIFETIME: u32 = 300;

/// No field is read: the key of Coinbase Commerce, which existing callers send, cannot make session
/// tokens.
#[derive(Deserialize)]
pub(super) struct Credentials {}

pub(super) struct Coinbase;

impl Connector for Coinbase {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "coinbase",
        name: "Coinbase",
        docs: "https://docs.cdp.coinbase.com/onramp-&-offramp/session-token-authentication",
        unconfirmed: &["The shape of refusals."],
        evidence: &[],
        mode_shown: ModeShown::No(""),
        hosts: &[Host::main("https://api.developer.coinbase.com", "https://api.developer.coinbase.com")],
        credentials: &[optional("api_key")],
        grants: &[client_grant(
            "onramp_session_token",
            "open one Onramp or Offramp session for the given addresses, once",
            Lifetime::Fixed(LIFETIME),
            onramp_session_token,
        )
        .by_default()
        .inputs(&[
            Input::text("api_key_id").required(),
            Input::secret("api_key_secret").required(),
            Input::objects("addresses").required(),
            Input::text_of("clientIp", 45).required(),
            Input::texts("assets"),
        ])],
    };
}

fn onramp_session_token(_credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let input = exchange.input;
            let body = json!({
                "addresses": input.required_value("addresses")?,
                "assets": input.value("assets"),
                "clientIp": input.required_text("clientIp")?,
            });
            Call::post(exchange.url(PATH)?)
                .bearer(&request_jwt(exchange)?)
                .json(&encoding::sparse(body))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let session: Session = reply.accept(refusal)?;
            let expiry = Expiry::after_reply(reply, LIFETIME)?;
            Ok(Step::Done(Token::new(&session.token, "session_token", expiry)?))
        }
    }
}

/// A platform key is Ed25519 (base64 of seed and public key) or P-256 (PEM, SEC1 or PKCS #8).
/// <https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication>
fn request_jwt(exchange: &Exchange<'_>) -> Result<String> {
    let wrong_key = || {
        Error::invalid_input(
            "api_key_secret",
            "must be a secret API key of the Developer Platform: base64 of 64 bytes, or PEM",
        )
    };
    let key_id = exchange.input.required_text("api_key_id")?;
    let secret = exchange.input.required_text("api_key_secret")?;
    let is_pem = secret.contains("-----BEGIN");
    let now = exchange.now.as_second();
    let header = json!({
        "alg": if is_pem { "ES256" } else { "EdDSA" },
        "kid": key_id,
        "nonce": exchange.nonce.hex(),
        "typ": "JWT",
    });
    let exp = now.saturating_add(JWT_LIFETIME);
    let claims = json!({ "sub": key_id, "iss": "cdp", "nbf": now, "exp": exp, "uris": [URI] });
    let to_sign = crypto::jwt_to_sign(&header, &claims);
    if is_pem {
        let key: p256::SecretKey =
            pem::ec_private_key(secret).map_err(|why| Error::invalid_input("api_key_secret", why))?;
        let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).sign(to_sign.as_bytes());
        return Ok(crypto::signed_jwt(&to_sign, signature.to_bytes()));
    }
    let key = encoding::base64_decode(secret)
        .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
        .and_then(|bytes| ed25519_dalek::SigningKey::from_keypair_bytes(&bytes).ok())
        .ok_or_else(wrong_key)?;
    Ok(crypto::signed_jwt(&to_sign, key.sign(to_sign.as_bytes()).to_bytes()))
}

#[derive(Deserialize)]
struct Session {
    token: String,
}

/// The API's own form (`errorType`) and that of the gateway before it (`code`).
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(&["/errorType", "/code"], &["/errorMessage", "/message"], &[])
}
