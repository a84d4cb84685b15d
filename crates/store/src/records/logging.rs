//! Where the log of a bucket goes, as records hold it.

use minicbor::{Decode, Encode};

use super::access::{GrantRecord, grant_records, grants};
use crate::error::StoreError;
use crate::logging::{BucketLogging, LogKeyFormat};

/// What PutBucketLogging set.
#[derive(Encode, Decode, Clone, PartialEq)]
#[cbor(map)]
pub(crate) struct LoggingRecord {
    #[n(0)]
    target_bucket: String,
    #[n(1)]
    target_prefix: String,
    #[n(2)]
    grants: Vec<GrantRecord>,
    #[n(3)]
    key_format: KeyFormatRecord,
}

#[derive(Encode, Decode, Clone, Copy, PartialEq)]
#[cbor(index_only)]
enum KeyFormatRecord {
    #[n(0)]
    NotSet,
    #[n(1)]
    SimplePrefix,
    #[n(2)]
    EventTime,
    #[n(3)]
    DeliveryTime,
}

impl From<&BucketLogging> for LoggingRecord {
    fn from(logging: &BucketLogging) -> Self {
        Self {
            target_bucket: logging.target_bucket.clone(),
            target_prefix: logging.target_prefix.clone(),
            grants: grant_records(&logging.grants),
            key_format: match logging.key_format {
                LogKeyFormat::NotSet => KeyFormatRecord::NotSet,
                LogKeyFormat::SimplePrefix => KeyFormatRecord::SimplePrefix,
                LogKeyFormat::EventTime => KeyFormatRecord::EventTime,
                LogKeyFormat::DeliveryTime => KeyFormatRecord::DeliveryTime,
            },
        }
    }
}

impl LoggingRecord {
    pub(crate) fn logging(&self) -> Result<BucketLogging, StoreError> {
        Ok(BucketLogging {
            target_bucket: self.target_bucket.clone(),
            target_prefix: self.target_prefix.clone(),
            grants: grants(&self.grants)?,
            key_format: match self.key_format {
                KeyFormatRecord::NotSet => LogKeyFormat::NotSet,
                KeyFormatRecord::SimplePrefix => LogKeyFormat::SimplePrefix,
                KeyFormatRecord::EventTime => LogKeyFormat::EventTime,
                KeyFormatRecord::DeliveryTime => LogKeyFormat::DeliveryTime,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use coffer_access::{AclPermission, Grant, Grantee};

    use super::*;
    use crate::records::{decode, encode};

    fn logging(key_format: LogKeyFormat) -> BucketLogging {
        let grants = vec![Grant { grantee: Grantee::AuthenticatedUsers, permission: AclPermission::Read }];
        BucketLogging { target_bucket: "logs".to_owned(), target_prefix: "a/".to_owned(), grants, key_format }
    }

    #[test]
    fn every_format_reads_back() {
        let formats =
            [LogKeyFormat::NotSet, LogKeyFormat::SimplePrefix, LogKeyFormat::EventTime, LogKeyFormat::DeliveryTime];
        for format in formats {
            let bytes = encode(&LoggingRecord::from(&logging(format)));
            assert_eq!(decode::<LoggingRecord>(&bytes).unwrap().logging().unwrap(), logging(format));
        }
    }

    #[test]
    fn logging_is_encoded_as_specified() {
        // {0: "logs", 1: "a/", 2: [{0: 2, 2: 1}], 3: 2}
        let bytes = encode(&LoggingRecord::from(&logging(LogKeyFormat::EventTime)));
        assert_eq!(hex::encode(bytes), "a400646c6f67730162612f0281a2000202010302");
    }

    #[test]
    fn an_unknown_format_is_damage() {
        let mut bytes = encode(&LoggingRecord::from(&logging(LogKeyFormat::NotSet)));
        *bytes.last_mut().unwrap() = 4;
        assert!(decode::<LoggingRecord>(&bytes).is_err());
    }
}
