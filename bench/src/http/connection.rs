//! One keep-alive connection, plain or TLS, and one exchange after the other on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use thiserror::Error;

use super::chunked::{ChunkedBody, MalformedChunk};
use super::head::{self, Framing, Head, HeadError};

/// No reply takes longer than this between two of its bytes: a hanging server ends the run.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes read at once.
const READ_LEN: usize = 256 * 1024;
/// Up to this many bytes of body leave in one write with the head.
const JOINED_BODY_LEN_MAX: usize = 128 * 1024;
/// Bytes of an error reply that are kept for the report.
const EXCERPT_LEN: usize = 400;

/// Where a server listens, and how it is spoken to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The address.
    pub(crate) address: SocketAddr,
    /// What the `Host` header says.
    pub(crate) host: String,
    /// The name in the server's certificate and whom to trust; `None`: plain HTTP.
    pub(crate) tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
}

/// A connection to one server. It reconnects when the server closed it after a reply.
pub(crate) struct Connection {
    endpoint: Endpoint,
    stream: Option<Stream>,
    buffer: Vec<u8>,
    joined: Vec<u8>,
}

/// A reply, without its body.
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// The length that the head announces.
    pub(crate) content_length: Option<u64>,
    /// Bytes of body that came.
    pub(crate) body_len: u64,
    /// The first bytes of the body when the status is no success; else empty.
    pub(crate) excerpt: String,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    /// The connection failed or stalled.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The head of the reply is malformed.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body of the reply is malformed.
    #[error(transparent)]
    Chunk(#[from] MalformedChunk),
    /// There are bytes that belong to no reply.
    #[error("the reply is longer than announced")]
    TooLong,
}

impl Connection {
    /// Connects, and shakes hands when the endpoint speaks TLS.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub(crate) fn open(endpoint: Endpoint) -> Result<Self, ExchangeError> {
        let stream = Some(Stream::connect(&endpoint)?);
        Ok(Self { endpoint, stream, buffer: vec![0; READ_LEN], joined: Vec::new() })
    }

    /// Sends `request` (its head) and `body`, reads the reply and gives the body of a success to `on_body` in pieces.
    ///
    /// `is_head`: the request is a HEAD, so no body follows whatever the reply announces.
    ///
    /// # Errors
    /// [`ExchangeError`]; the connection is of no use then.
    pub(crate) fn exchange(
        &mut self,
        request: &[u8],
        body: &[u8],
        is_head: bool,
        on_body: &mut dyn FnMut(&[u8]),
    ) -> Result<Reply, ExchangeError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => Stream::connect(&self.endpoint)?,
        };
        self.joined.clear();
        self.joined.extend_from_slice(request);
        if body.len() <= JOINED_BODY_LEN_MAX {
            self.joined.extend_from_slice(body);
            stream.write_all(&self.joined)?;
        } else {
            stream.write_all(&self.joined)?;
            stream.write_all(body)?;
        }
        stream.flush()?;
        let (head, rest) = read_head(&mut stream, &mut self.buffer)?;
        let framing = if is_head { Framing::Length(0) } else { head.framing };
        let mut excerpt = Vec::new();
        let mut take = |piece: &[u8]| {
            if head.status < 300 {
                on_body(piece);
            } else {
                let room = EXCERPT_LEN.saturating_sub(excerpt.len());
                excerpt.extend_from_slice(&piece[..piece.len().min(room)]);
            }
        };
        let body_len = read_body(&mut stream, &mut self.buffer, rest, &framing, &mut take)?;
        if head.keep_alive && framing != Framing::UntilClose {
            self.stream = Some(stream);
        }
        let content_length = if let Framing::Length(len) = head.framing { Some(len) } else { None };
        Ok(Reply {
            status: head.status,
            content_length,
            body_len,
            excerpt: String::from_utf8_lossy(&excerpt).into_owned(),
        })
    }
}

/// Reads the head of the final reply; returns it with the range of `buffer` that already holds body.
fn read_head(stream: &mut Stream, buffer: &mut [u8]) -> Result<(Head, std::ops::Range<usize>), ExchangeError> {
    let mut filled = 0;
    loop {
        match head::parse(&buffer[..filled])? {
            Some((head, len)) if head.status < 200 => {
                buffer.copy_within(len..filled, 0);
                filled -= len;
            }
            Some((head, len)) => return Ok((head, len..filled)),
            None => filled += read_some(stream, &mut buffer[filled..])?,
        }
    }
}

/// Reads a body whose first bytes are `buffer[first]`; returns its length.
fn read_body(
    stream: &mut Stream,
    buffer: &mut [u8],
    first: std::ops::Range<usize>,
    framing: &Framing,
    on_body: &mut dyn FnMut(&[u8]),
) -> Result<u64, ExchangeError> {
    let mut body_len = 0;
    let mut chunked = ChunkedBody::default();
    let mut piece = first;
    loop {
        let bytes = &buffer[piece];
        match framing {
            Framing::Chunked => chunked.feed(bytes, &mut |data| {
                body_len += data.len() as u64;
                on_body(data);
            })?,
            Framing::Length(_) | Framing::UntilClose => {
                body_len += bytes.len() as u64;
                on_body(bytes);
            }
        }
        match framing {
            Framing::Length(len) if body_len > *len => return Err(ExchangeError::TooLong),
            Framing::Length(len) if body_len == *len => return Ok(body_len),
            Framing::Chunked if chunked.is_done() => return Ok(body_len),
            Framing::Length(_) | Framing::Chunked => piece = 0..read_some(stream, buffer)?,
            Framing::UntilClose => match stream.read(buffer)? {
                0 => return Ok(body_len),
                len => piece = 0..len,
            },
        }
    }
}

fn read_some(stream: &mut Stream, buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        len => Ok(len),
    }
}

/// The bytes below HTTP.
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn connect(endpoint: &Endpoint) -> Result<Self, ExchangeError> {
        let mut socket = TcpStream::connect(endpoint.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(STALL_TIMEOUT))?;
        socket.set_write_timeout(Some(STALL_TIMEOUT))?;
        let Some((name, config)) = &endpoint.tls else { return Ok(Self::Plain(socket)) };
        let mut session = ClientConnection::new(Arc::clone(config), name.clone())?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests;
