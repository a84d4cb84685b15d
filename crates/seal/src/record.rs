//! Sealed records: rows of the metadata, each bound to the table and row it is stored in.
//!
//! ```text
//! record = u8 1 || u32 generation || salt(16) || SEAL(KDF(MK, salt, "record", "", 32), aad, value)
//! aad    = "rec1" || u32 generation || lp(table) || lp(row key)
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use coffer_crypto::{AeadKey, Key32, OVERHEAD, random_array};

use crate::bytes::{Reader, put_field};
use crate::derive::{FIXED_SALT, derive_key};
use crate::error::{OpenError, tampered};

/// Bytes that sealing adds to a value.
pub const RECORD_OVERHEAD: usize = HEADER_LEN + OVERHEAD;

const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
const HEADER_LEN: usize = 1 + 4 + SALT_LEN;

/// Seals under one salt: keeps nonce collisions under one derived key below 2^-45.
const SEALS_PER_SALT: u32 = 1 << 26;

/// Derived keys kept for opening. Each start of a writer leaves one salt behind in the rows it wrote.
const CACHED_KEYS: usize = 64;

type Salt = [u8; SALT_LEN];

/// The key that seals a bucket's records, derived from the bucket key: destroying that shreds them too.
#[must_use]
pub fn metadata_key(bucket_key: &Key32, bucket_id: &[u8; 16]) -> Key32 {
    derive_key(bucket_key, FIXED_SALT, "meta", bucket_id)
}

/// The key of pseudonyms: what stands for names outside of the store, where nothing is sealed.
#[must_use]
pub fn pseudonym_key(metadata_key: &Key32) -> Key32 {
    derive_key(metadata_key, FIXED_SALT, "pseudonym", b"")
}

/// The generation of the metadata key that sealed `record`, as the record claims: [`RecordKey::open`] proves it.
///
/// # Errors
/// [`OpenError::Malformed`] when it is no record.
pub fn record_generation(record: &[u8]) -> Result<u32, OpenError> {
    Header::read(record).map(|(header, _)| header.generation)
}

/// One generation of a metadata key, ready to seal and open records from any thread.
///
/// Sealing draws its salt when the `RecordKey` is made, and again after 2^26 records: never copy a process that
/// has one.
pub struct RecordKey {
    metadata_key: Key32,
    generation: u32,
    sealing: Mutex<Sealing>,
    opening: RwLock<VecDeque<(Salt, Arc<AeadKey>)>>,
}

/// The salt in use for sealing, and what it derives.
struct Sealing {
    salt: Salt,
    key: Arc<AeadKey>,
    seals_left: u32,
}

impl RecordKey {
    /// Prepares `metadata_key`, which has this `generation`.
    #[must_use]
    pub fn new(metadata_key: Key32, generation: u32) -> Self {
        let sealing = Mutex::new(Sealing::start(&metadata_key));
        Self { metadata_key, generation, sealing, opening: RwLock::default() }
    }

    /// The generation of the metadata key.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns `value` sealed for `row_key` of `table`, [`RECORD_OVERHEAD`] bytes longer.
    #[must_use]
    pub fn seal(&self, table: &[u8], row_key: &[u8], value: &[u8]) -> Vec<u8> {
        let (salt, key) = self.lock_sealing().draw(&self.metadata_key);
        let mut record = vec![0; RECORD_OVERHEAD + value.len()];
        let (header, run) = record.split_at_mut(HEADER_LEN);
        header[0] = VERSION;
        header[1..5].copy_from_slice(&self.generation.to_be_bytes());
        header[5..].copy_from_slice(&salt);
        run[coffer_crypto::NONCE_LEN..][..value.len()].copy_from_slice(value);
        key.seal_in_place(&aad(self.generation, table, row_key), run);
        record
    }

    /// Returns the value of a record that is stored at `row_key` of `table`.
    ///
    /// # Errors
    /// [`OpenError::Malformed`] when it is no record; [`OpenError::Tampered`] when it was not sealed for this place
    /// under this key and generation.
    pub fn open(&self, table: &[u8], row_key: &[u8], record: &[u8]) -> Result<Vec<u8>, OpenError> {
        let (header, run) = Header::read(record)?;
        if header.generation != self.generation {
            return Err(OpenError::Tampered("record"));
        }
        let (key, known) = match self.cached(header.salt) {
            Some(key) => (key, true),
            None => (Arc::new(record_key(&self.metadata_key, &header.salt)), false),
        };
        let value = key.open(&aad(header.generation, table, row_key), run).map_err(tampered("record"))?;
        // Salts of records that do not open are not worth a place.
        if !known {
            self.cache(header.salt, key);
        }
        Ok(value)
    }

    fn cached(&self, salt: Salt) -> Option<Arc<AeadKey>> {
        let sealing = self.lock_sealing();
        if sealing.salt == salt {
            return Some(Arc::clone(&sealing.key));
        }
        drop(sealing);
        let opening = self.opening.read().unwrap_or_else(PoisonError::into_inner);
        opening.iter().find(|(known, _)| *known == salt).map(|(_, key)| Arc::clone(key))
    }

    fn cache(&self, salt: Salt, key: Arc<AeadKey>) {
        let mut opening = self.opening.write().unwrap_or_else(PoisonError::into_inner);
        if opening.iter().any(|(known, _)| *known == salt) {
            return;
        }
        if opening.len() == CACHED_KEYS {
            opening.pop_front();
        }
        opening.push_back((salt, key));
    }

    // Nothing panics while a lock is held, so a poisoned lock guards nothing half-done.
    fn lock_sealing(&self) -> MutexGuard<'_, Sealing> {
        self.sealing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sealing {
    fn start(metadata_key: &Key32) -> Self {
        let salt = random_array();
        Self { salt, key: Arc::new(record_key(metadata_key, &salt)), seals_left: SEALS_PER_SALT }
    }

    /// Takes one of the seals that the salt is good for; a used-up salt is replaced.
    fn draw(&mut self, metadata_key: &Key32) -> (Salt, Arc<AeadKey>) {
        if self.seals_left == 0 {
            *self = Self::start(metadata_key);
        }
        self.seals_left -= 1;
        (self.salt, Arc::clone(&self.key))
    }
}

/// What stands in front of the sealed value.
struct Header {
    generation: u32,
    salt: Salt,
}

impl Header {
    fn read(record: &[u8]) -> Result<(Self, &[u8]), OpenError> {
        let mut reader = Reader::new(record, "record");
        let version = reader.u8()?;
        let header = Self { generation: reader.u32()?, salt: reader.array()? };
        let run = reader.rest();
        if version != VERSION || run.len() < OVERHEAD {
            return Err(OpenError::Malformed("record"));
        }
        Ok((header, run))
    }
}

fn record_key(metadata_key: &Key32, salt: &Salt) -> AeadKey {
    AeadKey::new(&derive_key(metadata_key, salt, "record", b""))
}

fn aad(generation: u32, table: &[u8], row_key: &[u8]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(16 + table.len() + row_key.len());
    aad.extend_from_slice(b"rec1");
    aad.extend_from_slice(&generation.to_be_bytes());
    put_field(&mut aad, table);
    put_field(&mut aad, row_key);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RecordKey {
        RecordKey::new(Key32::from_slice(&[9; 32]).unwrap(), 3)
    }

    fn check_refused(result: Result<Vec<u8>, OpenError>, expected: OpenError) {
        assert_eq!(result, Err(expected));
    }

    #[test]
    fn opens_what_it_sealed_also_after_a_restart() {
        let record = key().seal(b"objects", b"k", b"value");
        assert_eq!(record.len(), 5 + RECORD_OVERHEAD);
        assert_eq!(record_generation(&record), Ok(3));
        assert_eq!(key().open(b"objects", b"k", &record).unwrap(), b"value");
    }

    #[test]
    fn an_empty_value_is_a_record() {
        let key = key();
        assert_eq!(key.open(b"t", b"k", &key.seal(b"t", b"k", b"")).unwrap(), b"");
    }

    #[test]
    fn a_record_opens_in_its_own_row_and_table_only() {
        let key = key();
        let record = key.seal(b"ab", b"c", b"value");
        check_refused(key.open(b"ab", b"d", &record), OpenError::Tampered("record"));
        check_refused(key.open(b"ac", b"c", &record), OpenError::Tampered("record"));
        check_refused(key.open(b"a", b"bc", &record), OpenError::Tampered("record"));
    }

    #[test]
    fn a_record_opens_under_its_own_key_and_generation_only() {
        let record = key().seal(b"t", b"k", b"value");
        let other_key = RecordKey::new(Key32::generate(), 3);
        check_refused(other_key.open(b"t", b"k", &record), OpenError::Tampered("record"));
        let other_generation = RecordKey::new(Key32::from_slice(&[9; 32]).unwrap(), 4);
        check_refused(other_generation.open(b"t", b"k", &record), OpenError::Tampered("record"));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = key();
        let record = key.seal(b"t", b"k", b"value");
        for bit in 0..record.len() * 8 {
            let mut bad = record.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 8 { OpenError::Malformed("record") } else { OpenError::Tampered("record") };
            check_refused(key.open(b"t", b"k", &bad), expected);
        }
    }

    #[test]
    fn cut_records_are_refused() {
        let key = key();
        let record = key.seal(b"t", b"k", b"value");
        for len in 0..record.len() {
            let expected =
                if len < RECORD_OVERHEAD { OpenError::Malformed("record") } else { OpenError::Tampered("record") };
            check_refused(key.open(b"t", b"k", &record[..len]), expected);
        }
    }

    #[test]
    fn a_used_up_salt_is_replaced() {
        let key = key();
        let first = key.seal(b"t", b"k", b"");
        key.lock_sealing().seals_left = 1;
        let last = key.seal(b"t", b"k", b"");
        let renewed = key.seal(b"t", b"k", b"");
        assert_eq!(first[5..HEADER_LEN], last[5..HEADER_LEN]);
        assert_ne!(last[5..HEADER_LEN], renewed[5..HEADER_LEN]);
        assert!(key.open(b"t", b"k", &first).is_ok(), "records of the old salt still open");
    }

    #[test]
    fn the_cache_is_bounded_and_forged_salts_do_not_enter_it() {
        let reader = key();
        for _ in 0..CACHED_KEYS + 5 {
            let record = key().seal(b"t", b"k", b"v");
            assert!(reader.open(b"t", b"k", &record).is_ok());
        }
        assert_eq!(reader.opening.read().unwrap().len(), CACHED_KEYS);
        let before = reader.opening.read().unwrap().back().unwrap().0;
        let mut forged = reader.seal(b"t", b"k", b"v");
        forged[5] ^= 1;
        assert!(reader.open(b"t", b"k", &forged).is_err());
        assert_eq!(reader.opening.read().unwrap().back().unwrap().0, before);
    }
}
