//! A byte stream to a client that counts, gives up on a client that does not read, and closes politely.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::metrics::Metrics;

/// How long what a client still sends is thrown away after an early answer.
const LINGER: Duration = Duration::from_secs(5);

/// Whether the close lingers: it half-closes after the answer and reads on for a while.
///
/// To close at once while the client is still sending would reset the connection, and the reset would destroy the
/// answer before the client has read it. That is so until a request has been answered after all of it was read.
#[derive(Clone)]
pub(crate) struct Linger(Arc<AtomicBool>);

impl Default for Linger {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Linger {
    /// Says whether the client may still be sending.
    pub(crate) fn set(&self, sending: bool) {
        self.0.store(sending, Relaxed);
    }
}

/// The stream: `S` is TCP, or TLS over it.
pub(crate) struct ClientStream<S> {
    inner: S,
    metrics: Arc<Metrics>,
    idle: Duration,
    stalled_write: Option<Pin<Box<Sleep>>>,
    linger: Linger,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> ClientStream<S> {
    /// Wraps `inner`; a write that makes no progress for `idle` fails.
    pub(crate) fn new(inner: S, metrics: Arc<Metrics>, idle: Duration, linger: Linger) -> Self {
        Self { inner, metrics, idle, stalled_write: None, linger, lingering: None }
    }

    /// Counts what a write sent, or how long it has been stuck.
    fn written(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match sent {
            Poll::Ready(Ok(count)) => {
                self.metrics.sent.add(count as u64);
                self.stalled_write = None;
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let timer = self.stalled_write.get_or_insert_with(|| Box::pin(sleep(self.idle)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        self.metrics.received.add((buffer.filled().len() - before) as u64);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.written(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx).map_ok(|()| 0);
        self.written(cx, flushed).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let closed = Pin::new(&mut self.inner).poll_shutdown(cx).map_ok(|()| 0);
            ready!(self.written(cx, closed))?;
            if !self.linger.0.load(Relaxed) {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some(Box::pin(sleep(LINGER)));
        }
        let mut scratch = [0; 16 * 1024];
        loop {
            let timer = self.lingering.as_mut().expect("set above");
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(self.as_mut().poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    fn stream<S>(inner: S, linger: &Linger) -> (ClientStream<S>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::default());
        (ClientStream::new(inner, Arc::clone(&metrics), IDLE, linger.clone()), metrics)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let (near, _far) = duplex(10);
        let (mut stream, _) = stream(near, &Linger::default());
        let error = stream.write_all(&[0; 11]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_that_makes_progress_is_served() {
        let (near, mut far) = duplex(1);
        let (mut stream, _) = stream(near, &Linger::default());
        let reader = tokio::spawn(async move {
            for _ in 0..10 {
                sleep(IDLE - Duration::from_secs(1)).await;
                far.read_u8().await.unwrap();
            }
        });
        stream.write_all(&[0; 10]).await.unwrap();
        reader.await.unwrap();
    }

    #[tokio::test]
    async fn bytes_are_counted_both_ways() {
        let (near, mut far) = duplex(100);
        let (mut stream, metrics) = stream(near, &Linger::default());
        far.write_all(b"12345").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        stream.write_all(b"123").await.unwrap();
        let text = metrics.render();
        assert!(text.contains("coffer_received_bytes_total 5\n") && text.contains("coffer_sent_bytes_total 3\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_early_close_lets_the_client_finish_sending() {
        let (near, mut far) = duplex(10);
        let (mut stream, _) = stream(near, &Linger::default());
        let server = tokio::spawn(async move { stream.shutdown().await });
        far.write_all(&[0; 1000]).await.unwrap();
        far.shutdown().await.unwrap();
        server.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_sent_everything_is_not_waited_for() {
        let (near, far) = duplex(10);
        let linger = Linger::default();
        linger.set(false);
        let (mut stream, _) = stream(near, &linger);
        let started = tokio::time::Instant::now();
        stream.shutdown().await.unwrap();
        assert!(started.elapsed().is_zero());
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_when_the_client_never_stops() {
        let (near, far) = duplex(10);
        let (mut stream, _) = stream(near, &Linger::default());
        let started = tokio::time::Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(started.elapsed(), LINGER);
        drop(far);
    }
}
