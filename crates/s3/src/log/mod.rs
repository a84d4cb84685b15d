//! What is logged of requests.
//!
//! A [`RequestRecord`] is filled in while its request is served, by whoever learns something, and read when the answer
//! has gone out. No log is written here.

mod record;

pub use record::{Action, Answered, Completion, RequestHead, RequestRecord, Requester, Signature};
