//! The lists of metrics and log fields hold what the service exports and logs, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use daypass_server::{
    log_fields::{CALL_LINE, EVERY_LINE, OTHER_LINES},
    metric_list::{Kind, METRICS},
};
use serde_json::{Value, json};

use crate::common::{TestServer, TokenRequest, until};

/// The fields of a log line that come from the call of a macro of `tracing`, by their names.
fn logged_fields(source: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for level in ["error!(", "warn!(", "info!(", "debug!(", "trace!("] {
        for call in source.split(&format!("tracing::{level}")).skip(1) {
            // The message, which is the first text with a space, ends the fields.
            let call = call.split(";\n").next().unwrap();
            for part in call.split([',', '\n']).map(str::trim) {
                if part.starts_with('"') || part == ")" {
                    break;
                }
                let name = part.split(" =").next().unwrap().trim_start_matches(['%', '?']);
                let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                if is_name && (part.contains(" = ") || name.len() == part.trim_start_matches(['%', '?']).len()) {
                    fields.insert(name.to_owned());
                }
            }
        }
    }
    fields
}

/// The name, the kind and the labels of each metric that the source uses.
fn used_metrics(source: &str) -> Vec<(String, &'static str, BTreeSet<String>)> {
    let mut used = Vec::new();
    for kind in ["counter", "gauge", "histogram"] {
        for call in source.split(&format!("metrics::{kind}!(")).skip(1) {
            let mut parts = call.split(')').next().unwrap().split(',').map(str::trim);
            let name = parts.next().unwrap().trim_matches('"').to_owned();
            let labels =
                parts.filter_map(|part| part.split_once(" => ")).map(|(label, _)| label.trim_matches('"').into());
            used.push((name, kind, labels.collect()));
        }
    }
    used
}

/// The sources of the service, without the unit tests in them.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../daypass/src"),
    ];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                sources.push((path, code));
            }
        }
    }
    assert!(sources.len() > 50, "the sources are not found");
    sources
}

#[test]
fn every_metric_of_the_code_is_on_the_list_with_its_kind_and_labels() {
    let mut used = BTreeSet::new();
    for (file, source) in sources() {
        for (name, kind, labels) in used_metrics(&source) {
            let metric = METRICS.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{name} of {} is not in metric_list.rs", file.display()));
            let listed = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            assert_eq!(listed, kind, "{name} in {}", file.display());
            let listed: BTreeSet<String> = metric.labels.iter().map(|label| label.name.to_owned()).collect();
            assert_eq!(listed, labels, "{name} in {}", file.display());
            used.insert(name);
        }
    }
    for metric in METRICS.iter().filter(|metric| metric.name.starts_with("daypass_")) {
        assert!(used.contains(metric.name), "nothing sets {}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), matches!(metric.kind, Kind::Counter), "{}", metric.name);
    }
}

#[test]
fn every_field_of_the_code_is_on_the_list() {
    let listed: BTreeSet<&str> =
        [EVERY_LINE, CALL_LINE, OTHER_LINES].into_iter().flatten().map(|field| field.name).collect();
    let mut used = BTreeSet::new();
    for (file, source) in sources() {
        for field in logged_fields(&source) {
            assert!(listed.contains(field.as_str()), "{field} of {} is not in log_fields.rs", file.display());
            used.insert(field);
        }
    }
    for field in [CALL_LINE, OTHER_LINES].into_iter().flatten() {
        assert!(used.contains(field.name), "nothing logs {}", field.name);
    }
}

#[test]
fn the_readers_of_the_code_find_what_is_there() {
    let source = r#"
        metrics::counter!("a_total", "x" => x, "y" => y).increment(1);
        tracing::warn!(%error, how, count = 1, "a message, with = signs");
        tracing::info!(
            target: "daypass::call",
            long_name = self.long_name,
            "call"
        );
    "#;
    let fields: Vec<String> = logged_fields(source).into_iter().collect();
    assert_eq!(fields, ["count", "error", "how", "long_name"]);
    let labels = BTreeSet::from(["x".to_owned(), "y".to_owned()]);
    assert_eq!(used_metrics(source), [("a_total".to_owned(), "counter", labels)]);
}

/// The families of an export, each with the names of its labels.
fn families(export: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut families: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in export.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            let family = name.strip_suffix(end)?;
            export.contains(&format!("# TYPE {family} histogram")).then_some(family)
        });
        let labels = line.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
        let labels = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        families.entry(family.unwrap_or(name).to_owned()).or_default().extend(labels.filter(|label| label != "le"));
    }
    families
}

#[tokio::test]
async fn what_is_exported_and_logged_is_on_the_lists() {
    let mut served = TestServer::sandboxed();
    let good = TokenRequest::stripe("sk_test_observed");
    served.call(&good).await.unwrap();
    served.call(&good).await.unwrap();
    let refused = TokenRequest { data: Some(json!({"no_such_input": 1})), ..TokenRequest::adyen() };
    served.call(&refused).await.unwrap_err();
    let trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let traced = TokenRequest { headers: vec![trace, ("x-merchant-id", "shop")], ..TokenRequest::braintree() };
    served.call(&traced).await.unwrap();
    served.http(served.address, "GET /no-such-path HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");

    let reply = served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let export = reply.split_once("\r\n\r\n").unwrap().1;
    let families = families(export);
    for (name, labels) in &families {
        let metric = METRICS.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is not on the list"));
        let help = format!("# HELP {name} {}\n", metric.help);
        assert!(export.contains(&help), "no help of {name} in {export}");
        let listed: BTreeSet<String> = metric.labels.iter().map(|label| label.name.to_owned()).collect();
        assert_eq!(*labels, listed, "{name}");
    }
    for name in ["daypass_build_info", "daypass_calls_total", "daypass_call_seconds", "daypass_store_up"] {
        assert!(families.contains_key(name), "{name} is not in {export}");
    }
    #[cfg(target_os = "linux")]
    for metric in METRICS.iter().filter(|metric| metric.name.starts_with("process_")) {
        assert!(families.contains_key(metric.name), "{} is not in {export}", metric.name);
    }
    assert!(export.contains(&format!("daypass_build_info{{version=\"{}\",", env!("CARGO_PKG_VERSION"))), "{export}");

    let listed: BTreeSet<&str> =
        [EVERY_LINE, CALL_LINE, OTHER_LINES].into_iter().flatten().map(|field| field.name).collect();
    let log = served.stop();
    let mut calls = 0;
    for line in log.lines() {
        let Value::Object(line) = serde_json::from_str(line).unwrap() else { panic!("no object: {line}") };
        calls += usize::from(line["message"] == "call");
        for name in line.keys() {
            assert!(listed.contains(name.as_str()), "{name} of {line:?} is not on the list");
        }
    }
    assert_eq!(calls, 4, "{log}");
}

#[tokio::test]
async fn an_open_breaker_and_an_absent_store_are_exported() {
    // Nothing listens on port 1.
    let served = TestServer::start(
        &[],
        &[
            ("DAYPASS_CONNECTORS__STRIPE__TEST_BASE_URL", "http://127.0.0.1:1"),
            ("DAYPASS_STORE__URL", "redis://127.0.0.1:1"),
            ("DAYPASS_STORE__KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
        ],
    );
    let export = || served.http(served.admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert!(export().contains("\ndaypass_store_up 0\n"), "{}", export());
    assert!(!export().contains("daypass_breakers_open{"), "{}", export());
    let nth = std::cell::Cell::new(0);
    until("the breaker opens", async || {
        nth.set(nth.get() + 1);
        let request =
            TokenRequest { reference: format!("token_{}", nth.get()), ..TokenRequest::stripe("sk_test_down") };
        served.call(&request).await.unwrap_err();
        export().contains("\ndaypass_breakers_open{connector=\"stripe\"} 1\n")
    })
    .await;
}
