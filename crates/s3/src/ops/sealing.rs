//! How a write is sealed: as its headers say, or else as its bucket does.

use std::collections::BTreeMap;
use std::sync::Arc;

use coffer_crypto::random_array;
use coffer_keyring::KmsError;
use coffer_store::{Bucket, Encryption, KmsEncryption};

use super::S3Operations;
use crate::error::S3Error;
use crate::kms::{BucketKeyFor, OnBehalf};
use crate::request::S3Request;
use crate::sse::{CustomerKey, DSSE_KMS, KmsRequest, RequestContext, RequestEncryption, S3_ARN, SSE_KMS};

/// How what is written is sealed.
pub(super) enum Sealing {
    /// SSE-S3.
    SseS3,
    /// SSE-C.
    CustomerKey(CustomerKey),
    /// SSE-KMS, or DSSE-KMS.
    Kms {
        dsse: bool,
        data_key: Arc<KmsEncryption>,
        /// The encryption context that the request named.
        context: Option<RequestContext>,
    },
}

impl Sealing {
    /// As the store takes it.
    pub(super) fn encryption(&self) -> Encryption<'_> {
        match self {
            Self::SseS3 => Encryption::SseS3,
            Self::CustomerKey(key) => {
                Encryption::SseC(key.key().expect("a key of the wrong length is refused where it is new"))
            }
            Self::Kms { dsse: false, data_key, .. } => Encryption::SseKms(data_key),
            Self::Kms { dsse: true, data_key, .. } => Encryption::DsseKms(data_key),
        }
    }

    /// The customer key that the write names.
    pub(super) fn customer_key(&self) -> Option<&CustomerKey> {
        match self {
            Self::CustomerKey(key) => Some(key),
            Self::SseS3 | Self::Kms { .. } => None,
        }
    }

    /// The encryption context that the write names.
    pub(super) fn context(&self) -> Option<&RequestContext> {
        match self {
            Self::Kms { context, .. } => context.as_ref(),
            Self::SseS3 | Self::CustomerKey(_) => None,
        }
    }
}

/// A key of the KMS that something is to be sealed under.
pub(super) struct KmsChoice<'a> {
    /// As the request or the bucket names it; `None`: `aws/s3`.
    pub(super) key: Option<&'a str>,
    /// Whether the data key is to be that of the bucket.
    pub(super) bucket_key: bool,
    /// The encryption context besides what S3 adds.
    pub(super) pairs: BTreeMap<String, String>,
    /// What the caller must be allowed to do with the key besides drawing a data key.
    pub(super) further_actions: &'static [&'static str],
}

impl S3Operations {
    /// Finds out how a write to `bucket` is sealed, and has the KMS draw a data key if it is by KMS.
    ///
    /// A request that names `aws:kms` without a key gets `aws/s3`, also in a bucket whose default is another key; of the
    /// bucket's default it inherits the bucket key alone.
    ///
    /// # Errors
    /// K-TLS, K-SIGV4, what the KMS says.
    pub(super) async fn sealing(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        named: RequestEncryption,
    ) -> Result<Sealing, S3Error> {
        let default = bucket.encryption();
        let inherited = default.as_ref().is_some_and(|default| default.bucket_key_enabled);
        let kms = match named {
            RequestEncryption::SseS3 => return Ok(Sealing::SseS3),
            RequestEncryption::CustomerKey(key) => return Ok(Sealing::CustomerKey(key)),
            RequestEncryption::Kms(kms) => kms,
            RequestEncryption::Unspecified { bucket_key } => match default {
                Some(default) if [SSE_KMS, DSSE_KMS].contains(&default.algorithm.as_str()) => KmsRequest {
                    dsse: default.algorithm == DSSE_KMS,
                    key_id: default.kms_key_id.clone(),
                    context: None,
                    bucket_key,
                },
                _ => return Ok(Sealing::SseS3),
            },
        };
        let choice = KmsChoice {
            key: kms.key_id.as_deref(),
            // Two layers have no bucket keys.
            bucket_key: !kms.dsse && kms.bucket_key.unwrap_or(inherited),
            pairs: kms.context.as_ref().map(|context| context.pairs.clone()).unwrap_or_default(),
            further_actions: &[],
        };
        let data_key = self.data_key(request, bucket, choice).await?;
        Ok(Sealing::Kms { dsse: kms.dsse, data_key, context: kms.context })
    }

    /// Has the KMS draw a data key for the object of the request, or takes the bucket key that it drew before, if the
    /// caller may still have it.
    ///
    /// # Errors
    /// K-TLS, K-SIGV4, what the KMS says.
    pub(super) async fn data_key(
        &self,
        request: &S3Request,
        bucket: &Bucket,
        choice: KmsChoice<'_>,
    ) -> Result<Arc<KmsEncryption>, S3Error> {
        let kms = OnBehalf::of(request, &self.kms);
        let bucket_arn = format!("arn:aws:s3:::{}", bucket.name().as_str());
        let arn = if choice.bucket_key { bucket_arn } else { format!("{bucket_arn}/{}", request.key_text()) };
        let mut context = choice.pairs;
        context.insert(S3_ARN.to_owned(), arn);
        if !choice.further_actions.is_empty() {
            kms.authorize(choice.further_actions, choice.key, &context).await.map_err(S3Error::kms)?;
        }
        if !choice.bucket_key {
            return draw(&kms, choice.key, context, false).await.map_err(S3Error::kms);
        }
        let authorized = kms.authorize(&["kms:GenerateDataKey"], choice.key, &context).await;
        let key_arn = authorized.map_err(S3Error::kms)?;
        let wanted = BucketKeyFor { key_arn, context: context.clone() };
        if let Some(kept) = self.bucket_keys.get(&wanted) {
            return Ok(kept);
        }
        let drawn = draw(&kms, choice.key, context, true).await.map_err(S3Error::kms)?;
        // An alias may have been given to another key meanwhile.
        let key_arn = drawn.sealed.key_arn.clone();
        self.bucket_keys.put(BucketKeyFor { key_arn, ..wanted }, Arc::clone(&drawn));
        Ok(drawn)
    }
}

async fn draw(
    kms: &OnBehalf,
    key: Option<&str>,
    context: BTreeMap<String, String>,
    bucket_key_enabled: bool,
) -> Result<Arc<KmsEncryption>, KmsError> {
    let (data_key, sealed) = kms.generate_data_key(key, context).await?;
    Ok(Arc::new(KmsEncryption { data_key, sealed, id: random_array(), bucket_key_enabled }))
}
