//! The way out to identity providers.

use async_trait::async_trait;
use bytes::Bytes;

/// Reads documents of identity providers.
#[async_trait]
pub trait Documents: Send + Sync {
    /// The body of the answer to a GET of `url`, which starts with `https://`.
    ///
    /// It is bounded in size and time, follows no redirect, and goes nowhere that the settings do not allow: the URL may
    /// be a hostile provider's.
    ///
    /// # Errors
    /// [`DocumentError`] for any answer but a 200.
    async fn get(&self, url: &str) -> Result<Bytes, DocumentError>;
}

/// Why there is no document, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError(pub String);
