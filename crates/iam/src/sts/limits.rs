//! What a session is limited by, and how it is tagged.

use coffer_access::{Policy, PolicyKind};
use http::StatusCode;

use super::input::{check_len, invalid_parameter};
use crate::account::View;
use crate::error::ApiError;
use crate::params::Params;
use crate::records::{AttachedRecord, InlinePolicyRecord, SessionRecord, TagRecord};

/// The longest session policies, documents and ARNs together, in characters.
const MAX_POLICY_LEN: usize = 2048;
/// The most managed policies of a session.
const MAX_POLICY_ARNS: usize = 10;
/// The most bytes that the policies and tags of a session take. They travel in a header of every request.
const MAX_PACKED_LEN: usize = 4096;

/// Session policies and session tags.
pub(super) struct SessionLimits {
    /// The session policies; `None` when the session is not limited.
    pub(super) policies: Option<AttachedRecord>,
    /// The tags that the request brings.
    pub(super) tags: Vec<TagRecord>,
    /// The names of those tags that go on into further sessions.
    pub(super) transitive_tags: Vec<String>,
}

impl SessionLimits {
    /// Reads `Policy`, `PolicyArns`, `Tags` and `TransitiveTagKeys`.
    ///
    /// # Errors
    /// `ValidationError`, `MalformedPolicyDocument`, `InvalidParameterValue`.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let tags = params.tags("Tags").map_err(in_words_of_sts)?;
        if tags.iter().any(|tag| is_reserved(&tag.key)) {
            return Err(invalid_parameter("Tag keys that start with aws: are reserved for system use."));
        }
        let transitive_tags: Vec<String> = params.list("TransitiveTagKeys").into_iter().map(str::to_owned).collect();
        if transitive_tags.iter().any(|key| !has(&tags, key)) {
            let message = "The specified transitive tag key must be included in the requested tags.";
            return Err(invalid_parameter(message));
        }
        Ok(Self { policies: session_policies(params)?, tags, transitive_tags })
    }

    /// Adds the tags that the caller's own session hands on.
    ///
    /// # Errors
    /// `InvalidParameterValue` when the request would change one of them.
    pub(super) fn inherit(&mut self, from: &SessionRecord) -> Result<(), ApiError> {
        let handed_on = |tag: &&TagRecord| from.transitive_tags.iter().any(|key| key.eq_ignore_ascii_case(&tag.key));
        for tag in from.tags.iter().filter(handed_on) {
            if has(&self.tags, &tag.key) {
                let message = "One of the specified transitive tag keys can't be set because it conflicts with a \
                               transitive tag key from the calling session.";
                return Err(invalid_parameter(message));
            }
            self.tags.push(tag.clone());
            self.transitive_tags.push(tag.key.clone());
        }
        Ok(())
    }

    /// Refuses managed policies that the account does not have.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(super) async fn check_managed(&self, view: &View<'_>) -> Result<(), ApiError> {
        for arn in self.policies.iter().flat_map(|policies| &policies.managed) {
            if view.managed_document(arn).await?.is_none() {
                let message = format!("The session policy {arn} does not exist or is not attachable.");
                return Err(ApiError::validation(message));
            }
        }
        Ok(())
    }

    /// `PackedPolicySize`: how much of the room policies and tags take, in percent; `None` when there are none.
    ///
    /// # Errors
    /// `PackedPolicyTooLarge`.
    pub(super) fn packed_percent(&self) -> Result<Option<usize>, ApiError> {
        if self.policies.is_none() && self.tags.is_empty() {
            return Ok(None);
        }
        let documents = self.policies.iter().flat_map(|policies| &policies.inline).map(|policy| policy.document.len());
        let arns = self.policies.iter().flat_map(|policies| &policies.managed).map(String::len);
        let tags = self.tags.iter().map(|tag| tag.key.len() + tag.value.len());
        let transitive = self.transitive_tags.iter().map(String::len);
        let len: usize = documents.chain(arns).chain(tags).chain(transitive).sum();
        let percent = (len * 100).div_ceil(MAX_PACKED_LEN);
        if percent > 100 {
            let message = format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "PackedPolicyTooLarge", message));
        }
        Ok(Some(percent))
    }
}

fn session_policies(params: &Params) -> Result<Option<AttachedRecord>, ApiError> {
    let document = params.get("Policy");
    let arns: Vec<&str> =
        (1..).map_while(|index: usize| params.get(&format!("PolicyArns.member.{index}.arn"))).collect();
    if document.is_none() && arns.is_empty() {
        return Ok(None);
    }
    if arns.len() > MAX_POLICY_ARNS {
        let message = format!("The request cannot contain more than {MAX_POLICY_ARNS} policy ARNs.");
        return Err(ApiError::validation(message));
    }
    for arn in &arns {
        check_len("PolicyArns", arn, 20, MAX_POLICY_LEN)?;
    }
    let mut policies = AttachedRecord::default();
    if let Some(document) = document {
        check_len("Policy", document, 1, MAX_POLICY_LEN)?;
        Policy::parse(document, PolicyKind::Identity, MAX_POLICY_LEN * 4)
            .map_err(|error| ApiError::malformed_policy_document(error.to_string()))?;
        let (name, document) = ("Policy".to_owned(), document.to_owned());
        policies.inline.push(InlinePolicyRecord { name, document });
    }
    policies.managed = arns.into_iter().map(str::to_owned).collect();
    let len = policies.inline.iter().map(|policy| policy.document.chars().count()).sum::<usize>()
        + policies.managed.iter().map(String::len).sum::<usize>();
    if len > MAX_POLICY_LEN {
        let message = format!("The session policies cannot be longer than {MAX_POLICY_LEN} characters together.");
        return Err(ApiError::validation(message));
    }
    Ok(Some(policies))
}

fn has(tags: &[TagRecord], key: &str) -> bool {
    tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key))
}

fn is_reserved(key: &str) -> bool {
    key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// What is IAM's `InvalidInput` and `LimitExceeded` has another name here.
fn in_words_of_sts(error: ApiError) -> ApiError {
    match error.code() {
        "InvalidInput" | "LimitExceeded" => invalid_parameter(error.message().to_owned()),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> Result<SessionLimits, ApiError> {
        SessionLimits::read(&Params::parse(form).unwrap())
    }

    fn session(tags: &[(&str, &str)], transitive: &[&str]) -> SessionRecord {
        let tag = |(key, value): &(&str, &str)| TagRecord { key: (*key).to_owned(), value: (*value).to_owned() };
        SessionRecord {
            secret_key: String::new(),
            account: "000000000000".to_owned(),
            of: crate::records::SessionOf::Role,
            name: String::new(),
            id: String::new(),
            session_name: String::new(),
            issued_ms: 0,
            expires_ms: 0,
            policies: None,
            tags: tags.iter().map(tag).collect(),
            transitive_tags: transitive.iter().map(|key| (*key).to_owned()).collect(),
            source_identity: None,
            context: Vec::new(),
        }
    }

    #[test]
    fn only_transitive_tags_are_handed_on_and_cannot_be_changed() {
        let from = session(&[("team", "red"), ("job", "x")], &["Team"]);
        let mut limits = read("").unwrap();
        limits.inherit(&from).unwrap();
        assert_eq!(limits.tags.iter().map(|tag| tag.key.as_str()).collect::<Vec<_>>(), ["team"]);
        assert_eq!(limits.transitive_tags, ["team"]);
        let mut limits = read("Tags.member.1.Key=TEAM&Tags.member.1.Value=blue").unwrap();
        assert_eq!(limits.inherit(&from).unwrap_err().code(), "InvalidParameterValue");
        let mut limits = read("Tags.member.1.Key=job&Tags.member.1.Value=y").unwrap();
        limits.inherit(&from).unwrap();
        assert_eq!(limits.tags.len(), 2);
    }

    #[test]
    fn tags_that_cannot_be_are_refused() {
        for form in [
            "Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.2.Key=A&Tags.member.2.Value=2",
            "Tags.member.1.Key=aws:x&Tags.member.1.Value=1",
            "Tags.member.1.Key=AWS:x&Tags.member.1.Value=1",
            "TransitiveTagKeys.member.1=a",
        ] {
            assert_eq!(read(form).err().map(|error| error.code()), Some("InvalidParameterValue"), "{form}");
        }
    }

    #[test]
    fn policies_and_tags_have_a_common_limit() {
        let tags = |count: usize| {
            let tag = |n| format!("Tags.member.{n}.Key=key{n}&Tags.member.{n}.Value={}", "v".repeat(200));
            (1..=count).map(tag).collect::<Vec<_>>().join("&")
        };
        assert_eq!(read("").unwrap().packed_percent().ok(), Some(None));
        assert_eq!(read(&tags(1)).unwrap().packed_percent().ok(), Some(Some(5)));
        assert_eq!(read(&tags(21)).unwrap().packed_percent().unwrap_err().code(), "PackedPolicyTooLarge");
    }

    #[test]
    fn policies_have_limits_of_their_own() {
        let arns = |count: usize, arn: &str| {
            (1..=count).map(|n| format!("PolicyArns.member.{n}.arn={arn}")).collect::<Vec<_>>().join("&")
        };
        let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
        assert_eq!(read(&arns(10, arn)).unwrap().policies.map(|policies| policies.managed.len()), Some(10));
        assert!(read(&arns(11, arn)).is_err());
        assert!(read(&arns(1, "short")).is_err());
        assert!(read(&arns(2, &"a".repeat(2000))).is_err());
        assert!(read(&format!("Policy={}", "x".repeat(2049))).is_err());
        assert!(read("Policy=").is_err());
    }
}
