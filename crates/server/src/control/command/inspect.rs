//! `coffer inspect`: how an object is sealed, and what of it verifies.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use coffer_configuration::ObjectLock;
use coffer_crypto::Key32;
use coffer_keyring::{DataKeys, KmsError, SealedDataKey};
use coffer_kms::{Authority, Kms};
use coffer_store::{
    BucketName, Check, CheckOutcome, ChecksumAlgorithm, EncryptionMode, Inspection, Keys, LayerKey, ObjectKey,
    ObjectVersion, StoreError, VersionId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::control::{Report, Session};

/// Parts that are shown to people; programs are shown all.
const MOST_PARTS: usize = 20;

/// Looks at how an object is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inspect {
    /// The object: s3://BUCKET/KEY
    #[arg(value_name = "S3-URI")]
    object: String,
    /// A version of it [default: the current one]
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// Read all of its data, and verify every segment
    #[arg(long)]
    verify_data: bool,
}

impl Inspect {
    pub(super) async fn perform(self, session: &Session) -> Result<Report> {
        let (bucket, key) = parse(&self.object)?;
        let version =
            self.version_id.as_deref().map(|id| VersionId::parse(id).ok_or_else(|| anyhow!("{id} is no version ID")));
        let version = version.transpose()?;
        let store = &session.administration.data.store;
        let data_keys = KmsDataKeys(&session.administration.kms);
        let keys = Keys { customer: None, data_keys: &data_keys };
        let missing = |error| match error {
            StoreError::NoSuchBucket => anyhow!("there is no bucket {}", bucket.as_str()),
            StoreError::NoSuchKey => anyhow!("there is no object {}", self.object),
            StoreError::NoSuchVersion => anyhow!("{} has no such version", self.object),
            StoreError::DeleteMarker(marker) => {
                anyhow!("{} is a delete marker, version {}", self.object, marker.version)
            }
            error => anyhow!(error).context("the object cannot be looked at"),
        };
        let found = store.bucket(&bucket).await.map_err(missing)?;
        let target = ObjectVersion { key: &key, version };
        let inspection = store.inspect_object(&found, target, keys, self.verify_data).await.map_err(missing)?;
        let material = inspection.data_key.as_ref().and_then(|sealed| session.administration.kms.generation_of(sealed));
        let report =
            Report { text: text(&self.object, &inspection, material), data: data(&self.object, &inspection, material) };
        Ok(report)
    }
}

/// Opens data keys as the server itself, so that a policy that shuts everybody out does not hide damage. It is noted
/// in the audit log.
struct KmsDataKeys<'a>(&'a Kms);

#[async_trait]
impl DataKeys for KmsDataKeys<'_> {
    async fn open(&self, sealed: &SealedDataKey) -> Result<Key32, KmsError> {
        self.0.decrypt_data_key(&Authority::Coffer, sealed).await
    }
}

/// Reads `s3://BUCKET/KEY`. The key is what follows the slash, as it is.
fn parse(uri: &str) -> Result<(BucketName, ObjectKey)> {
    let parts = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    let (bucket, key) = parts.ok_or_else(|| anyhow!("{uri} is not of the form s3://BUCKET/KEY"))?;
    let bucket = BucketName::for_lookup(bucket).ok_or_else(|| anyhow!("{bucket} is no name of a bucket"))?;
    let key = ObjectKey::new(key).map_err(|_| anyhow!("{uri} does not name an object"))?;
    Ok((bucket, key))
}

fn text(object: &str, inspection: &Inspection, material: Option<u32>) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name:<11}{value}").expect("a String takes any text");
    line("object", object);
    line("version", &inspection.version.to_string());
    line("mode", mode(inspection.mode));
    for (number, layer) in (1..).zip(&inspection.layers) {
        let name = if inspection.layers.len() > 1 { format!("layer {number}") } else { "key path".to_owned() };
        line(&name, &path(*layer, inspection, material));
    }
    if let Some(kms) = &inspection.kms {
        let shared = if kms.bucket_key_enabled { "yes" } else { "no" };
        line("bucket key", shared);
        line("context", &format!("{} pairs, bound to the envelope", kms.context.len()));
    }
    let tags = match inspection.layout_tags {
        0 => "none: completed without its key".to_owned(),
        tags => tags.to_string(),
    };
    line("layout", &format!("tags: {tags}"));
    line("size", &format!("{}, {}", counted(inspection.size, "byte"), counted(inspection.parts.len() as u64, "part")));
    for part in inspection.parts.iter().take(MOST_PARTS) {
        let place = part.blob.as_ref().map_or_else(|| "inline".to_owned(), |blob| format!("blob {blob}"));
        line(
            &format!("part {}", part.number),
            &format!(
                "{}, {}, {} bytes sealed, {place}",
                counted(part.size, "byte"),
                counted(part.segments, "segment"),
                part.sealed_size
            ),
        );
    }
    if inspection.parts.len() > MOST_PARTS {
        line("", &format!("and {} more: see --json", inspection.parts.len() - MOST_PARTS));
    }
    match &inspection.checksums {
        Some(names) if names.is_empty() => line("checksums", "none"),
        Some(names) => line("checksums", &names.iter().map(|name| checksum(*name)).collect::<Vec<_>>().join(", ")),
        None => line("checksums", "not opened"),
    }
    line("lock", &lock(inspection.lock));
    text.push('\n');
    for Check { what, outcome } in &inspection.checks {
        let outcome = match outcome {
            CheckOutcome::Verified => "verified".to_owned(),
            CheckOutcome::Failed(why) => format!("FAILED: {why}"),
            CheckOutcome::NotChecked(why) => format!("not checked: {why}"),
        };
        writeln!(text, "{what:<18}{outcome}").expect("a String takes any text");
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What has to be opened to reach the object key, from the root.
fn path(layer: LayerKey, inspection: &Inspection, material: Option<u32>) -> String {
    match layer {
        LayerKey::Customer => "customer key (not kept) -> object key".to_owned(),
        LayerKey::Bucket { generation, root } => {
            let root = root.map_or_else(
                || "no root key".to_owned(),
                |(id, generation)| format!("root key {} generation {generation}", hex::encode(id)),
            );
            format!("{root} -> bucket key generation {generation} -> object key")
        }
        LayerKey::DataKey => {
            let key = inspection.kms.as_ref().map_or("?", |kms| &kms.key_arn);
            let material = material.map_or_else(String::new, |generation| format!(" material generation {generation}"));
            format!("KMS key {key}{material} -> data key -> object key")
        }
    }
}

fn data(object: &str, inspection: &Inspection, material: Option<u32>) -> Value {
    let layer = |layer: &LayerKey| match layer {
        LayerKey::Customer => json!({"key": "customer"}),
        LayerKey::Bucket { generation, root } => json!({
            "key": "bucket",
            "bucket_key_generation": generation,
            "root_id": root.map(|(id, _)| hex::encode(id)),
            "root_generation": root.map(|(_, generation)| generation),
        }),
        LayerKey::DataKey => json!({
            "key": "kms",
            "kms_key_arn": inspection.kms.as_ref().map(|kms| &kms.key_arn),
            "material_generation": material,
        }),
    };
    let part = |part: &coffer_store::PartInspection| {
        json!({
            "number": part.number,
            "size": part.size,
            "segments": part.segments,
            "sealed_size": part.sealed_size,
            "blob": part.blob,
        })
    };
    let check = |check: &Check| {
        let (outcome, why) = match &check.outcome {
            CheckOutcome::Verified => ("verified", None),
            CheckOutcome::Failed(why) => ("failed", Some(why)),
            CheckOutcome::NotChecked(why) => ("not-checked", Some(why)),
        };
        json!({"what": check.what, "outcome": outcome, "why": why})
    };
    json!({
        "object": object,
        "version_id": inspection.version.to_string(),
        "mode": mode(inspection.mode),
        "size": inspection.size,
        "last_modified_ms": inspection.last_modified_ms,
        "multipart": inspection.is_multipart,
        "layers": inspection.layers.iter().map(layer).collect::<Vec<_>>(),
        "bucket_key_enabled": inspection.kms.as_ref().map(|kms| kms.bucket_key_enabled),
        "context_pairs": inspection.kms.as_ref().map(|kms| kms.context.len()),
        "layout_tags": inspection.layout_tags,
        "parts": inspection.parts.iter().map(part).collect::<Vec<_>>(),
        "checksums": inspection.checksums.as_ref().map(|names| names.iter().map(|name| checksum(*name)).collect::<Vec<_>>()),
        "lock": lock(inspection.lock),
        "sound": inspection.is_sound(),
        "checks": inspection.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn mode(mode: EncryptionMode) -> &'static str {
    match mode {
        EncryptionMode::SseS3 => "SSE-S3",
        EncryptionMode::SseC => "SSE-C",
        EncryptionMode::SseKms => "SSE-KMS",
        EncryptionMode::DsseKms => "DSSE-KMS",
    }
}

fn checksum(algorithm: ChecksumAlgorithm) -> String {
    format!("{algorithm:?}").to_uppercase()
}

fn lock(lock: ObjectLock) -> String {
    let retention = lock.retention.map(|retention| format!("{} retention", retention.mode.name()));
    let hold = lock.legal_hold.unwrap_or(false).then(|| "legal hold".to_owned());
    let all: Vec<_> = retention.into_iter().chain(hold).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_follows_the_bucket() {
        let (bucket, key) = parse("s3://bucket/a//b?c=d#e f").unwrap();
        assert_eq!((bucket.as_str(), key.as_bytes()), ("bucket", &b"a//b?c=d#e f"[..]));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for uri in ["", "bucket/key", "s3://bucket", "s3://bucket/", "s3:///key", "https://bucket/key"] {
            assert!(parse(uri).is_err(), "{uri}");
        }
    }
}
