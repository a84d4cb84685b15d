//! Shamir's secret sharing of a key over GF(2^8): Shamir, "How to share a secret", Communications of the ACM 22 (1979).

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use vsss_rs::Gf256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::key::{KEY_LEN, Key32, fill_random};

/// One of the shares that a key was split into. It has no `Debug`, and is zeroed on drop.
pub struct KeyShare {
    /// Which one it is, from 1.
    pub index: u8,
    value: Zeroizing<[u8; KEY_LEN]>,
}

impl KeyShare {
    /// Takes a share from what was stored of it.
    #[must_use]
    pub fn new(index: u8, value: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self { index, value }
    }

    /// The share itself. The one way out, so that a search finds every use.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.value
    }
}

/// Splits a key into `count` shares with the indices from 1, any `threshold` of which give it back, and fewer of which
/// say nothing of it. `None` unless `2 <= threshold <= count`.
#[must_use]
pub fn split_key(key: &Key32, threshold: u8, count: u8) -> Option<Vec<KeyShare>> {
    if threshold < 2 || threshold > count {
        return None;
    }
    let shares = Gf256::split_bytes(threshold.into(), count.into(), key.expose(), SystemRandom);
    let shares = shares.expect("the numbers are in range, and the source of randomness cannot fail");
    Some(
        shares
            .into_iter()
            .map(|mut share| {
                let index = share[0];
                let value = share[1..].try_into().map(Zeroizing::new).expect("a share is as long as the key");
                share.zeroize();
                KeyShare { index, value }
            })
            .collect(),
    )
}

/// Joins shares to the key that was split. Shares that do not belong together, or too few, give another key: whoever
/// joins must be able to tell. `None` when an index is zero or comes twice, or there are fewer than two.
#[must_use]
pub fn join_shares(shares: &[KeyShare]) -> Option<Key32> {
    let mut seen = [false; 256];
    let distinct =
        shares.iter().all(|share| share.index != 0 && !std::mem::replace(&mut seen[usize::from(share.index)], true));
    if shares.len() < 2 || !distinct {
        return None;
    }
    let shares: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(
        shares
            .iter()
            .map(|share| {
                let mut bytes = Vec::with_capacity(1 + KEY_LEN);
                bytes.push(share.index);
                bytes.extend_from_slice(share.expose());
                bytes
            })
            .collect(),
    );
    let joined = Zeroizing::new(Gf256::combine_bytes(&*shares).ok()?);
    Key32::from_slice(&joined)
}

/// The system's randomness, as the library asks for it.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = Zeroizing::new([0; 4]);
        fill_random(&mut *bytes);
        Ok(u32::from_be_bytes(*bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = Zeroizing::new([0; 8]);
        fill_random(&mut *bytes);
        Ok(u64::from_be_bytes(*bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        fill_random(out);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(index: u8, byte: u8) -> KeyShare {
        KeyShare::new(index, Zeroizing::new([byte; KEY_LEN]))
    }

    fn chosen(shares: &[KeyShare], places: &[usize]) -> Vec<KeyShare> {
        places
            .iter()
            .map(|place| KeyShare::new(shares[*place].index, Zeroizing::new(*shares[*place].expose())))
            .collect()
    }

    #[test]
    fn any_shares_that_are_enough_give_the_key_back() {
        let key = Key32::generate();
        let shares = split_key(&key, 3, 5).unwrap();
        assert_eq!(shares.iter().map(|share| share.index).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for places in [&[0, 1, 2][..], &[4, 2, 0], &[1, 3, 4], &[0, 1, 2, 3], &[4, 3, 2, 1, 0]] {
            let joined = join_shares(&chosen(&shares, places)).unwrap();
            assert!(joined.expose() == key.expose(), "{places:?}");
        }
    }

    #[test]
    fn too_few_shares_give_another_key() {
        let key = Key32::generate();
        let shares = split_key(&key, 3, 5).unwrap();
        for places in [[0, 1], [3, 4], [2, 0]] {
            assert!(join_shares(&chosen(&shares, &places)).unwrap().expose() != key.expose(), "{places:?}");
        }
    }

    #[test]
    fn every_coefficient_occurs() {
        // With two of two, the first share is the key plus the coefficient. A source that leaves out a value, such as
        // zero, would give something away.
        let mut seen = [false; 256];
        let key = Key32::from_slice(&[0; KEY_LEN]).unwrap();
        for _ in 0..400 {
            for byte in split_key(&key, 2, 2).unwrap()[0].expose() {
                seen[usize::from(*byte)] = true;
            }
        }
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let key = Key32::generate();
        for (threshold, count) in [(0, 0), (0, 3), (1, 3), (4, 3), (2, 1)] {
            assert!(split_key(&key, threshold, count).is_none(), "{threshold} of {count}");
        }
        assert_eq!(split_key(&key, 255, 255).unwrap().len(), 255);
    }

    #[test]
    fn an_index_that_is_zero_or_comes_twice_is_refused() {
        assert!(join_shares(&[share(1, 1), share(1, 2)]).is_none());
        assert!(join_shares(&[share(0, 1), share(1, 2)]).is_none());
        assert!(join_shares(&[share(1, 1)]).is_none());
        assert!(join_shares(&[]).is_none());
    }

    #[test]
    fn known_shares_give_the_known_key() {
        // f(x) = 0x2a + 0x07 x over x^8 + x^4 + x^3 + x + 1: f(1) = 0x2d, f(2) = 0x24, f(3) = 0x23.
        for pair in [[share(1, 0x2d), share(2, 0x24)], [share(3, 0x23), share(1, 0x2d)]] {
            assert_eq!(join_shares(&pair).unwrap().expose(), &[0x2a; KEY_LEN]);
        }
    }
}
