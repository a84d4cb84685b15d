//! Objects of several parts go in the same parts, so that ETag and checksums stay what they are.
//!
//! A part that fails is sent again. An upload that breaks off is begun anew: what there is of it is aborted first, by the
//! ID that the task keeps.

use std::fmt::Write as _;
use std::time::Duration;

use coffer_store::{ChecksumAlgorithm, Keys, ObjectInfo, PartInfo, SumsType};

use crate::answer::{Failure, element_text};
use crate::bring::{Bringing, REPLICA, one_of, wire_name};

/// How often a part is sent before the upload is given up for now.
const MOST_ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

impl Bringing<'_> {
    /// Makes the replica of an object of several parts. Returns its version ID.
    pub(crate) async fn multipart(&mut self) -> Result<Option<String>, Failure> {
        self.abort().await?;
        let reader = self.store.get_object(self.bucket, self.source(), Keys::NONE).await?;
        let info = reader.info().clone();
        let parts = reader.part_infos().await?;
        let sums = reader.sums().await?;
        let algorithm = sums.as_ref().filter(|_| info.parts_show_checksums);
        let algorithm =
            algorithm.and_then(|(sums_type, checksums)| one_of(checksums).map(|(named, _)| (named, *sums_type)));
        drop(reader);
        let upload_id = self.create(&info, algorithm).await?;
        if !self.store.note_replication_upload(self.task, Some(upload_id.clone())).await? {
            // The version has changed: the task is not what it was, and nobody else knows of the upload.
            self.abort_upload(&upload_id).await?;
            return Err(Failure::Later("the version has changed meanwhile".to_owned()));
        }
        let mut completion = String::from("<CompleteMultipartUpload>");
        for part in &parts {
            let etag = self.part(&upload_id, part).await?;
            let _ = write!(completion, "<Part><PartNumber>{}</PartNumber><ETag>&quot;{etag}&quot;</ETag>", part.number);
            if let Some((named, value)) = one_of(&part.checksums).filter(|_| algorithm.is_some()) {
                let element = element_name(named);
                let _ = write!(completion, "<{element}>{value}</{element}>");
            }
            completion.push_str("</Part>");
        }
        completion.push_str("</CompleteMultipartUpload>");
        let call = self.call("POST").query("uploadId", &upload_id).header(REPLICA, self.version_id());
        let completed = self.target.call(call.document(completion)).await?;
        Ok(completed.version_id())
    }

    async fn create(
        &self,
        info: &ObjectInfo,
        algorithm: Option<(ChecksumAlgorithm, SumsType)>,
    ) -> Result<String, Failure> {
        let mut call = self.described(self.call("POST").query("uploads", ""), info);
        if let Some((named, sums_type)) = algorithm {
            let whole = match sums_type {
                SumsType::FullObject => "FULL_OBJECT",
                SumsType::Composite => "COMPOSITE",
            };
            let name = wire_name(named).to_ascii_uppercase();
            call = call.header("x-amz-checksum-algorithm", name).header("x-amz-checksum-type", whole);
        }
        let created = self.target.call(call).await?;
        let upload_id = element_text(&created.body, "UploadId").filter(|upload_id| !upload_id.is_empty());
        upload_id.ok_or_else(|| Failure::Target("an upload has no ID".to_owned()))
    }

    /// Sends a part, again if it has to be. Returns its ETag, without quotes.
    ///
    /// Its checksum goes along even if its upload names no algorithm: a part of what is to be locked must have one.
    async fn part(&self, upload_id: &str, part: &PartInfo) -> Result<String, Failure> {
        let mut attempt = 1;
        loop {
            let reader = self.store.get_object(self.bucket, self.source(), Keys::NONE).await?;
            let (stream, _) = reader.read(part.range.clone()).await?;
            let call = self.call("PUT").query("partNumber", part.number.to_string()).query("uploadId", upload_id);
            let call = match one_of(&part.checksums) {
                Some((named, value)) => call.header(format!("x-amz-checksum-{}", wire_name(named)), value),
                None => call,
            };
            match self.target.call(call.stream(stream, part.range.end - part.range.start)).await {
                Ok(answer) => {
                    let etag = answer.header("etag").map(|etag| etag.trim_matches('"').to_owned());
                    let etag =
                        etag.filter(|etag| etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
                    return etag.ok_or_else(|| Failure::Target("a part has no ETag".to_owned()));
                }
                Err(Failure::Target(why)) if attempt < MOST_ATTEMPTS => {
                    tracing::debug!(why, "a part is sent again");
                    tokio::time::sleep(PAUSE * attempt).await;
                    attempt += 1;
                }
                Err(Failure::Absent { .. }) => return Err(Failure::Later("the upload is gone".to_owned())),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Aborts the upload that an earlier attempt has left.
    async fn abort(&mut self) -> Result<(), Failure> {
        match self.task.upload_id.clone() {
            None => Ok(()),
            Some(upload_id) => self.abort_upload(&upload_id).await,
        }
    }

    async fn abort_upload(&self, upload_id: &str) -> Result<(), Failure> {
        match self.target.call(self.call("DELETE").query("uploadId", upload_id)).await {
            // It has ended, one way or the other.
            Ok(_) | Err(Failure::Absent { .. } | Failure::Later(_) | Failure::Never(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

/// The name of an algorithm in a completion.
fn element_name(algorithm: ChecksumAlgorithm) -> String {
    format!("Checksum{}", wire_name(algorithm).to_ascii_uppercase())
}
