//! The head of a reply: status, how its body ends, whether the connection lives on.

use thiserror::Error;

/// Bytes that a head may have.
pub(super) const HEAD_LEN_MAX: usize = 64 * 1024;

/// What the head of a reply says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The status code.
    pub(super) status: u16,
    /// How the body ends.
    pub(super) framing: Framing,
    /// Whether another request may follow on the connection.
    pub(super) keep_alive: bool,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After this many bytes.
    Length(u64),
    /// With an empty chunk.
    Chunked,
    /// When the server closes the connection.
    UntilClose,
}

/// Why bytes are not the head of a reply.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The head does not end.
    #[error("the head is longer than {HEAD_LEN_MAX} bytes")]
    TooLong,
    /// The status line is none of HTTP/1.
    #[error("the status line is malformed")]
    StatusLine,
    /// A line is no header.
    #[error("a header line is malformed")]
    Header,
    /// It is not clear where the body ends.
    #[error("the length of the body is ambiguous")]
    Framing,
}

/// Parses the head at the start of `bytes`; returns it with its length, or `None` while its end is missing.
///
/// # Errors
/// [`HeadError`].
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_LEN_MAX { Err(HeadError::TooLong) } else { Ok(None) };
    };
    let text = str::from_utf8(&bytes[..end]).map_err(|_| HeadError::Header)?;
    let mut lines = text.split("\r\n");
    let (mut keep_alive, status) = status_line(lines.next().unwrap_or_default())?;
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(HeadError::Header)?;
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("content-length") {
            let value = content_length(value)?;
            if length.replace(value).is_some_and(|earlier| earlier != value) {
                return Err(HeadError::Framing);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
            if !chunked {
                return Err(HeadError::Framing);
            }
        } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            keep_alive = false;
        }
    }
    let framing = match (length, chunked) {
        (Some(_), true) => return Err(HeadError::Framing),
        (Some(length), false) => Framing::Length(length),
        (None, true) => Framing::Chunked,
        (None, false) if matches!(status, 100..200 | 204 | 304) => Framing::Length(0),
        (None, false) => Framing::UntilClose,
    };
    Ok(Some((Head { status, framing, keep_alive }, end + 4)))
}

/// Returns whether the version keeps connections alive, and the status.
fn status_line(line: &str) -> Result<(bool, u16), HeadError> {
    let keep_alive = line.starts_with("HTTP/1.1 ");
    if !keep_alive && !line.starts_with("HTTP/1.0 ") {
        return Err(HeadError::StatusLine);
    }
    let status = line.split(' ').nth(1).filter(|status| status.len() == 3).ok_or(HeadError::StatusLine)?;
    match status.parse() {
        Ok(status @ 100..=599) => Ok((keep_alive, status)),
        _ => Err(HeadError::StatusLine),
    }
}

fn content_length(value: &str) -> Result<u64, HeadError> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HeadError::Framing);
    }
    value.parse().map_err(|_| HeadError::Framing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Head {
        parse(text.as_bytes()).unwrap().unwrap().0
    }

    fn refused(text: &str) -> HeadError {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn head_ends_before_the_body() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let (head, len) = parse(bytes).unwrap().unwrap();
        assert_eq!(head, Head { status: 200, framing: Framing::Length(3), keep_alive: true });
        assert_eq!(&bytes[len..], b"abc");
    }

    #[test]
    fn a_cut_head_asks_for_more() {
        let bytes = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]), Ok(None), "{len} bytes");
        }
    }

    #[test]
    fn names_and_values_are_read_in_any_case_and_spacing() {
        assert_eq!(parsed("HTTP/1.1 200 OK\r\ncOnTent-LENGTH:\t 5 \r\n\r\n").framing, Framing::Length(5));
        assert_eq!(parsed("HTTP/1.1 200 OK\r\ntransfer-encoding:Chunked\r\n\r\n").framing, Framing::Chunked);
    }

    #[test]
    fn connections_close_when_the_server_says_so() {
        assert!(!parsed("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n").keep_alive);
        assert!(!parsed("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keep_alive);
    }

    #[test]
    fn replies_without_length_end_with_the_connection_unless_they_cannot_have_a_body() {
        assert_eq!(parsed("HTTP/1.1 200 OK\r\n\r\n").framing, Framing::UntilClose);
        assert_eq!(parsed("HTTP/1.1 204 No Content\r\n\r\n").framing, Framing::Length(0));
        assert_eq!(parsed("HTTP/1.1 100 Continue\r\n\r\n").framing, Framing::Length(0));
    }

    #[test]
    fn ambiguous_lengths_are_refused() {
        for headers in [
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip",
            "Content-Length: +1",
            "Content-Length: -1",
            "Content-Length: ",
            "Content-Length: 0x10",
            "Content-Length: 99999999999999999999999",
        ] {
            assert_eq!(refused(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n")), HeadError::Framing, "{headers}");
        }
    }

    #[test]
    fn other_status_lines_are_refused() {
        for line in ["", "HTTP/2 200", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20 OK", "HTTP/1.1 999 X", "HTTP/1.1 2e2 OK"] {
            assert_eq!(refused(&format!("{line}\r\n\r\n")), HeadError::StatusLine, "{line:?}");
        }
    }

    #[test]
    fn a_line_without_colon_is_refused() {
        assert_eq!(refused("HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"), HeadError::Header);
    }

    #[test]
    fn an_endless_head_is_refused() {
        let endless = vec![b'a'; HEAD_LEN_MAX + 1];
        assert_eq!(parse(&endless), Err(HeadError::TooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes: Vec<u8>) {
            let _ = parse(&bytes);
            bytes.splice(..0, *b"HTTP/1.1 200 OK\r\n");
            bytes.extend_from_slice(b"\r\n\r\n");
            let _ = parse(&bytes);
        }
    }
}
