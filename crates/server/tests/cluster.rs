//! Three processes that share one Redis: one vendor call where one is enough, and no harm from a Redis in trouble.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{Ask, Served};
use crate::redis_server::RedisServer;
use connectrpc::{CodecFormat, Protocol};
use serde_json::json;

const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
/// The right to make a token, across nodes, ends after this where its holder is dead.
const LEASE: Duration = Duration::from_secs(3);

/// A vendor that counts its calls, answers them after a while, and leaves the first few without an answer.
#[derive(Clone)]
pub struct HttpSend {
    url: String,
    calls: Arc<AtomicUsize>,
    unanswered: Arc<AtomicUsize>,
    takes_ms: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl HttpSend {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let vendor = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            calls: Arc::default(),
            unanswered: Arc::default(),
            takes_ms: Arc::default(),
            ended: Arc::default(),
        };
        let serving = vendor.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let vendor = serving.clone();
                std::thread::spawn(move || vendor.serve(&stream));
            }
        });
        vendor
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let line = line.trim_end().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let client = String::from_utf8_lossy(&body).contains("client_token");
            let nth = self.calls.fetch_add(1, SeqCst) + 1;
            while nth <= self.unanswered.load(SeqCst) && !self.ended.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(self.takes_ms.load(SeqCst) as u64));
            let scope =
                if client { "https://uri.paypal.com/services/payments/orders/client_sdk_orders_api" } else { "openid" };
            let answer = json!({"access_token": format!("tok-canary-{nth}"), "token_type": "Bearer",
                "expires_in": 3600, "scope": scope})
            .to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
            let mut stream = stream;
            stream.write_all(format!("{head}: {}\r\n\r\n{answer}", answer.len()).as_bytes()).ok()?;
        }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    async fn until_called(&self, calls: usize) {
        let began = Instant::now();
        while self.calls() < calls {
            assert!(began.elapsed() < Duration::from_secs(20), "the vendor is not called");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for HttpSend {
    fn drop(&mut self) {
        // The test's own, not those of its threads.
        if Arc::strong_count(&self.ended) <= 2 {
            self.ended.store(true, SeqCst);
        }
    }
}

pub fn node(vendor: &HttpSend, redis: Option<&str>) -> Served {
    let mut environment = vec![("DAYPASS_CONNECTORS__PAYPAL__TEST_BASE_URL", vendor.url.as_str())];
    if let Some(url) = redis {
        environment.extend([("DAYPASS_STORE__URL", url), ("DAYPASS_STORE__KEY", KEY)]);
    }
    Served::start(&[], &environment)
}

pub fn cluster(vendor: &HttpSend, redis: &RedisServer) -> [Served; 3] {
    [(); 3].map(|()| node(vendor, Some(&redis.url())))
}

/// A SERVER token for this merchant, whatever the reference.
pub fn server<'a>(merchant: &str, reference: &'a str) -> Ask<'a> {
    Ask { data: Some(json!({"audience": "server"})), ..client(merchant, reference) }
}

fn client<'a>(merchant: &str, reference: &'a str) -> Ask<'a> {
    let credentials = json!({"Paypal": {"client_id": merchant, "client_secret": "canary-secret"}});
    let timeout = Duration::from_secs(25);
    Ask { reference: reference.into(), credentials: Some(credentials.to_string()), timeout, ..Ask::paypal() }
}

pub async fn token(served: &Served, ask: &Ask<'_>) -> String {
    let answer = served.call(ask).await.unwrap_or_else(|error| panic!("{error:?}\n{}", served.log()));
    assert!(answer.access_token.is_set(), "{answer:?}");
    format!("{:?}", answer.access_token.as_option().unwrap().value)
}

pub fn get(served: &Served, path: &str) -> String {
    served.http(served.admin, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
}

fn counted(served: &Served, event: &str) -> u64 {
    let name = format!("daypass_kept_tokens_total{{event=\"{event}\"}} ");
    get(served, "/metrics").lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

/// So many callers at once over three nodes; the vendor takes longer than they need to arrive.
async fn cold_start(callers: usize, takes_ms: usize) {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = HttpSend::start();
    vendor.takes_ms.store(takes_ms, SeqCst);
    let nodes = cluster(&vendor, &redis);
    let began = Instant::now();
    let clients: Vec<_> = nodes
        .iter()
        .flat_map(|node| (0..16).map(|_| Arc::new(node.client_as(Protocol::Grpc, CodecFormat::Proto))))
        .collect();
    let running: Vec<_> = (0..callers)
        .map(|nth| {
            let client = clients[nth % clients.len()].clone();
            tokio::spawn(async move {
                let answer = server("m", &format!("ref-{nth}")).send(&client).await.unwrap();
                format!("{:?}", answer.access_token.as_option().unwrap().value)
            })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for call in running {
        tokens.insert(call.await.unwrap());
    }
    let (calls, took) = (vendor.calls(), began.elapsed());
    let errors: u64 = nodes.iter().map(|node| counted(node, "store_error")).sum();
    println!("{callers} callers over 3 processes in {took:?}: {calls} vendor call(s), {errors} store errors");
    assert_eq!((tokens.len(), calls), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_of_three_processes_makes_one_call() {
    cold_start(150, 300).await;
}

// cargo test --release -p daypass-server --test all cluster -- --ignored --nocapture
#[tokio::test(flavor = "multi_thread")]
#[ignore = "full size"]
async fn a_cold_start_of_10_000_over_three_processes_makes_one_call() {
    cold_start(10_000, 3_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_delays_the_others_by_its_lease() {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = HttpSend::start();
    vendor.unanswered.store(1, SeqCst);
    let [mut leader, second, third] = cluster(&vendor, &redis);
    let (mut killed, mut answered) = (None, Vec::new());
    let ask = |reference| server("m", reference);
    let (one, two, three) = (ask("1"), ask("2"), ask("3"));
    let address = leader.client_as(Protocol::Grpc, CodecFormat::Proto);
    let leading = tokio::spawn(async move { server("m", "0").send(&address).await.is_err() });
    vendor.until_called(1).await;
    let others = async {
        let (one, two, three) = tokio::join!(token(&second, &one), token(&third, &two), token(&second, &three));
        answered.extend([one, two, three]);
    };
    let kill = async {
        // The others wait by now; where they do not, they come to a dead leader, which is as good.
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(vendor.calls(), 1);
        leader.child.kill().unwrap();
        killed = Some(Instant::now());
    };
    tokio::join!(others, kill);
    let took = killed.unwrap().elapsed();
    assert!(leading.await.unwrap(), "the killed process answers nobody");
    println!("the others were answered {took:?} after the leader was killed");
    assert!(took < LEASE + Duration::from_secs(1), "{took:?}");
    assert!(answered.iter().all(|token| *token == answered[0]));
    assert_eq!(vendor.calls(), 2);
}

/// Median latency of new CLIENT tokens, with and without the store, taken in turns from the moment of the trouble.
async fn medians(with: &Served, without: &Served, what: &str, trouble: impl FnOnce()) -> (Duration, Duration) {
    let clients = [with, without].map(|node| node.client_as(Protocol::Grpc, CodecFormat::Proto));
    let mut times = [Vec::new(), Vec::new()];
    for client in &clients {
        // Makes the connection.
        client_ask(&format!("{what}-before")).send(client).await.unwrap();
    }
    trouble();
    for nth in 0..31 {
        let reference = format!("{what}-{nth}");
        for (client, times) in clients.iter().zip(&mut times) {
            let began = Instant::now();
            let answer = client_ask(&reference).send(client).await.unwrap();
            assert!(answer.access_token.is_set(), "{what}: {answer:?}");
            times.push(began.elapsed());
        }
    }
    let [with, without] = times.map(|mut times| {
        let first = times[0];
        times.sort();
        (times[times.len() / 2], first, times[times.len() - 1])
    });
    println!("{what}: median, first and longest {with:?} with the store, {without:?} without");
    (with.0, without.0)
}

fn client_ask(reference: &str) -> Ask<'_> {
    client("m-latency", reference)
}

/// How long it takes until two nodes hand out the same token again.
pub async fn until_shared(nodes: &[Served], what: &str) -> Duration {
    let began = Instant::now();
    for nth in 0.. {
        let merchant = format!("m-{what}-{nth}");
        let (one, two) = (server(&merchant, "1"), server(&merchant, "2"));
        if token(&nodes[0], &one).await == token(&nodes[1], &two).await {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{what}: sharing does not resume");
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_in_trouble_costs_no_call_and_little_time() {
    let Some(mut redis) = RedisServer::start() else { return };
    let vendor = HttpSend::start();
    let nodes = cluster(&vendor, &redis);
    let alone = node(&vendor, None);
    let most = Duration::from_millis(20);
    until_shared(&nodes, "fresh").await;
    medians(&nodes[0], &alone, "up", || {}).await;
    for what in ["paused", "read-only", "full", "replica", "killed"] {
        let (with, without) = medians(&nodes[0], &alone, what, || match what {
            "paused" => redis.signal("STOP"),
            "read-only" => _ = redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]),
            "full" => _ = redis.command(&["CONFIG", "SET", "maxmemory", "1"]),
            "replica" => _ = redis.command(&["REPLICAOF", "127.0.0.1", "1"]),
            _ => redis.kill(),
        })
        .await;
        match what {
            "paused" => redis.signal("CONT"),
            "read-only" => _ = redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]),
            "full" => _ = redis.command(&["CONFIG", "SET", "maxmemory", "0"]),
            "replica" => _ = redis.command(&["REPLICAOF", "NO", "ONE"]),
            _ => redis.restart(),
        }
        println!("{what}: sharing resumed after {:?}", until_shared(&nodes, what).await);
        assert!(with < without + most, "{what}: {with:?} with the store, {without:?} without");
    }
    redis.restart();
    println!("restarted: sharing resumed after {:?}", until_shared(&nodes, "restarted").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_holds_no_credential_and_no_token_in_the_clear() {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = HttpSend::start();
    let nodes = cluster(&vendor, &redis);
    until_shared(&nodes, "canary").await;
    for (nth, node) in nodes.iter().enumerate() {
        token(node, &client("canary-merchant", &format!("canary-{nth}"))).await;
        token(node, &server("canary-merchant", &format!("canary-server-{nth}"))).await;
    }
    let kept = redis.dump();
    assert!(kept.len() >= 7, "{}", kept.len());
    for (key, value) in kept {
        let text = format!("{key} {}", String::from_utf8_lossy(&value));
        for canary in ["canary", "Y2FuYXJ5", "tok-", "paypal", "PayPal", "token", "Bearer"] {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    for node in &nodes {
        assert!(!node.log().contains("canary-secret") && !node.log().contains("tok-canary"), "{}", node.log());
    }
}

#[test]
fn a_shared_store_wants_a_key() {
    let run = |environment: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_daypass"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .env("DAYPASS_STORE__URL", "redis://user:canary-password@127.0.0.1:1")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for key in [None, Some(""), Some("canary-key"), Some("Y2FuYXJ5")] {
        let environment: Vec<_> = key.into_iter().map(|key| ("DAYPASS_STORE__KEY", key)).collect();
        let (started, said) = run(&environment);
        assert!(!started && said.contains("store.key"), "{key:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_became_of_kept_tokens() {
    let Some(redis) = RedisServer::start() else { return };
    let vendor = HttpSend::start();
    let nodes = [node(&vendor, Some(&redis.url())), node(&vendor, Some(&redis.url()))];
    until_shared(&nodes, "metrics").await;
    let served = &nodes[0];
    token(served, &client("m", "1")).await;
    token(served, &client("m", "1")).await;
    token(served, &server("m", "2")).await;
    token(served, &server("m", "3")).await;

    vendor.takes_ms.store(300, SeqCst);
    let (ask, calls) = (server("together", "1"), vendor.calls());
    let many = async { tokio::join!(token(served, &ask), token(served, &ask), token(served, &ask)) };
    many.await;
    vendor.takes_ms.store(0, SeqCst);
    assert_eq!(vendor.calls(), calls + 1);

    // Near its end a shared token is replaced.
    for (key, _) in redis.dump().iter().filter(|(key, _)| key.starts_with("daypass:")) {
        redis.command(&["PEXPIRE", key, "30000"]);
    }
    let calls = vendor.calls();
    token(served, &server("m", "4")).await;
    vendor.until_called(calls + 1).await;

    for (key, _) in redis.dump().iter().filter(|(key, _)| key.starts_with("daypass:")) {
        redis.command(&["SET", key, "altered", "PX", "30000"]);
    }
    token(served, &server("m", "5")).await;
    redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    token(served, &server("n", "6")).await;
    for event in ["miss", "hit", "replay", "coalesced", "refresh", "sealed_value_refused", "store_error"] {
        assert!(counted(served, event) > 0, "{event} in {}", get(served, "/metrics"));
    }
}
