//! The operator's limit for the life of CLIENT tokens.

use crate::fake_vendor::{Ask, Nodes};
use connectors::Kind;
use daypass::{ConnectorSettings, Policy, Settings};

fn limited(seconds: u32, own: Option<u32>) -> Nodes {
    let policy = Policy { client_token_max_seconds: seconds, ..Policy::default() };
    let own = ConnectorSettings { client_token_max_seconds: own, ..ConnectorSettings::default() };
    Nodes::with(1, Settings { policy, connectors: [("fake".to_owned(), own)].into(), ..Settings::default() })
}

#[tokio::test]
async fn a_life_that_can_be_chosen_is_chosen_within_the_limit() {
    let nodes = Nodes::new(1);
    nodes.ask(0, &Ask::of_grant("settable", "a")).await.unwrap();
    assert_eq!(nodes.http.lock().bodies[0]["ttl"], 86_400, "a day by default");
    nodes.ask(0, &Ask::of_grant("settable", "b").with("ttl_seconds", 700)).await.unwrap();
    assert_eq!(nodes.http.lock().bodies[1]["ttl"], 700);
    let error = nodes.ask(0, &Ask::of_grant("settable", "c").with("ttl_seconds", 86_401)).await.unwrap_err();
    assert_eq!(error.kind, Kind::InvalidRequest);
    assert_eq!(error.fields[0].field, "connector_feature_data.ttl_seconds");
    assert!(error.message.contains("86400"), "{}", error.message);
    let error = limited(599, None).ask(0, &Ask::of_grant("settable", "a")).await.unwrap_err();
    assert_eq!(error.kind, Kind::LivesTooLong);
    assert!(error.message.contains("at least 600 seconds"), "{}", error.message);
    let nodes = limited(599, Some(604_800));
    nodes.ask(0, &Ask::of_grant("settable", "a")).await.unwrap();
    assert_eq!(nodes.http.lock().bodies[0]["ttl"], 172_800, "the connector's own limit goes before the common one");
}

#[tokio::test]
async fn a_life_that_the_connector_fixes_needs_the_operators_word() {
    let nodes = Nodes::new(1);
    let error = nodes.ask(0, &Ask::of_grant("week", "a")).await.unwrap_err();
    assert_eq!((error.kind, nodes.calls()), (Kind::LivesTooLong, 0));
    for word in ["604800", "connectors.fake.client_token_max_seconds", "policy.client_token_max_seconds"] {
        assert!(error.message.contains(word), "{}", error.message);
    }
    for nodes in [limited(86_400, Some(604_800)), limited(Policy::NO_LIMIT, None)] {
        nodes.ask(0, &Ask::of_grant("week", "a")).await.unwrap();
    }
}

#[tokio::test]
async fn a_life_that_only_the_reply_tells_is_checked_after_it() {
    let nodes = Nodes::new(1);
    for (lives, given) in [(86_400, true), (90_000, false)] {
        nodes.http.lock().lives = lives;
        let ask = Ask::of_grant("session", &format!("lives-{lives}"));
        for _ in 0..2 {
            match nodes.ask(0, &ask).await {
                Ok(_) => assert!(given, "{lives}"),
                Err(error) => assert_eq!((error.kind, given), (Kind::LivesTooLong, false), "{}", error.message),
            }
        }
    }
    assert_eq!(nodes.calls(), 2, "a token that is refused is not made again and again");
    // SERVER tokens stay in the backend.
    nodes.ask(0, &Ask::of_grant("access", "a")).await.unwrap();
}
