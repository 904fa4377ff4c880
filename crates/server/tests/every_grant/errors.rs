//! Errors: missing inputs, wrong credentials, outages, and a missing audience.

use std::{collections::HashMap, path::Path};

use connectors::{Audience, DefaultWhen};
use connectrpc::{ConnectError, ErrorCode};
use protocol::ucs::v2::OperationStatus;
use serde_json::Map;

use super::{GrantCase, grant_cases};
use crate::common::TestServer;

async fn makes_no_call(served: &TestServer, case: &GrantCase) -> bool {
    let answer = served.call_with_attempts(&case.request("makes_no_call")).await;
    answer == Some(0)
}

/// The credentials and secret inputs whose form the grant checks before its first call, such as PEM
/// or base64: `checked_form.json` of the connector's fixtures. Empty where the grant checks none.
fn checked_form(case: &GrantCase) -> Vec<String> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/fixtures");
    let file = fixtures.join(case.meta.id).join("checked_form.json");
    if !file.exists() {
        return Vec::new();
    }
    let mut grants: HashMap<String, Vec<String>> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    grants.remove(case.grant.name).unwrap_or_default()
}

fn refuses_a_checked_form(case: &GrantCase, error: &ConnectError) -> bool {
    let message = error.message.as_deref().unwrap_or_default();
    checked_form(case).iter().any(|field| message.contains(field.as_str()))
}

#[tokio::test]
async fn a_server_grant_requires_audience_server() {
    let served = TestServer::sandboxed();
    for case in grant_cases().iter().filter(|case| case.grant.audience == Audience::Server) {
        let mut request = case.request("not_asked_for");
        request.data.as_mut().unwrap().as_object_mut().unwrap().remove("audience");
        let error = served.call(&request).await.expect_err(&case.name());
        assert_eq!(error.code, ErrorCode::FailedPrecondition, "{}: {error:?}", case.name());
    }
}

#[tokio::test]
async fn errors_name_the_required_inputs_of_a_default_grant() {
    let served = TestServer::sandboxed();
    for case in grant_cases().iter().filter(|case| case.grant.default == DefaultWhen::Always) {
        let mut request = case.request_with("alone", &case.credentials(), &Map::new());
        request.data = None;
        let needs: Vec<_> = case.grant.inputs.iter().filter(|input| input.required).map(|input| input.name).collect();
        let Err(error) = served.call(&request).await else {
            assert!(needs.is_empty(), "{} did without {needs:?}", case.name());
            continue;
        };
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{}: {error:?}", case.name());
        let message = error.message.unwrap_or_default();
        assert!(needs.iter().all(|name| message.contains(name)), "{}: {message}", case.name());
    }
}

#[tokio::test]
async fn errors_name_each_missing_required_input() {
    let served = TestServer::sandboxed();
    let mut count = 0;
    for case in grant_cases() {
        for input in case.grant.inputs.iter().filter(|input| input.required) {
            let mut inputs = case.inputs.clone();
            assert!(inputs.remove(input.name).is_some(), "{}: the example lacks {}", case.name(), input.name);
            let request = case.request_with("left_out", &case.credentials(), &inputs);
            let error = served.call(&request).await.expect_err(&case.name());
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{} {}: {error:?}", case.name(), input.name);
            assert!(error.message.as_deref().unwrap_or_default().contains(input.name), "{error:?}");
            count += 1;
        }
    }
    println!("{count} required inputs");
}

#[tokio::test]
async fn wrong_credentials_get_a_refusal_with_the_connectors_code() {
    let served = TestServer::sandboxed();
    for case in grant_cases() {
        let (credentials, inputs) = case.with_word("-wrong-invalid");
        let (name, checked) = (case.name(), checked_form(&case));
        match served.call(&case.request_with("wrong", &credentials, &inputs)).await {
            Ok(answer) if answer.status == OperationStatus::AUTHENTICATION_FAILED => {
                assert!(checked.is_empty(), "{name} checks no form: {answer:?}");
                let error = answer.error.as_option().unwrap().connector_details.as_option().unwrap();
                assert!(error.code.as_ref().is_some_and(|code| !code.is_empty()), "{name}: {answer:?}");
                assert!(!format!("{answer:?}").contains("wrong-"), "{name}: {answer:?}");
            }
            // Some tokens are made without a call to the connector.
            Ok(answer) if answer.status == OperationStatus::SUCCESS && answer.status_code == 200 => {
                assert!(checked.is_empty(), "{name} checks no form: {answer:?}");
                assert!(makes_no_call(&served, &case).await, "{name}: {answer:?}");
            }
            Ok(answer) => panic!("{name}: {answer:?}"),
            Err(error) if error.code == ErrorCode::Unauthenticated || error.code == ErrorCode::InvalidArgument => {
                assert!(!format!("{error:?}").contains("wrong-"), "{name}: {error:?}");
                assert!(refuses_a_checked_form(&case, &error), "{name}: {error:?}");
            }
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
}

/// An outage may pass, so the error has a `RetryInfo`. A reply that is cut off is INTERNAL, as the
/// connector's API may have changed.
#[tokio::test]
async fn outages_and_rubbish_of_each_connector_are_told_apart() {
    let served = TestServer::sandboxed();
    for case in &grant_cases() {
        // Only the first grant of each connector. A word in the credentials makes the fake fail.
        if case.meta.grants.first().is_none_or(|first| first.name != case.grant.name) {
            continue;
        }
        for (word, code) in [("_decline_503", ErrorCode::Unavailable), ("_garbage", ErrorCode::Internal)] {
            let name = format!("{}{word}", case.name());
            let (credentials, inputs) = case.with_word(word);
            match served.call(&case.request_with(word, &credentials, &inputs)).await {
                Err(error) if error.code == code => {
                    let retry = error.details.iter().any(|detail| detail.type_url.ends_with("RetryInfo"));
                    assert_eq!(retry, code == ErrorCode::Unavailable, "{name}: {error:?}");
                }
                // The fake checks a signature before it sees the word.
                Ok(answer) if answer.status == OperationStatus::AUTHENTICATION_FAILED => {}
                Ok(answer) if answer.status == OperationStatus::SUCCESS => {
                    assert!(makes_no_call(&served, case).await, "{name}: {answer:?}")
                }
                Err(error) if refuses_a_checked_form(case, &error) => {
                    assert_ne!(error.code, ErrorCode::Internal, "{name}: {error:?}");
                }
                // A connector that answers in plain text also refuses in plain text. The caller
                // gets the text.
                Ok(answer) if word == "_garbage" && answer.status == OperationStatus::FAILURE => {
                    assert!(answer.access_token.as_option().is_none(), "{name}: {answer:?}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
