//! Request payment: who pays for requests and transfer.

use minicbor::{Decode, Encode};

/// Who pays.
#[derive(Encode, Decode, Debug, Clone, Copy, PartialEq, Eq)]
#[cbor(index_only)]
pub enum Payer {
    /// The owner of the bucket.
    #[n(0)]
    BucketOwner,
    /// Whoever asks: accounts other than the owner's have to agree to it in each request.
    #[n(1)]
    Requester,
}

impl Payer {
    /// S3's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwner => "BucketOwner",
            Self::Requester => "Requester",
        }
    }

    /// The payer with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::BucketOwner, Self::Requester].into_iter().find(|payer| payer.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payers_are_encoded_as_specified() {
        for (payer, byte) in [(Payer::BucketOwner, 0), (Payer::Requester, 1)] {
            assert_eq!(minicbor::to_vec(payer).unwrap(), [byte]);
            assert_eq!(Payer::from_name(payer.name()), Some(payer));
        }
        assert!(minicbor::decode::<Payer>(&[2]).is_err());
        assert_eq!(Payer::from_name("requester"), None);
    }
}
