// The documented call as code. Each text runs as it stands, with what the language brings (Rust:
// the crates reqwest and serde_json; grpcurl: itself).

const METHOD = "ucs.v2.MerchantAuthenticationService/CreateAccessToken";

const NOTE = "the sandbox's credentials; yours come from your store of secrets";

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const indent = (text, by) => text.replaceAll("\n", `\n${by}`);

function python(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  return `{${Object.entries(value).map(([name, it]) => `${JSON.stringify(name)}: ${python(it)}`).join(", ")}}`;
}

function lines(value) {
  return python(value).replace(/^\{/, "{\n    ").replace(/\}$/, ",\n}").replace(/, (?="(?:connector|test_mode|connector_feature_data)":)/g, ",\n    ");
}

// `call`: connector, auth and body as values, host as `name:port`.
export const LANGUAGES = {
  grpcurl: ({ connector, auth, body, host }) =>
    `grpcurl -plaintext \\
  -H 'x-connector: ${connector}' \\
  -H ${shell(`x-connector-auth: ${JSON.stringify(auth)}`)} \\
  -d ${shell(JSON.stringify(body, null, 2))} \\
  ${host} ${METHOD}`,

  curl: ({ connector, auth, body, host }) =>
    `curl -H 'content-type: application/json' \\
  -H 'x-connector: ${connector}' \\
  -H ${shell(`x-connector-auth: ${JSON.stringify(auth)}`)} \\
  -d ${shell(JSON.stringify(body, null, 2))} \\
  http://${host}/${METHOD}`,

  Python: ({ connector, auth, body, host }) =>
    `import json, urllib.request

# ${NOTE}
auth = ${python(auth)}
body = ${lines(body)}
request = urllib.request.Request(
    "http://${host}/${METHOD}",
    data=json.dumps(body).encode(),
    headers={
        "content-type": "application/json",
        "x-connector": "${connector}",
        "x-connector-auth": json.dumps(auth),
    },
)
with urllib.request.urlopen(request, timeout=10) as response:
    day_pass = json.load(response)
print(day_pass["status"], day_pass["audience"], day_pass["grant"])`,

  Node: ({ connector, auth, body, host }) =>
    `// ${NOTE}
const auth = ${JSON.stringify(auth)};
const body = ${indent(JSON.stringify(body, null, 2), "")};
const response = await fetch("http://${host}/${METHOD}", {
  method: "POST",
  headers: {
    "content-type": "application/json",
    "x-connector": "${connector}",
    "x-connector-auth": JSON.stringify(auth),
  },
  body: JSON.stringify(body),
  signal: AbortSignal.timeout(10_000),
});
const dayPass = await response.json();
console.log(dayPass.status, dayPass.audience, dayPass.grant);`,

  Go: ({ connector, auth, body, host }) =>
    `package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"
)

// ${NOTE}
const auth = \`${JSON.stringify(auth)}\`
const body = \`${JSON.stringify(body)}\`

func main() {
	request, err := http.NewRequest("POST", "http://${host}/${METHOD}", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("content-type", "application/json")
	request.Header.Set("x-connector", "${connector}")
	request.Header.Set("x-connector-auth", auth)
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var dayPass struct{ Status, Audience, Grant string }
	if err := json.NewDecoder(response.Body).Decode(&dayPass); err != nil {
		log.Fatal(err)
	}
	fmt.Println(dayPass.Status, dayPass.Audience, dayPass.Grant)
}`,

  Rust: ({ connector, auth, body, host }) =>
    `// reqwest = { version = "0.12", features = ["blocking", "json"] }, serde_json = "1"
use std::time::Duration;

// ${NOTE}
const AUTH: &str = r#"${JSON.stringify(auth)}"#;
const BODY: &str = r#"${JSON.stringify(body)}"#;

fn main() -> Result<(), reqwest::Error> {
    let day_pass: serde_json::Value = reqwest::blocking::Client::new()
        .post("http://${host}/${METHOD}")
        .timeout(Duration::from_secs(10))
        .header("content-type", "application/json")
        .header("x-connector", "${connector}")
        .header("x-connector-auth", AUTH)
        .body(BODY)
        .send()?
        .json()?;
    println!("{} {} {}", day_pass["status"], day_pass["audience"], day_pass["grant"]);
    Ok(())
}`,

  PHP: ({ connector, auth, body, host }) =>
    `<?php
// ${NOTE}
$auth = <<<'JSON'
${JSON.stringify(auth)}
JSON;
$body = <<<'JSON'
${JSON.stringify(body, null, 2)}
JSON;
$context = stream_context_create(["http" => [
    "method" => "POST",
    "header" => [
        "content-type: application/json",
        "x-connector: ${connector}",
        "x-connector-auth: $auth",
    ],
    "content" => $body,
    "timeout" => 10,
]]);
$dayPass = json_decode(file_get_contents(
    "http://${host}/${METHOD}", false, $context));
echo "$dayPass->status $dayPass->audience $dayPass->grant\\n";`,
};
