//! The expiry in an answer is the earliest end that is known, by the earliest clock, also when the
//! token comes from the store.

use crate::fake_vendor::{Ask, Nodes};
use daypass::Clock;

const MINUTE_MS: i64 = 60_000;

#[tokio::test]
async fn no_clock_and_no_further_end_makes_an_expiry_later_than_the_truth() {
    for grant in ["session", "access"] {
        for several_ends in [false, true] {
            for ahead in [-20, 0, 20] {
                for (ours, later) in [(-20, 0), (0, 0), (0, -20), (0, 5), (20, 0)] {
                    check(grant, several_ends, ahead, ours, later).await;
                }
            }
        }
    }
}

/// The lead of the vendor's clock and of ours in minutes, and the step of ours before the replay.
async fn check(grant: &str, several_ends: bool, ahead: i64, ours: i64, later: i64) {
    let case = format!("{grant} {several_ends} {ahead} {ours} {later}");
    let nodes = Nodes::new(2);
    // Manual clocks: no time passes but by `pass`. Clock 0 tells the truth; node 1 has one that is off.
    let clock = &nodes.clocks[1];
    clock.step_ms(ours * MINUTE_MS);
    {
        let mut vendor = nodes.http.lock();
        (vendor.ahead_ms, vendor.several_ends, vendor.lives) = (ahead * MINUTE_MS, several_ends, 7_200);
    }
    let truth = |token: &str| nodes.http.lock().tokens[token].ends_at - nodes.now();
    let ask = Ask::of_grant(grant, "a");
    let mut first = None;
    for replay in [false, true] {
        let answer = nodes.ask(1, &ask).await.unwrap();
        assert_eq!(answer.replayed, replay, "{case}");
        let left = truth(&answer.token());
        let lifetime = answer.issued.lifetime_seconds().unwrap() * 1000;
        let moment = answer.issued.expires_at.unwrap() * 1000;
        assert!(lifetime <= left, "{case}: {lifetime} of {left}");
        assert!(moment - clock.now().as_millisecond() <= left, "{case}: {replay}");
        assert!(first.is_none_or(|first| moment <= first), "{case}: a replay does not live longer");
        // Where our clock is right, nothing is lost beside the rounding.
        if ours == 0 && (grant == "access" && !several_ends || ahead == 0) && !replay {
            assert!(lifetime >= left - 2_000, "{case}: {lifetime} of {left}");
        }
        first = Some(moment);
        nodes.pass(30);
        clock.step_ms(later * MINUTE_MS);
    }
}
