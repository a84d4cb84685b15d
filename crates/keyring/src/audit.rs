//! The seam to the audit log of keys: what was done with which key, by whom.

use async_trait::async_trait;

/// Something that was done, or refused, with a key. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEvent {
    /// What was asked for: an action of KMS such as `kms:Decrypt`, or one of Coffer's own such as `coffer:RotateRootKey`.
    pub action: &'static str,
    /// The key: the ARN of a KMS key, `root-key/ID:GENERATION`, or `bucket-key/BUCKET-ID:GENERATION`.
    pub key: String,
    /// The ARN of who asked, or `coffer` for what the server does by itself.
    pub who: String,
    /// What became of it.
    pub outcome: KeyOutcome,
    /// What else there is to know, by name: the encryption context, the job, the request ID.
    pub details: Vec<(String, String)>,
}

/// What became of a request for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOutcome {
    /// It was done.
    Done,
    /// A policy, a grant that is missing, or the state of the key forbids it; the code of the error.
    Denied(String),
    /// It failed; the code of the error.
    Failed(String),
}

/// Takes note of what is done with keys.
#[async_trait]
pub trait KeyAudit: Send + Sync {
    /// Notes an event. It returns at once; events are written in the order in which they are noted.
    fn record(&self, event: KeyEvent);

    /// Waits until everything that was noted so far is on stable storage.
    ///
    /// # Errors
    /// Why it cannot be written.
    async fn flush(&self) -> std::io::Result<()>;
}

/// Notes nothing: for tests, and for tools that only look.
pub struct NoAudit;

#[async_trait]
impl KeyAudit for NoAudit {
    fn record(&self, _: KeyEvent) {}

    async fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}
