//! More calls than capacity: calls within the capacity succeed, the others fail at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{HeldVendor, TestServer};
use connectrpc::{
    CodecFormat, ErrorCode, Protocol,
    client::{CallOptions, ClientConfig, SharedHttp2Connection},
};
use protocol::{
    CreateAccessTokenRequest,
    ucs::v2::{Connector, MerchantAuthenticationServiceClient},
};
use tokio::task::JoinSet;

/// Most calls at a time to the connector, and most calls that wait for one to end.
const CAPACITY: usize = 8;

/// Calls over one connection, each with a reference of its own.
struct Load {
    served: Arc<TestServer>,
    client: MerchantAuthenticationServiceClient<SharedHttp2Connection>,
    connector: (Connector, &'static str, &'static str),
    calls: usize,
}

impl Load {
    fn start(
        arguments: &[&str],
        environment: &[(&str, &str)],
        connector: (Connector, &'static str, &'static str),
    ) -> Self {
        let capacity = CAPACITY.to_string();
        let mut all = vec![
            ("DAYPASS_LIMITS__MAX_CALLS_PER_HOST", capacity.as_str()),
            ("DAYPASS_LIMITS__MAX_WAITING_PER_HOST", &capacity),
            ("DAYPASS_LOG", "error"),
        ];
        all.extend(environment);
        let served = Arc::new(TestServer::start(arguments, &all));
        let target: http::Uri = format!("http://{}", served.address).parse().unwrap();
        let connection = connectrpc::client::Http2Connection::lazy_plaintext(target.clone()).shared(1024);
        let config = ClientConfig::new(target).with_protocol(Protocol::Grpc).with_codec_format(CodecFormat::Proto);
        let client = MerchantAuthenticationServiceClient::new(connection, config);
        Self { served, client, connector, calls: 0 }
    }

    /// One more call: its latency, and whether it succeeded. All other errors than "overloaded"
    /// panic.
    fn call(&mut self, timeout: Duration) -> impl Future<Output = (Duration, bool)> + Send + 'static {
        self.calls += 1;
        let (client, reference) = (self.client.clone(), format!("over_{}", self.calls));
        let (connector, name, credentials) = self.connector;
        async move {
            let options = CallOptions::default()
                .with_timeout(timeout)
                .with_header("x-connector", name)
                .with_header("x-connector-auth", credentials);
            let request = CreateAccessTokenRequest {
                merchant_access_token_id: reference,
                connector: connector.into(),
                test_mode: Some(true),
                ..Default::default()
            };
            let began = Instant::now();
            let good = match client.create_access_token_with_options(request, options).await {
                Ok(_) => true,
                Err(error) if error.code == ErrorCode::ResourceExhausted => {
                    assert!(error.details.len() >= 2, "ErrorInfo and RetryInfo");
                    false
                }
                Err(other) => panic!("{other:?}"),
            };
            (began.elapsed(), good)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_over_the_capacity_fail_before_the_connector_replies() {
    let vendor = HeldVendor::start().await;
    let long = "600000";
    let environment = [
        vendor.environment(),
        ("DAYPASS_CONNECTORS__PAYPAL__DEFAULTS__DOMAINS", r#"["shop.example"]"#),
        ("DAYPASS_LIMITS__MAX_DEADLINE_MS", long),
        ("DAYPASS_LIMITS__ATTEMPT_TIMEOUT_MS", long),
    ];
    let credentials = r#"{"Paypal":{"client_id":"id-1","client_secret":"secret-1"}}"#;
    let mut load = Load::start(&[], &environment, (Connector::PAYPAL, "paypal", credentials));
    let mut tasks = JoinSet::new();
    for round in 1..=3 {
        let before = vendor.calls();
        for _ in 0..5 * CAPACITY {
            tasks.spawn(load.call(Duration::from_secs(300)));
        }
        for _ in 0..3 * CAPACITY {
            let (_, good) = tasks.join_next().await.unwrap().unwrap();
            assert!(!good, "round {round}: answered before the vendor did");
        }
        vendor.until_called(before + CAPACITY).await;
        assert_eq!(vendor.calls() - before, CAPACITY, "round {round}");
        vendor.answer(2 * CAPACITY);
        while let Some(ended) = tasks.join_next().await {
            assert!(ended.unwrap().1, "round {round}: it is within the capacity");
        }
        assert_eq!(vendor.calls() - before, 2 * CAPACITY, "round {round}");
    }
    assert_eq!(vendor.most_at_once(), CAPACITY);
    let log = Arc::into_inner(load.served).unwrap().stop();
    assert!(log.is_empty(), "{log}");
}

/// Latency of the fake in the measurement of rates.
const VENDOR_MS: u64 = 100;

/// The outcomes of the calls of one load.
struct Outcome {
    offered: usize,
    good: usize,
    refused: Vec<Duration>,
    goodput: f64,
}

/// Calls at `times` the capacity for `time`, at a rate that does not depend on the responses.
async fn offer(load: &mut Load, times: f64, time: Duration) -> Outcome {
    let capacity = CAPACITY as f64 * 1000.0 / VENDOR_MS as f64;
    let pause = Duration::from_secs_f64(1.0 / (capacity * times));
    let (began, mut tasks, mut offered) = (Instant::now(), JoinSet::new(), 0_u32);
    while began.elapsed() < time {
        offered += 1;
        tasks.spawn(load.call(Duration::from_secs(5)));
        tokio::time::sleep_until((began + pause * offered).into()).await;
    }
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for (took, is_good) in tasks.join_all().await {
        if is_good { good.push(took) } else { refused.push(took) }
    }
    good.sort();
    refused.sort();
    let goodput = good.len() as f64 / time.as_secs_f64();
    println!(
        "{times:>4} x capacity: {offered} calls, {} good ({goodput:.0}/s of {capacity:.0}/s, p99 {:?}), {} refused \
         (p50 {:?}, p99 {:?})",
        good.len(),
        percentile(&good, 99),
        refused.len(),
        percentile(&refused, 50),
        percentile(&refused, 99),
    );
    Outcome { offered: offered as usize, good: good.len(), refused, goodput }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Measures goodput at multiples of the capacity, and the latency of refusals.
/// `cargo test --release -p daypass-server --test all overload -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures rates: half a minute on a quiet machine"]
async fn goodput_stays_at_ten_times_the_capacity() {
    let credentials = r#"{"Stripe":{"api_key":"sk_test_over"}}"#;
    let mut load = Load::start(&["--sandbox"], &[], (Connector::STRIPE, "stripe", credentials));
    let body = format!("{{\"connector\": \"stripe\", \"fault\": \"slow_{VENDOR_MS}ms\"}}");
    let request = format!(
        "POST /_sandbox/fault HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let sandbox = load.served.sandbox.as_ref().unwrap().parse().unwrap();
    assert!(load.served.http(sandbox, &request).starts_with("HTTP/1.1 200"));
    offer(&mut load, 0.5, Duration::from_millis(300)).await;
    let loads = [1.0, 2.0, 5.0, 10.0];
    let mut outcomes = Vec::new();
    for times in loads {
        outcomes.push(offer(&mut load, times, Duration::from_secs(5)).await);
    }
    let peak = outcomes.iter().map(|outcome| outcome.goodput).fold(0.0, f64::max);
    for (times, outcome) in loads.iter().zip(&outcomes) {
        assert!(outcome.goodput >= 0.8 * peak, "{times}: {:.0}/s of {peak:.0}/s", outcome.goodput);
        if *times >= 2.0 {
            assert!(outcome.refused.len() > outcome.offered / 4, "{times}: {} refused", outcome.refused.len());
            let median = percentile(&outcome.refused, 50);
            assert!(median < Duration::from_millis(5), "{times}: {median:?}");
        }
    }
    // Half a second later, half the capacity is served without a refusal.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = offer(&mut load, 0.5, Duration::from_secs(1)).await;
    assert_eq!((after.good, after.refused.len()), (after.offered, 0), "back to normal");
}
