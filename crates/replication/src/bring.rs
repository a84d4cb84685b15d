//! Bringing one version to its destination: making the replica, or making it as the version is now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coffer_configuration::{ObjectLock, ReplicationDestination};
use coffer_store::{
    Bucket, ChecksumAlgorithm, Checksums, EncryptionMode, Keys, ObjectInfo, ObjectVersion, ReplicationTask, Store,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::Failure;
use crate::call::Call;
use crate::target::Target;

/// What says to another Coffer that a request brings a replica: the version ID of what it is a replica of.
pub(crate) const REPLICA: &str = "x-coffer-replica-of";

/// One version on its way.
pub(crate) struct Bringing<'a> {
    pub(crate) store: &'a Store,
    pub(crate) target: &'a Target,
    pub(crate) bucket: &'a Bucket,
    pub(crate) destination: &'a ReplicationDestination,
    pub(crate) task: &'a mut ReplicationTask,
    /// Nobody knows whether the replica has been made: an attempt broke off.
    pub(crate) is_uncertain: bool,
    /// The time, in milliseconds since 1970.
    pub(crate) now_ms: u64,
}

impl Bringing<'_> {
    /// Makes the replica of an object, or makes it as the object is now. Returns the version ID of the replica.
    pub(crate) async fn object(
        &mut self,
        info: &ObjectInfo,
        replica: Option<String>,
    ) -> Result<Option<String>, Failure> {
        if let Some(version_id) = replica {
            match self.follow(info, Some(&version_id)).await {
                // Somebody has removed it there.
                Err(Failure::Absent { .. }) => {}
                followed => return followed.map(|()| Some(version_id)),
            }
        }
        let why_not = match info.mode {
            EncryptionMode::SseS3 => None,
            EncryptionMode::SseC => Some("it is sealed under a customer key, which is not kept"),
            EncryptionMode::SseKms | EncryptionMode::DsseKms => {
                Some("it is sealed under a key of a KMS, and no rule selects such objects")
            }
        };
        if let Some(why_not) = why_not {
            return Err(Failure::Never(why_not.to_owned()));
        }
        if self.is_uncertain
            && let Some(version_id) = self.find(info).await?
        {
            self.follow(info, Some(&version_id)).await?;
            return Ok(Some(version_id));
        }
        if info.part_count.is_some() { self.multipart().await } else { self.single().await }
    }

    /// Makes a delete marker at the destination.
    pub(crate) async fn marker(&self) -> Result<Option<String>, Failure> {
        if self.is_uncertain
            && let Err(Failure::Absent { is_marker: true }) = self.target.call(self.call("HEAD")).await
        {
            return Ok(None);
        }
        let answer = self.target.call(self.call("DELETE").header(REPLICA, self.version_id())).await?;
        Ok(answer.version_id())
    }

    /// A request about the object at the destination.
    pub(crate) fn call(&self, method: &'static str) -> Call<'_> {
        Call::of_object(method, &self.destination.bucket, self.task.key.as_str())
            .header_if("x-amz-expected-bucket-owner", self.destination.account.as_ref())
    }

    /// What the replica is a replica of.
    pub(crate) fn version_id(&self) -> String {
        self.task.version.to_string()
    }

    pub(crate) fn source(&self) -> ObjectVersion<'_> {
        ObjectVersion { key: &self.task.key, version: Some(self.task.version) }
    }

    /// The current version at the destination, if it is a replica with the same bytes.
    async fn find(&self, info: &ObjectInfo) -> Result<Option<String>, Failure> {
        let answer = match self.target.call(self.call("HEAD")).await {
            Err(Failure::Absent { .. }) => return Ok(None),
            answer => answer?,
        };
        let is_the_same = answer.header("etag").map(|etag| etag.trim_matches('"')) == Some(&info.etag)
            && answer.header("content-length") == Some(&info.size.to_string())
            && answer.header("x-amz-replication-status") == Some("REPLICA");
        Ok(answer.version_id().filter(|_| is_the_same))
    }

    /// An object of one part goes in one request.
    async fn single(&self) -> Result<Option<String>, Failure> {
        let reader = self.store.get_object(self.bucket, self.source(), Keys::NONE).await?;
        let info = reader.info().clone();
        let (stream, sums) = reader.read(0..info.size).await?;
        let mut call = self.described(self.call("PUT"), &info).header(REPLICA, self.version_id());
        if let Some((algorithm, value)) = sums.as_ref().and_then(|(_, checksums)| one_of(checksums)) {
            call = call.header(format!("x-amz-checksum-{}", wire_name(algorithm)), value);
        }
        Ok(self.target.call(call.stream(stream, info.size)).await?.version_id())
    }

    /// Adds what is known of an object to the request that makes its replica.
    pub(crate) fn described<'c>(&self, call: Call<'c>, info: &ObjectInfo) -> Call<'c> {
        let class = self.destination.storage_class.as_ref().unwrap_or(&info.storage_class);
        let tags: Vec<_> =
            info.tags.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        call.headers(&info.headers)
            .header("x-amz-server-side-encryption", "AES256")
            .header_if("x-amz-storage-class", Some(class).filter(|class| *class != "STANDARD"))
            .header_if("x-amz-tagging", Some(tags.join("&")).filter(|tags| !tags.is_empty()))
            .headers(&lock_headers(&info.lock, self.now_ms))
    }
}

/// The headers that say what keeps an object from being removed at `now_ms`. A retention that has ended keeps nothing,
/// and nobody takes one.
pub(crate) fn lock_headers(lock: &ObjectLock, now_ms: u64) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if let Some(retention) = lock.retention.filter(|retention| retention.holds(now_ms)) {
        headers.push(("x-amz-object-lock-mode".to_owned(), retention.mode.name().to_owned()));
        headers.push(("x-amz-object-lock-retain-until-date".to_owned(), iso8601(retention.until_ms)));
    }
    if lock.legal_hold == Some(true) {
        headers.push(("x-amz-object-lock-legal-hold".to_owned(), "ON".to_owned()));
    }
    headers
}

/// A time in milliseconds since 1970.
pub(crate) fn iso8601(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// A checksum to go along, in base64: a request has one.
pub(crate) fn one_of(checksums: &Checksums) -> Option<(ChecksumAlgorithm, String)> {
    checksums.iter().next().map(|(algorithm, value)| (algorithm, STANDARD.encode(value)))
}

/// The name of an algorithm in a header.
pub(crate) fn wire_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "crc32",
        ChecksumAlgorithm::Crc32c => "crc32c",
        ChecksumAlgorithm::Crc64Nvme => "crc64nvme",
        ChecksumAlgorithm::Sha1 => "sha1",
        ChecksumAlgorithm::Sha256 => "sha256",
        ChecksumAlgorithm::Sha512 => "sha512",
        ChecksumAlgorithm::Md5 => "md5",
        ChecksumAlgorithm::XxHash64 => "xxhash64",
        ChecksumAlgorithm::XxHash3 => "xxhash3",
        ChecksumAlgorithm::XxHash128 => "xxhash128",
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use coffer_configuration::{Retention, RetentionMode};

    use super::*;

    #[test]
    fn a_lock_goes_along_as_headers() {
        let retention = Retention { mode: RetentionMode::Compliance, until_ms: 1_893_456_000_500 };
        let lock = ObjectLock { retention: Some(retention), legal_hold: Some(true) };
        let headers = lock_headers(&lock, 1_893_456_000_499);
        assert_eq!(headers[0].1, "COMPLIANCE");
        assert_eq!(headers[1].1, "2030-01-01T00:00:00.5Z");
        assert_eq!(headers[2], ("x-amz-object-lock-legal-hold".to_owned(), "ON".to_owned()));
        assert_eq!(lock_headers(&lock, 1_893_456_000_500), headers[2..], "it has ended");
        assert!(lock_headers(&ObjectLock { retention: None, legal_hold: Some(false) }, 0).is_empty());
    }
}
