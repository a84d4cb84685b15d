//! What is logged of requests.
//!
//! A [`RequestRecord`] is filled in while its request is served, by whoever learns something, and read when the answer
//! has gone out: by the access log of the server, and by [`BucketLogs`], which are S3's server access logs.

mod bucket_logs;
mod format;
mod operation;
mod permission;
mod record;

pub use bucket_logs::{BucketLogSettings, BucketLogs};
pub use format::{LineContext, further_line, line};
pub use permission::{LogSource, log_object_key, may_deliver};
pub use record::{Action, Answered, Completion, FurtherObject, RequestHead, RequestRecord, Requester, Signature};
