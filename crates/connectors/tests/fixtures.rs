//! Every fixture makes the calls and has the outcome that its file states.

use connectors::{Audience, CONNECTORS};

use crate::support::{Expect, ExpectedError, ExpectedToken, scenes};

#[test]
fn every_fixture_plays_as_written() {
    for scene in scenes() {
        let name = &scene.name;
        assert!(scene.case.recorded.is_none(), "{name}: recorded requests have a folder of their own");
        let played = scene.play();
        let end = played.end.unwrap_or_else(|| panic!("{name}: the connector wants one more reply"));
        match scene.case.expect.as_ref().unwrap_or_else(|| panic!("{name}: expects nothing")) {
            Expect::Token(expected) => match &end {
                Ok(token) => assert_eq!(&ExpectedToken::from(token), expected, "{name}"),
                Err(error) => panic!("{name}: {:?}", ExpectedError::from(error)),
            },
            Expect::Error(expected) => match &end {
                Ok(token) => panic!("{name}: {:?}", ExpectedToken::from(token)),
                Err(error) => assert_eq!(&ExpectedError::from(error), expected, "{name}"),
            },
        }
        if let Some(expected) = &scene.case.calls {
            assert_eq!(played.calls.len(), expected.len(), "{name}: number of calls");
            for (nth, (call, expected)) in played.calls.iter().zip(expected).enumerate() {
                expected.compare(call, &format!("{name}: call {}", nth + 1));
            }
        }
    }
}

#[test]
fn what_is_for_the_backend_stands_in_nothing_that_a_client_gets() {
    let mut count = 0;
    for scene in scenes().iter().filter(|scene| scene.grant().audience == Audience::Client) {
        let Some(Ok(token)) = scene.play().end else { continue };
        let shown = ExpectedToken::from(&token);
        for (name, secret) in &shown.server_parameters {
            assert!(!secret.is_empty() && scene.grant().server_parameters.contains(&name.as_str()), "{}", scene.name);
            // A number is an id: PlacetoPay's is a part of its page's address.
            let id = secret.bytes().all(|byte| byte.is_ascii_digit());
            let hides = |value: &String| !value.contains(secret.as_str());
            assert!(
                (id || hides(&shown.access_token)) && shown.client_parameters.values().all(hides),
                "{}",
                scene.name
            );
            count += 1;
        }
    }
    assert!(count > 0);
}

/// A reply that no step reads has no effect, so it is a mistake in the fixture.
#[test]
fn every_reply_of_a_fixture_is_read() {
    for scene in scenes() {
        assert_eq!(scene.play().calls.len(), scene.case.replies.len(), "{}", scene.name);
    }
}

#[test]
fn every_grant_has_a_success_with_its_calls() {
    let scenes = scenes();
    for entry in CONNECTORS {
        for grant in entry.meta.grants {
            let shown = scenes.iter().any(|scene| {
                scene.entry.meta.id == entry.meta.id
                    && scene.case.grant == grant.name
                    && scene.succeeds()
                    && scene.case.calls.is_some()
            });
            assert!(shown, "fixtures/{} has no success of {} with its calls", entry.meta.id, grant.name);
        }
    }
}
