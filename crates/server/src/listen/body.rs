//! The bodies of requests: all that are under way hold so many bytes together, and no more. Used by
//! `request`.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::Semaphore;

/// Most bytes in the bodies of all requests together: room for 500 messages of the greatest size, or
/// for 100,000 usual ones.
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// Most bytes in the body of a request of anybody who asks for the health: the name of a service.
const MOST_BYTES_OF_PROBE: usize = 1024;

/// The room for the bodies of all requests.
#[derive(Clone)]
pub(super) struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_BYTES)))
    }
}

/// The bytes of one request's body, held until its end.
pub(super) struct HeldBytes {
    room: BodyRoom,
    bytes: AtomicUsize,
}

/// A body that did not arrive in whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The bodies under way leave no room for this one.
    #[error("the bodies of the calls under way leave no room for another")]
    NoRoom,
    /// A probe is longer than a question for the health.
    #[error("the message is too long")]
    TooLong,
    /// The peer's fault.
    #[error(transparent)]
    Peer(#[from] hyper::Error),
}

impl BodyRoom {
    /// The start of a request.
    pub(super) fn hold(&self) -> Arc<HeldBytes> {
        Arc::new(HeldBytes { room: self.clone(), bytes: AtomicUsize::new(0) })
    }
}

/// What [`HeldBytes::bytes`] says after a body found no room.
const FOUND_NO_ROOM: usize = 1 << (usize::BITS - 1);

impl HeldBytes {
    fn add(&self, bytes: usize) -> Result<(), BodyError> {
        let permit = u32::try_from(bytes).ok().and_then(|bytes| self.room.0.try_acquire_many(bytes).ok());
        let Some(permit) = permit else {
            self.bytes.fetch_or(FOUND_NO_ROOM, Ordering::Relaxed);
            return Err(BodyError::NoRoom);
        };
        permit.forget();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the body found no room.
    pub(super) fn found_no_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) & FOUND_NO_ROOM != 0
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.room.0.add_permits(*self.bytes.get_mut() & !FOUND_NO_ROOM);
    }
}

/// A body that takes room as it arrives.
pub(super) struct RoomedBody {
    body: Incoming,
    room: Room,
}

/// The room that a body takes.
enum Room {
    /// That of all callers, held by its request.
    OfCallers(Arc<HeldBytes>),
    /// A little of its own: so many bytes are left.
    OfProbe(usize),
}

impl RoomedBody {
    /// The body of a caller's request, which holds this.
    pub(super) fn of_caller(body: Incoming, held: Arc<HeldBytes>) -> Self {
        Self { body, room: Room::OfCallers(held) }
    }

    /// The body of anybody's question for the health: it takes no room of callers.
    pub(super) fn of_probe(body: Incoming) -> Self {
        Self { body, room: Room::OfProbe(MOST_BYTES_OF_PROBE) }
    }
}

impl Room {
    fn add(&mut self, bytes: usize) -> Result<(), BodyError> {
        match self {
            Self::OfCallers(held) => held.add(bytes),
            Self::OfProbe(left) => {
                *left = left.checked_sub(bytes).ok_or(BodyError::TooLong)?;
                Ok(())
            }
        }
    }
}

impl Body for RoomedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context).map(|frame| {
            frame.map(|frame| {
                let frame = frame?;
                self.room.add(frame.data_ref().map_or(0, Bytes::len))?;
                Ok(frame)
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
