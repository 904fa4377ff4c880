//! The playground: where it is served, how it is protected, and its requests to the server. The page
//! itself is tried in a browser by `.ci/playground.mjs`.

use serde_json::{Value, json};

use crate::common::{TestServer, raw_http};

/// The head and the body of a response.
fn ask(server: &TestServer, line: &str, headers: &str, body: &str) -> (String, String) {
    let length = body.len();
    let reply = raw_http(
        server.address,
        &format!("{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"),
    );
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

fn get(server: &TestServer, path: &str) -> (String, String) {
    ask(server, &format!("GET {path}"), &host(server), "")
}

fn post(server: &TestServer, path: &str, body: &Value) -> (String, Value) {
    let headers = format!("{}content-type: application/json\r\n", host(server));
    let (head, body) = ask(server, &format!("POST {path}"), &headers, &body.to_string());
    (head, serde_json::from_str(&body).unwrap_or_default())
}

fn host(server: &TestServer) -> String {
    format!("host: {}\r\n", server.address)
}

fn message(reference: &str) -> Value {
    json!({ "merchant_access_token_id": reference, "connector": "STRIPE", "test_mode": true })
}

#[test]
fn the_page_is_served_beside_the_sandbox_with_a_strict_policy() {
    let server = TestServer::sandboxed();
    let (head, page) = get(&server, "/playground/");
    assert!(head.starts_with("http/1.1 200") && page.starts_with("<!doctype html>"), "{head}");
    let sandbox = server.sandbox.as_ref().unwrap();
    let policy = head.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains(&format!("connect-src 'self' http://{sandbox};")), "{policy}");
    assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{policy}");
    for header in ["x-content-type-options: nosniff", "x-frame-options: deny", "cache-control: no-store"] {
        assert!(head.contains(header), "{head}");
    }
    let parts: Vec<&str> = page.split(['"']).filter(|part| part.ends_with(".js") || part.ends_with(".css")).collect();
    assert_eq!(parts, ["style.css", "app.js"]);
    for part in parts {
        assert!(get(&server, &format!("/playground/{part}")).0.starts_with("http/1.1 200"), "{part}");
    }
    assert!(get(&server, "/").0.contains("location: /playground/"));
    for path in ["/playground/nothing.js", "/playground/../Cargo.toml", "/playground/backend/stripe", "/elsewhere"] {
        assert!(get(&server, path).0.starts_with("http/1.1 404"), "{path}");
    }
    let (head, _) = post(&server, "/playground/app.js", &json!({}));
    assert!(head.starts_with("http/1.1 405"), "{head}");
}

#[test]
fn the_page_is_served_nowhere_else() {
    let key = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let callers = [("DAYPASS_CALLERS", format!("[{{name=\"shop\",key_sha256=\"{key}\"}}]"))];
    let callers: Vec<(&str, &str)> = callers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for server in [TestServer::start(&[], &[]), TestServer::start(&["--sandbox"], &callers)] {
        for path in ["/", "/playground/", "/playground/connectors.json", "/playground/app.js"] {
            assert!(get(&server, path).0.starts_with("http/1.1 404"), "{path}");
        }
        let (head, _) = post(&server, "/playground/backend/stripe", &message("nowhere"));
        assert!(head.starts_with("http/1.1 404"), "{head}");
    }
}

#[test]
fn other_sites_reach_neither_the_page_nor_its_backend() {
    let server = TestServer::sandboxed();
    let own = host(&server);
    let body = message("of another site").to_string();
    for (line, headers) in [
        ("GET /playground/connectors.json", "host: rebound.example\r\n".to_owned()),
        ("POST /playground/backend/stripe", "host: rebound.example\r\n".to_owned()),
        ("POST /playground/backend/stripe", format!("{own}origin: https://shop.example\r\n")),
        ("POST /playground/clock", format!("{own}origin: null\r\n")),
        ("POST /playground/uses/stripe", format!("{own}sec-fetch-site: cross-site\r\n")),
    ] {
        let headers = format!("{headers}content-type: application/json\r\n");
        let (head, _) = ask(&server, line, &headers, &body);
        assert!(head.starts_with("http/1.1 403") && !head.contains("access-control-allow"), "{line} {headers} {head}");
    }
}

#[test]
fn the_backend_adds_the_credentials_and_the_uses_work_until_the_clock_jumps() {
    let server = TestServer::sandboxed();
    let (_, list) = get(&server, "/playground/connectors.json");
    let list: Value = serde_json::from_str(&list).unwrap();
    let all = list["connectors"].as_array().unwrap();
    assert_eq!(all.len(), sandbox::VENDORS.len());
    let key = &all.iter().find(|it| it["connector"] == "stripe").unwrap()["sandbox_credentials"]["api_key"];

    let (head, pass) = post(&server, "/playground/backend/stripe", &message("by the backend"));
    assert!(head.starts_with("http/1.1 200") && pass["audience"] == "CLIENT", "{head} {pass}");
    assert!(!pass.to_string().contains(key.as_str().unwrap()));
    let (_, refusal) = post(&server, "/playground/backend/stripe?outcome=decline_401", &message("refused"));
    assert_eq!(refusal["status"], "AUTHENTICATION_FAILED", "{refusal}");
    assert!(post(&server, "/playground/backend/stripe?outcome=made_up", &message("x")).0.starts_with("http/1.1 400"));
    assert!(post(&server, "/playground/backend/nobody", &message("x")).0.starts_with("http/1.1 404"));

    let held = json!({
        "grant": pass["grant"], "token": pass["access_token"], "reference": "by the backend",
        "client_parameters": pass["client_parameters"],
    });
    let (_, uses) = post(&server, "/playground/uses/stripe", &held);
    let refused = |call: &Value| {
        let url = call["url"].as_str().unwrap();
        let (address, path) = url.strip_prefix("http://").unwrap().split_at(server.sandbox.as_ref().unwrap().len());
        let headers: String = call["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| format!("{}: {}\r\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let (method, body) = (call["method"].as_str().unwrap(), call["body"].as_str().unwrap());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\norigin: http://{}\r\nconnection: close\r\n\
             content-length: {}\r\n{headers}\r\n{body}",
            server.address,
            body.len()
        );
        let reply = raw_http(address.parse().unwrap(), &request);
        let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
        sandbox::refused(status, reply.split_once("\r\n\r\n").unwrap().1)
    };
    let ahead = |seconds: u64| post(&server, "/playground/clock", &json!({ "seconds_ahead": seconds })).1;
    let lifetime: u64 = pass["lifetime_seconds"].as_str().unwrap().parse().unwrap();
    assert_eq!(ahead(lifetime + 5)["seconds_ahead"], lifetime + 5);
    assert!(refused(&uses["allowed"]), "usable after its expiry");
    ahead(0);
    assert!(refused(&uses["forbidden"]) && !refused(&uses["allowed"]));
    assert!(post(&server, "/playground/clock", &json!({ "seconds_ahead": -1 })).0.starts_with("http/1.1 400"));
}

#[test]
fn the_page_shows_what_explain_shows() {
    let server = TestServer::sandboxed();
    let (_, shown) = post(&server, "/playground/explain/stripe", &message("explained"));
    assert_eq!(shown["grant"], "checkout_session_setup", "{shown}");
    let call = &shown["call"];
    assert!(call["url"].as_str().unwrap().ends_with("/v1/checkout/sessions"), "{shown}");
    assert!(call["body"].as_str().unwrap().contains("client_reference_id=explained"), "{shown}");
    assert!(!shown.to_string().contains("sk_test_sandbox"), "{shown}");
    let mut wrong = message("wrong");
    wrong["connector_feature_data"] = json!({ "grant": "ephemeral_key", "custommer": "cus_1" });
    let (head, error) = post(&server, "/playground/explain/stripe", &wrong);
    assert!(head.starts_with("http/1.1 400") && error["message"].as_str().unwrap().contains("custommer"), "{error}");
}

#[test]
fn the_page_gets_the_log_line_of_its_call() {
    let server = TestServer::sandboxed();
    let (head, answer) = post(&server, "/playground/backend/stripe", &message("logged"));
    let id = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    let (head, line) = get(&server, &format!("/playground/log/{id}"));
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: application/json"), "{head}");
    let token = answer["access_token"].as_str().unwrap();
    assert!(!line.contains(token) && !line.contains("sk_test_"), "{line}");
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!([&line["request_id"], &line["connector"], &line["outcome"]], [id, "stripe", "SUCCESS"]);
    let (head, answer) = get(&server, "/playground/log/another");
    assert!(head.starts_with("http/1.1 410") && answer.contains("no log line"), "{head} {answer}");
}
