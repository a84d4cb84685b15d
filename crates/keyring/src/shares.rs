//! A keyring as shares that people keep apart: any few of them together are the whole keyring, fewer are nothing.
//!
//! A fresh key seals the keyring, as a key file does, and is split. Every share is a line of text that has its part of
//! the key and the sealed keyring. `docs/spec/shares.md` is the reference.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_crypto::{KEY_LEN, Key32, KeyShare, join_shares, random_array, sha256, split_key};
use coffer_seal::{KeyringEntry, OpenError, open_keyring_with_key_file, seal_keyring_with_key_file};
use thiserror::Error;
use zeroize::Zeroizing;

/// What a share starts with.
pub const SHARE_PREFIX: &str = "coffer-share-v1";

/// Why lines are not shares, or shares are no backup.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ShareError {
    /// The numbers make no sense.
    #[error("a key is split into 2 to 255 shares, of which 2 or more open it; {threshold} of {count} is not possible")]
    Numbers {
        /// How many shares were to be needed.
        threshold: u8,
        /// How many there were to be.
        count: u8,
    },
    /// The line is no share.
    #[error("line {line} is no share: {reason}")]
    NotAShare {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The line is not as it was exported: a character is wrong or missing.
    #[error("line {line} is not as it was exported: its check sum does not match; compare it with the original")]
    Damaged {
        /// Its number, from 1.
        line: usize,
    },
    /// The shares are of more than one export.
    #[error(
        "the shares do not belong together: line 1 is of the set {first}, line {line} of the set {other}; shares of \
         different exports cannot be mixed"
    )]
    Mixed {
        /// The number of the line, from 1.
        line: usize,
        /// The set of the first line.
        first: String,
        /// The set of this line.
        other: String,
    },
    /// Two shares have the same number and are not the same.
    #[error("share {0} is there twice, and not the same: one of the two is forged")]
    Contradiction(u8),
    /// There are not enough shares.
    #[error("{given} of the {needed} shares that are needed: find {} more of the set {set}", .needed - .given)]
    TooFew {
        /// How many different shares there are.
        given: u8,
        /// How many are needed.
        needed: u8,
        /// The set that they belong to.
        set: String,
    },
    /// The shares are whole, and do not open the keyring that they carry.
    #[error("the shares do not open the keyring that they carry: at least one of them is forged; try without it")]
    Forged,
}

/// The entries of a keyring, and what its shares say of them.
pub(crate) struct Shared {
    pub(crate) entries: Vec<KeyringEntry>,
    /// The fingerprint of the active root key, as the shares say.
    pub(crate) fingerprint: String,
    /// Its generation, as the shares say.
    pub(crate) generation: u32,
}

/// Splits a keyring into `count` lines, any `threshold` of which are the whole keyring.
pub(crate) fn split(shared: &Shared, threshold: u8, count: u8) -> Result<Vec<Zeroizing<String>>, ShareError> {
    let key = Key32::generate();
    let shares = split_key(&key, threshold, count).ok_or(ShareError::Numbers { threshold, count })?;
    let keyring = seal_keyring_with_key_file(&key, &shared.entries);
    let set = hex(&random_array::<8>());
    let line = |share: KeyShare| {
        let head = Head {
            set: set.clone(),
            index: share.index,
            count,
            threshold,
            fingerprint: shared.fingerprint.clone(),
            generation: shared.generation,
        };
        head.line(share.expose(), &keyring)
    };
    Ok(shares.into_iter().map(line).collect())
}

/// Puts a keyring together again. Empty lines are skipped; the same share may be there more than once.
pub(crate) fn join(text: &str) -> Result<Shared, ShareError> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parsed: Vec<_> = lines.map(|(number, line)| Share::parse(line.trim(), number)).collect::<Result<_, _>>()?;
    let Some(first) = parsed.first() else {
        return Err(ShareError::NotAShare { line: 1, reason: "there is nothing" });
    };
    let mut shares: Vec<KeyShare> = Vec::new();
    for share in &parsed {
        if !share.is_of_the_set_of(first) {
            let (first, other) = (first.head.set.clone(), share.head.set.clone());
            return Err(ShareError::Mixed { line: share.line, first, other });
        }
        match shares.iter().find(|known| known.index == share.head.index) {
            Some(known) if known.expose() == &*share.value => {}
            Some(known) => return Err(ShareError::Contradiction(known.index)),
            None => shares.push(KeyShare::new(share.head.index, share.value.clone())),
        }
    }
    let head = &first.head;
    let given = u8::try_from(shares.len()).expect("the indices of shares are different bytes");
    if given < head.threshold {
        return Err(ShareError::TooFew { given, needed: head.threshold, set: head.set.clone() });
    }
    let key = join_shares(&shares).ok_or(ShareError::Forged)?;
    let entries = open_keyring_with_key_file(&key, &first.keyring).map_err(|error| match error {
        OpenError::WrongKey | OpenError::Tampered(_) | OpenError::Malformed(_) => ShareError::Forged,
    })?;
    Ok(Shared { entries, fingerprint: head.fingerprint.clone(), generation: head.generation })
}

/// What a share says of itself.
#[derive(PartialEq, Eq)]
struct Head {
    set: String,
    index: u8,
    count: u8,
    threshold: u8,
    fingerprint: String,
    generation: u32,
}

impl Head {
    fn line(&self, value: &[u8; KEY_LEN], keyring: &[u8]) -> Zeroizing<String> {
        let Self { set, index, count, threshold, fingerprint, generation } = self;
        let mut payload = Zeroizing::new(Vec::with_capacity(KEY_LEN + keyring.len()));
        payload.extend_from_slice(value);
        payload.extend_from_slice(keyring);
        let data = Zeroizing::new(STANDARD.encode(&*payload));
        // Reserved at once: growing would leave a copy of the share behind.
        let mut line = Zeroizing::new(String::with_capacity(256 + data.len()));
        write!(
            line,
            "{SHARE_PREFIX} set={set} share={index}/{count} threshold={threshold} root={fingerprint} \
             generation={generation} data={}",
            *data
        )
        .expect("a String takes any text");
        let check = hex(&sha256(line.as_bytes())[..8]);
        write!(line, " check={check}").expect("a String takes any text");
        line
    }
}

/// A line, read.
struct Share {
    line: usize,
    head: Head,
    value: Zeroizing<[u8; KEY_LEN]>,
    keyring: Vec<u8>,
}

impl Share {
    fn parse(text: &str, line: usize) -> Result<Self, ShareError> {
        let not = |reason| ShareError::NotAShare { line, reason };
        let rest = text.strip_prefix(SHARE_PREFIX).ok_or_else(|| not("it does not start with coffer-share-v1"))?;
        let damaged = ShareError::Damaged { line };
        let (checked, check) = text.rsplit_once(" check=").ok_or_else(|| not("its end is missing"))?;
        if hex(&sha256(checked.as_bytes())[..8]) != check {
            return Err(damaged);
        }
        let malformed = || not("it is of a version that this program does not know");
        let mut fields = rest.split(' ').skip(1);
        let mut field = |name: &str| fields.next().and_then(|field| field.strip_prefix(name)?.strip_prefix('='));
        let set = field("set").ok_or_else(malformed)?.to_owned();
        let (index, count) = field("share").and_then(|share| share.split_once('/')).ok_or_else(malformed)?;
        let (index, count) = (index.parse(), count.parse());
        let threshold = field("threshold").map(str::parse);
        let fingerprint = field("root").ok_or_else(malformed)?.to_owned();
        let generation = field("generation").map(str::parse);
        let (Ok(index), Ok(count), Some(Ok(threshold)), Some(Ok(generation))) = (index, count, threshold, generation)
        else {
            return Err(malformed());
        };
        let payload = Zeroizing::new(field("data").and_then(|data| STANDARD.decode(data).ok()).ok_or_else(malformed)?);
        let (value, keyring) = payload.split_first_chunk::<KEY_LEN>().ok_or_else(malformed)?;
        if index == 0 || index > count || threshold < 2 || threshold > count {
            return Err(malformed());
        }
        let head = Head { set, index, count, threshold, fingerprint, generation };
        let share = Self { line, head, value: Zeroizing::new(*value), keyring: keyring.to_vec() };
        // There is one way to write a share.
        if *share.head.line(&share.value, &share.keyring) != *text { Err(malformed()) } else { Ok(share) }
    }

    fn is_of_the_set_of(&self, other: &Self) -> bool {
        let head = Head {
            index: other.head.index,
            set: self.head.set.clone(),
            fingerprint: self.head.fingerprint.clone(),
            ..self.head
        };
        head == other.head && self.keyring == other.keyring
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
