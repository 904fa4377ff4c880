//! The end of connections: idle ones at any time, all of them at shutdown. Used by `listen` and
//! `connection`.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper_util::server::graceful::GracefulConnection;
use tokio::{net::TcpListener, sync::watch};

/// Time for the first request on connections without one at shutdown.
pub(super) const FIRST_REQUEST_TIME: Duration = Duration::from_millis(200);
/// At shutdown, a connection ends this long after its last unary call, even where a streaming
/// response such as a health watch goes on.
const STREAM_END_TIME: Duration = Duration::from_secs(1);
/// A connection without a request for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Makes the system drop the packets of new connections. Without this, a connection may enter the
/// system's queue after the last `accept`, and the close of the socket would reset it. A dropped
/// client retries within a second and finds the port closed.
pub(super) fn drop_new_connections(socket: &TcpListener) {
    #[cfg(target_os = "linux")]
    {
        // `BPF_RET | BPF_K` with 0 bytes to keep (socket(7), SO_ATTACH_FILTER). The filter does not
        // apply to connections that are in the queue already.
        const DROP: socket2::SockFilter = socket2::SockFilter::new(0x06, 0, 0, 0);
        let _ = socket2::SockRef::from(socket).attach_filter(&[DROP]);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// Drives a connection to its end: its peer leaves, it is idle for too long, or the service closes.
pub(super) async fn drive(
    mut connection: Pin<&mut impl GracefulConnection>,
    requests: &ActiveRequests,
    mut closing: watch::Receiver<bool>,
) {
    let mut closed = false;
    loop {
        let pause = if closed { FIRST_REQUEST_TIME } else { IDLE_TIMEOUT / 4 };
        let end = tokio::select! {
            // Requests that have arrived come before the shutdown.
            biased;
            // An error is the peer's: it left, or it does not speak HTTP.
            _ = connection.as_mut() => return,
            _ = closing.wait_for(|closing| *closing), if !closed => {
                closed = true;
                // A new connection without a request gets some time to send its first.
                requests.any_so_far()
            }
            () = tokio::time::sleep(pause) => {
                let idle_for = requests.idle_for();
                if closed && idle_for.is_some_and(|time| time >= STREAM_END_TIME) {
                    // The streaming responses that remain have sent their last message.
                    return;
                }
                closed || idle_for.is_some_and(|time| time >= IDLE_TIMEOUT)
            }
        };
        if end {
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// The number of requests in progress on a connection.
pub(super) struct ActiveRequests(Mutex<Counts>);

struct Counts {
    active: usize,
    any_so_far: bool,
    /// The end of the last request.
    idle_since: Instant,
}

impl Default for ActiveRequests {
    fn default() -> Self {
        Self(Mutex::new(Counts { active: 0, any_so_far: false, idle_since: Instant::now() }))
    }
}

impl ActiveRequests {
    /// Counts a request until the guard's drop.
    pub(super) fn begin(self: &Arc<Self>) -> ActiveRequest {
        let mut counts = self.lock();
        counts.active += 1;
        counts.any_so_far = true;
        drop(counts);
        ActiveRequest(self.clone())
    }

    /// Whether the connection has had a request.
    fn any_so_far(&self) -> bool {
        self.lock().any_so_far
    }

    /// The time since the last request, or `None` while one is in progress.
    fn idle_for(&self) -> Option<Duration> {
        let counts = self.lock();
        (counts.active == 0).then(|| counts.idle_since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in progress. Its drop also counts where the peer cancels the request.
pub(super) struct ActiveRequest(Arc<ActiveRequests>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let mut counts = self.0.lock();
        counts.active = counts.active.saturating_sub(1);
        counts.idle_since = Instant::now();
    }
}
