//! The operator's side: ports, health, configuration, authentication.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use crate::common::{TestServer, TokenRequest, code};
use connectrpc::ErrorCode;

#[tokio::test]
async fn metrics_and_health_report_the_state() {
    let served = TestServer::sandboxed();
    served.call(&TokenRequest::stripe("sk_test_canary_metrics")).await.unwrap();
    let get = |path: &str| {
        served.http(served.admin, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
    };
    assert!(get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").starts_with("HTTP/1.1 200"));
    let metrics = get("/metrics");
    assert!(
        metrics
            .contains(r#"daypass_calls_total{connector="stripe",grant="checkout_session_setup",outcome="SUCCESS"} 1"#),
        "{metrics}"
    );
    assert!(!metrics.contains("canary"));
    let mut health = Command::new(env!("CARGO_BIN_EXE_daypass"));
    health.args(["healthcheck", "--admin-listen", &served.admin.to_string()]);
    assert!(health.status().unwrap().success());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    std::fs::write(&file, format!("admin_listen = \"{}\"\nno_setting = 1\n", served.admin)).unwrap();
    for arguments in [&["healthcheck"][..], &["cache", "forget", "0123456789abcdef"]] {
        let mut asked = Command::new(env!("CARGO_BIN_EXE_daypass"));
        asked.args(arguments).env("DAYPASS_CONFIG", &file).env("DAYPASS_STORE__URL", "redis://no-key");
        assert!(asked.status().unwrap().success(), "{arguments:?} needs the address and nothing else");
    }
}

#[test]
fn beyond_loopback_a_certificate_and_callers_are_required() {
    let run = |environment: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_daypass"))
            .args(["serve", "--listen", "0.0.0.0:0", "--admin-listen", "127.0.0.1:0"])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (started, said) = run(&[]);
    assert!(!started && said.contains("certificate_file") && said.contains("key_sha256"), "{said}");
    let (started, said) = run(&[("DAYPASS_ALLOW_PLAINTEXT_BEYOND_LOOPBACK", "true")]);
    assert!(!started && !said.contains("certificate_file") && said.contains("key_sha256"), "{said}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_no_file_with_the_memory() {
    for (allowed, limit) in [("false", Some("0")), ("true", None)] {
        let mut served = TestServer::start(&["--sandbox"], &[("DAYPASS_ALLOW_CORE_DUMPS", allowed)]);
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.child.id())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let hard = core.split_whitespace().nth(5).unwrap();
        assert!(limit.is_none_or(|limit| hard == limit), "{core}");
        let log = tokio::task::block_in_place(|| served.stop());
        assert_eq!(log.contains("takes a protection away"), limit.is_none(), "{log}");
    }
}

/// The kernel gives the files of a process that its user may not read to root (proc(5)).
#[cfg(target_os = "linux")]
#[test]
fn no_process_of_the_same_user_reads_the_memory() {
    use std::{
        io::{BufRead, BufReader},
        os::unix::{fs::MetadataExt, process::CommandExt},
        process::Stdio,
    };
    const NOBODY: u32 = 65534;
    // The user of this process, or nobody where that is root.
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let user = if own == 0 { NOBODY } else { own };
    for (allowed, owner) in [("false", 0), ("true", user)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daypass"));
        command.args(["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        command.env("DAYPASS_ALLOW_CORE_DUMPS", allowed).stderr(Stdio::piped());
        if user != own {
            command.uid(user);
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let serves = lines.map_while(Result::ok).any(|line| line.contains("daypass serves"));
        let files = std::fs::metadata(format!("/proc/{}/environ", child.id())).map(|file| file.uid());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(serves);
        assert_eq!(files.unwrap(), owner, "allow_core_dumps = {allowed}");
    }
}

#[tokio::test]
async fn the_sandbox_says_which_configured_hosts_it_stands_in_for() {
    let canary = "https://canary.example";
    let served = TestServer::start(&["--sandbox"], &[("DAYPASS_CONNECTORS__STRIPE__TEST_BASE_URL", canary)]);
    let log = served.log();
    let warned = "connectors.stripe.test_base_url has no effect: the sandbox stands in for every connector";
    assert_eq!(log.matches(warned).count(), 1, "{log}");
    assert!(!log.contains(canary));
    served.call(&TokenRequest::stripe("sk_test_hosts")).await.unwrap();
}

#[test]
fn the_server_starts_without_a_folder_for_temporary_files() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .env("TMPDIR", "/nonexistent")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take(2).collect();
    let _ = server.kill();
    let _ = server.wait();
    assert!(said.len() == 2 && said[0].contains("cannot be written") && said[1].contains("serves gRPC"), "{said:?}");
}

#[test]
fn the_admin_port_beyond_loopback_has_its_own_setting() {
    let admin = ("DAYPASS_ADMIN_LISTEN", "0.0.0.0:9090");
    let (good, said) = check(&[], &[admin, ("DAYPASS_ALLOW_PLAINTEXT_BEYOND_LOOPBACK", "true")]);
    assert!(!good && said.contains("allow_admin_beyond_loopback = true"), "{said}");
    assert!(check(&[], &[admin, ("DAYPASS_ALLOW_ADMIN_BEYOND_LOOPBACK", "true")]).0);
    let (good, said) =
        check(&[], &[("DAYPASS_LISTEN", "0.0.0.0:8080"), ("DAYPASS_ALLOW_ADMIN_BEYOND_LOOPBACK", "true")]);
    assert!(!good && said.contains("allow_plaintext_beyond_loopback"), "{said}");
}

/// `daypass config check`: its success and its standard error.
fn check(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["config", "check"])
        .args(arguments)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn configuration_faults_name_the_setting_and_no_value() {
    let check = |environment: &[(&str, &str)]| check(&[], environment);
    assert!(check(&[]).0);
    let links = [
        ("DAYPASS_PORT", "tcp://10.0.0.1:80"),
        ("DAYPASS_SERVICE_HOST", "10.0.0.1"),
        ("DAYPASS_PORT_80_TCP", "x"),
        ("DAYPASS_REDIS_SERVICE_HOST", "10.0.0.1"),
        ("DAYPASS_ADMIN_PORT", "tcp://10.0.0.1:6379"),
        ("DAYPASS_ADMIN_PORT_6379_TCP", "tcp://10.0.0.1:6379"),
    ];
    assert!(check(&links).0, "what Kubernetes sets for services is no configuration");
    for (name, value, said) in [
        ("DAYPASS_LISTEN", "canary-value", "listen"),
        ("DAYPASS_ADMIN_PORT", "9090", "admin_port"),
        ("DAYPASS_LOG", "daypass=canary-value", "log: expected"),
        ("DAYPASS_STORE__URL", "redis://canary-value", "store.key"),
        ("DAYPASS_MAX_CONNECTIONS", "18446744073709551615", "max_connections"),
        ("DAYPASS_LIMITS__MAX_CALLERS", "0", "limits.max_callers"),
        ("DAYPASS_LISTNE", "127.0.0.1:1", "listne"),
        ("DAYPASS_CONNECTORS__STRIPE__TEST_BASE_URL", "http://canary-value.example", "https"),
        ("DAYPASS_CONNECTORS__STRIPF__TEST_BASE_URL", "https://a.example", "stripf"),
        ("DAYPASS_CONNECTORS__ADYEN__DEFAULTS__CURRENCY", "canary-value", "currency"),
        ("DAYPASS_CONNECTORS__ADYEN__DEFAULTS__CURENCY", "EUR", "curency"),
    ] {
        let (good, text) = check(&[(name, value)]);
        assert!(!good && text.lines().filter(|line| line.contains(said)).count() == 1, "{name}: {text}");
        assert!(!text.contains("canary-value"), "{name}: {text}");
    }
}

#[test]
fn every_fault_is_told_with_its_place_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    std::fs::write(
        &file,
        "log = 'info'\nlisten = 'canary'\nlistne = 1\n\n[limits]\ndefault_deadline_ms = '10s'\nmax_callers = 'canary'\n\
         max_deadline_ms = 0\n\n[store]\noperation_timeout_ms = true\nkey = 'canary'\n\n[policy]\nserver_tokens = 'canary'\n\
         [policy.callers.web]\nmodes = ['wrong']\n\n[connectors.stripe]\ntest_base_url = 'http://canary.example'\n\n\
         [[callers]]\nname = 'web'\nkey = 'canary'\n",
    )
    .unwrap();
    let (good, said) = check(&["--config", file.to_str().unwrap()], &[("DAYPASS_MAX_CONNECTIONS", "many")]);
    assert!(!good && !said.contains("canary"), "{said}");
    for (place, fault) in [
        ("daypass.toml:2: ", "listen: expected an address with a port"),
        ("daypass.toml:3: ", "listne: unknown setting listne"),
        ("daypass.toml:6: ", "limits.default_deadline_ms: expected a number of milliseconds, not `10s`"),
        ("daypass.toml:7: ", "limits.max_callers: expected a number"),
        ("daypass.toml:8: ", "limits.max_deadline_ms: must be from 1"),
        ("daypass.toml:11: ", "store.operation_timeout_ms: expected a number of milliseconds"),
        ("daypass.toml:12: ", "store.key: "),
        ("daypass.toml:15: ", "policy.server_tokens: expected true or false"),
        ("daypass.toml:17: ", "policy.callers.web.modes: "),
        ("daypass.toml:20: ", "connectors.stripe.test_base_url: "),
        ("daypass.toml:24: ", "callers.0.key: unknown setting key"),
        ("DAYPASS_MAX_CONNECTIONS: ", "max_connections: expected a number"),
    ] {
        let lines = said.lines().filter(|line| line.contains(place) && line.contains(fault));
        assert_eq!(lines.count(), 1, "{place}{fault} in {said}");
    }
}

#[test]
fn each_file_of_a_secret_that_cannot_be_read_is_one_fault() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    std::fs::write(
        &file,
        "[store]\nkey_file = 'a'\nurl_file = 'b'\n[audit]\nfile = 'c'\nkey_file = 'd'\n[profiles.web]\nconnector = 'stripe'\n\
         api_key_file = 'e'\n[profiles.app]\nconnector = 'paypal'\nclient_id_env = 'DAYPASS_NONE'\nclient_secret_file = 'f'\n",
    )
    .unwrap();
    let (good, said) = check(&["--config", file.to_str().unwrap()], &[]);
    assert!(!good && said.lines().count() == 6, "{said}");
    for (line, fault) in [
        (2, "store.key_file: there is no such file"),
        (3, "store.url_file: there is no such file"),
        (6, "audit.key_file: there is no such file"),
        (9, "profiles.web.api_key_file: there is no such file"),
        (12, "profiles.app.client_id_env: there is no environment variable"),
        (13, "profiles.app.client_secret_file: there is no such file"),
    ] {
        assert!(said.contains(&format!("daypass.toml:{line}: {fault}")), "{fault} in {said}");
    }
}

#[test]
fn the_settings_in_effect_are_printed_without_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    std::fs::write(folder.path().join("key"), "sk_test_canary").unwrap();
    std::fs::write(
        &file,
        "max_connections = 9\n[telemetry]\notlp_endpoint = 'http://user:canary@127.0.0.1:1'\n\
         service_name = 'https://a.example/?key=canary'\n\
         [connectors.adyen.defaults]\ncurrency = 'EUR'\n[profiles.web]\nconnector = 'stripe'\napi_key_file = 'key'\n\
         [policy]\nprofiles = ['web']\n[profiles.'a.connector']\nconnector = 'stripe'\napi_key = 'sk_test_canary'\n",
    )
    .unwrap();
    let environment = [("DAYPASS_STORE__KEY", "a2V5LWNhbmFyeS1rZXktY2FuYXJ5LWtleS1jYW5hcnk="), ("DAYPASS_LOG", "warn")];
    let output = Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["config", "check", "--config"])
        .arg(&file)
        .envs(environment)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!printed.contains("canary") && !printed.contains("a2V5"), "{printed}");
    let at = |line: &str| format!("{line}  # {}", file.display());
    for line in [
        at("max_connections = 9") + ":1",
        "log = \"warn\"  # DAYPASS_LOG".into(),
        "store.key = \"[REDACTED]\"  # DAYPASS_STORE__KEY".into(),
        at("telemetry.otlp_endpoint = \"[REDACTED]\"") + ":3",
        at("connectors.adyen.defaults.currency = \"EUR\"") + ":6",
        at("profiles.web.connector = \"stripe\"") + ":8",
        at("profiles.web.api_key = \"[REDACTED]\"") + ":9",
        at("policy.profiles = [\"web\"]") + ":11",
        "limits.default_deadline_ms = 10000  # default".into(),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line} in {printed}");
    }
    // The printed settings can be read again.
    let again = folder.path().join("again.toml");
    std::fs::write(&again, printed.lines().filter(|line| !line.contains("REDACTED")).collect::<Vec<_>>().join("\n"))
        .unwrap();
    let fault = check(&["--config", again.to_str().unwrap()], &[]).1;
    assert!(fault.is_empty() || fault.lines().all(|line| line.contains("profiles.")), "{fault}");
}

#[test]
fn toml_errors_have_the_place_and_no_text_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    for (text, place) in
        [(&b"log = 'info'\n[store]\nkey = \"canary\n"[..], "daypass.toml: line 3, column"), (b"\xff", "daypass.toml: ")]
    {
        std::fs::write(&file, text).unwrap();
        let (good, said) = check(&["--config", file.to_str().unwrap()], &[]);
        assert!(!good && said.contains(place) && !said.contains("canary"), "{said}");
    }
    let (good, said) = check(&["--config", folder.path().to_str().unwrap()], &[]);
    assert!(!good && said.contains("directory"), "{said}");
}

#[test]
fn a_key_hash_must_be_hex_and_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; // of nothing
    for (hash, fault) in [(hash, "empty key"), ("e3b0", "64 hex digits")] {
        std::fs::write(&file, format!("[[callers]]\nname = \"shop\"\nkey_sha256 = \"{hash}\"\n")).unwrap();
        let (good, said) = check(&["--config", file.to_str().unwrap()], &[]);
        assert!(!good && said.matches(fault).count() == 1, "{said}");
    }
}

#[tokio::test]
async fn callers_are_authenticated_by_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
    std::fs::write(&file, format!("[[callers]]\nname = \"shop\"\nkey_sha256 = \"{hash}\"\n")).unwrap();
    let served = TestServer::start(&["--sandbox", "--config", file.to_str().unwrap()], &[]);
    let request = TokenRequest::stripe("sk_test_callers");
    assert_eq!(code(served.call(&request).await), ErrorCode::Unauthenticated);
    let wrong = TokenRequest { headers: vec![("authorization", "Bearer secre")], ..request.clone() };
    assert_eq!(code(served.call(&wrong).await), ErrorCode::Unauthenticated);
    let twice = TokenRequest { headers: [("authorization", "Bearer secret"); 2].to_vec(), ..request.clone() };
    assert_eq!(code(served.call(&twice).await), ErrorCode::Unauthenticated);
    let right = TokenRequest { headers: vec![("authorization", "Bearer secret")], ..request };
    served.call(&right).await.unwrap();
    served.logged("\"caller\":\"shop\"");
}
