//! Coinbase: a one-use session token for Onramp and Offramp, or a one-use address of Onramp.
//! <https://docs.cdp.coinbase.com/onramp-&-offramp/session-token-authentication>

use ed25519_dalek::Signer as _;

use crate::prelude::*;

/// The call for a session token, as the request's JWT names it.
const TOKEN: Endpoint = Endpoint { host: "api.developer.coinbase.com", path: "/onramp/v1/token" };
/// The call for an address of Onramp.
const SESSION: Endpoint = Endpoint { host: "api.cdp.coinbase.com", path: "/platform/v2/onramp/sessions" };
const MAIN: Host = Host::main("https://api.developer.coinbase.com", "https://api.developer.coinbase.com");
const CDP: Host = Host::named("cdp", "https://api.cdp.coinbase.com", "https://api.cdp.coinbase.com");
/// The lifetime of the request's JWT, in seconds: that of the vendor's client.
const JWT_LIFETIME: i64 = 120;
/// The lifetime of a session token, in seconds.
const LIFETIME: u32 = 300;
/// A user's reference that begins so makes a sandbox transaction (@coinbase/cdp-sdk 1.57.0).
const SANDBOX: &str = "sandbox-";
/// The longest `partnerUserRef` that is made from a reference, in characters. The vendor's types
/// have no bound; its pages say that it must be shorter than 50.
const MAX_USER_REF: usize = 49;
const CLIENT_IP: Input = Input::text_of("clientIp", 45);
const API_KEY_ID: Input = Input::text("api_key_id");
const API_KEY_SECRET: Input = Input::secret("api_key_secret");
const METHODS: &[&str] = &["CARD", "ACH", "APPLE_PAY", "PAYPAL", "FIAT_WALLET", "CRYPTO_WALLET"];

struct Endpoint {
    host: &'static str,
    path: &'static str,
}

/// A secret API key of the Developer Platform. `api_key` is not read: it is the key of Coinbase
/// Commerce, which ended on 2026-03-31 and which existing callers may still send.
/// Where the vendor says which credentials there are.
const KEYS: Source = Source::page("https://docs.cdp.coinbase.com/onramp-&-offramp/introduction/getting-started");

#[derive(Deserialize)]
pub(super) struct Credentials {
    api_key_id: Option<String>,
    api_key_secret: Option<Secret>,
}

pub(super) struct Coinbase;

impl Connector for Coinbase {
    type Credentials = Credentials;

    const META: Meta<StepFn<Credentials>> = Meta {
        id: "coinbase",
        name: "Coinbase",
        docs: "https://docs.cdp.coinbase.com/onramp-&-offramp/session-token-authentication",
        unconfirmed: &[
            "The shape of refusals of the first version.",
            "How long an address of Onramp can be opened.",
            "That partnerUserRef is shorter than 50 characters.",
        ],
        evidence: &[
            Evidence::new(
                "the request's JWT; path, host and members of an Onramp session, errors",
                Source::sdk("@coinbase/cdp-sdk 1.57.0 (npm)"),
                "2026-11",
            ),
            Evidence::new(
                "path, members and the five minutes of a session token",
                Source::page("https://docs.cdp.coinbase.com/onramp-&-offramp/session-token-authentication"),
                "2026-11",
            ),
            Evidence::new(
                "the page takes the session token, with addresses and assets",
                Source::sdk("@coinbase/cbpay-js 2.4.0 (npm)"),
                "2026-11",
            ),
        ],
        mode_shown: ModeShown::No(
            "One key serves both modes (@coinbase/cdp-sdk); partnerUserRef makes a sandbox transaction.",
        ),
        hosts: &[MAIN, CDP],
        credentials: &[
            optional("api_key_id")
                .public()
                .found_in("Developer Platform > API Keys > Create API key, a secret API key: its ID", KEYS),
            optional("api_key_secret")
                .found_in("Developer Platform > API Keys > Create API key, a secret API key: its secret", KEYS),
            optional("api_key"),
        ],
        grants: &[
            client_grant(
                "onramp_session_token",
                "open one Onramp or Offramp session for the given addresses, once",
                Lifetime::Fixed(LIFETIME),
                onramp_session_token,
            )
            .by_default()
            .inputs(&[
                Input::objects("addresses").required(),
                CLIENT_IP.required(),
                Input::texts("assets"),
                API_KEY_ID,
                API_KEY_SECRET,
            ])
            .worst_case(
                "buy or sell crypto with means of its own, delivered to the given addresses",
                &[Bound::Object, Bound::SingleUse],
            )
            .client_source(Source::sdk("@coinbase/cbpay-js 2.4.0 (npm), generateOnRampURL({ sessionToken })"))
            .client_parameters(&[
                ClientParameter::new(
                    "addresses",
                    "the addresses with their networks, as a JSON object",
                    "generateOnRampURL({ addresses }) of @coinbase/cbpay-js",
                ),
                ClientParameter::new(
                    "assets",
                    "the assets that can be bought, as a JSON list",
                    "generateOnRampURL({ assets }) of @coinbase/cbpay-js",
                ),
            ])
            .minting_ends_earlier(MintingEndsEarlier::No("docs.cdp.coinbase.com: each session has a token of its own"))
            .single_use(),
            client_grant(
                "onramp_session",
                "open Onramp once, for the given address and asset",
                Lifetime::Unpublished,
                onramp_session,
            )
            .by_default_with("destinationAddress")
            .inputs(&[
                Input::text("destinationAddress").required(),
                Input::text("purchaseCurrency").required(),
                Input::text("destinationNetwork").required(),
                Input::decimal("paymentAmount"),
                Input::text_of("purchaseAmount", 40)
                    .amounts("in whole units of the purchased currency: \"0.5\" is half a coin"),
                Input::text("paymentCurrency"),
                Input::one_of("paymentMethod", METHODS),
                Input::country("country"),
                Input::text_of("subdivision", 3),
                Input::url("redirectUrl"),
                CLIENT_IP,
                Input::text_of("partnerUserRef", MAX_USER_REF),
                API_KEY_ID,
                API_KEY_SECRET,
            ])
            .worst_case(
                "buy crypto with means of its own, delivered to the given address",
                &[Bound::Object, Bound::SingleUse],
            )
            .client_source(Source::sdk(
                "@coinbase/cdp-sdk 1.57.0 (npm), createOnrampSession: a URL that a user visits once",
            ))
            .minting_ends_earlier(MintingEndsEarlier::No(
                "@coinbase/cdp-sdk 1.57.0: each call makes an address of its own",
            ))
            .single_use()
            .lifetime_note("the address works until it is visited; Coinbase publishes no other end"),
        ],
    };
}

fn onramp_session_token(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    let input = exchange.input;
    let addresses = input.required_value("addresses")?;
    match exchange.replies {
        [] => {
            let body = json!({
                "addresses": addresses,
                "assets": input.value("assets"),
                "clientIp": input.required_text("clientIp")?,
            });
            Call::post(exchange.url_on(&MAIN, TOKEN.path)?)
                .bearer(&request_jwt(credentials, exchange, &TOKEN)?)
                .json(&encoding::sparse(body))
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let session: SessionToken = reply.accept(refusal)?;
            let expiry = Expiry::after_reply(reply, LIFETIME)?;
            let token = Token::new(&session.token, "session_token", expiry)?.client("addresses", by_address(addresses));
            Ok(Step::Done(match input.value("assets") {
                Some(assets) => token.client("assets", assets.to_string()),
                None => token,
            }))
        }
    }
}

/// The addresses as the vendor's page script takes them: `{"0x1": ["base"]}`.
fn by_address(addresses: &Value) -> String {
    let entries = addresses.as_array().into_iter().flatten();
    let entries = entries.filter_map(|entry| {
        Some((encoding::text_at(entry, "/address")?.to_owned(), entry.get("blockchains").cloned().unwrap_or(json!([]))))
    });
    Value::Object(entries.collect()).to_string()
}

fn onramp_session(credentials: &Credentials, exchange: &Exchange<'_>) -> Result<Step> {
    match exchange.replies {
        [] => {
            let mut body = exchange.input.body();
            body.retain(|name, _| !["api_key_id", "api_key_secret"].contains(&name.as_str()));
            if let Some(amount) = exchange.input.decimal("paymentAmount") {
                body.insert("paymentAmount".into(), json!(amount));
            }
            if let Some(country) = exchange.input.text("country") {
                body.insert("country".into(), json!(country.to_ascii_uppercase()));
            }
            body.extend(user_ref(exchange)?.map(|user| ("partnerUserRef".to_owned(), json!(user))));
            Call::post(exchange.url_on(&CDP, SESSION.path)?)
                .bearer(&request_jwt(credentials, exchange, &SESSION)?)
                .json(&body)
                .repeatable()
                .send()
        }
        [reply, ..] => {
            let made: Made = reply.accept(refusal)?;
            let url = made.session.onramp_url;
            if !url.starts_with("https://") {
                return Err(Error::bad_reply("Coinbase's answer has no address of Onramp in it"));
            }
            Ok(Step::Done(Token::new(&url, "onramp_url", Expiry::Unpublished)?))
        }
    }
}

/// The user's reference, which also tells the sandbox from real transfers.
fn user_ref(exchange: &Exchange<'_>) -> Result<Option<String>> {
    let wrong = |description: &str| Err(Error::invalid_input("partnerUserRef", description));
    match (exchange.input.text("partnerUserRef"), exchange.mode) {
        (Some(given), Mode::Test) if !given.starts_with(SANDBOX) => wrong("must begin with sandbox- in test mode"),
        (Some(given), Mode::Live) if given.starts_with(SANDBOX) => {
            wrong("begins with sandbox-, which is for test mode")
        }
        (Some(given), _) => Ok(Some(given.to_owned())),
        (None, Mode::Test) => {
            let reference = exchange.reference_within(MAX_USER_REF - SANDBOX.len(), "-_");
            Ok(Some(format!("{SANDBOX}{reference}")))
        }
        (None, Mode::Live) => Ok(None),
    }
}

/// A platform key is Ed25519 (base64 of seed and public key) or P-256 (PEM, SEC1 or PKCS #8). The
/// JWT names Coinbase's host also where the operator has configured another one.
/// <https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication>
fn request_jwt(credentials: &Credentials, exchange: &Exchange<'_>, endpoint: &Endpoint) -> Result<String> {
    let input = exchange.input;
    let absent = |name: &str| Error::missing_inputs(&[name], "neither it nor the credential of that name is there");
    let key_id = input.text("api_key_id").or(credentials.api_key_id.as_deref());
    let key_id = key_id.ok_or_else(|| absent("api_key_id"))?;
    let given = input.text("api_key_secret");
    let own = credentials.api_key_secret.as_ref().map(Secret::expose);
    let secret = given.or(own).ok_or_else(|| absent("api_key_secret"))?;
    let wrong_key = |why: String| match given {
        Some(_) => Error::invalid_input("api_key_secret", why),
        None => Error::invalid_credential("api_key_secret", why),
    };
    let is_pem = secret.contains("-----BEGIN");
    let now = exchange.now.as_second();
    let header = json!({
        "alg": if is_pem { "ES256" } else { "EdDSA" },
        "kid": key_id,
        "nonce": exchange.nonce.hex(),
        "typ": "JWT",
    });
    let exp = now.saturating_add(JWT_LIFETIME);
    let uri = format!("POST {}{}", endpoint.host, endpoint.path);
    let claims = json!({ "sub": key_id, "iss": "cdp", "iat": now, "nbf": now, "exp": exp, "uris": [uri] });
    let to_sign = crypto::jwt_to_sign(&header, &claims);
    if is_pem {
        let key: p256::SecretKey = pem::ec_private_key(secret).map_err(wrong_key)?;
        let signature: p256::ecdsa::Signature = p256::ecdsa::SigningKey::from(key).sign(to_sign.as_bytes());
        return Ok(crypto::signed_jwt(&to_sign, signature.to_bytes()));
    }
    let key = encoding::base64_decode(secret)
        .and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
        .and_then(|bytes| ed25519_dalek::SigningKey::from_keypair_bytes(&bytes).ok())
        .ok_or_else(|| {
            wrong_key("must be a secret API key of the Developer Platform: base64 of 64 bytes, or PEM".into())
        })?;
    Ok(crypto::signed_jwt(&to_sign, key.sign(to_sign.as_bytes()).to_bytes()))
}

#[derive(Deserialize)]
struct SessionToken {
    token: String,
}

#[derive(Deserialize)]
struct Made {
    session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    onramp_url: String,
}

/// The API's own form (`errorType`) and that of the gateway before it (`code`).
fn refusal(reply: &Reply) -> Refusal {
    reply.refusal(
        &["/errorType", "/code", "/error"],
        &["/errorMessage", "/message", "/error_description"],
        &["/correlationId"],
    )
}
