//! HeadObject and GetObject.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use coffer_crypto::Key32;
use coffer_seal::{
    Checksums, Kind, OpenError, OpenedObject, PartKeys, PartOpener, SealedObject, SealedPart, open_object,
    open_object_range, sealed_range, segments_of,
};
use tokio::sync::OnceCell;

use crate::bucket::Bucket;
use crate::error::StoreError;
use crate::kms::Keys;
use crate::names::{InstanceId, ObjectKey};
use crate::object::{FoundObject, KIND_MULTIPART, KIND_SINGLE, ObjectInfo, ObjectSums};
use crate::pins::Pin;
use crate::records::{ObjectRecord, PartRecord, SealRecord};
use crate::sealing::{EncryptionMode, open_error, scope};
use crate::store::{MOST_TRIES, Store};
use crate::tables;
use crate::versions::{Found, ObjectVersion};

/// Plaintext bytes that are read and opened at a time: what a slow reader makes the server hold.
const UNIT_LEN: u64 = 64 << 10;

/// An object found, with the key to it checked, before anything of it was read.
pub struct ObjectReader<'k> {
    store: Store,
    bucket: Bucket,
    key: ObjectKey,
    keys: Keys<'k>,
    /// What the KMS said: it is asked once, when the data key is needed.
    data_key: OnceCell<Option<Key32>>,
    record: ObjectRecord,
    /// Where it was found.
    found: Found,
    info: ObjectInfo,
    parts: Vec<PartRecord>,
    /// The sealed bytes of an object that lies in the engine.
    inline: Option<Bytes>,
    pins: Vec<Pin>,
}

/// A part as GetObject and GetObjectAttributes show it.
pub struct PartInfo {
    /// Its number.
    pub number: u32,
    /// Where in the object it lies, in bytes.
    pub range: Range<u64>,
    /// The checksums that were computed when it was uploaded.
    pub checksums: Checksums,
}

impl Store {
    /// Looks an object up without its data; its checksums only if `want_sums`. The KMS is asked only for these.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`], those about customer keys,
    /// [`StoreError::Kms`].
    pub async fn head_object(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        keys: Keys<'_>,
        want_sums: bool,
    ) -> Result<(ObjectInfo, Option<ObjectSums>), StoreError> {
        let target = target.into();
        let (record, Found { noncurrent_since_ms, .. }) = self.object_version(bucket, target).await?;
        let mode = record.seal.check_key_given(keys.customer)?;
        if mode != EncryptionMode::SseC && !want_sums {
            let info = record.info(record.seal.open_headers(None)?)?;
            return Ok((ObjectInfo { noncurrent_since_ms, ..info }, None));
        }
        let keys = record.seal.open(bucket, target.key, InstanceId(record.instance_id), keys).await?;
        let info = ObjectInfo { noncurrent_since_ms, ..record.info(record.seal.open_headers(Some(&keys))?)? };
        let sums = (want_sums && !record.sums_box.is_empty()).then(|| keys.first().open_sums_box(&record.sums_box));
        Ok((info, sums.transpose()?))
    }

    /// Finds an object to read, and checks the customer key against it. The KMS is asked when anything is opened.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::NoSuchVersion`], [`StoreError::DeleteMarker`], and those about customer
    /// keys.
    pub async fn get_object<'k>(
        &self,
        bucket: &Bucket,
        target: impl Into<ObjectVersion<'_>>,
        keys: Keys<'k>,
    ) -> Result<ObjectReader<'k>, StoreError> {
        let target = target.into();
        let key = target.key;
        let Secured { found: FoundObject { record, parts, found }, inline, pins } = self.secure(bucket, target).await?;
        let opened = match record.seal.check_key_given(keys.customer)? {
            EncryptionMode::SseS3 | EncryptionMode::SseKms | EncryptionMode::DsseKms => None,
            EncryptionMode::SseC => Some(record.seal.open(bucket, key, InstanceId(record.instance_id), keys).await?),
        };
        let info = record.info(record.seal.open_headers(opened.as_ref())?)?;
        let info = ObjectInfo { noncurrent_since_ms: found.noncurrent_since_ms, ..info };
        Ok(ObjectReader {
            store: self.clone(),
            bucket: bucket.clone(),
            key: key.clone(),
            keys,
            data_key: OnceCell::new(),
            record,
            found,
            info,
            parts,
            inline,
            pins,
        })
    }

    /// Finds an object and keeps its data from going away: small data is read, and blobs are pinned.
    async fn secure(&self, bucket: &Bucket, target: ObjectVersion<'_>) -> Result<Secured, StoreError> {
        let mut incomplete: Option<Bytes> = None;
        for _ in 0..MOST_TRIES {
            let object = self.find_object(bucket, target).await?;
            if let [part] = &object.parts[..]
                && part.inline
            {
                let data = self.0.engine.get(&tables::inline_data(part.blob())).await?;
                if data.is_some() {
                    return Ok(Secured { found: object, inline: data, pins: Vec::new() });
                }
                if incomplete.as_ref() == Some(&object.found.sealed) {
                    return Err(StoreError::Damaged("the data of a small object is missing".to_owned()));
                }
                incomplete = Some(object.found.sealed);
                continue;
            }
            let pins = object.parts.iter().map(|part| self.0.pins.pin(part.blob())).collect();
            // An object that is still the same now had not let go of its blobs when they were pinned.
            if self.0.engine.get(&object.found.row).await?.as_ref() == Some(&object.found.sealed) {
                return Ok(Secured { found: object, inline: None, pins });
            }
        }
        Err(StoreError::Contention)
    }
}

/// An object whose data stays for as long as this does.
struct Secured {
    found: FoundObject,
    inline: Option<Bytes>,
    pins: Vec<Pin>,
}

impl ObjectReader<'_> {
    /// What is known of the object.
    #[must_use]
    pub fn info(&self) -> &ObjectInfo {
        &self.info
    }

    /// The bytes of the part with number `number` (1 is the whole of an object that was not a multipart upload).
    #[must_use]
    pub fn part_range(&self, number: u32) -> Option<Range<u64>> {
        if self.record.kind == KIND_SINGLE {
            return (number == 1).then_some(0..self.record.size);
        }
        let mut start = 0;
        for part in &self.parts {
            if part.number == number {
                return Some(start..start + part.plain_len);
            }
            start += part.plain_len;
        }
        None
    }

    /// Every part with its checksums.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the object does not verify; [`StoreError::Kms`].
    pub async fn part_infos(&self) -> Result<Vec<PartInfo>, StoreError> {
        let opened = self.open_all().await?;
        Ok(opened
            .parts
            .into_iter()
            .map(|part| PartInfo {
                number: part.number,
                range: part.offset..part.offset + part.plain_len,
                checksums: part.checksums,
            })
            .collect())
    }

    /// The checksums of the object.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the object does not verify; [`StoreError::Kms`].
    pub async fn sums(&self) -> Result<Option<ObjectSums>, StoreError> {
        Ok(self.open(0..0).await?.sums)
    }

    /// The customer key that the object was found with.
    pub(crate) fn customer_key(&self) -> Option<&Key32> {
        self.keys.customer
    }

    /// The bucket that it is in.
    pub(crate) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// What was found, and where.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// The record that was found.
    pub(crate) fn record(&self) -> &ObjectRecord {
        &self.record
    }

    /// The sealed bytes of an object that lies in the engine.
    pub(crate) fn inline(&self) -> Option<&Bytes> {
        self.inline.as_ref()
    }

    /// The parts of the object.
    pub(crate) fn parts(&self) -> &[PartRecord] {
        &self.parts
    }

    /// Verifies the object and opens the boxes of all its parts.
    pub(crate) async fn open_all(&self) -> Result<OpenedObject, StoreError> {
        self.open_with(open_object).await
    }

    /// Verifies the object and opens the boxes of the parts that `range` touches.
    pub(crate) async fn open(&self, range: Range<u64>) -> Result<OpenedObject, StoreError> {
        self.open_with(|keks, object| open_object_range(keks, object, range)).await
    }

    async fn open_with(
        &self,
        open: impl FnOnce(&[&Key32], &SealedObject<'_>) -> Result<OpenedObject, OpenError>,
    ) -> Result<OpenedObject, StoreError> {
        let kind = match self.record.kind {
            KIND_SINGLE => Kind::Single,
            KIND_MULTIPART => Kind::Multipart,
            _ => return Err(StoreError::Damaged("an object has an unknown kind".to_owned())),
        };
        let envelopes = self.record.seal.envelopes()?;
        let layout_tags: Result<Vec<[u8; 32]>, _> =
            self.record.layout_tags.iter().map(|tag| tag.0[..].try_into()).collect();
        let layout_tags = layout_tags.map_err(|_| OpenError::Malformed("layout tag"))?;
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| SealedPart {
                number: part.number,
                plain_len: part.plain_len,
                boxes: part.boxes.iter().map(|sealed| &sealed.0[..]).collect(),
            })
            .collect();
        let data_key = self.data_key.get_or_try_init(|| self.record.seal.data_key(self.keys)).await?;
        let keks = SealRecord::keks(&envelopes, &self.bucket, self.keys.customer, data_key.as_ref())?;
        let context = self.record.seal.context();
        let object = SealedObject {
            scope: scope(&self.bucket, &self.key, InstanceId(self.record.instance_id), &context),
            kind,
            envelopes: &envelopes,
            layout_tags: &layout_tags,
            head_box: &self.record.seal.head_box,
            sums_box: &self.record.sums_box,
            parts: &parts,
        };
        let keks: Vec<&Key32> = keks.iter().map(|kek| &**kek).collect();
        open(&keks, &object).map_err(|error| open_error(error, self.info.mode))
    }

    /// Verifies the object and starts reading the bytes `range` of it; also returns its checksums.
    ///
    /// The first bytes are opened before this returns, so that damage in them is an error and not a broken body.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when anything does not verify; [`StoreError::Kms`].
    pub async fn read(mut self, range: Range<u64>) -> Result<(ObjectStream, Option<ObjectSums>), StoreError> {
        let opened = self.open(range.clone()).await?;
        let mut runs = VecDeque::new();
        for part in opened.parts {
            let end = part.offset + part.plain_len;
            let within = range.start.max(part.offset) - part.offset..range.end.min(end) - part.offset;
            runs.push_back(Run::new(&self.parts[part.index], part.keys, self.inline.take(), within)?);
        }
        let mut stream = ObjectStream { store: self.store, runs, ready: VecDeque::new(), _pins: self.pins };
        stream.fill().await?;
        Ok((stream, opened.sums))
    }
}

/// The plaintext of a range of an object, piece by piece. No piece leaves before the tag of its segment verified.
pub struct ObjectStream {
    store: Store,
    runs: VecDeque<Run>,
    ready: VecDeque<Bytes>,
    _pins: Vec<Pin>,
}

/// What is still to be read of one part.
struct Run {
    data: RunData,
    opener: PartOpener,
    /// In how many layers the part is sealed.
    layers: usize,
    /// Plaintext length of the part.
    plain_len: u64,
    /// The next plaintext byte.
    next: u64,
    /// The plaintext byte to stop at.
    end: u64,
    /// Nothing was read yet: an empty part has a segment to verify, too.
    first: bool,
}

enum RunData {
    Blob(coffer_blob::BlobId),
    Inline(Bytes),
}

impl ObjectStream {
    /// The plaintext of one part, whose keys and length are verified; `sealed` are its sealed bytes if they lie in the
    /// engine. Somebody else keeps its blob from going away.
    pub(crate) fn of_part(
        store: &Store,
        part: &PartRecord,
        keys: PartKeys,
        sealed: Option<Bytes>,
    ) -> Result<Self, StoreError> {
        let run = Run::new(part, keys, sealed, 0..part.plain_len)?;
        Ok(Self { store: store.clone(), runs: [run].into(), ready: VecDeque::new(), _pins: Vec::new() })
    }

    /// Returns the next piece, or `None` at the end.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a segment does not verify: the answer must be broken off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.ready.is_empty() {
            self.fill().await?;
        }
        Ok(self.ready.pop_front())
    }

    /// Returns the whole range if it is in memory already and nothing more is to be read.
    #[must_use]
    pub fn take_if_whole(&mut self) -> Option<Bytes> {
        if !self.runs.is_empty() || self.ready.len() > 1 {
            return None;
        }
        Some(self.ready.pop_front().unwrap_or_default())
    }

    /// Reads and opens the next unit, and the next part's when a part gives nothing.
    async fn fill(&mut self) -> Result<(), StoreError> {
        while self.ready.is_empty() {
            let Some(run) = self.runs.front_mut() else { return Ok(()) };
            run.read(&self.store, &mut self.ready).await?;
            if run.next >= run.end {
                self.runs.pop_front();
            }
        }
        Ok(())
    }
}

impl Run {
    /// The bytes `within` of a part; `sealed` are its sealed bytes if they lie in the engine.
    fn new(part: &PartRecord, keys: PartKeys, sealed: Option<Bytes>, within: Range<u64>) -> Result<Self, StoreError> {
        let layers = keys.layers();
        let opener = PartOpener::new(keys, part.plain_len);
        let data = match sealed {
            Some(sealed) if part.inline => {
                opener.verify_blob_len(sealed.len() as u64)?;
                RunData::Inline(sealed)
            }
            _ => RunData::Blob(part.blob()),
        };
        let (next, end) = (within.start, within.end);
        Ok(Self { data, opener, layers, plain_len: part.plain_len, next, end, first: true })
    }

    /// Reads one unit of segments, opens it, and appends what of it was asked for.
    async fn read(&mut self, store: &Store, ready: &mut VecDeque<Bytes>) -> Result<(), StoreError> {
        if self.next >= self.end && !(self.first && self.plain_len == 0) {
            return Ok(());
        }
        if let (RunData::Blob(id), true) = (&self.data, self.first) {
            self.opener.verify_blob_len(store.0.blobs.len(*id).await?)?;
        }
        self.first = false;
        // Units start at multiples of their length, so that only the first of a range is read in part.
        let unit_end = (self.next / UNIT_LEN + 1) * UNIT_LEN;
        let segments = segments_of(self.next..self.end.min(unit_end));
        let sealed = sealed_range(self.plain_len, segments.clone(), self.layers);
        let mut buffer = match &self.data {
            RunData::Blob(id) => to_mut(store.0.blobs.read(*id, sealed).await?),
            RunData::Inline(data) => {
                let range = usize::try_from(sealed.start).ok().zip(usize::try_from(sealed.end).ok());
                let (start, end) = range.expect("inline data is small");
                BytesMut::from(&data[start..end])
            }
        };
        let plain = self.opener.open_in_place(segments.start, &mut buffer)?;
        let buffer = buffer.freeze();
        let mut position = segments.start * coffer_seal::SEGMENT_LEN as u64;
        for run in plain {
            let len = run.len() as u64;
            let wanted = self.next.max(position)..self.end.min(position + len);
            if wanted.start < wanted.end {
                let from = run.start + usize::try_from(wanted.start - position).expect("a segment is small");
                let to = run.start + usize::try_from(wanted.end - position).expect("a segment is small");
                ready.push_back(buffer.slice(from..to));
                self.next = wanted.end;
            }
            position += len;
        }
        Ok(())
    }
}

fn to_mut(bytes: Bytes) -> BytesMut {
    bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]))
}
