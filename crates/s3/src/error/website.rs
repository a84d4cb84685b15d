//! Websites: documents that are none.

use super::S3Error;

impl S3Error {
    /// A website that redirects everything can do nothing else.
    #[must_use]
    pub fn website_redirects_everything() -> Self {
        let message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
        Self::invalid_argument(message, "RedirectAllRequestsTo", Some("not null"))
    }

    /// Everything is redirected to no host.
    #[must_use]
    pub fn website_host_missing() -> Self {
        Self::invalid_request("A host name must be provided to redirect all requests (e.g. \"example.com\").")
    }

    /// A routing rule redirects to a host without a name.
    #[must_use]
    pub fn website_host_blank() -> Self {
        Self::invalid_request(
            "The HostName cannot be blank. To redirect within the same domain, the element shouldn't be present.",
        )
    }

    /// Websites speak HTTP.
    #[must_use]
    pub fn website_protocol() -> Self {
        Self::invalid_request(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected \
             automatically.",
        )
    }

    /// A website needs an index document.
    #[must_use]
    pub fn website_index_missing() -> Self {
        let message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        Self::invalid_argument(message, "IndexDocument", Some("null"))
    }

    /// The suffix of the index document is empty, or has a slash in it.
    #[must_use]
    pub fn website_index_suffix(suffix: &str) -> Self {
        Self::invalid_argument("The IndexDocument Suffix is not well formed", "IndexDocument", Some(suffix))
    }

    /// The error document has no key.
    #[must_use]
    pub fn website_error_key(key: &str) -> Self {
        Self::invalid_argument("The ErrorDocument Key is not well formed", "ErrorDocument", Some(key))
    }

    /// There are more routing rules than a website can have.
    #[must_use]
    pub fn too_many_routing_rules(count: usize, max: usize) -> Self {
        Self::invalid_request(format!(
            "{count} routing rules provided, the number of routing rules in a website configuration is limited to \
             {max}."
        ))
    }

    /// A condition of a routing rule that names nothing.
    #[must_use]
    pub fn routing_condition_empty() -> Self {
        Self::invalid_request(
            "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't \
             be present.",
        )
    }

    /// A routing rule replaces the prefix of a key, and all of it.
    #[must_use]
    pub fn routing_replacements() -> Self {
        Self::invalid_request("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    }

    /// A routing rule redirects with a status that is none for that.
    #[must_use]
    pub fn routing_redirect_code(code: u32) -> Self {
        let valid = "Valid codes are 3XX except 300.";
        Self::invalid_request(format!("The provided HTTP redirect code ({code}) is not valid. {valid}"))
    }

    /// A routing rule waits for an error with a status that is none.
    #[must_use]
    pub fn routing_error_code(code: u32) -> Self {
        let valid = "Valid codes are 4XX or 5XX.";
        Self::invalid_request(format!("The provided HTTP error code ({code}) is not valid. {valid}"))
    }
}
