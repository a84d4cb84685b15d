//! Where the bytes of a body come from: a connection that may stall or break.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

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
    ended: Ended,
}

enum Origin {
    None,
    Wire { body: UnsyncBoxBody<Bytes, BoxError>, idle: Duration },
    File(Box<FormFile>),
}

/// Whether a source has been read to its end: nothing of it is left on the connection.
#[derive(Clone, Default)]
pub struct Ended(Arc<AtomicBool>);

impl Ended {
    /// Whether the end has been seen.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn see(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Source {
    /// The body of an HTTP request. A client that sends nothing for `idle` is given up.
    pub fn wire<B>(body: B, idle: Duration) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let ended = Ended::default();
        if body.is_end_stream() {
            ended.see();
        }
        Self { origin: Origin::Wire { body: body.map_err(Into::into).boxed_unsync(), idle }, ended }
    }

    /// The file of a form.
    #[must_use]
    pub fn file(file: FormFile) -> Self {
        Self { origin: Origin::File(Box::new(file)), ended: Ended::default() }
    }

    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self { origin: Origin::None, ended: Ended::default() }
    }

    /// Tells whether this source has been read to its end, also when it is gone.
    #[must_use]
    pub fn ended(&self) -> Ended {
        self.ended.clone()
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
        if next.is_none() {
            self.ended.see();
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
