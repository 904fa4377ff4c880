//! The RPC port: accepts connections within a limit, and drains them at shutdown. A connection is
//! handled by `connection`, a request by `request`. Used by `server`.

mod admission;
mod body;
mod connection;
mod drain;
mod framing;
mod places;
mod request;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use connectrpc::ConnectRpcService;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

pub(crate) use admission::Admission;
use body::BodyRoom;
use connection::ConnectionHandler;
use places::{Place, Places};
use request::RequestHandler;

use crate::{access_log::AccessLog, playground::Playground};

/// Time for a request to arrive, in addition to the time for its response.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for the calls that are cut off at the end of the grace time.
const CUT_OFF_TIME: Duration = Duration::from_secs(1);
/// Pause after a failed `accept`, which may fail again at once where file descriptors are used up.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(20);

/// The RPC port.
pub(crate) struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// TLS, for connections that begin with a TLS handshake.
    pub tls: Arc<ArcSwap<ServerConfig>>,
    /// Whether plaintext connections are served.
    pub plaintext: bool,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Longest time for a response, from the moment when its request has arrived.
    pub max_deadline: Duration,
    /// The service behind the port.
    pub service: ConnectRpcService,
    /// The page for people, where it is served.
    pub playground: Option<Arc<Playground>>,
    /// The admission of requests.
    pub admission: Admission,
    /// Has the calls that are refused unread.
    pub log: Arc<AccessLog>,
}

/// The address of a port cannot be bound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// Another process listens there.
    #[error("{address} is in use; choose another with {setting}")]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The setting to change.
        setting: &'static str,
    },
    /// Any other reason.
    #[error("{address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
}

/// Binds a socket.
///
/// # Errors
/// The address cannot be bound.
pub(crate) async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, setting },
        _ => BindError::Other { address, source },
    })
}

impl Listener {
    /// Serves until `shutdown`, then lets calls in flight finish, for `grace` at most.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()>, grace: Duration) {
        let places = Places::new(self.max_connections);
        let (close, closing) = watch::channel(false);
        let handler = Arc::new(ConnectionHandler {
            tls: self.tls,
            plaintext: self.plaintext,
            requests: Arc::new(RequestHandler {
                service: self.service,
                playground: self.playground,
                admission: self.admission,
                room: BodyRoom::default(),
                log: self.log,
                limit: self.max_deadline + READ_TIMEOUT,
            }),
        });
        let mut shutdown = std::pin::pin!(shutdown);
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let next = async {
                places.available().await;
                self.socket.accept().await
            };
            tokio::select! {
                () = &mut shutdown => break,
                accepted = next => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(connection(&handler, stream, places.take(peer.ip()), &closing));
                    }
                    // The file descriptors are used up, or the peer has left.
                    Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
                },
            }
        }
        drain::drop_new_connections(&self.socket);
        // The system has completed the handshakes of connections in its queue, so their clients may
        // have sent requests. The runtime's own readiness may be outdated; the system's is not.
        if let Ok(socket) = self.socket.into_std() {
            while let Ok((stream, peer)) = socket.accept()
                && let Some(place) = places.try_take(peer.ip())
                && stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                connections.spawn(connection(&handler, stream, place, &closing));
            }
        }
        close.send_replace(true);
        if timeout(grace, places.all_free()).await.is_err() {
            tracing::warn!("calls were still in flight at the end of the grace time");
            // Each of them has its lines in the logs before those end.
            connections.abort_all();
            let _ = timeout(CUT_OFF_TIME, places.all_free()).await;
        }
    }
}

/// One connection, until its end or that of its place.
fn connection(
    handler: &Arc<ConnectionHandler>,
    stream: TcpStream,
    place: Place,
    closing: &watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static {
    let (handler, closing, place) = (handler.clone(), closing.clone(), Arc::new(place));
    async move {
        tokio::select! {
            () = handler.handle(stream, &place, closing) => {}
            () = place.lost() => {}
        }
    }
}
