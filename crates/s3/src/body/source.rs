//! Where the bytes of a body come from: a connection that may stall or break.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::timeout;

use crate::error::S3Error;
use crate::post::FormFile;

/// An error of the HTTP library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The bytes of a body as they are on the wire.
pub struct Source {
    origin: Origin,
    received: Received,
}

enum Origin {
    None,
    Wire { body: UnsyncBoxBody<Bytes, BoxError>, idle: Duration },
    File(Box<FormFile>),
}

/// How far a source has been read, told to whoever has a clone, also when the source is gone.
#[derive(Clone, Default)]
pub struct Received(Arc<Progress>);

#[derive(Default)]
struct Progress {
    len: AtomicU64,
    completed_at: OnceLock<Instant>,
}

impl Received {
    /// A body of `len` bytes that has come to its end already.
    #[must_use]
    pub fn whole(len: usize) -> Self {
        let received = Self::default();
        received.add(len);
        received.complete();
        received
    }

    /// Whether the end has been seen: nothing of the source is left on the connection.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.completed_at().is_some()
    }

    /// When the end was seen.
    #[must_use]
    pub fn completed_at(&self) -> Option<Instant> {
        self.0.completed_at.get().copied()
    }

    /// How many bytes have come.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.0.len.load(Ordering::Relaxed)
    }

    fn add(&self, len: usize) {
        self.0.len.fetch_add(len as u64, Ordering::Relaxed);
    }

    fn complete(&self) {
        let _ = self.0.completed_at.set(Instant::now());
    }
}

impl Source {
    /// The body of an HTTP request. A client that sends nothing for `idle` is given up.
    pub fn wire<B>(body: B, idle: Duration) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let received = Received::default();
        if body.is_end_stream() {
            received.complete();
        }
        Self { origin: Origin::Wire { body: body.map_err(Into::into).boxed_unsync(), idle }, received }
    }

    /// The file of a form.
    #[must_use]
    pub fn file(file: FormFile) -> Self {
        Self { origin: Origin::File(Box::new(file)), received: Received::default() }
    }

    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self { origin: Origin::None, received: Received::default() }
    }

    /// Tells how far this source has been read, also when it is gone.
    #[must_use]
    pub fn received(&self) -> Received {
        self.received.clone()
    }

    /// Returns the next bytes, never empty; `None` at the end.
    ///
    /// # Errors
    /// `RequestTimeout`; `IncompleteBody` when the connection broke; what a form finds wrong with itself.
    pub async fn next(&mut self) -> Result<Option<Bytes>, S3Error> {
        let next = match &mut self.origin {
            Origin::None => None,
            Origin::Wire { body, idle } => next_of_wire(body, *idle).await?,
            Origin::File(file) => file.next().await?,
        };
        match &next {
            Some(bytes) => self.received.add(bytes.len()),
            None => self.received.complete(),
        }
        Ok(next)
    }
}

async fn next_of_wire(body: &mut UnsyncBoxBody<Bytes, BoxError>, idle: Duration) -> Result<Option<Bytes>, S3Error> {
    loop {
        // Bytes that are there already need no timer.
        let ready = poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(Some(frame)),
            Poll::Pending => Poll::Ready(None),
        });
        let frame = match ready.await {
            Some(frame) => frame,
            None => timeout(idle, body.frame()).await.map_err(|_| S3Error::request_timeout())?,
        };
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(S3Error::body_cut_short()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                // Trailers of HTTP itself mean nothing here.
                Ok(_) | Err(_) => {}
            },
        }
    }
}
