//! Chunked bodies (RFC 9112, section 7.1), taken apart as they arrive.

use thiserror::Error;

/// Bytes that a size line or a trailer line may have.
const LINE_LEN_MAX: usize = 4096;

/// Why bytes are no chunked body.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the chunked body is malformed")]
pub(crate) struct MalformedChunk;

/// Takes a chunked body apart; it may be fed in any pieces.
#[derive(Default)]
pub(super) struct ChunkedBody {
    state: State,
    line: Vec<u8>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    SizeLine,
    /// Bytes of data that are left in the chunk.
    Data(u64),
    DataEnd,
    TrailerLine,
    Done,
}

impl ChunkedBody {
    /// Whether the last chunk and the trailers were seen.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes the next bytes, gives the data in them to `data`.
    ///
    /// # Errors
    /// [`MalformedChunk`], also for bytes after the end of the body.
    pub(super) fn feed(&mut self, mut input: &[u8], data: &mut dyn FnMut(&[u8])) -> Result<(), MalformedChunk> {
        while !input.is_empty() {
            match self.state {
                State::Done => return Err(MalformedChunk),
                State::Data(left) => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    data(&input[..len]);
                    input = &input[len..];
                    let left = left - len as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                }
                State::SizeLine | State::DataEnd | State::TrailerLine => {
                    self.line.push(input[0]);
                    input = &input[1..];
                    if self.line.ends_with(b"\r\n") {
                        self.state = self.after_line()?;
                        self.line.clear();
                    } else if self.line.len() > LINE_LEN_MAX {
                        return Err(MalformedChunk);
                    }
                }
            }
        }
        Ok(())
    }

    fn after_line(&self) -> Result<State, MalformedChunk> {
        let line = &self.line[..self.line.len() - 2];
        match self.state {
            State::SizeLine => Ok(match chunk_len(line)? {
                0 => State::TrailerLine,
                len => State::Data(len),
            }),
            State::DataEnd if line.is_empty() => Ok(State::SizeLine),
            State::TrailerLine if line.is_empty() => Ok(State::Done),
            State::TrailerLine => Ok(State::TrailerLine),
            State::DataEnd | State::Data(_) | State::Done => Err(MalformedChunk),
        }
    }
}

fn chunk_len(line: &[u8]) -> Result<u64, MalformedChunk> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(MalformedChunk);
    }
    let digits = str::from_utf8(digits).map_err(|_| MalformedChunk)?;
    u64::from_str_radix(digits, 16).map_err(|_| MalformedChunk)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"4\r\nWiki\r\nA;name=value\r\npedia, the\r\n0\r\nTrailer: x\r\n\r\n";

    fn decoded(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool), MalformedChunk> {
        let (mut body, mut out) = (ChunkedBody::default(), Vec::new());
        for piece in pieces {
            body.feed(piece, &mut |data| out.extend_from_slice(data))?;
        }
        Ok((out, body.is_done()))
    }

    #[test]
    fn chunks_become_the_body() {
        assert_eq!(decoded(&[BODY]), Ok((b"Wikipedia, the".to_vec(), true)));
    }

    #[test]
    fn any_split_gives_the_same_body() {
        for at in 0..BODY.len() {
            assert_eq!(decoded(&[&BODY[..at], &BODY[at..]]), decoded(&[BODY]), "split at {at}");
        }
        let bytes: Vec<&[u8]> = BODY.chunks(1).collect();
        assert_eq!(decoded(&bytes), decoded(&[BODY]));
    }

    #[test]
    fn a_cut_body_is_not_done() {
        for len in 0..BODY.len() {
            assert!(!decoded(&[&BODY[..len]]).unwrap().1, "{len} bytes");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        for bad in ["\r\n", "-1\r\n", "+1\r\n", "g\r\n", "1\r\nab\r\n", "11111111111111111\r\n", "0\r\n\r\nx", " 1\r\n"]
        {
            assert_eq!(decoded(&[bad.as_bytes()]), Err(MalformedChunk), "{bad:?}");
        }
        assert_eq!(decoded(&[&[b'1'; LINE_LEN_MAX + 1]]), Err(MalformedChunk));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = decoded(&[b"1", &bytes]);
        }
    }
}
