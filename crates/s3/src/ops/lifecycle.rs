//! PutBucketLifecycleConfiguration, GetBucketLifecycleConfiguration, DeleteBucketLifecycle.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_configuration::{LifecycleConfiguration, TransitionDefaultMinimumObjectSize};
use coffer_crypto::random_array;
use http::{HeaderName, StatusCode};

use super::S3Operations;
use crate::checksum::RequestedChecksums;
use crate::error::S3Error;
use crate::request::S3Request;
use crate::response::S3Response;
use crate::xml::{parse_lifecycle_configuration, write_lifecycle_configuration};

/// Room for 1,000 rules.
const MAX_DOCUMENT_LEN: usize = 1 << 20;

const MINIMUM_SIZE: HeaderName = HeaderName::from_static("x-amz-transition-default-minimum-object-size");

impl S3Operations {
    pub(super) async fn put_bucket_lifecycle(&self, request: &mut S3Request) -> Result<S3Response, S3Error> {
        if !RequestedChecksums::parse(&request.headers)?.covers_body() {
            return Err(S3Error::missing_body_digest());
        }
        let minimum_size = match request.headers.text(MINIMUM_SIZE.as_str())? {
            None => TransitionDefaultMinimumObjectSize::default(),
            Some(name) => TransitionDefaultMinimumObjectSize::from_name(name)
                .ok_or_else(|| S3Error::invalid_transition_default_minimum_object_size(name))?,
        };
        let document = self.verified_document(request, MAX_DOCUMENT_LEN).await?;
        let mut lifecycle = parse_lifecycle_configuration(&document)?;
        lifecycle.transition_default_minimum_object_size = minimum_size;
        lifecycle.rules.iter_mut().filter(|rule| rule.id.is_empty()).for_each(|rule| rule.id = new_rule_id());
        self.set_lifecycle(request, Some(lifecycle)).await?;
        Ok(S3Response::new(StatusCode::OK).with(MINIMUM_SIZE, minimum_size.name()))
    }

    pub(super) async fn get_bucket_lifecycle(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        let bucket = request.bucket()?;
        let lifecycle = bucket.settings().and_then(|settings| settings.lifecycle.as_ref());
        let lifecycle = lifecycle.ok_or_else(|| S3Error::no_such_lifecycle_configuration(request.bucket_name()))?;
        let minimum_size = lifecycle.transition_default_minimum_object_size;
        Ok(S3Response::xml(write_lifecycle_configuration(lifecycle)).with(MINIMUM_SIZE, minimum_size.name()))
    }

    /// Deletes the rules; none are as good as deleted.
    pub(super) async fn delete_bucket_lifecycle(&self, request: &S3Request) -> Result<S3Response, S3Error> {
        self.set_lifecycle(request, None).await?;
        Ok(S3Response::new(StatusCode::NO_CONTENT))
    }

    async fn set_lifecycle(
        &self,
        request: &S3Request,
        lifecycle: Option<LifecycleConfiguration>,
    ) -> Result<(), S3Error> {
        self.configure(request, |_, settings| {
            settings.lifecycle.clone_from(&lifecycle);
            Ok(())
        })
        .await
    }
}

/// An ID for a rule that came without one: as on S3, 48 characters of base64 that hold the text of a random UUID.
fn new_rule_id() -> String {
    let mut uuid = random_array::<16>();
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let digits = hex::encode(uuid);
    let fields = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    STANDARD.encode(fields.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_different_and_have_48_characters() {
        let (one, other) = (new_rule_id(), new_rule_id());
        assert_ne!(one, other);
        assert_eq!(one.len(), 48);
        let uuid = String::from_utf8(STANDARD.decode(one).unwrap()).unwrap();
        assert_eq!((uuid.len(), &uuid[14..15], uuid.split('-').count()), (36, "4", 5));
    }
}
