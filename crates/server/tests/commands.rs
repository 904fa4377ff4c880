//! The commands that end without a signal.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::common::raw_http;

fn daypass(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn connectors_lists_every_value_of_the_enum() {
    let rows: Vec<Value> = serde_json::from_str(&said(&daypass(&["connectors", "--json"], &[]))).unwrap();
    assert_eq!(rows.len(), 152);
    for row in &rows {
        let name = &row["connector"];
        match row["status"].as_str().unwrap() {
            "available" => {
                assert!(!row["grants"].as_array().unwrap().is_empty(), "{name}");
                assert!(!row["credentials"].as_array().unwrap().is_empty(), "{name}");
                assert!(row["hosts"]["base_url"].is_string() && row["hosts"]["test_base_url"].is_string(), "{name}");
            }
            "unavailable" => assert!(row["reason"].as_str().is_some_and(|why| !why.is_empty()), "{name}"),
            other => panic!("{name}: {other}"),
        }
    }
    let stripe = rows.iter().find(|row| row["connector"] == "stripe").unwrap();
    let key = json!({
        "field": "api_key", "required": true, "secret": true, "accepts": "text",
        "found_in": "Dashboard > Developers > API keys: secret key, or restricted key",
        "found_in_source": {"kind": "page", "name": "https://docs.stripe.com/keys"},
    });
    assert_eq!(stripe["credentials"], json!([key]));
    let scopes = |row: &Value| row["grants"].as_array().unwrap().iter().any(|grant| grant["scopes"] == "any");
    assert!(rows.iter().filter(|row| row["status"] == "available").any(scopes));

    let list = said(&daypass(&["connectors"], &[]));
    let (table, note) = list.rsplit_once("\n\n").unwrap();
    assert_eq!(table.lines().filter(|line| !line.starts_with(' ')).count(), 152);
    assert!(
        table.contains("needs customer or create_customer") && note.contains("daypass connectors <name>"),
        "{list}"
    );
    assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
}

#[test]
fn connectors_explains_one_and_its_commands_work() {
    for name in ["stripe", "Adyen", "pinelabsonline", "paypal"] {
        let text = said(&daypass(&["connectors", name], &[]));
        for part in ["credentials  ", "lifetime", "worst case", "input      "] {
            assert!(text.contains(part), "{name} {part}: {text}");
        }
        let wide = text.lines().filter(|line| line.chars().count() > 80).count();
        assert_eq!(wide, 0, "{text}");
    }
    let stripe: Value = serde_json::from_str(&said(&daypass(&["connectors", "stripe", "--json"], &[]))).unwrap();
    assert_eq!((&stripe["connector"], &stripe["name"]), (&"stripe".into(), &"Stripe".into()));
    let none = said(&daypass(&["connectors", "bambora"], &[]));
    assert!(none.starts_with("bambora gives no tokens: "), "{none}");

    let text = said(&daypass(&["connectors", "stripe"], &[])).split_whitespace().collect::<Vec<_>>().join(" ");
    let commands: Vec<&str> = text.split("try it daypass ").skip(1).collect();
    assert_eq!(commands.len(), stripe["grants"].as_array().unwrap().len());
    for command in commands {
        // The text after the command is the next grant, which has no hyphen before its parenthesis.
        let words = command.split(' ').collect::<Vec<_>>();
        let end = words.iter().position(|word| word.starts_with('(')).map_or(words.len(), |at| at - 1);
        let shell = format!("{} {}", env!("CARGO_BIN_EXE_daypass"), words[..end].join(" "));
        let made = Command::new("sh").args(["-c", &shell]).stdin(std::process::Stdio::null()).output().unwrap();
        assert!(made.status.success(), "{shell}: {made:?}");
    }
}

#[test]
fn a_name_that_is_nearly_right_gets_a_tip_before_anything_else() {
    for command in ["token", "explain", "connectors"] {
        let refused = daypass(&[command, "strpe"], &[]);
        let text = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(text.contains("a similar value exists: 'stripe'") && !text.contains("credentials"), "{text}");
        assert!(!text.contains("worldpay"), "the list of all names hides the tip: {text}");
    }
}

#[test]
fn explain_needs_no_credentials() {
    let explain = |arguments: &[&str]| daypass(&[&["explain"], arguments].concat(), &[("DAYPASS_CREDENTIALS", "")]);
    let shown = explain(&["stripe"]);
    let notes = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(shown.status.success() && notes.contains("placeholders"), "{shown:?}");
    assert!(said(&shown).contains("POST https://api.stripe.com/v1/checkout/sessions"), "{shown:?}");
    assert!(!said(&shown).contains("sk_test"), "{shown:?}");
    assert_eq!(explain(&["stripe", "--grant=ephemeral_key"]).status.code(), Some(2), "an input is missing");
}

#[test]
fn help_teaches_by_example_and_fits_a_terminal() {
    for (arguments, part) in [
        (&["--help"][..], "Exit codes:"),
        (&["token", "--help"], "daypass token stripe --sandbox"),
        (&["explain", "--help"], "daypass explain stripe"),
        (&["connectors", "--help"], "daypass connectors stripe"),
    ] {
        let help = said(&daypass(arguments, &[]));
        assert!(help.contains("Examples:") && help.contains(part), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn token_prints_a_token_and_its_exit_code_names_the_fault() {
    let made = daypass(&["token", "stripe", "--sandbox", "--reference", "r1"], &[]);
    let answer: Value = serde_json::from_str(&said(&made)).unwrap();
    assert_eq!((&answer["status"], &answer["merchant_access_token_id"]), (&"SUCCESS".into(), &"r1".into()));
    for (key, code) in [("sk_test_decline_401", 3), ("sk_test_decline_500", 4), ("sk_live_x", 2)] {
        let credentials = format!("{{\"api_key\":\"{key}\"}}");
        let refused = daypass(&["token", "stripe", "--sandbox"], &[("DAYPASS_CREDENTIALS", &credentials)]);
        assert_eq!(refused.status.code(), Some(code), "{key}: {refused:?}");
        assert!(!format!("{refused:?}").contains(key), "{refused:?}");
    }
    let made = daypass(&["token", "stripe", "--sandbox"], &[("DAYPASS_CREDENTIALS", ""), ("DAYPASS_FEATURE_DATA", "")]);
    assert!(made.status.success(), "an empty variable is none: {made:?}");
    for (arguments, environment) in [
        (&["token", "stripe"][..], &[("DAYPASS_CREDENTIALS", "")][..]),
        (&["token", "stripe", "--sandbox", "--input", "x"], &[]),
        (&["explain", "stripe", "--sandbox"], &[("DAYPASS_FEATURE_DATA", "no JSON")]),
    ] {
        let refused = daypass(arguments, environment);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }
    let inputs = ["--input", "currency=EUR", "--input", "return_url=https://shop.example"];
    let adyen = daypass(&[&["token", "adyen", "--sandbox"], &inputs[..]].concat(), &[]);
    assert!(adyen.status.success(), "{adyen:?}");
}

#[test]
fn inputs_have_the_types_that_the_grant_declares() {
    let explain = |connector: &str, arguments: &[&str]| {
        let output = daypass(&[&["explain", connector, "--sandbox"], arguments].concat(), &[]);
        (output.status.code(), format!("{}{}", said(&output), String::from_utf8_lossy(&output.stderr)))
    };
    let texts = [
        "--input=order_amount=10.15",
        "--input=order_currency=INR",
        "--input=customer_id=null",
        "--input=customer_phone=9999999999",
        "--input=customer_name=true",
    ];
    let (code, text) = explain("cashfree", &texts);
    assert_eq!(code, Some(0), "{text}");
    for part in [r#""customer_phone":"9999999999""#, r#""customer_id":"null""#, r#""customer_name":"true""#] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let intent = ["--grant=payment_intent", "--input=currency=EUR", "--input=amount=1000"];
    for (more, expected) in [
        (&[][..], Some(0)),
        (&["--input=automatic_payment_methods=true"], Some(0)),
        (&["--input=automatic_payment_methods=1"], Some(2)),
        (&["--input=payment_method_types=[\"card\"]"], Some(0)),
        (&["--input=payment_method_types=card"], Some(2)),
        (&["--input=amount=ten"], Some(2)),
        (&["--input=custommer=1"], Some(2)),
    ] {
        let (code, text) = explain("stripe", &[&intent[..], more].concat());
        assert_eq!(code, expected, "{more:?}: {text}");
        if let (Some(2), [input]) = (code, more) {
            let name = input.split('=').nth(1).unwrap();
            assert!(text.contains("INVALID_REQUEST") && text.contains(name), "{input}: {text}");
        }
    }
    let (code, text) = explain("stripe", &["--input=ttl_seconds=1900"]);
    assert_eq!(code, Some(0), "a common key that is no input: {text}");
}

#[test]
fn explain_prints_the_call_without_secrets() {
    let credentials = r#"{"Paypal":{"client_id":"public-id","client_secret":"canary-secret"}}"#;
    let shown = daypass(
        &["explain", "paypal", "--test", "--input=domains=[\"shop.example\"]"],
        &[("DAYPASS_CREDENTIALS", credentials)],
    );
    let text = said(&shown);
    assert!(text.contains("POST https://api-m.sandbox.paypal.com/v1/oauth2/token"), "{text}");
    assert!(text.contains("authorization: [REDACTED]") && text.contains("response_type=client_token"), "{text}");
    assert!(!text.contains("canary-secret"), "{text}");
}

#[test]
fn file_and_environment_merge_for_each_spelling_of_a_connector() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daypass.toml");
    std::fs::write(&file, "[connectors.PayPal]\nbase_url = \"https://f1\"\ntest_base_url = \"https://f2\"\n").unwrap();
    let credentials = r#"{"client_id":"i","client_secret":"s-canary"}"#;
    for (mode, host) in [("--live", "https://f1/"), ("--test", "https://e2/")] {
        let shown = daypass(
            &["explain", "paypal", mode, "--config", file.to_str().unwrap(), "--input=grant=id_token"],
            &[("DAYPASS_CREDENTIALS", credentials), ("DAYPASS_CONNECTORS__PAY_PAL__TEST_BASE_URL", "https://e2")],
        );
        assert!(said(&shown).contains(host), "{shown:?}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = said(&daypass(&["completions", shell], &[]));
        assert!(script.contains("healthcheck"), "{shell}");
        // The generators for these shells know values of arguments.
        if ["bash", "zsh"].contains(&shell) {
            assert!(script.contains("pinelabs_online") && script.contains("checkout_session_setup"), "{shell}");
        }
    }
}

#[test]
fn the_demo_prints_its_seven_steps() {
    let demo = daypass(&["demo", "--once"], &[]);
    let text = said(&demo);
    assert!(demo.status.success(), "{demo:?}");
    let steps: Vec<usize> = (1..=7).map(|step| text.find(&format!("{step}. ")).unwrap()).collect();
    assert!(steps.is_sorted(), "{text}");
}

/// The arguments that a shell gives to the program in this text.
fn shell_arguments(program: &str, text: &str) -> Vec<String> {
    let script = format!("{program}() {{ printf '%s\\0' \"$@\"; }}\n{text}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    said(&output).split_terminator('\0').map(ToOwned::to_owned).collect()
}

/// The values of a flag.
fn values<'a>(arguments: &'a [String], flag: &'a str) -> impl Iterator<Item = &'a String> {
    arguments.windows(2).filter(move |pair| pair[0] == flag).map(|pair| &pair[1])
}

#[test]
fn the_commands_that_the_demo_prints_work_as_printed() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_daypass"))
        .args(["demo", "--port", "0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    for line in BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok) {
        text.push_str(&format!("{line}\n"));
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    let printed = |from: &str| {
        let (_, command) = text.split_once(from).unwrap_or_else(|| panic!("{from}: {text}"));
        let (arguments, _) = command.split_once("CreateAccessToken").unwrap();
        format!("{from}{arguments}CreateAccessToken")
    };
    let grpcurl = shell_arguments("grpcurl", &printed("STRIPE_API_KEY="));
    let curl = shell_arguments("curl", &printed("  curl "));
    assert_eq!(grpcurl[0], "-plaintext", "{grpcurl:?}");
    let [.., address, method] = grpcurl.as_slice() else { panic!("{grpcurl:?}") };
    let url = curl.last().unwrap().strip_prefix("http://").unwrap();
    for (arguments, (address, method)) in [(&grpcurl, (&**address, &**method)), (&curl, url.split_once('/').unwrap())] {
        let headers: String = values(arguments, "-H")
            .filter(|it| !it.starts_with("content-type"))
            .map(|it| format!("{it}\r\n"))
            .collect();
        let body = values(arguments, "-d").next().unwrap();
        let request = format!(
            "POST /{method} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let reply = raw_http(address.parse().unwrap(), &request);
        assert!(reply.contains(r#""status":"SUCCESS""#), "{arguments:?}: {reply}");
    }
    let page = text.lines().find_map(|line| line.trim().strip_prefix("http://")?.split_once('/')).unwrap();
    let reply = raw_http(
        page.0.parse().unwrap(),
        &format!("GET /{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", page.1, page.0),
    );
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    demo.kill().unwrap();
    demo.wait().unwrap();
}
