//! Tokens of workloads as the means of callers: JWTs (RFC 7519) of identity providers (OpenID
//! Connect) and JWT-SVIDs of SPIFFE, verified by the provider's key set (RFC 7517). Uses the engine's
//! transport to fetch key sets. Used by `auth`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use connectors::{Call, Timestamp};
use daypass::{ConnectSettings, Egress, HttpSend, Transport};
use http::Uri;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::{sync::Notify, time::Instant};

/// Difference that is allowed between the clocks of issuer and service.
const LEEWAY: Duration = Duration::from_secs(30);
/// Longest time for one fetch of a key set.
const FETCH_TIME: Duration = Duration::from_secs(5);
/// Time after which a key set is fetched again, by URL or from a file.
const URL_AGE: Duration = Duration::from_secs(600);
const FILE_AGE: Duration = Duration::from_secs(10);
/// The same, where a token names a key that is not known.
const ASKED_URL_AGE: Duration = Duration::from_secs(30);
const ASKED_FILE_AGE: Duration = Duration::from_secs(1);
/// Time between two looks at the ages.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// An identity provider whose tokens name callers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenIssuer {
    /// Its `iss`, by the letter.
    pub issuer: Option<String>,
    /// In the place of an issuer: the SPIFFE trust domain whose ids are in `sub`.
    pub trust_domain: Option<String>,
    /// The `aud` that its tokens must have: one that names this service.
    pub audience: String,
    /// URL of its key set: https, or http to loopback.
    pub jwks_url: Option<String>,
    /// A file with its key set.
    pub jwks_file: Option<PathBuf>,
}

/// The claims by which a caller is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenClaims {
    /// The issuer, or the trust domain.
    pub issuer: String,
    /// Claims and their values, all of which must be equal. A name that begins with `/` is the path of
    /// an inner one (RFC 6901).
    pub claims: BTreeMap<String, Value>,
}

/// A fault of the issuers' settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IssuerError {
    /// Neither or both of two settings.
    #[error("token_issuers: each needs {0}")]
    OneOf(&'static str),
    /// A token for another service would be accepted.
    #[error("token_issuers: {0} needs an audience that names this service")]
    NoAudience(String),
    /// The URL cannot be used.
    #[error("token_issuers: jwks_url of {0} must be https, or http to loopback")]
    Url(String),
    /// Two issuers have one name.
    #[error("token_issuers: {0} is there twice")]
    Twice(String),
}

impl TokenIssuer {
    /// The issuer's name: its `iss`, or its trust domain.
    pub(crate) fn name(&self) -> &str {
        self.issuer.as_deref().or(self.trust_domain.as_deref()).unwrap_or_default()
    }

    fn check(&self) -> Result<(), IssuerError> {
        let name = || self.name().to_owned();
        if self.issuer.is_some() == self.trust_domain.is_some() || self.name().is_empty() {
            return Err(IssuerError::OneOf("issuer or trust_domain"));
        }
        if self.jwks_url.is_some() == self.jwks_file.is_some() {
            return Err(IssuerError::OneOf("jwks_url or jwks_file"));
        }
        if self.audience.is_empty() {
            return Err(IssuerError::NoAudience(name()));
        }
        let Some(url) = &self.jwks_url else { return Ok(()) };
        let url: Uri = url.parse().map_err(|_| IssuerError::Url(name()))?;
        let loopback = matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        match url.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if loopback => Ok(()),
            _ => Err(IssuerError::Url(name())),
        }
    }
}

/// The issuers, with the keys that are known of them.
pub(crate) struct TokenIssuers {
    issuers: Vec<Known>,
    /// A token names a key that is not known.
    asked: Notify,
}

struct Known {
    config: TokenIssuer,
    keys: ArcSwap<KeySet>,
    asked: AtomicBool,
    fetched: Mutex<Option<Instant>>,
}

/// Keys by their ids, each with the one algorithm that it is for.
type KeySet = HashMap<String, (Algorithm, DecodingKey)>;

/// A token that was verified.
pub(crate) struct Verified<'a> {
    /// The name of its issuer.
    pub issuer: &'a str,
    claims: Map<String, Value>,
}

impl Verified<'_> {
    /// Whether a caller is known by these claims.
    pub(crate) fn has(&self, wanted: &TokenClaims) -> bool {
        wanted.issuer == self.issuer
            && wanted.claims.iter().all(|(name, value)| match name.strip_prefix('/') {
                None => self.claims.get(name) == Some(value),
                Some(path) => {
                    let mut names = path.split('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
                    let first = names.next().and_then(|name| self.claims.get(&name));
                    names.fold(first, |inner, name| inner?.get(&name)) == Some(value)
                }
            })
    }
}

impl TokenIssuers {
    /// The issuers of a configuration, without keys.
    ///
    /// # Errors
    /// An issuer cannot be used.
    pub(crate) fn new(issuers: &[TokenIssuer]) -> Result<Self, IssuerError> {
        let mut names = HashSet::new();
        for issuer in issuers {
            issuer.check()?;
            if !names.insert(issuer.name()) {
                return Err(IssuerError::Twice(issuer.name().to_owned()));
            }
        }
        let known = |issuer: &TokenIssuer| Known {
            config: issuer.clone(),
            keys: ArcSwap::default(),
            asked: AtomicBool::new(false),
            fetched: Mutex::new(None),
        };
        Ok(Self { issuers: issuers.iter().map(known).collect(), asked: Notify::new() })
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether there is one of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.issuers.iter().any(|known| known.config.name() == name)
    }

    /// The claims of a token that one of the issuers signed for this service, and that is valid now.
    ///
    /// # Errors
    /// The reason, in words for the caller.
    pub(crate) fn verify(&self, token: &str) -> Result<Verified<'_>, &'static str> {
        let header = decode_header(token).map_err(|_| "the token is no JWT with an accepted algorithm")?;
        // A token that needs an extension is not for those who do not know it (RFC 7515 section 4.1.11).
        if part(token, 0).is_none_or(|header: Map<String, Value>| header.contains_key("crit")) {
            return Err("the token needs an extension that is not known");
        }
        let known = self.issuer_of(token).ok_or("the token is of an unknown issuer")?;
        let keys = known.keys.load();
        let Some((algorithm, key)) = header.kid.as_deref().and_then(|id| keys.get(id)) else {
            known.asked.store(true, Ordering::Relaxed);
            self.asked.notify_one();
            return Err("the token is signed with an unknown key");
        };
        if header.alg != *algorithm {
            return Err("the token's algorithm is not its key's");
        }
        let mut validation = Validation::new(*algorithm);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&[&known.config.audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        if let Some(issuer) = &known.config.issuer {
            validation.set_issuer(&[issuer]);
        }
        let decoded = decode::<Map<String, Value>>(token, key, &validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => "the token has expired",
            ErrorKind::ImmatureSignature => "the token is not valid yet",
            ErrorKind::InvalidAudience => "the token is for another audience",
            ErrorKind::InvalidSignature => "the token's signature is wrong",
            ErrorKind::MissingRequiredClaim(_) => "the token needs the claims exp, aud and sub",
            _ => "the token cannot be verified",
        })?;
        // The library leaves a time out that is no number.
        if decoded.claims.get("nbf").is_some_and(|nbf| !nbf.is_number()) {
            return Err("the token's nbf is no time");
        }
        Ok(Verified { issuer: known.config.name(), claims: decoded.claims })
    }

    /// The issuer that a token says it is of. Nothing is believed before its key has verified it.
    fn issuer_of(&self, token: &str) -> Option<&Known> {
        #[derive(Deserialize)]
        struct Said {
            iss: Option<String>,
            sub: Option<String>,
        }
        let Said { iss, sub } = part(token, 1)?;
        let domain = sub.as_deref().and_then(|id| id.strip_prefix("spiffe://")).and_then(|id| id.split('/').next());
        let mut issuers = self.issuers.iter();
        issuers.find(|known| match (&known.config.issuer, &known.config.trust_domain) {
            (Some(issuer), _) => iss.as_ref() == Some(issuer),
            (None, own) => domain.is_some() && domain == own.as_deref(),
        })
    }

    /// Fetches all key sets, and again as they age or a token names an unknown key, until the process
    /// ends. `first` hears of the first round.
    pub(crate) async fn run(self: Arc<Self>, transport: Transport, first: Arc<Notify>) {
        loop {
            for known in &self.issuers {
                if known.is_due() {
                    known.fetch(&transport).await;
                }
            }
            first.notify_one();
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = self.asked.notified() => tokio::time::sleep(ASKED_FILE_AGE).await,
            }
        }
    }

    /// The transport for the key sets, which may reach the issuers' hosts inside this network.
    ///
    /// # Errors
    /// The authorities cannot be used.
    pub(crate) fn transport(&self, authorities: Option<&[u8]>) -> Result<Transport, String> {
        let urls = self.issuers.iter().filter_map(|known| known.config.jwks_url.as_ref()?.parse::<Uri>().ok());
        let hosts = urls.filter_map(|url| Some(url.host()?.to_ascii_lowercase())).collect();
        let connect = ConnectSettings { default_timeout: FETCH_TIME, timeouts: HashMap::new(), operator_hosts: hosts };
        Transport::new(Egress { connect, ..Egress::default() }, authorities).map_err(|error| error.to_string())
    }
}

impl Known {
    fn is_due(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        let is_file = self.config.jwks_file.is_some();
        let age = match (is_file, asked) {
            (true, true) => ASKED_FILE_AGE,
            (true, false) => FILE_AGE,
            (false, true) => ASKED_URL_AGE,
            (false, false) => URL_AGE,
        };
        let fetched = *self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.is_none_or(|fetched| fetched.elapsed() >= age)
    }

    async fn fetch(&self, transport: &Transport) {
        self.asked.store(false, Ordering::Relaxed);
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let outcome = match self.key_set(transport).await {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                "fetched"
            }
            Err(cause) => {
                let issuer = self.config.name();
                tracing::warn!(
                    issuer,
                    cause,
                    "the key set of a token issuer cannot be had: the keys known so far stay"
                );
                "failed"
            }
        };
        metrics::counter!("daypass_key_set_fetches_total", "outcome" => outcome).increment(1);
    }

    async fn key_set(&self, transport: &Transport) -> Result<KeySet, String> {
        let text = match (&self.config.jwks_file, &self.config.jwks_url) {
            (Some(file), _) => fs::read(file).map_err(|error| error.to_string())?.into(),
            (None, url) => {
                let url: Uri = url.as_deref().unwrap_or_default().parse().map_err(|_| "no URL".to_owned())?;
                let now = Timestamp::try_from(SystemTime::now()).map_err(|error| error.to_string())?;
                let reply = transport.send(Call::get(url), now, Instant::now() + FETCH_TIME).await;
                let reply = reply.map_err(|error| error.to_string())?;
                if reply.status != 200 {
                    return Err(format!("status {}", reply.status));
                }
                reply.body
            }
        };
        let keys = keys_of(&text).ok_or("no key set (RFC 7517)")?;
        if keys.is_empty() { Err("no key for RS256, ES256 or EdDSA in it".into()) } else { Ok(keys) }
    }
}

/// A part of a token, which nothing has verified.
fn part<T: DeserializeOwned>(token: &str, nth: usize) -> Option<T> {
    let text = URL_SAFE_NO_PAD.decode(token.split('.').nth(nth)?).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The keys of a set that verify signatures. One that cannot be read, or is for something else, is
/// left out: a set may have keys for others.
fn keys_of(text: &[u8]) -> Option<KeySet> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(text).ok()?;
    let keys = set.keys.into_iter().filter_map(|key| {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let is_for_signatures = match &key.common.public_key_use {
            None | Some(PublicKeyUse::Signature) => true,
            Some(PublicKeyUse::Encryption) => false,
            Some(PublicKeyUse::Other(other)) => other == "jwt-svid",
        };
        // A shared secret (`oct`) is no key of a set that everybody may read.
        let (algorithm, named) = match &key.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(_) => (Algorithm::EdDSA, KeyAlgorithm::EdDSA),
            _ => return None,
        };
        let is_named = key.common.key_algorithm.is_none_or(|name| name == named);
        let id = key.common.key_id.clone().filter(|_| is_for_signatures && is_named)?;
        Some((id, (algorithm, DecodingKey::from_jwk(&key).ok()?)))
    });
    Some(keys.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public keys of RFC 7517 appendix A.1 and RFC 8037 appendix A.2, and ones for other purposes.
    const SET: &str = r#"{"keys":[
        {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"ec"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"jwt-svid","kid":"ed"},
        {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"rsa"},
        {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"for encryption"},
        {"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ","alg":"HS256","kid":"a shared secret"},
        {"kty":"RSA","n":"0vx7","e":"AQAB","alg":"PS256","kid":"another algorithm"},
        {"kty":"new","kid":"a kind that nobody knows"}]}"#;

    #[test]
    fn keys_for_signatures_are_taken_from_a_set_and_others_left_out() {
        let keys = keys_of(SET.as_bytes()).unwrap();
        let mut ids: Vec<&str> = keys.keys().map(String::as_str).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["ec", "ed", "rsa"]);
        assert!(keys_of(b"{}").is_none() && keys_of(b"[]").is_none());
    }

    #[test]
    fn an_issuer_needs_one_name_one_place_of_keys_and_an_audience() {
        let good = || TokenIssuer {
            issuer: Some("https://issuer.example".into()),
            audience: "daypass".into(),
            jwks_url: Some("https://issuer.example/keys".into()),
            ..TokenIssuer::default()
        };
        let fault = |issuers: &[TokenIssuer]| TokenIssuers::new(issuers).err();
        assert_eq!(fault(&[good()]), None);
        assert_eq!(fault(&[good(), good()]), Some(IssuerError::Twice("https://issuer.example".into())));
        let both = TokenIssuer { trust_domain: Some("mesh.example".into()), ..good() };
        assert_eq!(fault(&[both]), Some(IssuerError::OneOf("issuer or trust_domain")));
        let no_keys = TokenIssuer { jwks_url: None, ..good() };
        assert_eq!(fault(&[no_keys]), Some(IssuerError::OneOf("jwks_url or jwks_file")));
        assert!(matches!(
            fault(&[TokenIssuer { audience: String::new(), ..good() }]),
            Some(IssuerError::NoAudience(_))
        ));
        for (url, right) in [("http://127.0.0.1:1/k", true), ("http://issuer.example/k", false), ("file:///k", false)] {
            let issuer = TokenIssuer { jwks_url: Some(url.into()), ..good() };
            assert_eq!(fault(&[issuer]).is_none(), right, "{url}");
        }
    }
}
