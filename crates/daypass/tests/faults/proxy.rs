//! The outbound proxy: calls go through it by CONNECT, and its refusal has a name of its own.

use std::{net::SocketAddr, time::Duration};

use connectors::Kind;
use daypass::{ConnectSettings, Egress, OutboundProxy, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{AMPLE, alone, kind};
use crate::fault_server::{Act, FaultServer, Front};
use crate::fixtures_as_calls::{Shared, one_each};

/// A proxy that answers one request with `status`. With status 200 it joins the two connections.
/// Its task ends with the request's head.
async fn proxy(status: &'static str, target: SocketAddr) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
        if status.starts_with("200") {
            let mut server = TcpStream::connect(target).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
        String::from_utf8(head).unwrap()
    });
    (address, task)
}

fn through(proxy: SocketAddr, authority: &str) -> Shared {
    let proxy = OutboundProxy::new(&format!("http://user:word@{proxy}"), "").unwrap();
    let connect = ConnectSettings { default_timeout: Duration::from_secs(5), ..ConnectSettings::default() };
    let egress = Egress { connect, proxy: Some(proxy), ..Egress::default() };
    Shared(Transport::new(egress, Some(authority.as_bytes())).unwrap().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_through_the_proxy() {
    let server = FaultServer::start(Front::Tls).await;
    let fixture = &one_each()[0];
    server.answer(fixture.until_last(vec![Act::Send(fixture.replies.last().unwrap().bytes())]));
    let (address, seen) = proxy("200 OK", server.address).await;
    let outcome = alone(fixture, &server.base(), &through(address, &server.authority), AMPLE).await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    let seen = seen.await.unwrap();
    let port = server.address.port();
    assert!(seen.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")), "{seen}");
    assert!(seen.to_ascii_lowercase().contains("proxy-authorization: basic "), "{seen}");
    assert!(!seen.contains("authorization: Bearer"), "the connector's credentials are inside TLS: {seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_is_named() {
    let server = FaultServer::start(Front::Tls).await;
    let (address, _seen) = proxy("407 Proxy Authentication Required", server.address).await;
    let outcome = alone(&one_each()[0], &server.base(), &through(address, &server.authority), AMPLE).await;
    assert_eq!((kind(&outcome), server.requests()), (Some(Kind::Unavailable), 0));
    // The second attempt finds no proxy at all.
    let message = outcome.result.err().unwrap().message;
    assert!(message.contains("proxy") || message.contains("refused"), "{message}");
}
