//! The control socket of the running server.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::command::Command;
use super::protocol::{Line, MAX_COMMAND_LEN, PATH};
use super::session::{Administration, Progress, Session};
use super::{operator, path};
use crate::shutdown::Shutdown;

/// The most operators at once.
const MAX_CONNECTIONS: usize = 16;
/// How long an operator's program may take to say what it wants.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long accepting pauses when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Lines that wait for an operator's program to read them. What does not fit of the progress is not shown.
const MAX_WAITING_LINES: usize = 64;

/// The socket, bound. Its file is removed with it.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the file.
    file: (u64, u64),
}

impl ControlSocket {
    /// Binds the socket at `path`, in the place of one that nobody listens at any more. Only the user of this process
    /// and root can connect.
    ///
    /// # Errors
    /// A sentence for a person: the path is too long, somebody listens there, something else is there.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        path::check(path)?;
        remove_stale(path)?;
        let cannot = || format!("the control socket {} cannot be made", path.display());
        // The process's umask keeps others out until the mode is set.
        let listener = UnixListener::bind(path).with_context(cannot)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).with_context(cannot)?;
        let metadata = fs::symlink_metadata(path).with_context(cannot)?;
        Ok(Self { listener, path: path.to_owned(), file: (metadata.dev(), metadata.ino()) })
    }

    /// Carries out commands until the shutdown has begun and those that run are done, or are cut by its end.
    pub(crate) async fn serve(self, administration: Administration, mut shutdown: Shutdown) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
                (self.listener.accept().await, permit)
            };
            tokio::select! {
                () = shutdown.draining() => break,
                Some(_) = connections.join_next() => {}
                (accepted, permit) = accepted => match accepted {
                    Ok((stream, _)) => {
                        let (administration, shutdown) = (administration.clone(), shutdown.clone());
                        connections.spawn(async move {
                            converse(stream, administration, shutdown).await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an operator could not be let in");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(self);
        tokio::select! {
            () = async { while connections.join_next().await.is_some() {} } => return,
            () = shutdown.closing() => {}
        }
        connections.shutdown().await;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let is_ours = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| is_ours(&metadata)) {
            // One that stays is removed by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that a process left behind when it was killed.
fn remove_stale(path: &Path) -> Result<()> {
    let unreadable = || format!("{} cannot be looked at", path.display());
    let kind = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.with_context(unreadable)?.file_type(),
    };
    if !kind.is_socket() {
        bail!("{} is in the way of the control socket and is no socket: move it away", path.display());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .with_context(|| format!("the old control socket {} cannot be removed", path.display())),
        Ok(_) => bail!("another process listens at the control socket {}", path.display()),
        Err(error) => Err(error).with_context(unreadable),
    }
}

async fn converse(stream: UnixStream, administration: Administration, shutdown: Shutdown) {
    // The permissions of the socket keep everybody else out; this is for systems that do not look at them.
    let uid = match stream.peer_cred().map(|peer| peer.uid()) {
        Ok(uid) if uid == 0 || uid == geteuid().as_raw() => uid,
        _ => return tracing::warn!("somebody who may not was at the control socket"),
    };
    let service = service_fn(|request| {
        let (administration, shutdown) = (administration.clone(), shutdown.clone());
        async move { Ok::<_, Infallible>(answer(request, administration, uid, shutdown).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME)
        .keep_alive(false)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "the connection to an operator broke");
    }
}

async fn answer(
    request: Request<Incoming>,
    administration: Administration,
    uid: u32,
    shutdown: Shutdown,
) -> Response<Lines> {
    if request.uri().path() != PATH {
        return refused(StatusCode::NOT_FOUND, "the server is of another version than this program");
    }
    if request.method() != Method::POST {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "a command is sent by POST");
    }
    let body = Limited::new(request.into_body(), MAX_COMMAND_LEN).collect();
    let body = match tokio::time::timeout(REQUEST_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "the command is too long"),
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, "the command took too long to arrive"),
    };
    let Ok(command) = serde_json::from_slice::<Command>(&body) else {
        return refused(StatusCode::BAD_REQUEST, "the server does not know this command: is it of another version?");
    };
    let (sender, receiver) = mpsc::channel(MAX_WAITING_LINES);
    let lines = sender.clone();
    let progress = Progress::new(move |line| {
        let sent = lines.try_send(Line::Progress(line.to_owned()));
        !matches!(sent, Err(mpsc::error::TrySendError::Closed(_)))
    });
    let session = Session::new(administration, operator(uid), progress, shutdown);
    // On its own: a command that changes something is not cut in two by an operator who goes away.
    tokio::spawn(async move {
        let last = match command.perform(&session).await {
            Ok(report) => Line::Done(report),
            Err(error) => Line::Error(format!("{error:#}")),
        };
        // Nobody waits for the answer of an operator who has gone.
        let _ = sender.send(last).await;
    });
    response(StatusCode::OK, Lines(receiver))
}

fn refused(status: StatusCode, why: &str) -> Response<Lines> {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(Line::Error(why.to_owned())).expect("the channel has room for one line");
    response(status, Lines(receiver))
}

fn response(status: StatusCode, lines: Lines) -> Response<Lines> {
    let mut response = Response::new(lines);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// The lines of an answer as its body.
struct Lines(mpsc::Receiver<Line>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line.encode().into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_private_and_goes_with_its_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_at_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        ControlSocket::bind(&path).unwrap();
    }

    #[tokio::test]
    async fn a_socket_that_somebody_listens_at_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = ControlSocket::bind(&path).err().unwrap().to_string();
        assert!(error.contains("another process listens"), "{error}");
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        let error = ControlSocket::bind(&path).err().unwrap().to_string();
        assert!(error.contains("is no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_socket_of_a_later_process_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let first = ControlSocket::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let _second = ControlSocket::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }
}
