//! Accepting connections and speaking HTTP on them, until the shutdown has drained them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use coffer_s3::request::TlsInfo;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::connection::{ClientStream, Linger};
use crate::logs::Entry;
use crate::metrics::{InFlight, Metrics};
use crate::shutdown::Shutdown;
use crate::tls::{self, Tls};

/// The most bytes that a connection reads ahead, and holds back before it writes.
const BUFFER_LEN: usize = 64 * 1024;
/// The most bytes that the system holds back unsent. Left alone it takes megabytes and asks for more only when a third
/// of them is gone: a client that reads steadily but slowly would seem to have stopped.
const MAX_UNSENT_LEN: u32 = 128 * 1024;
/// The most bytes of a request's head: the longest key percent-encoded, and metadata, several times over.
const MAX_HEAD_LEN: usize = 32 * 1024;
/// The most header fields of a request. S3's 2 KiB of user metadata may be some hundreds of short ones.
const MAX_HEADERS: usize = 512;
/// How long accepting pauses when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The body of an answer. Its failure breaks the connection.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static;

    /// Answers one request. Errors are answers too.
    fn handle(&self, request: Request<Incoming>, client: Client) -> impl Future<Output = Answer<Self::Body>> + Send;
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    /// What was agreed in the TLS handshake; `None` over plain HTTP.
    pub(crate) tls: Option<TlsInfo>,
}

/// An answer, with the name of the operation it belongs to.
pub(crate) struct Answer<B> {
    /// As it is counted in the metrics.
    pub(crate) operation: &'static str,
    /// The answer.
    pub(crate) response: Response<B>,
    /// What the logs will say when the answer has gone out.
    pub(crate) entry: Option<Entry>,
}

/// What connections share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// How long a client may stall.
    pub(crate) idle: Duration,
    /// One permit per connection that may be open.
    pub(crate) connections: Arc<Semaphore>,
    /// Where connections and requests are counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// A bound socket.
pub(crate) struct Listener {
    socket: TcpListener,
}

impl Listener {
    /// Binds `address`. From now on clients can connect; they wait until [`Listener::serve`] accepts them.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(address).await? })
    }

    /// The address that was bound, with its port when 0 was asked for.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves, over TLS if there is any, until the shutdown has begun and every connection has finished, or is cut
    /// by its end.
    pub(crate) async fn serve<H: Handler>(
        self,
        tls: Option<Arc<Tls>>,
        handler: Arc<H>,
        shared: Shared,
        mut shutdown: Shutdown,
    ) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = shutdown.draining() => break,
                Some(ended) = connections.join_next() => log_panic(ended),
                (stream, peer, permit) = accept(&self.socket, &shared) => {
                    let tls = tls.clone();
                    let (handler, shared, shutdown) = (Arc::clone(&handler), shared.clone(), shutdown.clone());
                    connections.spawn(async move {
                        let _open = shared.metrics.connect();
                        converse(stream, peer, tls, handler, &shared, shutdown).await;
                        drop(permit);
                    });
                }
            }
        }
        drop(self.socket);
        let drained = async {
            while let Some(ended) = connections.join_next().await {
                log_panic(ended);
            }
        };
        tokio::select! {
            () = drained => return,
            () = shutdown.closing() => {}
        }
        connections.shutdown().await;
    }
}

/// Waits for a connection, and before that for the permit to have one more.
async fn accept(socket: &TcpListener, shared: &Shared) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(&shared.connections).acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                // A client that hung up early is no reason to pause, but it is rare and the pause is short.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn converse<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    handler: Arc<H>,
    shared: &Shared,
    shutdown: Shutdown,
) {
    // Small answers must not wait for more (RFC 896); a socket that cannot do it still works.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(MAX_UNSENT_LEN);
    let Some(tls) = tls else {
        return speak_http(stream, Client { peer, tls: None }, handler, shared, shutdown).await;
    };
    match timeout(shared.idle, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let client = Client { peer, tls: Some(tls::agreed(stream.get_ref().1)) };
            speak_http(stream, client, handler, shared, shutdown).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

async fn speak_http<S, H>(stream: S, client: Client, handler: Arc<H>, shared: &Shared, mut shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let linger = Linger::default();
    let stream = ClientStream::new(stream, Arc::clone(&shared.metrics), shared.idle, linger.clone());
    let service = service_fn(|request| {
        let (handler, linger) = (Arc::clone(&handler), linger.clone());
        let mut in_flight = shared.metrics.begin();
        async move {
            let Answer { operation, response, mut entry } = handler.handle(request, client).await;
            in_flight.answered(operation, response.status());
            // A handler that has not read the whole body asks for the connection to be closed.
            linger.set(response.headers().get(header::CONNECTION) == Some(&HeaderValue::from_static("close")));
            if let Some(entry) = &mut entry {
                entry.answered(response.body().size_hint().exact());
            }
            Ok::<_, Infallible>(response.map(|inner| CountedBody { inner, entry, _in_flight: in_flight }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Also how long a connection may be idle between requests.
        .header_read_timeout(shared.idle)
        .max_buf_size(BUFFER_LEN)
        .max_header_size(MAX_HEAD_LEN)
        .max_headers(MAX_HEADERS)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.draining() => {
            linger.set(false);
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %client.peer, %error, "the connection broke");
    }
}

/// A body that keeps its request in flight until it has gone out, and is logged then.
struct CountedBody<B> {
    inner: B,
    entry: Option<Entry>,
    _in_flight: InFlight,
}

impl<B: Body<Data = Bytes> + Unpin> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(entry)) = (&polled, &mut self.entry) {
            entry.sent(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A panic ends its connection and no other. Its message is already on stderr.
fn log_panic(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a request panicked; its connection is closed");
    }
}

#[cfg(test)]
mod tests;
