//! Taking the framing off a body, as it arrives.

use bytes::{Buf, Bytes};
use coffer_crypto::{Sha256, ct_eq};
use thiserror::Error;

use super::{ChunkChain, SIGNATURE_EXTENSION, TRAILER_SIGNATURE};
use crate::error::SignatureMismatch;
use crate::payload::decode_hex;

/// Names in lower case and values of the trailers, in order, without the signature.
pub type Trailers = Vec<(String, String)>;

/// Why a body is refused. `Display` is the message of S3's answer. None of it may be stored.
#[derive(Debug, Error, PartialEq, Eq, Clone, Copy)]
pub enum ChunkError {
    /// `IncompleteBody`, 400: the framing is broken, or the body ends before it should.
    #[error("The request body terminated unexpectedly")]
    Incomplete,

    /// `IncompleteBody`, 400, with `NumberBytesExpected` and `NumberBytesProvided`: the chunks do not add up to
    /// `x-amz-decoded-content-length`.
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header")]
    Length {
        /// What the header says, in bytes.
        expected: u64,
        /// What the chunks up to here say, in bytes.
        provided: u64,
    },

    /// `InvalidChunkSizeError`, 400, with `Chunk` and `BadChunkSize`.
    #[error("Only the last chunk is allowed to have a size less than 8192 bytes")]
    SmallChunk {
        /// The number of the chunk that shows it, the one after the small one; the first is 1.
        chunk: u64,
        /// The size of the small chunk, in bytes.
        size: u64,
    },

    /// `MalformedTrailerError`, 400: a trailer is unreadable, was not announced, or is announced and missing.
    #[error("The request contained trailing data that was not well-formed or did not conform to our published schema.")]
    Trailer,

    /// `SignatureDoesNotMatch`, 403: of a chunk or of the trailers.
    #[error(transparent)]
    Signature(#[from] SignatureMismatch),
}

/// Takes the `aws-chunked` framing off a body and checks its signatures, chunk after chunk.
///
/// Data comes out as it goes in, without a copy and before the signature of its chunk is known to be right: so
/// memory does not depend on what a client calls a chunk. The caller makes nothing of it visible until
/// [`ChunkDecoder::finish`] returned `Ok`. The last piece of a chunk does wait for the signature.
pub struct ChunkDecoder {
    state: State,
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    /// How the chunks are signed, if they are.
    signing: Option<Signing>,
    /// The names of the trailers that must come; `None` if the body has no place for trailers.
    announced: Option<Vec<String>>,
    trailers: Trailers,
    decoded_len: u64,
    /// Bytes that the headers of the chunks have promised.
    promised_len: u64,
    chunk_count: u64,
    /// The size of the chunk before, if there is one.
    previous_size: Option<u64>,
}

struct Signing {
    chain: ChunkChain,
    hash: Sha256,
    /// What the chunk's header says.
    claimed: [u8; 32],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    ChunkHeader,
    Data {
        remaining: u64,
    },
    DataEnd,
    Trailers {
        lines: usize,
    },
    /// The trailers' signature was right; an empty line follows.
    SignedTrailersEnd,
    /// An empty line follows the last chunk of a body without trailers.
    BodyEnd,
    Done,
    /// One known client ends its trailers with two empty lines.
    DoneTwice,
    Failed,
}

impl ChunkDecoder {
    /// Decodes a body with `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`, or with `..-TRAILER` if `announced` is there.
    ///
    /// `decoded_len` is `x-amz-decoded-content-length`; `announced` the names in `x-amz-trailer`.
    #[must_use]
    pub fn signed(chain: ChunkChain, decoded_len: u64, announced: Option<Vec<String>>) -> Self {
        let signing = Signing { chain, hash: Sha256::default(), claimed: [0; 32] };
        Self::new(Some(signing), decoded_len, announced)
    }

    /// Decodes a body with `STREAMING-UNSIGNED-PAYLOAD-TRAILER`. The arguments are as for [`ChunkDecoder::signed`].
    #[must_use]
    pub fn unsigned(decoded_len: u64, announced: Vec<String>) -> Self {
        Self::new(None, decoded_len, Some(announced))
    }

    fn new(signing: Option<Signing>, decoded_len: u64, mut announced: Option<Vec<String>>) -> Self {
        for name in announced.iter_mut().flatten() {
            name.make_ascii_lowercase();
        }
        Self {
            state: State::ChunkHeader,
            line: Vec::new(),
            signing,
            announced,
            trailers: Vec::new(),
            decoded_len,
            promised_len: 0,
            chunk_count: 0,
            previous_size: None,
        }
    }

    /// Takes the next piece of data out of `input`; `None` when all of `input` is used up. A piece is not empty.
    ///
    /// # Errors
    /// [`ChunkError`]. Whatever is called afterwards fails too.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        let decoded = self.step_until_data(input);
        if decoded.is_err() {
            self.state = State::Failed;
        }
        decoded
    }

    /// Ends the body: there is no more input. Returns the trailers.
    ///
    /// # Errors
    /// [`ChunkError::Incomplete`] when something is missing, or was wrong.
    pub fn finish(self) -> Result<Trailers, ChunkError> {
        let done = matches!(self.state, State::Done | State::DoneTwice) && self.line.is_empty();
        if done { Ok(self.trailers) } else { Err(ChunkError::Incomplete) }
    }

    fn step_until_data(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkError> {
        while !input.is_empty() {
            match self.state {
                State::ChunkHeader => {
                    if let Some(line) = self.take_line(input, MAX_CHUNK_HEADER_LEN)? {
                        self.state = self.start_chunk(strip_cr(&line)?)?;
                    }
                }
                State::Data { remaining } => {
                    let len = usize::try_from(remaining).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(len);
                    self.state = self.pass_data(&data, remaining - len as u64)?;
                    return Ok(Some(data));
                }
                State::DataEnd => self.expect_empty_line(input, State::ChunkHeader)?,
                State::Trailers { lines } => {
                    if let Some(line) = self.take_line(input, MAX_TRAILER_LEN)? {
                        self.state = self.take_trailer(&line, lines)?;
                    }
                }
                State::SignedTrailersEnd | State::BodyEnd => self.expect_empty_line(input, State::Done)?,
                State::Done => self.expect_empty_line(input, State::DoneTwice)?,
                State::DoneTwice | State::Failed => return Err(ChunkError::Incomplete),
            }
        }
        Ok(None)
    }

    /// Takes a line without its line feed; `None` when `input` ends before.
    fn take_line(&mut self, input: &mut Bytes, max_len: usize) -> Result<Option<Vec<u8>>, ChunkError> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let len = end.unwrap_or(input.len());
        if self.line.len() + len > max_len {
            return Err(ChunkError::Incomplete);
        }
        self.line.extend_from_slice(&input.split_to(len));
        if end.is_none() {
            return Ok(None);
        }
        input.advance(1);
        Ok(Some(std::mem::take(&mut self.line)))
    }

    fn expect_empty_line(&mut self, input: &mut Bytes, next: State) -> Result<(), ChunkError> {
        if let Some(line) = self.take_line(input, 1)? {
            if line != b"\r" {
                return Err(ChunkError::Incomplete);
            }
            self.state = next;
        }
        Ok(())
    }

    fn start_chunk(&mut self, header: &[u8]) -> Result<State, ChunkError> {
        let digits = header.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = header.split_at(digits);
        let size = str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
        let size = size.ok_or(ChunkError::Incomplete)?;
        match &mut self.signing {
            Some(signing) => {
                let digits = extension.strip_prefix(SIGNATURE_EXTENSION).ok_or(ChunkError::Incomplete)?;
                signing.claimed = decode_hex(digits).ok_or(SignatureMismatch)?;
            }
            None if extension.is_empty() => (),
            None => return Err(ChunkError::Incomplete),
        }
        self.chunk_count += 1;
        if size == 0 { self.start_last_chunk() } else { self.start_data(size) }
    }

    fn start_data(&mut self, size: u64) -> Result<State, ChunkError> {
        if let Some(previous) = self.previous_size.replace(size).filter(|size| *size < MIN_CHUNK_SIZE) {
            return Err(ChunkError::SmallChunk { chunk: self.chunk_count, size: previous });
        }
        self.promised_len = self.promised_len.saturating_add(size);
        if self.promised_len > self.decoded_len {
            return Err(self.wrong_length());
        }
        Ok(State::Data { remaining: size })
    }

    fn start_last_chunk(&mut self) -> Result<State, ChunkError> {
        self.check_chunk()?;
        if self.promised_len != self.decoded_len {
            return Err(self.wrong_length());
        }
        Ok(if self.announced.is_some() { State::Trailers { lines: 0 } } else { State::BodyEnd })
    }

    fn wrong_length(&self) -> ChunkError {
        ChunkError::Length { expected: self.decoded_len, provided: self.promised_len }
    }

    fn pass_data(&mut self, data: &[u8], remaining: u64) -> Result<State, ChunkError> {
        if let Some(signing) = &mut self.signing {
            signing.hash.update(data);
        }
        if remaining > 0 {
            return Ok(State::Data { remaining });
        }
        self.check_chunk()?;
        Ok(State::DataEnd)
    }

    /// Checks the signature of the chunk that has just gone by.
    fn check_chunk(&mut self) -> Result<(), SignatureMismatch> {
        let Some(signing) = &mut self.signing else { return Ok(()) };
        let hash = std::mem::take(&mut signing.hash).finish();
        let expected = signing.chain.sign_chunk(&hash);
        if ct_eq(&expected, &signing.claimed) { Ok(()) } else { Err(SignatureMismatch) }
    }

    fn take_trailer(&mut self, line: &[u8], lines: usize) -> Result<State, ChunkError> {
        // One known client ends a trailer with a line feed only.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if lines == MAX_TRAILER_LINES {
            return Err(ChunkError::Trailer);
        }
        if line.is_empty() {
            return match self.signing {
                // The same client puts an empty line in front of the signature.
                Some(_) => Ok(State::Trailers { lines: lines + 1 }),
                None => self.check_announced().map(|()| State::Done),
            };
        }
        let (name, value) = read_trailer(line).ok_or(ChunkError::Trailer)?;
        if name == TRAILER_SIGNATURE {
            self.check_trailers(&value)?;
            return self.check_announced().map(|()| State::SignedTrailersEnd);
        }
        self.trailers.push((name, value));
        Ok(State::Trailers { lines: lines + 1 })
    }

    fn check_trailers(&mut self, signature: &str) -> Result<(), ChunkError> {
        let signing = self.signing.as_mut().ok_or(ChunkError::Trailer)?;
        let claimed = decode_hex(signature.as_bytes()).ok_or(SignatureMismatch)?;
        let trailers = self.trailers.iter().map(|(name, value)| (&**name, &**value));
        let expected = signing.chain.sign_trailers(trailers);
        if ct_eq(&expected, &claimed) { Ok(()) } else { Err(SignatureMismatch.into()) }
    }

    /// Checks that the trailers are those announced, each once.
    fn check_announced(&self) -> Result<(), ChunkError> {
        let mut came: Vec<&str> = self.trailers.iter().map(|trailer| &*trailer.0).collect();
        let mut announced: Vec<&str> = self.announced.iter().flatten().map(|name| &**name).collect();
        came.sort_unstable();
        announced.sort_unstable();
        if came == announced { Ok(()) } else { Err(ChunkError::Trailer) }
    }
}

fn strip_cr(line: &[u8]) -> Result<&[u8], ChunkError> {
    line.strip_suffix(b"\r").ok_or(ChunkError::Incomplete)
}

fn read_trailer(line: &[u8]) -> Option<(String, String)> {
    let (name, value) = str::from_utf8(line).ok()?.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let is_value = !value.chars().any(|char| char.is_control() && char != '\t');
    (is_name && is_value).then(|| (name.to_ascii_lowercase(), value.trim_ascii().to_owned()))
}

/// Bytes below which only the last chunk may be.
const MIN_CHUNK_SIZE: u64 = 8192;
/// Bytes of a chunk's header before the line feed; 98 are enough for any size.
const MAX_CHUNK_HEADER_LEN: usize = 128;
/// Bytes of a trailer before the line feed.
const MAX_TRAILER_LEN: usize = 1024;
/// Lines after the last chunk, without the signature.
const MAX_TRAILER_LINES: usize = 16;
