//! `daypass demo`: a walk through the service in seven steps, each printed after it has happened.
//! Uses an embedded sandbox, the server, and a client of the generated protocol.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use buffa::EnumValue;
use connectors::{Call, Timestamp};
use connectrpc::{
    ConnectError, Protocol,
    client::{CallOptions, ClientConfig, HttpClient},
};
use daypass::{ConnectSettings, Egress, HttpSend, Transport};
use protocol::{
    CreateAccessTokenRequest, CreateAccessTokenResponse,
    ucs::v2::{Connector, MerchantAuthenticationServiceClient, OperationStatus, TokenAudience},
};
use sandbox::{ClientCall, ClientToken, Sandbox};
use tokio::time::Instant;

use super::{embedded_sandbox, failure::Failure, print::print_line};
use crate::{
    admin,
    config::Config,
    logs,
    server::{Server, ServerError},
    signals,
};

/// The merchant's API key, which only the documented call may contain.
const API_KEY: &str = "sk_test_4eC39daypassDemo";
const REFERENCE: &str = "token_001";
/// The reference of a second token, for the step in which a token expires.
const EXPIRING_REFERENCE: &str = "token_to_expire";
/// The port of the server where it is free.
const USUAL_PORT: u16 = 8080;
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Time past the expiry of a token, so that a rounded expiry has passed.
const EXPIRY_MARGIN_SECONDS: u32 = 5;

/// Tell the whole story in a terminal: embedded sandbox, server, the documented call, what a client
/// can do with its answer
#[derive(clap::Args)]
pub(super) struct Args {
    /// Stop after the story; exit code 0 only if every step of it really happened
    #[arg(long)]
    once: bool,
    /// The port of the server on 127.0.0.1; absent: 8080 if it is free
    #[arg(long)]
    port: Option<u16>,
}

/// A step of the demo failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    /// The step had another result.
    #[error("the story went wrong where it should be that {0}")]
    Unexpected(&'static str),
    /// The sandbox has no client for the grant, or a call cannot be built.
    #[error("{0}")]
    Setup(&'static str),
    /// The documented call failed.
    #[error(transparent)]
    Call(#[from] ConnectError),
    /// The client's call failed.
    #[error("{0}")]
    Client(String),
    /// The response cannot be printed.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The server's task failed.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

fn failed(error: DemoError) -> Failure {
    Failure::Demo(Box::new(error))
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let log = logs::start_in_memory("info")?;
    let mut config = Config { admin_listen: loopback(0), ..Config::default() };
    let sandbox = embedded_sandbox::start(&mut config).await?;
    let metrics = admin::collect_metrics(None).map_err(ServerError::from)?;
    let mut server = bind(config, args.port).await?;
    let (address, authority) = (server.address()?, server.authority_file());
    let playground = server.serve_playground(&sandbox)?;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let until_stopped = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(server.serve(until_stopped, None, metrics));
    let connect = ConnectSettings { default_timeout: CONNECT_TIMEOUT, ..ConnectSettings::default() };
    let transport = Transport::new(Egress { connect, ..Egress::default() }, None)
        .map_err(|error| failed(DemoError::Client(error.to_string())))?;
    Demo { sandbox: &sandbox, address, transport }.run(&log).await.map_err(failed)?;

    if !args.once {
        // The story has moved the clock of the sandbox.
        sandbox.clock().set_ahead(0);
        print_invitation(address, authority, playground);
        signals::shutdown().await;
    }
    let _ = stop.send(());
    serving.await.map_err(|error| failed(error.into()))?;
    sandbox.shutdown().await;
    Ok(())
}

fn print_invitation(address: SocketAddr, authority: Option<PathBuf>, playground: Option<String>) {
    print_line!("\nThe server stays up.");
    if let Some(url) = playground {
        print_line!("\nTry it in a browser:\n\n  {url}");
    }
    print_line!("\nTry it from a shell (any key that begins with sk_test_ will do):\n");
    print_line!("  curl -H 'content-type: application/json' -H 'x-connector: stripe' \\");
    print_line!("    -H 'x-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_anything\"}}}}' \\");
    print_line!("    -d '{{\"merchant_access_token_id\":\"token_002\",\"test_mode\":true}}' \\");
    print_line!("    http://{address}/ucs.v2.MerchantAuthenticationService/CreateAccessToken\n");
    print_line!("  or the grpcurl command above");
    if let Some(file) = authority {
        print_line!("  (or with TLS: instead of -plaintext, -cacert {})", file.display());
    }
    print_line!("\nCtrl-C ends it.");
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn bind(config: Config, port: Option<u16>) -> Result<Server, ServerError> {
    if let Some(port) = port {
        return Server::bind(Config { listen: loopback(port), ..config }).await;
    }
    match Server::bind(Config { listen: loopback(USUAL_PORT), ..config.clone() }).await {
        Ok(server) => Ok(server),
        Err(_) => Server::bind(Config { listen: loopback(0), ..config }).await,
    }
}

/// A reply to a client: its status and body.
type ClientReply = (u16, String);

struct Demo<'a> {
    sandbox: &'a Sandbox,
    address: SocketAddr,
    transport: Transport,
}

impl Demo<'_> {
    async fn run(&self, log: &logs::Memory) -> Result<(), DemoError> {
        print_line!(
            "1. A sandbox of fake processors runs on http://{}, and the service on {}.",
            self.sandbox.addr(),
            self.address
        );
        let response = self.documented_call().await?;
        let shown = serde_json::to_string_pretty(&response)?;

        let client = sandbox::fake_vendor("stripe")
            .and_then(|stripe| stripe.clients.iter().find(|client| client.grant == response.grant))
            .ok_or(DemoError::Setup("the sandbox knows no client of this grant"))?;
        let token = client_token(&response, REFERENCE);
        let (allowed, forbidden) = ((client.allowed)(&token), (client.forbidden)(&token));
        self.use_token(&allowed, &forbidden).await?;

        // A new token: the first one is used up, and this step is about expiry alone.
        let second = client_token(&self.call(EXPIRING_REFERENCE).await?, EXPIRING_REFERENCE);
        let late = (client.allowed)(&second);
        let lifetime = response.lifetime_seconds.ok_or(DemoError::Setup("the token has no lifetime"))?;
        let body = self.use_expired_token(&late, lifetime).await?;

        let log = log.text();
        let client_saw = format!("{shown}{allowed:?}{forbidden:?}{late:?}{body}");
        ensure(log.contains("\"outcome\":\"SUCCESS\""), "the call was logged")?;
        ensure(!log.contains(API_KEY) && !client_saw.contains(API_KEY), "the API key never appears")?;
        print_line!(
            "\n7. The API key appeared in no answer, in no request of the browser's and in no log line ({} were written).",
            log.lines().count()
        );
        Ok(())
    }

    /// Steps 2 and 3.
    async fn documented_call(&self) -> Result<CreateAccessTokenResponse, DemoError> {
        print_line!("\n2. The merchant's backend makes the documented call:\n");
        print_line!("   STRIPE_API_KEY={API_KEY}");
        print_line!("   grpcurl -plaintext -H \"x-connector: stripe\" \\");
        print_line!("     -H \"x-connector-auth: {{\\\"Stripe\\\":{{\\\"api_key\\\":\\\"$STRIPE_API_KEY\\\"}}}}\" \\");
        print_line!(
            "     -d '{{ \"merchant_access_token_id\": \"{REFERENCE}\", \"connector\": \"STRIPE\", \"test_mode\": true }}' \\"
        );
        print_line!("     {} ucs.v2.MerchantAuthenticationService/CreateAccessToken", self.address);
        let response = self.call(REFERENCE).await?;
        let shown = serde_json::to_string_pretty(&response)?;
        print_line!("\n3. Its answer, a day pass:\n\n   {}", shown.replace('\n', "\n   "));
        ensure(response.status == EnumValue::from(OperationStatus::SUCCESS), "the call succeeds")?;
        ensure(response.audience == EnumValue::from(TokenAudience::CLIENT), "the token is a CLIENT token")?;
        ensure(response.merchant_access_token_id == REFERENCE, "the reference is echoed")?;
        Ok(response)
    }

    /// Steps 4 and 5.
    async fn use_token(&self, allowed: &ClientCall, forbidden: &ClientCall) -> Result<(), DemoError> {
        print_line!("\n4. A browser uses it: {}.", allowed.title);
        let (status, body) = self.send(allowed).await?;
        print_line!("   {} {} → {status}", allowed.method, allowed.path);
        ensure(!sandbox::refused(status, &body), "the client can use the day pass")?;

        print_line!("\n5. The same browser tries what it must not: {}.", forbidden.title);
        let (status, body) = self.send(forbidden).await?;
        print_line!("   {} {} → {status}, refused", forbidden.method, forbidden.path);
        ensure(sandbox::refused(status, &body), "the processor refuses the day pass")
    }

    /// Step 6. The body of the refusal.
    async fn use_expired_token(&self, late: &ClientCall, lifetime_seconds: i64) -> Result<String, DemoError> {
        let seconds = u32::try_from(lifetime_seconds).map_err(|_| DemoError::Setup("the lifetime is out of range"))?;
        let seconds = seconds.saturating_add(EXPIRY_MARGIN_SECONDS);
        self.sandbox.advance(seconds);
        print_line!("\n6. {seconds} seconds later (the sandbox's clock was moved) the pass has expired.");
        let (status, body) = self.send(late).await?;
        print_line!("   {} {} → {status}, refused", late.method, late.path);
        ensure(sandbox::refused(status, &body), "an expired day pass stops working")?;
        Ok(body)
    }

    /// The documented call, over gRPC.
    async fn call(&self, reference: &str) -> Result<CreateAccessTokenResponse, DemoError> {
        let target = format!("http://{}", self.address);
        let target = target.parse().map_err(|_| DemoError::Setup("the address is no URL"))?;
        let config = ClientConfig::new(target).with_protocol(Protocol::Grpc);
        let client = MerchantAuthenticationServiceClient::new(HttpClient::plaintext_http2_only(), config);
        let credentials = format!(r#"{{"Stripe":{{"api_key":"{API_KEY}"}}}}"#);
        let options = CallOptions::default()
            .with_header("x-connector", "stripe")
            .with_header("x-connector-auth", credentials)
            .with_timeout(CALL_TIMEOUT);
        let request = CreateAccessTokenRequest {
            merchant_access_token_id: reference.into(),
            connector: Connector::STRIPE.into(),
            test_mode: Some(true),
            ..Default::default()
        };
        Ok(client.create_access_token_with_options(request, options).await?.into_owned())
    }

    /// A client's call to the fake of the connector.
    async fn send(&self, client: &ClientCall) -> Result<ClientReply, DemoError> {
        let uri = format!("http://{}{}", self.sandbox.addr(), client.path);
        let mut call = Call::get(uri.parse().map_err(|_| DemoError::Setup("the path is no URL"))?);
        call.method = client.method.parse().map_err(|_| DemoError::Setup("the method is none"))?;
        call.body = client.body.clone().into();
        for (name, value) in &client.headers {
            call = call.header(name, value);
        }
        let deadline = Instant::now() + CLIENT_TIMEOUT;
        let reply = self.transport.send(call, Timestamp::now(), deadline).await;
        let reply = reply.map_err(|error| DemoError::Client(error.to_string()))?;
        Ok((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
    }
}

fn client_token(response: &CreateAccessTokenResponse, reference: &str) -> ClientToken {
    ClientToken {
        token: response.access_token.as_option().map(|token| token.value.clone()).unwrap_or_default(),
        client_parameters: response.client_parameters.clone().into_iter().collect(),
        reference: reference.into(),
    }
}

fn ensure(condition: bool, expectation: &'static str) -> Result<(), DemoError> {
    if condition { Ok(()) } else { Err(DemoError::Unexpected(expectation)) }
}
