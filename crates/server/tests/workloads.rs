//! Callers that show tokens of an identity provider.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use connectrpc::ErrorCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{TestServer, TokenRequest, until};

/// A key that signs nothing outside of this test (PKCS #1).
const RSA: &[u8] = include_bytes!("keys/rsa_for_tests.der");

/// A key of an issuer, and its place in the key set.
struct IssuerKey {
    algorithm: Algorithm,
    id: &'static str,
    key: EncodingKey,
    jwk: Value,
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl IssuerKey {
    fn ec(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
        let point = pair.der_bytes().to_vec();
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
                         "x": base64(&point[1..33]), "y": base64(&point[33..65])});
        Self { algorithm: Algorithm::ES256, id, key: EncodingKey::from_ec_der(pair.serialized_der()), jwk }
    }

    fn ed(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "use": "jwt-svid", "x": base64(pair.der_bytes())});
        Self { algorithm: Algorithm::EdDSA, id, key: EncodingKey::from_ed_der(pair.serialized_der()), jwk }
    }

    fn rsa(id: &'static str) -> Self {
        // RSAPrivateKey (RFC 8017 appendix A.1.2): version, modulus, exponent, …; each long integer
        // of this key has a length of two bytes and a leading zero.
        let modulus = RSA.get(12..268).unwrap();
        let jwk = json!({"kty": "RSA", "kid": id, "n": base64(modulus), "e": "AQAB"});
        Self { algorithm: Algorithm::RS256, id, key: EncodingKey::from_rsa_der(RSA), jwk }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.algorithm, Some(self.id), claims)
    }

    fn sign_as(&self, algorithm: Algorithm, id: Option<&str>, claims: &Value) -> String {
        encode(&Header { kid: id.map(ToOwned::to_owned), ..Header::new(algorithm) }, claims, &self.key).unwrap()
    }
}

fn set(keys: &[&IssuerKey]) -> String {
    json!({"keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>()}).to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

const ISSUER: &str = "https://cluster.example";

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": ["daypass"], "sub": "system:serviceaccount:shop:web", "exp": now() + 300,
           "iat": now(), "kubernetes.io": {"namespace": "shop", "pod": {"name": "web-1"}}})
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn configuration(folder: &TempDir, issuers: &str) -> std::path::PathBuf {
    let callers = format!(
        "[[callers]]\nname = 'web'\n[[callers.tokens]]\nissuer = '{ISSUER}'\n\
         claims = {{ sub = 'system:serviceaccount:shop:web', '/kubernetes.io/namespace' = 'shop' }}\n\
         [[callers.tokens]]\nissuer = 'mesh.example'\nclaims = {{ sub = 'spiffe://mesh.example/web' }}\n\
         [[callers]]\nname = 'job'\n[[callers.tokens]]\nissuer = '{ISSUER}'\nclaims = {{ sub = 'job' }}\n\
         [[callers.tokens]]\nissuer = '{ISSUER}'\nclaims = {{ team = 'both' }}\n\
         [[callers]]\nname = 'other'\n[[callers.tokens]]\nissuer = '{ISSUER}'\nclaims = {{ team = 'both' }}\n"
    );
    let file = folder.path().join("daypass.toml");
    fs::write(&file, format!("{issuers}{callers}")).unwrap();
    file
}

fn served(file: &Path) -> TestServer {
    TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[])
}

/// The outcome of a call with this bearer: nothing, or the code and the words.
async fn call(served: &TestServer, bearer: &str) -> Option<(ErrorCode, String)> {
    // The headers of these tests are constants elsewhere; few are made here.
    let header: &'static str = Box::leak(format!("Bearer {bearer}").into_boxed_str());
    let request = TokenRequest { headers: vec![("authorization", header)], ..TokenRequest::stripe("sk_test_workload") };
    let error = served.call(&request).await.err()?;
    Some((error.code, error.message.unwrap_or_default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_configured_issuers_name_callers_and_nothing_else_does() {
    let (rsa, ec, ed, mesh) = (IssuerKey::rsa("r"), IssuerKey::ec("e"), IssuerKey::ed("o"), IssuerKey::ed("m"));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("cluster.json"), set(&[&rsa, &ec, &ed])).unwrap();
    fs::write(folder.path().join("mesh.json"), set(&[&mesh])).unwrap();
    let issuers = format!(
        "[[token_issuers]]\nissuer = '{ISSUER}'\naudience = 'daypass'\njwks_file = 'cluster.json'\n\
         [[token_issuers]]\ntrust_domain = 'mesh.example'\naudience = 'daypass'\njwks_file = 'mesh.json'\n"
    );
    let mut served = served(&configuration(&folder, &issuers));
    let svid = json!({"aud": "daypass", "sub": "spiffe://mesh.example/web", "exp": now() + 300});
    for right in [rsa.sign(&claims()), ec.sign(&claims()), ed.sign(&claims()), mesh.sign(&svid)] {
        assert_eq!(call(&served, &right).await, None);
    }
    // The clocks of the two may differ a little.
    assert_eq!(call(&served, &rsa.sign(&with("exp", now() - 5))).await, None);

    let forged = |header: &Value, claims: &Value, signature: &str| {
        format!("{}.{}.{signature}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()))
    };
    let whole = ec.sign(&claims());
    let (signed, signature) = whole.rsplit_once('.').unwrap();
    let (_, other_signature) =
        ec.sign(&with("sub", "job")).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    // The key of a set that everybody may read, taken for a shared secret.
    let shared = EncodingKey::from_secret(&set(&[&rsa, &ec, &ed]).into_bytes());
    let confused = encode(&Header { kid: Some("r".into()), ..Header::default() }, &claims(), &shared).unwrap();
    let foreign = IssuerKey::ec("e");
    for (wrong, why) in [
        (rsa.sign(&with("exp", now() - 60)), "the token has expired"),
        (rsa.sign(&without("exp")), "needs the claims exp"),
        (rsa.sign(&without("aud")), "needs the claims"),
        (rsa.sign(&without("sub")), "needs the claims"),
        (rsa.sign(&with("nbf", now() + 120)), "not valid yet"),
        (rsa.sign(&with("nbf", (now() + 120).to_string())), "nbf is no time"),
        (forged(&json!({"alg": "RS256", "kid": "r", "crit": ["x"], "x": 1}), &claims(), signature), "not known"),
        (rsa.sign(&with("aud", "another service")), "another audience"),
        (rsa.sign(&with("iss", "https://other.example")), "unknown issuer"),
        (rsa.sign(&without("iss")), "unknown issuer"),
        (rsa.sign_as(Algorithm::RS256, Some("x"), &claims()), "unknown key"),
        (rsa.sign_as(Algorithm::RS256, None, &claims()), "unknown key"),
        (rsa.sign_as(Algorithm::RS256, Some("e"), &claims()), "algorithm is not its key's"),
        (rsa.sign_as(Algorithm::PS256, Some("r"), &claims()), "algorithm is not its key's"),
        (confused, "algorithm is not its key's"),
        (foreign.sign(&claims()), "signature is wrong"),
        (format!("{signed}.{other_signature}"), "signature is wrong"),
        (format!("{signed}."), "signature is wrong"),
        (forged(&json!({"alg": "none", "kid": "e"}), &claims(), ""), "no JWT with an accepted algorithm"),
        (forged(&json!({"alg": "none"}), &claims(), signature), "no JWT with an accepted algorithm"),
        (rsa.sign(&with("sub", "system:serviceaccount:shop:app")), "those of no caller"),
        (rsa.sign(&with("kubernetes.io", json!({"namespace": "other"}))), "those of no caller"),
        (rsa.sign(&with("team", "both")), "of two"),
        (mesh.sign(&claims()), "unknown key"),
        (mesh.sign(&with("sub", "spiffe://mesh.example/web")), "unknown key"),
        (rsa.sign(&svid), "unknown key"),
        ("a.b.c".into(), "no JWT"),
        ("no token".into(), "send authorization"),
    ] {
        let (code, message) = call(&served, &wrong).await.unwrap();
        assert!(code == ErrorCode::Unauthenticated && message.contains(why), "{why}: {message}");
        assert!(!message.contains(&wrong));
    }
    let log = tokio::task::block_in_place(|| served.stop());
    assert!(log.contains(r#""caller":"web""#) && !log.contains(signature) && !log.contains("eyJ"), "{log}");
}

/// An issuer's key set behind HTTP, which can change and break.
fn key_server(answer: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let body = answer.lock().unwrap().clone();
            let status = if body.is_empty() { "503 Service Unavailable" } else { "200 OK" };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_sets_are_fetched_rotated_and_outlive_their_issuer() {
    let (old, new) = (IssuerKey::ec("old"), IssuerKey::ec("new"));
    let answer = Arc::new(Mutex::new(set(&[&old])));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("mesh.json"), set(&[&old])).unwrap();
    let issuers = format!(
        "[[token_issuers]]\nissuer = '{ISSUER}'\naudience = 'daypass'\njwks_url = '{}'\n\
         [[token_issuers]]\ntrust_domain = 'mesh.example'\naudience = 'daypass'\njwks_file = 'mesh.json'\n",
        key_server(answer.clone())
    );
    let served = served(&configuration(&folder, &issuers));
    assert_eq!(call(&served, &old.sign(&claims())).await, None, "the first key set is there before the first call");
    // The issuer is away: what is known stays.
    answer.lock().unwrap().clear();
    assert_eq!(call(&served, &old.sign(&claims())).await, None);
    // A file with a new key is read soon after a token asks for it; the former key is gone.
    let svid = json!({"aud": "daypass", "sub": "spiffe://mesh.example/web", "exp": now() + 300});
    assert_eq!(call(&served, &old.sign(&svid)).await, None);
    fs::write(folder.path().join("mesh.json"), set(&[&new])).unwrap();
    until("the new key is taken", async || call(&served, &new.sign(&svid)).await.is_none()).await;
    assert!(call(&served, &old.sign(&svid)).await.is_some());
    // One that cannot be read changes nothing.
    fs::write(folder.path().join("mesh.json"), "no key set").unwrap();
    let unknown = IssuerKey::ec("unknown");
    assert!(call(&served, &unknown.sign(&svid)).await.is_some());
    served.logged("the key set of a token issuer cannot be had");
    assert_eq!(call(&served, &new.sign(&svid)).await, None);
}
