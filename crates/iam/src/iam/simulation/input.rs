//! What a simulation is asked to assume.

use std::sync::Arc;

use coffer_access::{Caller, Context, Policy, PolicyKind, account_of_arn};

use super::sources::Source;
use super::{Subject, policies as without_names};
use crate::account::View;
use crate::api::ApiRequest;
use crate::arn;
use crate::error::ApiError;
use crate::iam::document;
use crate::params::{Params, invalid};
use crate::records::UserRecord;

/// The most questions, which are actions times resources, in a request.
const MOST_QUESTIONS: usize = 2000;
/// The most bytes that are evaluated, which are questions times the documents that decide each: who asks little must
/// not make much work, and each answer may name every condition key of every document.
const MOST_WORK: usize = 8 << 20;
/// The most policies in a request.
const MOST_POLICIES: usize = 100;

/// Everything that the outcome depends on.
pub(super) struct Scenario {
    pub(super) caller: Caller,
    pub(super) sources: Vec<Source>,
    pub(super) actions: Vec<String>,
    pub(super) resources: Vec<Resource>,
    /// The account that the resources belong to.
    pub(super) owner: String,
    pub(super) context: Context,
}

/// A resource, with its policy.
pub(super) struct Resource {
    pub(super) arn: String,
    pub(super) policy: Option<Policy>,
}

impl Scenario {
    /// Reads what the request says about `subject`.
    ///
    /// # Errors
    /// `ValidationError`, `InvalidInput`, `NoSuchEntity`.
    pub(super) async fn read(request: &ApiRequest<'_>, view: &View<'_>, subject: Subject) -> Result<Self, ApiError> {
        let params = &request.params;
        let actions = actions(params)?;
        let arns = resource_arns(params)?;
        let questions = actions.len() * arns.len();
        if questions > MOST_QUESTIONS {
            let message = format!("Actions times resources must not be more than {MOST_QUESTIONS}.");
            return Err(ApiError::invalid_input(message));
        }
        let Subject { mut caller, is_user, mut sources } = subject;
        sources.extend(policies(params, "PolicyInputList")?);
        let mut boundary = policies(params, "PermissionsBoundaryPolicyInputList")?;
        if boundary.len() > 1 {
            return Err(ApiError::invalid_input("There is at most one permissions boundary."));
        }
        let resource_policy = params.get("ResourcePolicy");
        let sent_len = boundary.iter().map(|source| source.len).sum::<usize>() + resource_policy.map_or(0, str::len);
        let len = sources.iter().map(|source| source.len).sum::<usize>() + sent_len;
        if questions.saturating_mul(len) > MOST_WORK {
            let message = "The simulation is too large. Ask for fewer actions, resources or policies at once.";
            return Err(ApiError::invalid_input(message));
        }
        let resources = resources(&arns, resource_policy)?;
        let boundary = boundary.pop().map(|source| source.policy).or_else(|| caller.boundary.clone());
        match params.get("CallerArn") {
            Some(arn) => caller = named_caller(view, arn).await?,
            None if is_user || resource_policy.is_none() => {}
            None => {
                let message = "CallerArn is required when a resource policy is included and the policy source is not an \
                               IAM user.";
                return Err(ApiError::invalid_input(message));
            }
        }
        caller.identity_policies = without_names(&sources);
        caller.boundary = boundary;
        let owner = owner(params)?.unwrap_or(&view.account).to_owned();
        Ok(Self { caller, sources, actions, resources, owner, context: context(params)? })
    }
}

/// The policies in a list, under the names that results have for them.
///
/// # Errors
/// `ValidationError`; `InvalidInput` for one that is not valid.
pub(super) fn policies(params: &Params, name: &str) -> Result<Vec<Source>, ApiError> {
    let documents = params.list(name);
    if documents.len() > MOST_POLICIES {
        return Err(ApiError::invalid_input(format!("{name} must not have more than {MOST_POLICIES} members.")));
    }
    let read = |(index, text): (usize, &&str)| {
        let id = format!("{name}.{}", index + 1);
        document::check_text(&id, text)?;
        let policy = document::parse(text, PolicyKind::Identity).map_err(|error| not_valid(&id, error.message()))?;
        Ok(Source { id, policy: Arc::new(policy), len: text.len() })
    };
    documents.iter().enumerate().map(read).collect()
}

fn actions(params: &Params) -> Result<Vec<String>, ApiError> {
    let actions = params.list("ActionNames");
    if actions.is_empty() {
        return Err(invalid("ActionNames", None, "Member must not be null"));
    }
    for action in &actions {
        let parts = action.split_once(':').filter(|(service, name)| !service.is_empty() && !name.is_empty());
        if parts.is_none() || action.len() > 128 || action.contains(['*', '?']) {
            return Err(ApiError::invalid_input(format!("Invalid Action: {action}")));
        }
    }
    Ok(actions.into_iter().map(str::to_owned).collect())
}

fn resource_arns(params: &Params) -> Result<Vec<&str>, ApiError> {
    let mut arns = params.list("ResourceArns");
    if arns.is_empty() {
        arns.push("*");
    }
    let is_unsound = |arn: &&&str| arn.is_empty() || arn.len() > 2048 || !(**arn == "*" || arn.starts_with("arn:"));
    match arns.iter().find(is_unsound) {
        Some(arn) => Err(ApiError::invalid_input(format!("Invalid resource ARN: {arn}"))),
        None => Ok(arns),
    }
}

/// The resources with these ARNs, each with the policy of its bucket.
fn resources(arns: &[&str], text: Option<&str>) -> Result<Vec<Resource>, ApiError> {
    if let Some(text) = text {
        document::check_text("ResourcePolicy", text)?;
    }
    let resource = |arn: &&str| {
        let policy = text.map(|text| resource_policy(text, arn)).transpose()?;
        Ok(Resource { arn: (*arn).to_owned(), policy })
    };
    arns.iter().map(resource).collect()
}

/// The policy of a bucket: nothing else has policies that are simulated.
fn resource_policy(text: &str, arn: &str) -> Result<Policy, ApiError> {
    let Some(resource) = arn.strip_prefix("arn:aws:s3:::") else {
        let message = "A resource policy needs resources that are buckets or objects.";
        return Err(ApiError::invalid_input(message));
    };
    let name = resource.split('/').next().unwrap_or_default();
    document::parse(text, PolicyKind::Bucket { name }).map_err(|error| not_valid("ResourcePolicy", error.message()))
}

/// The user in `CallerArn`. It has no policies but those of the simulation.
async fn named_caller(view: &View<'_>, caller_arn: &str) -> Result<Caller, ApiError> {
    let wrong = || ApiError::invalid_input(format!("CallerArn {caller_arn} is not the ARN of an IAM user."));
    let (account, name) = arn::parse(caller_arn, "user").ok_or_else(wrong)?;
    if account != view.account {
        return Err(wrong());
    }
    let user = view.get::<UserRecord>(name).await?;
    let user = user.filter(|user| arn::user(account, &user.path, &user.name) == caller_arn).ok_or_else(wrong)?;
    view.user_caller(&user).await
}

/// The account in `ResourceOwner`: its number, or the ARN of its root.
fn owner(params: &Params) -> Result<Option<&str>, ApiError> {
    let Some(text) = params.get("ResourceOwner") else { return Ok(None) };
    let is_account = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    match account_of_arn(text) {
        Some(account) => Ok(Some(account)),
        None if is_account => Ok(Some(text)),
        None => Err(ApiError::invalid_input(format!("Invalid resource owner: {text}"))),
    }
}

/// `ContextEntries.member.1.ContextKeyName`, `ContextEntries.member.1.ContextKeyValues.member.1` ...
fn context(params: &Params) -> Result<Context, ApiError> {
    let mut context = Context::new();
    for index in 1_usize.. {
        let entry = format!("ContextEntries.member.{index}");
        let Some(key) = params.get(&format!("{entry}.ContextKeyName")) else { break };
        if !(5..=256).contains(&key.len()) {
            return Err(invalid("ContextKeyName", Some(key), "Member must have length between 5 and 256"));
        }
        params.one_of(&format!("{entry}.ContextKeyType"), &KEY_TYPES)?;
        let values = params.list(&format!("{entry}.ContextKeyValues"));
        context.set_all(key, values.into_iter().map(str::to_owned).collect());
    }
    Ok(context)
}

/// What `ContextKeyType` may say. Operators decide how values are compared, here and on AWS.
const KEY_TYPES: [&str; 12] = [
    "string",
    "stringList",
    "numeric",
    "numericList",
    "boolean",
    "booleanList",
    "ip",
    "ipList",
    "binary",
    "binaryList",
    "date",
    "dateList",
];

fn not_valid(name: &str, message: &str) -> ApiError {
    ApiError::invalid_input(format!("Invalid policy in {name}: {message}"))
}
