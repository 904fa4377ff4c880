use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use buffa::EnumValue;
use connectors::{Call, Timestamp};
use connectrpc::{
    Protocol,
    client::{CallOptions, ClientConfig, HttpClient},
};
use daypass::{ConnectTimeouts, HttpSend, Transport};
use sandbox::{ClientCall, ClientToken, Sandbox};
use tokio::time::Instant;

use super::{Failure, sandbox::into_sandbox};
use crate::{
    config::Config,
    logs,
    protocol::ucs::v2::{
        Connector, MerchantAuthenticationServiceClient, MerchantAuthenticationServiceCreateAccessTokenRequest,
        MerchantAuthenticationServiceCreateAccessTokenResponse as TokenResponseMessage, OperationStatus, TokenAudience,
    },
    server::{self, Server},
};

/// The merchant's secret of the story. It must not be seen again after the documented call.
const API_KEY: &str = "sk_test_4eC39daypassDemo";
const REFERENCE: &str = "token_001";

/// Tell the whole story in a terminal: embedded sandbox, server, the documented call, what a client can do with its answer
#[derive(clap::Args)]
pub struct Args {
    /// Stop after the story; exit code 0 only if every step of it really happened
    #[arg(long)]
    once: bool,
    /// The port of the server on 127.0.0.1; absent: 8080 if it is free
    #[arg(long)]
    port: Option<u16>,
}

pub async fn run(args: Args) -> Result<(), Failure> {
    let log = logs::start_in_memory("info")?;
    let mut config = Config { admin_listen: loopback(0), ..Config::default() };
    let sandbox = into_sandbox(&mut config).await?;
    let server = bind(config, args.port).await?;
    let address = server.address()?;
    let authority = server.authority_file();

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let story = Story {
        sandbox: &sandbox,
        address,
        transport: Transport::new(ConnectTimeouts { default: Duration::from_secs(3), ..Default::default() }, None)
            .map_err(|error| error.to_string())?,
    };
    story.tell(&log).await?;

    if !args.once {
        say!("\nThe server stays up. Try it (any key that begins with sk_test_ will do):\n");
        say!("  curl -H 'content-type: application/json' -H 'x-connector: stripe' \\");
        say!("    -H 'x-connector-auth: {{\"Stripe\":{{\"api_key\":\"sk_test_anything\"}}}}' \\");
        say!("    -d '{{\"merchant_access_token_id\":\"token_002\",\"test_mode\":true}}' \\");
        say!("    http://{address}/ucs.v2.MerchantAuthenticationService/CreateAccessToken\n");
        say!("  or the grpcurl command above, with -plaintext");
        if let Some(file) = authority {
            say!("  (or with TLS: -cacert {})", file.display());
        }
        say!("\nCtrl-C ends it.");
        server::signal().await;
    }
    let _ = stop.send(());
    serving.await.map_err(|error| error.to_string())??;
    sandbox.shutdown().await;
    Ok(())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn bind(config: Config, port: Option<u16>) -> Result<Server, String> {
    if let Some(port) = port {
        return Server::bind(Config { listen: loopback(port), ..config }).await;
    }
    match Server::bind(Config { listen: loopback(8080), ..config.clone() }).await {
        Ok(server) => Ok(server),
        Err(_) => Server::bind(Config { listen: loopback(0), ..config }).await,
    }
}

struct Story<'a> {
    sandbox: &'a Sandbox,
    address: SocketAddr,
    transport: Transport,
}

impl Story<'_> {
    /// Every step, in order; each is shown only after it happened.
    async fn tell(&self, log: &logs::Memory) -> Result<(), String> {
        say!(
            "1. A sandbox of fake processors runs on http://{}, and the service on {}.",
            self.sandbox.addr(),
            self.address
        );

        say!("\n2. The merchant's backend makes the documented call:\n");
        say!("   grpcurl -H \"x-connector: stripe\" \\");
        say!("     -H \"x-connector-auth: {{\\\"Stripe\\\":{{\\\"api_key\\\":\\\"$STRIPE_API_KEY\\\"}}}}\" \\");
        say!(
            "     -d '{{ \"merchant_access_token_id\": \"{REFERENCE}\", \"connector\": \"STRIPE\", \"test_mode\": true }}' \\"
        );
        say!("     {} ucs.v2.MerchantAuthenticationService/CreateAccessToken", self.address);
        let answer = self.call().await?;
        let shown = serde_json::to_string_pretty(&answer).map_err(|error| error.to_string())?;
        say!("\n3. Its answer, a day pass:\n\n   {}", shown.replace('\n', "\n   "));
        ensure(answer.status == EnumValue::from(OperationStatus::SUCCESS), "the call succeeds")?;
        ensure(answer.audience == EnumValue::from(TokenAudience::CLIENT), "the token is a CLIENT token")?;
        ensure(answer.merchant_access_token_id == REFERENCE, "the reference is echoed")?;
        let lifetime = answer.lifetime_seconds.ok_or("the token has no lifetime")?;

        let pass = ClientToken {
            token: answer.access_token.as_option().map(|token| token.value.clone()).unwrap_or_default(),
            client_parameters: answer.client_parameters.clone().into_iter().collect::<BTreeMap<_, _>>(),
            reference: REFERENCE.into(),
        };
        let client = sandbox::fake_vendor("stripe")
            .and_then(|stripe| stripe.clients.iter().find(|client| client.grant == answer.grant))
            .ok_or("the sandbox knows no client of this grant")?;
        let (allowed, forbidden) = ((client.allowed)(&pass), (client.forbidden)(&pass));

        say!("\n4. A browser uses it: {}.", allowed.title);
        let (status, body) = self.send(&allowed).await?;
        say!("   {} {} → {status}", allowed.method, allowed.path);
        ensure(!sandbox::refused(status, &body), "the client can use the day pass")?;

        say!("\n5. The same browser tries what it must not: {}.", forbidden.title);
        let (status, body) = self.send(&forbidden).await?;
        say!("   {} {} → {status}, refused", forbidden.method, forbidden.path);
        ensure(sandbox::refused(status, &body), "the processor refuses the day pass")?;

        // A fresh pass, so that what fails is its age and not that it has been used.
        let second = self.call_named("token_to_expire").await?;
        let second = ClientToken {
            token: second.access_token.as_option().map(|token| token.value.clone()).unwrap_or_default(),
            client_parameters: second.client_parameters.into_iter().collect(),
            reference: "token_to_expire".into(),
        };
        let late = (client.allowed)(&second);
        let seconds = u32::try_from(lifetime).map_err(|_| "the lifetime is out of range")?.saturating_add(5);
        self.sandbox.advance(seconds);
        say!("\n6. {seconds} seconds later (the sandbox's clock was moved) the pass has expired.");
        let (status, body) = self.send(&late).await?;
        say!("   {} {} → {status}, refused", late.method, late.path);
        ensure(sandbox::refused(status, &body), "an expired day pass stops working")?;

        let log = log.text();
        let client_saw = format!("{shown}{allowed:?}{forbidden:?}{late:?}{body}");
        ensure(log.contains("\"outcome\":\"SUCCESS\""), "the call was logged")?;
        ensure(!log.contains(API_KEY) && !client_saw.contains(API_KEY), "the API key never appears")?;
        say!(
            "\n7. The API key appeared in no answer, in no request of the browser's and in no log line ({} were written).",
            log.lines().count()
        );
        Ok(())
    }

    async fn call(&self) -> Result<TokenResponseMessage, String> {
        self.call_named(REFERENCE).await
    }

    /// The documented call, over the real protocol.
    async fn call_named(&self, reference: &str) -> Result<TokenResponseMessage, String> {
        let target = format!("http://{}", self.address).parse().map_err(|_| "the address is no URL")?;
        let config = ClientConfig::new(target).with_protocol(Protocol::Grpc);
        let client = MerchantAuthenticationServiceClient::new(HttpClient::plaintext_http2_only(), config);
        let credentials = format!(r#"{{"Stripe":{{"api_key":"{API_KEY}"}}}}"#);
        let options = CallOptions::default()
            .with_header("x-connector", "stripe")
            .with_header("x-connector-auth", credentials)
            .with_timeout(Duration::from_secs(10));
        let request = MerchantAuthenticationServiceCreateAccessTokenRequest {
            merchant_access_token_id: reference.into(),
            connector: Connector::STRIPE.into(),
            test_mode: Some(true),
            ..Default::default()
        };
        let answer =
            client.create_access_token_with_options(request, options).await.map_err(|error| error.to_string())?;
        Ok(answer.into_owned())
    }

    async fn send(&self, client: &ClientCall) -> Result<(u16, String), String> {
        let uri = format!("http://{}{}", self.sandbox.addr(), client.path).parse().map_err(|_| "the path is no URL")?;
        let mut call = Call::get(uri);
        call.method = client.method.parse().map_err(|_| "the method is none")?;
        call.body = client.body.clone().into();
        for (name, value) in &client.headers {
            call = call.header(name, value);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        let reply = self.transport.send(call, Timestamp::now(), deadline).await.map_err(|error| error.to_string())?;
        Ok((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
    }
}

fn ensure(happened: bool, what: &str) -> Result<(), String> {
    if happened { Ok(()) } else { Err(format!("the story went wrong where it should be that {what}")) }
}
