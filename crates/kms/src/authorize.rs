//! Whether somebody may do something with a key.

use std::collections::BTreeMap;

use coffer_access::{AclGrant, Context, Decision, Denial, Policy, Question, evaluate};
use coffer_keyring::KmsError;

use crate::authority::Authority;
use crate::error::access_denied;
use crate::names::KeyName;
use crate::records::{GrantRecord, KeyRecord};
use crate::settings::Kms;

/// What somebody wants to do with a key.
#[derive(Clone)]
pub(crate) struct Use<'a> {
    /// Such as `kms:Decrypt`.
    pub(crate) action: &'static str,
    pub(crate) key: &'a KeyRecord,
    /// What the request calls the key.
    named: Option<&'a str>,
    /// For cryptographic actions: the encryption context.
    encryption_context: Option<&'a BTreeMap<String, String>>,
    /// For actions on a grant: the pairs of its constraint.
    constraint: Option<&'a BTreeMap<String, String>>,
    /// More condition keys.
    conditions: Vec<(&'static str, Vec<String>)>,
    /// Which grants count, of those that have the operation.
    counts: Option<&'a (dyn Fn(&GrantRecord) -> bool + Sync)>,
    /// Principals who may do it in any case, by their ids.
    entitled: Vec<&'a str>,
}

impl<'a> Use<'a> {
    pub(crate) fn new(action: &'static str, key: &'a KeyRecord) -> Self {
        Self {
            action,
            key,
            named: None,
            encryption_context: None,
            constraint: None,
            conditions: Vec::new(),
            counts: None,
            entitled: Vec::new(),
        }
    }

    /// The key goes by this name in the request: a policy may look at the alias.
    pub(crate) fn named(mut self, name: Option<&'a str>) -> Self {
        self.named = name;
        self
    }

    /// It is cryptographic, with this encryption context.
    pub(crate) fn with_context(mut self, context: &'a BTreeMap<String, String>) -> Self {
        self.encryption_context = Some(context);
        self
    }

    /// It is about a grant with such a constraint.
    pub(crate) fn with_constraint(mut self, pairs: Option<&'a BTreeMap<String, String>>) -> Self {
        self.constraint = pairs;
        self
    }

    /// Of the grants that have the operation, only those count.
    pub(crate) fn by_grants(mut self, counts: &'a (dyn Fn(&GrantRecord) -> bool + Sync)) -> Self {
        self.counts = Some(counts);
        self
    }

    /// This principal may do it as if the key's policy said so: by the number of an account, or a unique ID.
    pub(crate) fn entitled(mut self, principal: &'a str) -> Self {
        self.entitled.push(principal);
        self
    }

    /// Whether a grant is for it. Making and taking back grants is by particular grants only.
    fn is_granted_by(&self, grant: &GrantRecord) -> bool {
        let counts = match self.counts {
            Some(counts) => counts(grant),
            None => !["kms:CreateGrant", "kms:RetireGrant"].contains(&self.action),
        };
        counts && grant.allows(self.action, self.encryption_context)
    }

    /// Adds a condition key.
    pub(crate) fn condition(mut self, key: &'static str, values: Vec<String>) -> Self {
        self.conditions.push((key, values));
        self
    }
}

impl Kms {
    /// Refuses an action on a key, `kms:DescribeKey` or another, to whom may not do it.
    ///
    /// # Errors
    /// `AccessDeniedException`; when the store fails.
    pub(crate) async fn authorize(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        key: &KeyRecord,
    ) -> Result<(), KmsError> {
        self.authorize_use(by, &Use::new(action, key)).await
    }

    /// As [`Kms::authorize`], for an action that has more condition keys.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn authorize_use(&self, by: &Authority<'_>, wanted: &Use<'_>) -> Result<(), KmsError> {
        let policy = self.policy(wanted.key)?;
        self.authorize_under(by, wanted, &policy).await
    }

    /// As [`Kms::authorize_use`], for an action that only looks at the key: it is noted if it is denied.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn authorize_look(&self, by: &Authority<'_>, wanted: &Use<'_>) -> Result<(), KmsError> {
        let allowed = self.authorize_use(by, wanted).await;
        if allowed.is_err() {
            self.note(by, wanted.action, &self.arn(wanted.key), &BTreeMap::new(), &allowed);
        }
        allowed
    }

    /// As [`Kms::authorize_use`], as if the key had another policy.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn authorize_under(
        &self,
        by: &Authority<'_>,
        wanted: &Use<'_>,
        policy: &Policy,
    ) -> Result<(), KmsError> {
        let Some(denial) = self.denial(by, wanted, policy).await? else { return Ok(()) };
        Err(refusal(by, wanted.action, &self.arn(wanted.key), denial))
    }

    /// Grants are looked at only if nothing else allows, and nothing denies.
    async fn denial(&self, by: &Authority<'_>, wanted: &Use<'_>, policy: &Policy) -> Result<Option<Denial>, KmsError> {
        let Authority::Caller { caller, .. } = by else { return Ok(None) };
        let context = self.conditions(by, wanted, policy).await?;
        let arn = self.arn(wanted.key);
        let ask = |policy: &Policy| {
            let question = Question {
                caller,
                action: wanted.action,
                resource: &arn,
                owner: &wanted.key.account,
                resource_policy: Some(policy),
                acl: AclGrant::None,
                context: &context,
            };
            match evaluate(&question) {
                Decision::Allow => None,
                Decision::Deny(denial) => Some(denial),
            }
        };
        let denial = match ask(policy) {
            Some(denial) if !denial.explicit => denial,
            other => return Ok(other),
        };
        let mut with_grants = policy.clone();
        let grants = self.grants_for(wanted.key, caller).await?;
        let granted = grants.iter().filter(|grant| wanted.is_granted_by(grant)).map(|grant| grant.grantee.id.as_str());
        let mut is_more = false;
        for principal in granted.chain(wanted.entitled.iter().copied()) {
            with_grants.grant(principal, &[wanted.action]);
            is_more = true;
        }
        Ok(if is_more { ask(&with_grants) } else { Some(denial) })
    }

    /// Refuses an action on no key, such as `kms:CreateKey` on `*`, or on an alias, to whom may not do it in this account.
    ///
    /// # Errors
    /// `AccessDeniedException`.
    pub(crate) fn authorize_in_account(
        &self,
        by: &Authority<'_>,
        action: &'static str,
        resource: &str,
        account: &str,
        conditions: &[(&str, Vec<String>)],
    ) -> Result<(), KmsError> {
        let Authority::Caller { caller, .. } = by else { return Ok(()) };
        let mut context = self.common_conditions(by, account);
        conditions.iter().for_each(|(key, values)| context.set_all(key, values.clone()));
        let question = Question {
            caller,
            action,
            resource,
            owner: account,
            resource_policy: None,
            acl: AclGrant::None,
            context: &context,
        };
        match evaluate(&question) {
            Decision::Allow => Ok(()),
            Decision::Deny(denial) => Err(refusal(by, action, resource, denial)),
        }
    }

    /// The condition keys that all requests have about what an account has.
    fn common_conditions(&self, by: &Authority<'_>, owner: &str) -> Context {
        let Authority::Caller { caller, context, via, .. } = by else { return Context::new() };
        let mut context = (*context).clone();
        context.set("aws:RequestedRegion", &self.0.settings.region);
        context.set("aws:ResourceAccount", owner);
        context.set("aws:ResourceOrgID", self.0.iam.organization_id());
        context.set("aws:ViaAWSService", via.is_some().to_string());
        context.set_if("kms:CallerAccount", caller.principal.account());
        context.set_if("kms:ViaService", *via);
        context
    }

    /// The condition keys of a request about a key.
    async fn conditions(&self, by: &Authority<'_>, wanted: &Use<'_>, policy: &Policy) -> Result<Context, KmsError> {
        let key = wanted.key;
        let mut context = self.common_conditions(by, &key.account);
        context.set("kms:KeyOrigin", if key.key_store.is_some() { "EXTERNAL_KEY_STORE" } else { "AWS_KMS" });
        for name in ["kms:KeySpec", "kms:CustomerMasterKeySpec"] {
            context.set(name, "SYMMETRIC_DEFAULT");
        }
        for name in ["kms:KeyUsage", "kms:CustomerMasterKeyUsage"] {
            context.set(name, "ENCRYPT_DECRYPT");
        }
        context.set("kms:MultiRegion", key.multi_region.to_string());
        context.set_if("kms:MultiRegionKeyType", key.multi_region.then_some("PRIMARY"));
        for (name, value) in &key.tags {
            context.set(&format!("aws:ResourceTag/{name}"), value);
        }
        if let Some(Ok(KeyName::Alias { name, .. })) =
            wanted.named.map(|name| KeyName::parse(name, &self.0.settings.region))
        {
            context.set("kms:RequestAlias", name);
        }
        if let Some(pairs) = wanted.encryption_context {
            context.set("kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT");
            set_encryption_context(&mut context, pairs);
        }
        if let Some(pairs) = wanted.constraint {
            set_encryption_context(&mut context, pairs);
        }
        if looks_at(by, policy, "kms:ResourceAliases") {
            context.set_all("kms:ResourceAliases", self.aliases_of(key).await?);
        }
        wanted.conditions.iter().for_each(|(name, values)| context.set_all(name, values.clone()));
        Ok(context)
    }
}

/// `kms:EncryptionContext:NAME` has all values of names that differ by their case only, since condition keys do not.
fn set_encryption_context(context: &mut Context, pairs: &BTreeMap<String, String>) {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        values.entry(name.to_ascii_lowercase()).or_default().push(value.clone());
    }
    for (name, values) in values {
        context.set_all(&format!("kms:EncryptionContext:{name}"), values);
    }
    if !pairs.is_empty() {
        context.set_all("kms:EncryptionContextKeys", pairs.keys().cloned().collect());
    }
}

/// Whether what decides about a request looks at a condition key.
fn looks_at(by: &Authority<'_>, policy: &Policy, key: &str) -> bool {
    let Authority::Caller { caller, .. } = by else { return false };
    let own = caller.identity_policies.iter().chain(&caller.boundary);
    policy.looks_at(key) || own.chain(caller.session_policies.iter().flatten()).any(|policy| policy.looks_at(key))
}

fn refusal(by: &Authority<'_>, action: &str, resource: &str, denial: Denial) -> KmsError {
    let who = by.who();
    let why = denial.reason(action);
    access_denied(format!("User: {who} is not authorized to perform: {action} on resource: {resource} {why}"))
}
