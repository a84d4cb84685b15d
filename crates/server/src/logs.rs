//! The logs of requests, and how a request gets into them.

use std::sync::Arc;

use coffer_s3::log::{BucketLogs, Completion, RequestRecord};

use crate::access_log::AccessLog;

/// Where requests are logged.
#[derive(Clone)]
pub(crate) struct Logs {
    /// The server's own log, if there is one.
    pub(crate) access: Option<Arc<AccessLog>>,
    /// The logs that owners of buckets ask for.
    pub(crate) buckets: Arc<BucketLogs>,
}

impl Logs {
    /// Writes and delivers what waits. Called once nothing is served any more.
    pub(crate) async fn finish(&self) {
        if let Some(log) = &self.access {
            log.flush().await;
        }
        self.buckets.deliver().await;
    }
}

/// A request that is logged when this is dropped, whatever becomes of it.
pub(crate) struct Entry {
    record: Arc<RequestRecord>,
    logs: Logs,
    sent: u64,
    len: Option<u64>,
}

impl Entry {
    /// An entry for the request of `record`.
    pub(crate) fn new(record: Arc<RequestRecord>, logs: Logs) -> Self {
        Self { record, logs, sent: 0, len: None }
    }

    /// The answer begins to go out; its body has `len` bytes.
    pub(crate) fn answered(&mut self, len: Option<u64>) {
        self.len = len;
    }

    /// So many bytes more of the body were handed to the connection.
    pub(crate) fn sent(&mut self, len: usize) {
        self.sent += len as u64;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let completion = Completion { bytes_sent: self.sent, complete: self.len == Some(self.sent) };
        if let Some(log) = &self.logs.access {
            log.write(&self.record, completion);
        }
        self.logs.buckets.note(&self.record, completion);
    }
}
