//! Tokens: audience, expiry, server parameters, and their sharing between references.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use connectors::{Audience, DefaultWhen, Lifetime};
use protocol::ucs::v2::{OperationStatus, TokenAudience};

use super::grant_cases;
use crate::common::TestServer;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

#[tokio::test]
async fn each_grant_issues_a_token_with_its_audience_and_expiry() {
    let served = TestServer::sandboxed();
    let mut count = BTreeMap::from([("client", 0), ("server", 0)]);
    for case in grant_cases() {
        let name = case.name();
        let before = now();
        let answer = served.call(&case.request("e2e")).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(answer.status == OperationStatus::SUCCESS, "{name}: {answer:?}");
        let audience =
            if case.grant.audience == Audience::Client { TokenAudience::CLIENT } else { TokenAudience::SERVER };
        assert!(answer.audience == audience && answer.grant == case.grant.name, "{name}: {answer:?}");
        *count.get_mut(case.grant.audience.label()).unwrap() += 1;
        match (case.grant.lifetime, answer.expires_in_seconds, answer.lifetime_seconds) {
            (Lifetime::UntilUsed | Lifetime::Unpublished, None, None) => {}
            (Lifetime::UntilUsed | Lifetime::Unpublished, ..) => panic!("{name}: an expiry without a source"),
            (_, Some(at), Some(left)) => {
                let after = now();
                assert!(at > before && left > 0, "{name}: {at} {left}");
                // Times are whole seconds, and a second may pass where the connector sends a time.
                let moment = before + left..=after + left + 2;
                assert!(moment.contains(&at), "{name}: {at} and {left} are not the same moment");
            }
            (_, at, left) => panic!("{name}: {at:?} {left:?}"),
        }
        let client = case.grant.audience == Audience::Client;
        assert!(!client || answer.server_parameters.is_empty(), "{name}: values for the server in a CLIENT answer");
    }
    println!("{} CLIENT grants, {} SERVER grants", count["client"], count["server"]);
}

#[tokio::test]
async fn server_parameters_are_in_server_responses_only() {
    let served = TestServer::sandboxed();
    for case in grant_cases().iter().filter(|case| !case.grant.server_parameters.is_empty()) {
        let mut request = case.request("for_the_server");
        request.data.as_mut().unwrap()["audience"] = "server".into();
        let answer = served.call(&request).await.unwrap_or_else(|error| panic!("{}: {error:?}", case.name()));
        assert!(answer.audience == TokenAudience::SERVER, "{}", case.name());
        for name in case.grant.server_parameters {
            let value = &answer.server_parameters[*name].value;
            assert!(
                !value.is_empty() && !answer.client_parameters.values().any(|public| public.contains(value.as_str())),
                "{}",
                case.name()
            );
            let token = answer.access_token.as_option().unwrap();
            // A number is an id: PlacetoPay's is a part of its page's address.
            let id = value.bytes().all(|byte| byte.is_ascii_digit());
            assert!(id || !token.value.contains(value.as_str()), "{}", case.name());
            assert!(!format!("{answer:?}").contains(value.as_str()), "{}", case.name());
        }
    }
}

/// A shared token of one payment could reach the payer of another.
#[tokio::test]
async fn tokens_of_one_payment_are_not_shared_between_references() {
    let served = TestServer::sandboxed();
    let mut count = 0;
    for case in grant_cases().iter().filter(|case| !case.grant.is_shared()) {
        if case.grant.audience == Audience::Client && case.grant.server_parameters.is_empty() {
            continue;
        }
        let mut tokens = Vec::new();
        for reference in ["first", "second", "first"] {
            let mut request = case.request(reference);
            request.data.as_mut().unwrap()["audience"] = "server".into();
            let answer = served.call(&request).await.unwrap_or_else(|error| panic!("{}: {error:?}", case.name()));
            tokens.push(answer.access_token.as_option().unwrap().value.clone());
        }
        // A token that is used up by its first use is not handed out again.
        let repeated = tokens[0] == tokens[2];
        assert!(tokens[0] != tokens[1] && repeated != case.grant.single_use, "{}", case.name());
        count += 1;
    }
    println!("{count} grants");
}

#[tokio::test]
async fn a_default_grant_is_chosen_without_its_name() {
    let served = TestServer::sandboxed();
    for case in grant_cases().iter().filter(|case| case.grant.default == DefaultWhen::Always) {
        let mut request = case.request("by_default");
        request.data.as_mut().unwrap().as_object_mut().unwrap().remove("grant");
        let answer = served.call(&request).await.unwrap_or_else(|error| panic!("{}: {error:?}", case.name()));
        assert_eq!(answer.grant, case.grant.name, "{}", case.name());
    }
}
