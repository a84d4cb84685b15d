//! Hash functions. SHA-256 and HMAC secure things; MD5 and SHA-1 are only what the S3 API speaks.

use aws_lc_rs::{digest, hmac};
use md5::Digest as _;

/// SHA-256 of `data`.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::default();
    hash.update(data);
    hash.finish()
}

/// MD5 of `data`: ETags and `Content-MD5`, never security.
#[must_use]
pub fn md5(data: &[u8]) -> [u8; 16] {
    md5::Md5::digest(data).into()
}

/// HMAC-SHA-256 of `data` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::sha256(key);
    mac.update(data);
    mac.finish()
}

/// HMAC-SHA-1 of `data` under `key`: AWS Signature Version 2 of POST policies only.
#[must_use]
pub fn hmac_sha1(key: &[u8], data: &[u8]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    array(hmac::sign(&key, data).as_ref())
}

/// HMAC-SHA-256 in pieces.
pub struct Hmac(hmac::Context);

impl Hmac {
    /// Starts a tag under `key`.
    #[must_use]
    pub fn sha256(key: &[u8]) -> Self {
        Self(hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// Adds `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Returns the tag.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        array(self.0.sign().as_ref())
    }
}

macro_rules! streaming {
    ($(#[$doc:meta])* $name:ident, $algorithm:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(digest::Context);

        impl Default for $name {
            fn default() -> Self {
                Self(digest::Context::new(&digest::$algorithm))
            }
        }

        impl $name {
            /// Adds `data`.
            pub fn update(&mut self, data: &[u8]) {
                self.0.update(data);
            }

            /// Returns the hash of everything added.
            #[must_use]
            pub fn finish(self) -> [u8; $len] {
                array(self.0.finish().as_ref())
            }
        }
    };
}

streaming!(
    /// SHA-256 in pieces.
    Sha256, SHA256, 32
);
streaming!(
    /// SHA-512 in pieces.
    Sha512, SHA512, 64
);
streaming!(
    /// SHA-1 in pieces: a checksum of the S3 API, never security.
    Sha1, SHA1_FOR_LEGACY_USE_ONLY, 20
);

/// MD5 in pieces: ETags and `Content-MD5`, never security.
#[derive(Clone, Default)]
pub struct Md5(md5::Md5);

impl Md5 {
    /// Adds `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Returns the hash of everything added.
    #[must_use]
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a hash has the length of its algorithm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn known_answers() {
        assert_eq!(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex(&sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut sha1 = Sha1::default();
        sha1.update(b"abc");
        assert_eq!(hex(&sha1.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        // RFC 4231, test case 2.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        // RFC 2202, test case 2.
        assert_eq!(
            hex(&hmac_sha1(b"Jefe", b"what do ya want for nothing?")),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let mut pieces = Md5::default();
        pieces.update(b"ab");
        pieces.update(b"c");
        assert_eq!(pieces.finish(), md5(b"abc"));
    }
}
