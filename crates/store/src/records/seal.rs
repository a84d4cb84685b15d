//! How an object or upload is sealed, as it is stored.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::{ByteRecord, FieldRecord};

/// How an object or upload is sealed, known from the moment its object key is drawn.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct SealRecord {
    /// One per layer.
    #[n(0)]
    pub(crate) envelopes: Vec<ByteRecord>,
    /// Content headers and user metadata under the customer's key; empty in the other modes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) head_box: Vec<u8>,
    /// Content headers and user metadata; empty under a customer's key.
    #[n(2)]
    pub(crate) headers: Vec<FieldRecord>,
    /// The data key of the first envelope; absent: no KMS has to do with it.
    #[n(3)]
    pub(crate) kms: Option<KmsSealRecord>,
    /// The generation of the bucket's key under which the object keys were first stored, whatever wraps them; absent:
    /// nobody knows.
    #[n(4)]
    pub(crate) since: Option<u32>,
}

/// A data key of a KMS.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct KmsSealRecord {
    /// The ARN of the KMS key that encrypted it.
    #[n(0)]
    pub(crate) key_arn: String,
    /// What the KMS made of it.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) ciphertext: Vec<u8>,
    /// The whole encryption context.
    #[n(2)]
    pub(crate) context: BTreeMap<String, String>,
    /// It is shared by objects of the bucket.
    #[n(3)]
    pub(crate) bucket_key_enabled: bool,
}
