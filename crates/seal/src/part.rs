//! The part stream: plaintext in segments of 64 KiB, each sealed on its own, without header or padding.
//!
//! ```text
//! segment i = SEAL(PK, "seg1" || u64(i) || u8(i is the last), plaintext i)      once a layer, inner first
//! ```
//!
//! Segments are sealed and opened where they lie. With two layers the inner nonce and tag lie within the outer.

use std::ops::Range;

use coffer_crypto::{AeadKey, Key32, NONCE_LEN, TAG_LEN};

use crate::error::{OpenError, tampered};
use crate::length::{MAX_SEGMENTS, SEGMENT_LEN, overhead, sealed_len, segment_count};

/// The keys of one part stream, one a layer. Fresh for every attempt to upload a part, and used for nothing else.
pub struct PartKeys {
    inner: Key32,
    outer: Option<Key32>,
}

impl PartKeys {
    /// Draws fresh keys for `layers` layers, 1 or 2.
    ///
    /// # Panics
    /// With any other number of layers.
    #[must_use]
    pub fn generate(layers: usize) -> Self {
        assert!((1..=2).contains(&layers), "a part is sealed in one or two layers");
        Self::new(Key32::generate(), (layers == 2).then(Key32::generate))
    }

    /// The keys as the part boxes of the layers hold them.
    #[must_use]
    pub fn new(inner: Key32, outer: Option<Key32>) -> Self {
        Self { inner, outer }
    }

    /// How many layers: 1 or 2.
    #[must_use]
    pub fn layers(&self) -> usize {
        1 + usize::from(self.outer.is_some())
    }

    /// The key of each layer, inner first, as it goes into the part box of that layer.
    pub fn iter(&self) -> impl Iterator<Item = &Key32> {
        std::iter::once(&self.inner).chain(&self.outer)
    }
}

/// Plaintext of up to a number of whole segments, laid out with room for nonces and tags, so that sealing
/// happens in place.
pub struct SegmentBuffer {
    bytes: Vec<u8>,
    plain_len: usize,
    max_plain_len: usize,
    layers: usize,
}

impl SegmentBuffer {
    /// An empty buffer for up to `segments` segments. Its memory grows with what is pushed.
    ///
    /// # Panics
    /// When `segments` is 0 or `layers` is not 1 or 2.
    #[must_use]
    pub fn new(segments: usize, layers: usize) -> Self {
        assert!(segments > 0 && (1..=2).contains(&layers), "a buffer has segments, and one or two layers");
        Self { bytes: Vec::new(), plain_len: 0, max_plain_len: segments * SEGMENT_LEN, layers }
    }

    /// Copies from the front of `plaintext` what there is room for, and returns how many bytes that were.
    pub fn push(&mut self, plaintext: &[u8]) -> usize {
        let taken = plaintext.len().min(self.max_plain_len - self.plain_len);
        self.reserve(taken);
        let mut rest = &plaintext[..taken];
        while !rest.is_empty() {
            let filled = self.plain_len % SEGMENT_LEN;
            if filled == 0 {
                self.extend_zeroed(NONCE_LEN * self.layers);
            }
            let (now, later) = rest.split_at(rest.len().min(SEGMENT_LEN - filled));
            self.bytes.extend_from_slice(now);
            self.plain_len += now.len();
            if filled + now.len() == SEGMENT_LEN {
                self.extend_zeroed(TAG_LEN * self.layers);
            }
            rest = later;
        }
        taken
    }

    /// Whether nothing more can be pushed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.plain_len == self.max_plain_len
    }

    /// Bytes pushed.
    #[must_use]
    pub fn plain_len(&self) -> usize {
        self.plain_len
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain_len == 0
    }

    /// What was pushed, in order, a segment at a time.
    pub fn plaintext(&self) -> impl Iterator<Item = &[u8]> {
        let stride = SEGMENT_LEN + overhead(self.layers);
        let start = NONCE_LEN * self.layers;
        self.bytes.chunks(stride).map(move |run| &run[start..run.len().min(start + SEGMENT_LEN)])
    }

    /// Makes room for `more` bytes of plaintext: doubling, but never beyond what a full buffer needs.
    fn reserve(&mut self, more: usize) {
        let sealed = |plain_len: usize| plain_len + plain_len.div_ceil(SEGMENT_LEN).max(1) * overhead(self.layers);
        let needed = sealed(self.plain_len + more);
        if needed > self.bytes.capacity() {
            let target = needed.max((self.bytes.capacity() * 2).min(sealed(self.max_plain_len)));
            self.bytes.reserve_exact(target - self.bytes.len());
        }
    }

    /// Adds the room for a segment's nonces or tags.
    fn extend_zeroed(&mut self, len: usize) {
        self.bytes.resize(self.bytes.len() + len, 0);
    }

    /// The runs to seal: completes a short last segment, or makes the empty one.
    fn into_runs(mut self) -> Vec<u8> {
        self.reserve(0);
        if self.is_empty() {
            self.extend_zeroed(NONCE_LEN * self.layers);
        }
        if self.is_empty() || !self.plain_len.is_multiple_of(SEGMENT_LEN) {
            self.extend_zeroed(TAG_LEN * self.layers);
        }
        self.bytes
    }
}

/// Seals one part, buffer after buffer.
pub struct PartSealer {
    ciphers: Ciphers,
    next_segment: u64,
    finished: bool,
}

impl PartSealer {
    /// Starts the part stream of `keys`, at segment 0. Each set of keys seals one stream.
    #[must_use]
    pub fn new(keys: &PartKeys) -> Self {
        Self { ciphers: Ciphers::new(keys), next_segment: 0, finished: false }
    }

    /// Seals `buffer` and returns its segments, which continue the sealed part.
    ///
    /// A buffer that is not the `last` holds whole segments. The last holds at least one byte, unless the part is
    /// empty: a writer that does not know the end beforehand holds one full buffer back until more comes.
    ///
    /// # Panics
    /// When the caller breaks these rules, goes on after the last buffer, made the buffer for another number of
    /// layers, or exceeds 2^31 segments.
    pub fn seal(&mut self, buffer: SegmentBuffer, last: bool) -> Vec<u8> {
        assert!(!self.finished, "nothing comes after the last buffer of a part");
        assert_eq!(buffer.layers, self.ciphers.layers(), "buffer and keys have the same layers");
        if last {
            assert!(!buffer.is_empty() || self.next_segment == 0, "only an empty part ends with an empty segment");
        } else {
            assert!(buffer.plain_len.is_multiple_of(SEGMENT_LEN), "only the last segment of a part is short");
            if buffer.is_empty() {
                return Vec::new();
            }
        }
        let mut runs = buffer.into_runs();
        let stride = SEGMENT_LEN + overhead(self.ciphers.layers());
        let end = self.next_segment + runs.len().div_ceil(stride) as u64;
        assert!(end <= MAX_SEGMENTS, "a part has at most 2^31 segments");
        for run in runs.chunks_mut(stride) {
            self.ciphers.seal(self.next_segment, last && self.next_segment + 1 == end, run);
            self.next_segment += 1;
        }
        self.finished = last;
        runs
    }
}

/// Opens any run of segments of one part.
pub struct PartOpener {
    ciphers: Ciphers,
    plain_len: u64,
}

impl PartOpener {
    /// Opens the part of `keys`. `plain_len` is its length as its part box says, never as the blob's length suggests.
    #[must_use]
    pub fn new(keys: PartKeys, plain_len: u64) -> Self {
        Self { ciphers: Ciphers::new(&keys), plain_len }
    }

    /// Compares the length of the part's blob with what it must be. [`PartOpener::open_in_place`] sees a run of
    /// segments only, and cannot tell that others are missing behind it.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] when bytes are missing or too many.
    pub fn verify_blob_len(&self, blob_len: u64) -> Result<(), OpenError> {
        if blob_len == sealed_len(self.plain_len, self.ciphers.layers()) {
            Ok(())
        } else {
            Err(OpenError::Tampered("part length"))
        }
    }

    /// Opens the consecutive whole segments in `sealed`, of which the first has index `first_segment`, and returns
    /// where in `sealed` the plaintext of each now lies. The caller has checked that `sealed` is as long as what it
    /// asked for.
    ///
    /// # Errors
    /// [`OpenError::Tampered`] when `sealed` is not exactly one or more whole segments of the part at that place.
    /// `sealed` is zeroed then.
    pub fn open_in_place(&self, first_segment: u64, sealed: &mut [u8]) -> Result<Vec<Range<usize>>, OpenError> {
        let opened = self.open_runs(first_segment, sealed);
        if opened.is_err() {
            sealed.fill(0);
        }
        opened
    }

    fn open_runs(&self, first_segment: u64, sealed: &mut [u8]) -> Result<Vec<Range<usize>>, OpenError> {
        let layers = self.ciphers.layers();
        let stride = SEGMENT_LEN + overhead(layers);
        let last_segment = segment_count(self.plain_len) - 1;
        let last_len = (self.plain_len - last_segment * SEGMENT_LEN as u64) as usize + overhead(layers);
        if sealed.is_empty() {
            return Err(OpenError::Tampered("part length"));
        }
        let mut opened = Vec::with_capacity(sealed.len().div_ceil(stride));
        for (place, run) in sealed.chunks_mut(stride).enumerate() {
            let index = first_segment.saturating_add(place as u64);
            let expected = if index == last_segment { last_len } else { stride };
            if index > last_segment || run.len() != expected {
                return Err(OpenError::Tampered("part length"));
            }
            self.ciphers.open(index, index == last_segment, run)?;
            let start = place * stride + NONCE_LEN * layers;
            opened.push(start..start + run.len() - overhead(layers));
        }
        Ok(opened)
    }
}

/// Part keys, expanded for use.
struct Ciphers {
    inner: AeadKey,
    outer: Option<AeadKey>,
}

impl Ciphers {
    fn new(keys: &PartKeys) -> Self {
        Self { inner: AeadKey::new(&keys.inner), outer: keys.outer.as_ref().map(AeadKey::new) }
    }

    fn layers(&self) -> usize {
        1 + usize::from(self.outer.is_some())
    }

    fn seal(&self, index: u64, last: bool, run: &mut [u8]) {
        let aad = segment_aad(index, last);
        match &self.outer {
            None => self.inner.seal_in_place(&aad, run),
            Some(outer) => {
                let end = run.len() - TAG_LEN;
                self.inner.seal_in_place(&aad, &mut run[NONCE_LEN..end]);
                outer.seal_in_place(&aad, run);
            }
        }
    }

    fn open(&self, index: u64, last: bool, run: &mut [u8]) -> Result<(), OpenError> {
        let aad = segment_aad(index, last);
        let inner = match &self.outer {
            None => run,
            Some(outer) => outer.open_in_place(&aad, run).map_err(tampered("segment"))?,
        };
        self.inner.open_in_place(&aad, inner).map_err(tampered("segment"))?;
        Ok(())
    }
}

/// What a segment is bound to: its place, and whether the part ends with it.
pub(crate) fn segment_aad(index: u64, last: bool) -> [u8; 13] {
    let mut aad = *b"seg1\0\0\0\0\0\0\0\0\0";
    aad[4..12].copy_from_slice(&index.to_be_bytes());
    aad[12] = u8::from(last);
    aad
}

#[cfg(test)]
#[path = "part_tests.rs"]
mod tests;
