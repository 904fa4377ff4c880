//! A day pass over gRPC with Rust's connectrpc: deadline, retries, and errors that are read.
//!
//! `cargo run -p daypass-server --example client`. In a program of your own, `connectrpc-build` makes the same types from
//! `proto/`, as `crates/protocol/build.rs` does.

#![expect(clippy::print_stdout, reason = "the result of the program")]

use std::{env, error::Error, time::Duration};

use buffa::Enumeration;
use buffa_types::google::protobuf::StringValue;
use connectrpc::{
    ConnectError, ErrorCode, Protocol,
    client::{CallOptions, ClientConfig, HttpClient},
};
use protocol::{
    CreateAccessTokenRequest,
    ucs::v2::{Connector, MerchantAuthenticationServiceClient, OperationStatus},
};
use serde_json::{Value, json};

const ATTEMPTS: u32 = 4;

/// The reason, what to do next, and each field at fault (google.rpc, AIP-193).
fn explain(error: &ConnectError) -> String {
    let mut words = vec![format!("{:?}", error.code)];
    for detail in &error.details {
        let text = |pointer: &str| {
            let value = detail.debug.as_ref().and_then(|debug| debug.pointer(pointer)).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        match detail.type_url.rsplit('/').next().unwrap_or_default() {
            "google.rpc.ErrorInfo" => words.extend([text("/reason"), text("/metadata/guidance")]),
            "google.rpc.BadRequest" => {
                words.push(format!("{}: {}", text("/fieldViolations/0/field"), text("/fieldViolations/0/description")));
            }
            _ => {}
        }
    }
    words.join(" | ")
}

async fn mint(
    client: &MerchantAuthenticationServiceClient<HttpClient>,
    feature_data: Value,
) -> Result<(), Box<dyn Error>> {
    let request = CreateAccessTokenRequest {
        // The same reference for each attempt: a repeated call makes no second token.
        merchant_access_token_id: format!("order-{:016x}", getrandom::u64()?),
        connector: Connector::STRIPE.into(),
        connector_feature_data: StringValue { value: feature_data.to_string(), ..Default::default() }.into(),
        test_mode: Some(true),
        ..Default::default()
    };
    let credentials = json!({"Stripe": {"api_key": env::var("STRIPE_API_KEY")?}}).to_string();
    let mut attempt = 1;
    let result = loop {
        let options = CallOptions::default()
            .with_timeout(Duration::from_secs(10))
            .with_header("x-connector-auth", credentials.clone());
        match client.create_access_token_with_options(request.clone(), options).await {
            Err(error) if error.code == ErrorCode::Unavailable && attempt < ATTEMPTS => {
                tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                attempt += 1;
            }
            result => break result,
        }
    };
    match result {
        Err(error) => println!("error: {}", explain(&error)),
        Ok(response) => {
            let (_, answer, _) = response.into_owned_parts();
            if answer.status == OperationStatus::SUCCESS {
                let audience = answer.audience.as_known().map(|audience| audience.proto_name()).unwrap_or_default();
                let seconds = answer.lifetime_seconds.unwrap_or_default();
                let length = answer.access_token.value.len();
                println!("token: {audience}, {}, {seconds} s, {length} characters", answer.grant);
            } else {
                println!("refused: {:?} {}", answer.status, answer.status_code);
            }
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::var("TOKEN_SERVICE_ADDRESS").unwrap_or_else(|_| "localhost:8080".into());
    let config = ClientConfig::new(format!("http://{address}").parse()?).with_protocol(Protocol::Connect);
    let client = MerchantAuthenticationServiceClient::new(HttpClient::plaintext(), config);
    mint(&client, json!({})).await?;
    mint(&client, json!({"custommer": "cus_1"})).await
}
