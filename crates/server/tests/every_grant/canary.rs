//! No secret leaves: markers in every secret position of every grant, and a look through everything
//! that the service writes, at log level `trace`, with audit log, shared store, profile and token.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use memchr::memmem;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{GrantCase, grant_cases};
use crate::{
    common::{TestServer, TokenRequest},
    redis_server::RedisServer,
};

/// The words at the end of secrets: the last part makes a fake refuse, fail or answer rubbish.
const WORDS: [&str; 4] = ["-canary71f3", "-canary71f3-wrong-invalid", "-canary71f3_decline_503", "-canary71f3_garbage"];
const CALLER_KEY: &str = "caller-key-canary-2b9d";
const PROFILE_KEY: &str = "sk_test_profile_canary_55e1";
const METADATA: &str = "metadata-canary-80ac";
const FEATURE: &str = "feature-canary-19d0";
const STORE_KEY: &str = "c3RvcmUta2V5LWNhbmFyeS1zdG9yZS1rZXktY2FuYXI=";
const AUDIT_KEY: &str = "YXVkaXQta2V5LWNhbmFyeS1hdWRpdC1rZXktY2FuYXI=";

/// The secrets, each in the forms in which a careless line would have it.
#[derive(Default)]
struct Markers(BTreeMap<String, &'static str>);

impl Markers {
    fn add(&mut self, secret: &str, what: &'static str) {
        // Less is found in any text.
        if secret.len() < 8 {
            return;
        }
        let percent: String = form_urlencoded(secret);
        for form in [secret.to_owned(), percent, hex::encode(secret), general_purpose::STANDARD_NO_PAD.encode(secret)] {
            self.0.insert(form, what);
        }
    }

    fn add_all(&mut self, value: &Value, what: &'static str) {
        match value {
            Value::String(text) => self.add(text, what),
            Value::Object(members) => members.values().for_each(|value| self.add_all(value, what)),
            _ => {}
        }
    }

    /// The kinds of secrets in a text.
    fn found_in(&self, text: &str) -> BTreeSet<&'static str> {
        // A token or key of several lines is written as one in JSON.
        let text = text.replace("\\n", "\n");
        let is_in = |secret: &str| memmem::find(text.as_bytes(), secret.as_bytes()).is_some();
        self.0.iter().filter(|(secret, _)| is_in(secret)).map(|(_, what)| *what).collect()
    }
}

fn form_urlencoded(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// A token of a workload, and the key set that verifies it.
fn workload() -> (String, String) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let public = general_purpose::URL_SAFE_NO_PAD.encode(pair.der_bytes());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": "https://cluster.example", "aud": "daypass", "sub": "job", "exp": now + 3000});
    let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::EdDSA) };
    let token = encode(&header, &claims, &EncodingKey::from_ed_der(pair.serialized_der())).unwrap();
    (token, json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": public}]}).to_string())
}

/// What clients of Redis send, as its MONITOR shows it.
fn monitor(port: u16) -> Arc<Mutex<String>> {
    let (seen, mut stream) = (Arc::new(Mutex::new(String::new())), TcpStream::connect(("127.0.0.1", port)).unwrap());
    stream.write_all(b"MONITOR\r\n").unwrap();
    let into = seen.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
        }
    });
    seen
}

/// The markers of a case with this word.
fn mark(markers: &mut Markers, case: &GrantCase, word: &str) -> TokenRequest<'static> {
    let (credentials, mut inputs) = case.with_word(word);
    for field in case.meta.credentials.iter().filter(|field| !field.public) {
        credentials.get(field.name).into_iter().for_each(|value| markers.add_all(value, "a credential"));
    }
    for input in case.grant.inputs.iter().filter(|input| input.kind == connectors::InputKind::Secret) {
        inputs.get(input.name).into_iter().for_each(|value| markers.add_all(value, "a secret input"));
    }
    if word.ends_with("_garbage") {
        inputs.insert("no_such_input".into(), FEATURE.into());
    }
    let metadata = json!({"note": METADATA});
    TokenRequest { metadata: Some(metadata), ..case.request_with(&format!("canary{word}"), &credentials, &inputs) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_anything_that_the_service_writes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let (token, keys) = workload();
    write("keys.json", &keys);
    write("profile.key", PROFILE_KEY);
    write("audit.key", AUDIT_KEY);
    let hash = hex::encode(Sha256::digest(CALLER_KEY));
    let redis = RedisServer::start();
    let store = redis.as_ref().map(|redis| format!("[store]\nurl = '{}'\nkey = '{STORE_KEY}'\n", redis.url()));
    let seen = redis.as_ref().map(|redis| monitor(redis.port));
    let toml = format!(
        "log = 'trace'\n[[callers]]\nname = 'shop'\nkey_sha256 = '{hash}'\n[[callers]]\nname = 'job'\n\
         [[callers.tokens]]\nissuer = 'https://cluster.example'\nclaims = {{ sub = 'job' }}\n\
         [[token_issuers]]\nissuer = 'https://cluster.example'\naudience = 'daypass'\njwks_file = 'keys.json'\n\
         [profiles.cards]\nconnector = 'stripe'\napi_key_file = 'profile.key'\n[policy]\nprofiles = ['cards']\n\
         [audit]\nfile = 'audit.log'\nkey_file = 'audit.key'\n{}",
        store.unwrap_or_default()
    );
    write("daypass.toml", &toml);
    let file = folder.path().join("daypass.toml");
    let mut served = TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[("RUST_BACKTRACE", "1")]);

    let mut markers = Markers::default();
    for (secret, what) in [
        (CALLER_KEY, "a caller's key"),
        (&hash, "the hash of a caller's key"),
        (PROFILE_KEY, "a profile's key"),
        (METADATA, "metadata"),
        (FEATURE, "feature data"),
        (STORE_KEY, "the store's key"),
        (AUDIT_KEY, "the audit log's key"),
        (token.as_str(), "a workload's token"),
        (token.rsplit('.').next().unwrap(), "the signature of a workload's token"),
    ] {
        markers.add(secret, what);
    }
    let bearer: &'static str = Box::leak(format!("Bearer {CALLER_KEY}").into_boxed_str());
    let workload: &'static str = Box::leak(format!("Bearer {token}").into_boxed_str());
    let (mut errors, mut tokens, mut given) = (String::new(), 0, Markers::default());
    for case in grant_cases() {
        for word in std::iter::once("").chain(WORDS) {
            let headers = vec![("authorization", if case.nth % 2 == 0 { bearer } else { workload })];
            let mut request = TokenRequest { headers, ..mark(&mut markers, &case, word) };
            if word.is_empty() {
                request.metadata = None;
            }
            match served.call(&request).await {
                Ok(answer) => {
                    let secret = answer.access_token.as_option().map(|token| token.value.clone()).unwrap_or_default();
                    if !secret.is_empty() {
                        given.add(&secret, "a token");
                        tokens += 1;
                    }
                    answer.server_parameters.values().for_each(|value| given.add(&value.value, "a server parameter"));
                    errors.push_str(&format!("{:?}\n", answer.error));
                }
                Err(error) => errors.push_str(&format!("{error:?} {:?}\n", error.response_headers())),
            }
        }
    }
    let profile = TokenRequest {
        credentials: None,
        headers: vec![("authorization", bearer), ("x-credential-profile", "cards")],
        ..TokenRequest::stripe("unused")
    };
    served.call(&profile).await.unwrap();
    let wrong = TokenRequest { headers: vec![("authorization", "Bearer wrong-canary-key")], ..profile };
    markers.add("wrong-canary-key", "a stranger's key");
    errors.push_str(&format!("{:?}\n", served.call(&wrong).await.unwrap_err()));
    assert!(tokens > 200, "{tokens} tokens");

    let metrics = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut written = vec![("answers to failed calls", errors), ("metrics", metrics)];
    if let (Some(redis), Some(seen)) = (&redis, &seen) {
        let dump = redis.dump().into_iter().map(|(key, value)| format!("{key} {}\n", String::from_utf8_lossy(&value)));
        written.push(("the dump of Redis", dump.collect()));
        written.push(("MONITOR of Redis", seen.lock().unwrap().clone()));
    }
    let daypass = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
        let output = command.args(arguments).envs(environment.iter().copied()).output().unwrap();
        [output.stdout, output.stderr].concat().into_iter().map(char::from).collect::<String>()
    };
    written.push(("config check", daypass(&["config", "check", "--config", file.to_str().unwrap()], &[])));
    let mut explained = String::new();
    for case in
        grant_cases().iter().filter(|case| case.meta.grants.first().is_some_and(|first| first.name == case.grant.name))
    {
        let (credentials, inputs) = case.with_word(WORDS[0]);
        let credentials = json!({ case.meta.id: credentials }).to_string();
        let feature_data = Value::Object(inputs).to_string();
        let environment = [("DAYPASS_CREDENTIALS", credentials.as_str()), ("DAYPASS_FEATURE_DATA", &feature_data)];
        explained.push_str(&daypass(&["explain", case.meta.id, "--grant", case.grant.name], &environment));
    }
    written.push(("explain", explained));
    written.push(("log", tokio::task::block_in_place(|| served.stop())));
    written.push(("the audit log", fs::read_to_string(folder.path().join("audit.log")).unwrap()));

    for (place, text) in &written {
        assert!(!text.is_empty(), "{place} is empty");
        let found: BTreeSet<&str> = markers.found_in(text).union(&given.found_in(text)).copied().collect();
        assert!(found.is_empty(), "{place} has {found:?}");
    }
    // The look finds what is there.
    let planted = markers.0.keys().filter(|secret| markers.found_in(&format!("x{secret}y")).is_empty()).count();
    assert!(planted == 0 && markers.0.len() > 1000, "{planted} of {} are not found", markers.0.len());
    println!("{} markers, {tokens} tokens, {} places", markers.0.len() + given.0.len(), written.len());
}
