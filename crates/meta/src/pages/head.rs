//! The two heads of the file: page 0, the epoch, and the proof that the key is the right one.

use coffer_crypto::{AeadKey, OVERHEAD};

use super::PAGE_LEN;
use super::keys::PageKeys;

/// Bytes in a head.
pub(crate) const HEAD_LEN: usize = PREFIX_LEN + OVERHEAD + PAGE_LEN + OVERHEAD;

const MAGIC: &[u8; 8] = b"coffermd";
const VERSION: u32 = 1;
/// Magic (8), version (4), epoch (4), sequence number (8).
const PREFIX_LEN: usize = 24;
/// The key check is bound to a page number that no page has.
const KEY_CHECK_PAGE: u64 = u64::MAX;

/// What a head says.
#[derive(Clone)]
pub(crate) struct Head {
    /// Which head is the newer: the higher number. Bound to the page by the AAD.
    pub(crate) seq: u64,
    /// The epoch in which pages are sealed.
    pub(crate) epoch: u32,
    /// Page 0.
    pub(crate) page: Box<[u8; PAGE_LEN]>,
}

/// Why a head cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The bytes are not the start of a head.
    NoHead,
    /// A head of another version.
    Version(u32),
    /// The key check does not open: another key, or damage.
    WrongKey,
    /// The key is right, the page is not what was written.
    Damaged,
}

impl Head {
    /// Seals the head with the key of its epoch.
    pub(crate) fn seal(&self, key: &AeadKey) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(HEAD_LEN);
        prefix.extend_from_slice(MAGIC);
        prefix.extend_from_slice(&VERSION.to_be_bytes());
        prefix.extend_from_slice(&self.epoch.to_be_bytes());
        prefix.extend_from_slice(&self.seq.to_be_bytes());
        let check = key.seal(&aad(KEY_CHECK_PAGE, &prefix), &[]);
        let page = key.seal(&aad(0, &prefix), &*self.page);
        [prefix, check, page].concat()
    }

    /// Opens the head in `bytes`, which are [`HEAD_LEN`].
    pub(crate) fn open(keys: &PageKeys, bytes: &[u8]) -> Result<Self, HeadError> {
        let (prefix, sealed) = bytes.split_at(PREFIX_LEN);
        let (magic, rest) = prefix.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(HeadError::NoHead);
        }
        let (version, rest) = rest.split_first_chunk().expect("the prefix has room for the version");
        let (epoch, rest) = rest.split_first_chunk().expect("the prefix has room for the epoch");
        let seq = rest.try_into().expect("the prefix ends with the sequence number");
        let (version, epoch) = (u32::from_be_bytes(*version), u32::from_be_bytes(*epoch));
        if version != VERSION {
            return Err(HeadError::Version(version));
        }
        let (check, page) = sealed.split_at(OVERHEAD);
        keys.open(epoch, &aad(KEY_CHECK_PAGE, prefix), &mut check.to_vec()).ok_or(HeadError::WrongKey)?;
        let mut page = page.to_vec();
        let page = keys.open(epoch, &aad(0, prefix), &mut page).ok_or(HeadError::Damaged)?;
        let page = Box::new((&*page).try_into().expect("a head holds one page"));
        Ok(Self { seq: u64::from_be_bytes(seq), epoch, page })
    }
}

/// The AAD of a page in a head: what it is bound to anywhere, and the head's prefix.
fn aad(page: u64, prefix: &[u8]) -> Vec<u8> {
    [&coffer_seal::page_aad(page)[..], prefix].concat()
}
