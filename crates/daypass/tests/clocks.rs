//! Clocks that jump: no answer has an expired token or a lifetime that is too long.

use std::sync::atomic::Ordering::SeqCst;

use crate::scripted_engine::{ScriptedEngine, TestRequest, holder_and_expiry, ms};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    Pass(u32),
    Step(i64),
    Call { absolute: bool, shared: bool, reference: u8, fresh: bool },
    VendorClock(i64),
    Lives(i64),
    VendorTakes(i64),
    StepInCall(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let call = (any::<bool>(), any::<bool>(), 0..3_u8, prop::bool::weighted(0.1))
        .prop_map(|(absolute, shared, reference, fresh)| Event::Call { absolute, shared, reference, fresh });
    let step = prop_oneof![Just(-3_600_000_i64), Just(3_600_000), -3_600_000..3_600_000_i64];
    let event = prop_oneof![
        8 => call,
        3 => prop_oneof![Just(999_u32), Just(1000), Just(1001), 0..10_000_u32, 0..400_000_u32].prop_map(Event::Pass),
        1 => step.clone().prop_map(Event::Step),
        1 => (-300_000..=300_000_i64).prop_map(Event::VendorClock),
        // The margin is five seconds.
        2 => prop_oneof![0..=7_i64, Just(600), Just(3600)].prop_map(Event::Lives),
        1 => prop_oneof![Just(0_i64), 0..3000_i64].prop_map(Event::VendorTakes),
        1 => prop_oneof![3 => Just(0_i64), 1 => step].prop_map(Event::StepInCall),
    ];
    prop::collection::vec(event, 1..60)
}

async fn play(scripted: &ScriptedEngine, events: &[Event]) -> (usize, usize) {
    let (mut given, mut refused) = (0, 0);
    for event in events {
        match event {
            Event::Pass(time) => scripted.clock.pass_ms(*time),
            Event::Step(step) => scripted.clock.step_ms(*step),
            Event::VendorClock(ahead) => scripted.script.ahead_ms.store(*ahead, SeqCst),
            Event::Lives(seconds) => scripted.script.expires_in.store(*seconds, SeqCst),
            Event::VendorTakes(takes) => scripted.script.takes_ms.store(*takes, SeqCst),
            Event::StepInCall(step) => scripted.script.steps_ms.store(*step, SeqCst),
            Event::Call { absolute, shared, reference, fresh } => {
                let ask = match (absolute, shared) {
                    (true, _) => TestRequest::absolute(),
                    (_, true) => TestRequest::server(),
                    _ => TestRequest::client(),
                };
                let ask = TestRequest { fresh: *fresh, ..ask.reference(format!("{absolute}{shared}{reference}")) };
                let Ok(answer) = scripted.ask(&ask).await else {
                    refused += 1;
                    continue;
                };
                given += 1;
                let truth = holder_and_expiry(&answer.issued).1 - ms(daypass::Clock::elapsed(&*scripted.clock));
                let left = answer.issued.lifetime_seconds().unwrap();
                assert!(truth > 0, "dead since {truth} ms: {answer:?}");
                assert!(left * 1000 <= truth && left >= 1, "{left} s are reply, {truth} ms are left: {answer:?}");
                // A refresh that this call started ends here, before the clocks move again.
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    (given, refused)
}

fn run(events: &[Event]) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { play(&ScriptedEngine::new(), events).await })
}

proptest! {
    // More: PROPTEST_CASES=20000 cargo test -p daypass --release --test all clocks
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(
        std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)) })]

    #[test]
    fn no_answer_has_an_expired_token_or_too_long_a_lifetime(events in events()) {
        run(&events);
    }
}

#[test]
fn lifetimes_around_the_margin() {
    for absolute in [false, true] {
        for (lives, made, kept) in
            [(0, false, false), (1, true, false), (4, true, false), (5, true, false), (6, true, true), (7, true, true)]
        {
            let call = Event::Call { absolute, shared: false, reference: 0, fresh: false };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let (given, calls) = runtime.block_on(async {
                let scripted = ScriptedEngine::new();
                let (given, _) = play(&scripted, &[Event::Lives(lives), call.clone(), call]).await;
                (given, scripted.calls())
            });
            // The vendor's clock is known to the second only, so an absolute expiry may be counted
            // one second shorter.
            let unsure = absolute && [1, 6].contains(&lives);
            if !unsure {
                // A token that has ended may be an old reply: the same call asks for another one.
                let expected = match (made, kept) {
                    (false, _) => (0, if absolute { 4 } else { 2 }),
                    (true, false) => (2, 2),
                    (true, true) => (2, 1),
                };
                assert_eq!((given, calls), expected, "{absolute} {lives}");
            }
        }
    }
}
