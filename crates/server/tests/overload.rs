//! More calls than there is capacity, at a steady rate whatever the answers: what can be served is, the rest hears at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::Served;
use connectrpc::{
    CodecFormat, ErrorCode, Protocol,
    client::{CallOptions, ClientConfig, SharedHttp2Connection},
};
use daypass_server::protocol::ucs::v2::{
    Connector, MerchantAuthenticationServiceClient,
    MerchantAuthenticationServiceCreateAccessTokenRequest as TokenRequest,
};
use tokio::task::JoinSet;

/// Calls at a time to the vendor, and how long it takes for each.
const PLACES: usize = 8;
const VENDOR_MS: u64 = 100;

struct Load {
    served: Arc<Served>,
    client: MerchantAuthenticationServiceClient<SharedHttp2Connection>,
    calls: usize,
}

/// What became of the calls of one load.
struct Outcome {
    offered: usize,
    good: usize,
    refused: Vec<Duration>,
    good_times: Vec<Duration>,
    goodput: f64,
}

impl Load {
    async fn start() -> Self {
        let served = Arc::new(Served::start(
            &["--sandbox"],
            &[
                ("DAYPASS_LIMITS__MAX_CALLS_PER_HOST", &PLACES.to_string()),
                ("DAYPASS_LIMITS__MAX_WAITING_PER_HOST", &PLACES.to_string()),
                ("DAYPASS_LOG", "warn"),
            ],
        ));
        let sandbox = served.sandbox.as_ref().unwrap().parse().unwrap();
        let body = format!("{{\"connector\": \"stripe\", \"fault\": \"slow_{VENDOR_MS}ms\"}}");
        let request = format!(
            "POST /_sandbox/fault HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        assert!(served.http(sandbox, &request).starts_with("HTTP/1.1 200"));
        let target: http::Uri = format!("http://{}", served.address).parse().unwrap();
        let connection = connectrpc::client::Http2Connection::lazy_plaintext(target.clone()).shared(1024);
        let config = ClientConfig::new(target).with_protocol(Protocol::Grpc).with_codec_format(CodecFormat::Proto);
        Self { served, client: MerchantAuthenticationServiceClient::new(connection, config), calls: 0 }
    }

    /// Calls at `times` the capacity for `time`.
    async fn run(&mut self, times: f64, time: Duration) -> Outcome {
        let capacity = PLACES as f64 * 1000.0 / VENDOR_MS as f64;
        let pause = Duration::from_secs_f64(1.0 / (capacity * times));
        let (began, mut tasks, mut offered) = (Instant::now(), JoinSet::new(), 0_u32);
        while began.elapsed() < time {
            self.calls += 1;
            offered += 1;
            let (client, reference) = (self.client.clone(), format!("over_{}", self.calls));
            tasks.spawn(async move {
                let options = CallOptions::default()
                    .with_timeout(Duration::from_secs(5))
                    .with_header("x-connector", "stripe")
                    .with_header("x-connector-auth", r#"{"Stripe":{"api_key":"sk_test_over"}}"#);
                let request = TokenRequest {
                    merchant_access_token_id: reference,
                    connector: Connector::STRIPE.into(),
                    test_mode: Some(true),
                    ..Default::default()
                };
                let began = Instant::now();
                let answer = client.create_access_token_with_options(request, options).await;
                (began.elapsed(), answer.map(drop).map_err(|error| (error.code, error.details.len())))
            });
            tokio::time::sleep_until((began + pause * offered).into()).await;
        }
        let (mut good_times, mut refused) = (Vec::new(), Vec::new());
        for (took, answer) in tasks.join_all().await {
            match answer {
                Ok(()) => good_times.push(took),
                Err((ErrorCode::ResourceExhausted, details)) => {
                    assert!(details >= 2, "ErrorInfo and RetryInfo");
                    refused.push(took);
                }
                Err(other) => panic!("{other:?} at {times} times the capacity"),
            }
        }
        good_times.sort();
        refused.sort();
        let good = good_times.len();
        let outcome =
            Outcome { offered: offered as usize, good, goodput: good as f64 / time.as_secs_f64(), refused, good_times };
        println!(
            "{times:>4} x capacity: {} calls, {} good ({:.0}/s of {capacity:.0}/s, p99 {:?}), {} refused (p50 {:?}, p99 {:?})",
            outcome.offered,
            outcome.good,
            outcome.goodput,
            percentile(&outcome.good_times, 99),
            outcome.refused.len(),
            percentile(&outcome.refused, 50),
            percentile(&outcome.refused, 99),
        );
        outcome
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

async fn overloaded(loads: &[f64], time: Duration) -> Vec<Outcome> {
    let mut load = Load::start().await;
    load.run(0.5, Duration::from_millis(300)).await;
    let mut outcomes = Vec::new();
    for times in loads {
        outcomes.push(load.run(*times, time).await);
    }
    let peak = outcomes.iter().map(|outcome| outcome.goodput).fold(0.0, f64::max);
    for (times, outcome) in loads.iter().zip(&outcomes) {
        assert!(outcome.goodput >= 0.8 * peak, "{times}: {:.0}/s of {peak:.0}/s", outcome.goodput);
        if *times >= 2.0 {
            assert!(outcome.refused.len() > outcome.offered / 4, "{times}: {} refused", outcome.refused.len());
        }
    }
    // Back to normal: two seconds later half the load is served whole, and as fast as the vendor is.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = load.run(0.5, Duration::from_secs(1)).await;
    assert_eq!((after.good, after.refused.len()), (after.offered, 0), "back to normal");
    let log = load.served.log();
    assert!(!log.contains("panicked"), "{log}");
    outcomes.push(after);
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goodput_stays_and_the_rest_hears_at_once() {
    let outcomes = overloaded(&[1.0, 4.0], Duration::from_secs(2)).await;
    // Generous: client, server and vendor share a busy machine, and the build is not optimised.
    assert!(percentile(&outcomes[1].refused, 50) < Duration::from_millis(50), "{:?}", outcomes[1].refused);
}

/// `cargo test --release -p daypass-server --test all overload -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute, and a quiet machine"]
async fn goodput_stays_at_ten_times_the_capacity() {
    let outcomes = overloaded(&[1.0, 2.0, 5.0, 10.0], Duration::from_secs(5)).await;
    for outcome in &outcomes[1..4] {
        assert!(percentile(&outcome.refused, 50) < Duration::from_millis(5), "{:?}", percentile(&outcome.refused, 50));
    }
}
