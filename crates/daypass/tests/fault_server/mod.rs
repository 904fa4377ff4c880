//! A fake connector that breaks its connections by script. It sends given bytes, sends slowly,
//! stalls, resets, closes half of a connection, sends wrong lengths, and breaks TLS. It listens on
//! loopback only, and ends when it is dropped.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::{AbortHandle, JoinSet},
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, pki_types::PrivatePkcs8KeyDer},
};

/// One act of the server on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes one at a time, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Pauses.
    Pause(Duration),
    /// Keeps the connection and sends nothing more.
    Hang,
    /// Closes the sending half, and goes on reading.
    HalfClose,
    /// Closes.
    Close,
    /// Resets. The peer loses the bytes that it has not read yet.
    Reset,
}

/// The way that the server accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Plain HTTP.
    Plain,
    /// TLS with a certificate for `localhost` of an authority that the client trusts.
    Tls,
    /// A certificate for another name.
    WrongName,
    /// A certificate that has expired.
    Expired,
    /// A certificate of no authority.
    SelfSigned,
    /// Accepts, and does not answer the ClientHello.
    StalledHandshake,
    /// Answers the ClientHello with bytes that are not TLS.
    NotTls,
    /// Resets each connection as soon as it is made.
    ResetAtOnce,
    /// Closes each connection as soon as it is made.
    CloseAtOnce,
}

type Script = Arc<dyn Fn(usize, &[u8]) -> Vec<Act> + Send + Sync>;

/// A running fault server.
pub(crate) struct FaultServer {
    pub address: SocketAddr,
    pub authority: String,
    front: Front,
    script: Arc<Mutex<(usize, Script)>>,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FaultServer {
    pub(crate) async fn start(front: Front) -> Self {
        Self::with_authority(front, &Authority::new()).await
    }

    pub(crate) async fn with_authority(front: Front, authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Mutex<(usize, Script)>> = Arc::new(Mutex::new((0, Arc::new(|_, _: &[u8]| vec![Act::Close]))));
        let requests = Arc::new(AtomicUsize::new(0));
        let tls = matches!(front, Front::Tls | Front::WrongName | Front::Expired | Front::SelfSigned)
            .then(|| authority.acceptor(front));
        let (shared, counted) = (script.clone(), requests.clone());
        let made = Arc::new(AtomicUsize::new(0));
        let connections_made = made.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                made.fetch_add(1, Ordering::SeqCst);
                while connections.try_join_next().is_some() {}
                connections.spawn(receive(stream, front, tls.clone(), shared.clone(), counted.clone()));
            }
        });
        Self {
            address,
            authority: authority.pem.clone(),
            front,
            script,
            requests,
            connections: connections_made,
            task: task.abort_handle(),
        }
    }

    /// The base URL in place of the connector's.
    pub(crate) fn base(&self) -> String {
        match self.front {
            Front::Plain | Front::ResetAtOnce | Front::CloseAtOnce => format!("http://{}", self.address),
            _ => format!("https://localhost:{}", self.address.port()),
        }
    }

    /// Sets the script: a function from the index and the bytes of a request to the acts for it.
    pub(crate) fn answer_with(&self, script: impl Fn(usize, &[u8]) -> Vec<Act> + Send + Sync + 'static) {
        *self.script.lock().unwrap() = (0, Arc::new(script));
        self.requests.store(0, Ordering::SeqCst);
    }

    /// Sets the acts for the first, second, … request. All further requests get the last ones.
    pub(crate) fn answer(&self, scripts: Vec<Vec<Act>>) {
        self.answer_with(move |nth, _| scripts[nth.min(scripts.len() - 1)].clone());
    }

    /// The number of connections since the start.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The number of whole requests since the script was set.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn receive(
    stream: TcpStream,
    front: Front,
    tls: Option<TlsAcceptor>,
    script: Arc<Mutex<(usize, Script)>>,
    requests: Arc<AtomicUsize>,
) {
    let _ = stream.set_nodelay(true);
    match front {
        Front::Plain => serve(stream, script, requests).await,
        Front::CloseAtOnce => {}
        Front::ResetAtOnce => reset(&stream),
        Front::StalledHandshake => sleep(Duration::from_secs(600)).await,
        Front::NotTls => {
            let mut stream = stream;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            sleep(Duration::from_secs(600)).await;
        }
        Front::Tls | Front::WrongName | Front::Expired | Front::SelfSigned => {
            if let Some(tls) = tls
                && let Ok(stream) = tls.accept(stream).await
            {
                serve(stream, script, requests).await;
            }
        }
    }
}

/// Closing a socket with this set sends RST.
fn reset(stream: &TcpStream) {
    #[allow(deprecated, reason = "a linger of nothing does not block")]
    let _ = stream.set_linger(Some(Duration::ZERO));
}

/// A stream that can be reset, with or without TLS.
trait Resettable {
    fn reset(&self);
}

impl Resettable for TcpStream {
    fn reset(&self) {
        reset(self);
    }
}

impl Resettable for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset(&self) {
        reset(self.get_ref().0);
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Resettable>(
    mut stream: S,
    script: Arc<Mutex<(usize, Script)>>,
    requests: Arc<AtomicUsize>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        requests.fetch_add(1, Ordering::SeqCst);
        let acts = {
            let mut script = script.lock().unwrap();
            let nth = script.0;
            script.0 += 1;
            (script.1)(nth, &request)
        };
        for act in acts {
            let done = match act {
                Act::Send(bytes) => stream.write_all(&bytes).await,
                Act::Drip(bytes, pause) => {
                    for byte in bytes {
                        sleep(pause).await;
                        if stream.write_all(&[byte]).await.is_err() {
                            return;
                        }
                    }
                    Ok(())
                }
                Act::Pause(time) => {
                    sleep(time).await;
                    Ok(())
                }
                Act::Hang => {
                    // Reads until the peer closes.
                    let mut rest = [0; 1024];
                    while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
                    return;
                }
                Act::HalfClose => stream.shutdown().await,
                Act::Close => return,
                Act::Reset => {
                    // A reset overtakes bytes on their way, so they get time to arrive.
                    let _ = stream.flush().await;
                    sleep(Duration::from_millis(5)).await;
                    stream.reset();
                    return;
                }
            };
            if done.is_err() {
                return;
            }
        }
    }
}

/// One HTTP/1.1 request with a `content-length` body, whole.
async fn read_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4) {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let whole = end + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
            if buffer.len() >= whole {
                return Some(buffer.drain(..whole).collect());
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A well-formed reply.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    lying_reply(status, headers, body, body.len())
}

/// A reply with a wrong length.
pub(crate) fn lying_reply(status: u16, headers: &[(&str, &str)], body: &[u8], length: usize) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} FixtureReply\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A port without a listener. The socket reserves the port while it lives.
pub(crate) fn refused() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (socket.local_addr().unwrap(), socket)
}

/// A socket that listens with a full backlog and never accepts. Packets to it get no answer.
pub(crate) struct BlackHole {
    pub address: SocketAddr,
    _listener: std::net::TcpListener,
    _fill: Vec<TcpStream>,
}

impl BlackHole {
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap().into_std().unwrap();
        let address = listener.local_addr().unwrap();
        let mut fill = Vec::new();
        while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            fill.push(stream);
            assert!(fill.len() < 100, "the backlog has an end");
        }
        Self { address, _listener: listener, _fill: fill }
    }
}

/// A certificate authority of the test's own.
pub(crate) struct Authority {
    pub pem: String,
    issuer: rcgen::Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    fn acceptor(&self, front: Front) -> TlsAcceptor {
        let name = if front == Front::WrongName { "other.example" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if front == Front::Expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match front {
            Front::SelfSigned => params.self_signed(&key).unwrap(),
            _ => params.signed_by(&key, &self.issuer).unwrap(),
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
