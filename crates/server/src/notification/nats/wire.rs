//! What goes over a connection to a NATS server.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::outbound::Stream;

/// A connection.
pub(super) struct Wire(BufReader<Box<dyn Stream>>);

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// What it says of itself, in JSON.
    Info(Vec<u8>),
    /// A message of a subject that was subscribed to.
    Message {
        /// The subject.
        subject: String,
        /// Whether its headers begin with a status: the server itself says that nobody took a request.
        has_status: bool,
        /// What is in it.
        body: Vec<u8>,
    },
    /// It wants a PONG.
    Ping,
    /// It has seen what came before a PING.
    Pong,
    /// It has understood.
    Ok,
    /// It has not. In words of the server, which quote subjects at the most.
    Error(String),
}

impl Wire {
    /// Speaks over `stream`.
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    /// The stream, to go on over TLS.
    ///
    /// # Errors
    /// When the server has said more already: that would be read as if it had come over TLS.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, String> {
        if self.0.buffer().is_empty() { Ok(self.0.into_inner()) } else { Err("the server talks before TLS".to_owned()) }
    }

    /// Sends pieces one after the other.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn send(&mut self, pieces: &[&[u8]]) -> Result<(), String> {
        for piece in pieces {
            self.0.write_all(piece).await.map_err(broken)?;
        }
        self.0.flush().await.map_err(broken)
    }

    /// Waits for what the server sends next.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is not NATS's.
    pub(super) async fn next(&mut self) -> Result<Incoming, String> {
        let line = self.line().await?;
        let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
        let rest = rest.trim();
        match verb.to_ascii_uppercase().as_str() {
            "INFO" => Ok(Incoming::Info(rest.as_bytes().to_vec())),
            "MSG" => self.message(rest, false).await,
            "HMSG" => self.message(rest, true).await,
            "PING" => Ok(Incoming::Ping),
            "PONG" => Ok(Incoming::Pong),
            "+OK" => Ok(Incoming::Ok),
            "-ERR" => Ok(Incoming::Error(format!("the server says {}", readable(rest)))),
            _ => Err("the server is none of NATS".to_owned()),
        }
    }

    /// `subject sid [reply] [header length] length`, then the bytes.
    async fn message(&mut self, rest: &str, has_headers: bool) -> Result<Incoming, String> {
        let wrong = || "a message cannot be read".to_owned();
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let subject = (*fields.first().ok_or_else(wrong)?).to_owned();
        let number = |from_end: usize| -> Option<usize> {
            let index = fields.len().checked_sub(from_end).filter(|index| *index >= 2)?;
            fields.get(index)?.parse().ok()
        };
        let len = number(1).filter(|len| *len <= MAX_MESSAGE_LEN).ok_or_else(wrong)?;
        let header_len = if has_headers { number(2).filter(|header| *header <= len).ok_or_else(wrong)? } else { 0 };
        let mut bytes = vec![0; len + 2];
        self.0.read_exact(&mut bytes).await.map_err(broken)?;
        if !bytes.ends_with(b"\r\n") {
            return Err(wrong());
        }
        bytes.truncate(len);
        let body = bytes.split_off(header_len);
        let first_line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Ok(Incoming::Message { subject, has_status: first_line.contains(&b' '), body })
    }

    async fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE_LEN).unwrap_or(u64::MAX);
        (&mut self.0).take(limit).read_until(b'\n', &mut line).await.map_err(broken)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => String::from_utf8(line.to_vec()).map_err(|_| "a line is not text".to_owned()),
            None if line.len() < MAX_LINE_LEN => Err("the connection ended".to_owned()),
            None => Err("a line is too long".to_owned()),
        }
    }
}

fn broken(error: std::io::Error) -> String {
    format!("the connection broke: {error}")
}

/// What a server says, for a log.
fn readable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The most bytes of a line: INFO names the servers of a cluster.
const MAX_LINE_LEN: usize = 64 << 10;
/// The most bytes of a message: acknowledgements are short.
const MAX_MESSAGE_LEN: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Incoming, String> {
        let (mut server, client) = tokio::io::duplex(1 << 20);
        server.write_all(bytes).await.unwrap();
        drop(server);
        Wire::new(Box::new(client)).next().await
    }

    fn message(subject: &str, has_status: bool, body: &str) -> Result<Incoming, String> {
        Ok(Incoming::Message { subject: subject.to_owned(), has_status, body: body.as_bytes().to_vec() })
    }

    #[tokio::test]
    async fn what_servers_send_is_told_apart() {
        assert_eq!(read(b"INFO {\"a\":1} \r\n").await, Ok(Incoming::Info(b"{\"a\":1}".to_vec())));
        assert_eq!(read(b"PING\r\n").await, Ok(Incoming::Ping));
        assert_eq!(read(b"pong\r\n").await, Ok(Incoming::Pong));
        assert_eq!(read(b"+OK\r\n").await, Ok(Incoming::Ok));
        assert_eq!(read(b"-ERR 'No\x1b[0m'\r\n").await, Ok(Incoming::Error("the server says 'No[0m'".to_owned())));
        assert_eq!(read(b"MSG a.b 1 5\r\nhello\r\n").await, message("a.b", false, "hello"));
        assert_eq!(read(b"MSG a.b 1 reply 0\r\n\r\n").await, message("a.b", false, ""));
        assert_eq!(read(b"HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nhello\r\n").await, message("a", false, "hello"));
        assert_eq!(read(b"HMSG a 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n").await, message("a", true, ""));
    }

    #[tokio::test]
    async fn what_is_none_of_nats_is_an_error() {
        let long = [b"INFO ".as_slice(), &vec![b' '; MAX_LINE_LEN], b"\r\n"].concat();
        for bytes in [
            &b""[..],
            b"PING",
            b"PING\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"MSG\r\n",
            b"MSG a 1\r\n",
            b"MSG a 1 x\r\n\r\n",
            b"MSG a 1 5\r\nhell",
            b"MSG a 1 5\r\nhello!!",
            b"MSG a 1 99999999999\r\n",
            b"MSG a 1 18446744073709551615\r\n",
            b"HMSG a 1 6 5\r\nhello\r\n",
            b"HMSG a 1 5\r\nhello\r\n",
            b"INFO \xff\r\n",
            &long,
        ] {
            assert!(read(bytes).await.is_err(), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
        }
    }

    #[tokio::test]
    async fn nothing_that_came_before_tls_is_taken_for_what_came_over_it() {
        let (mut server, client) = tokio::io::duplex(1024);
        server.write_all(b"INFO {}\r\nPONG\r\n").await.unwrap();
        let mut wire = Wire::new(Box::new(client));
        wire.next().await.unwrap();
        assert!(wire.into_stream().is_err());
    }
}
