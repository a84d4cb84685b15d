//! Whom policies name. An ARN in the policy of a bucket or a role stands for who had it when the policy was put: who gets
//! the same name later is somebody else.

use std::collections::BTreeMap;

use coffer_access::{NamedPrincipal, account_of_arn};

use crate::arn;
use crate::error::ApiError;
use crate::records::{RoleRecord, UserRecord};
use crate::settings::Iam;

impl Iam {
    /// Finds a principal by the number of an account, or the ARN of its root, of a user, a role or a session of a role;
    /// `None` if it is not there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn principal(&self, name: &str) -> Result<Option<NamedPrincipal>, ApiError> {
        let Some(account) = account_of_arn(name) else {
            return Ok(self.account(name).await?.map(|_| NamedPrincipal::Account));
        };
        if self.account(account).await?.is_none() {
            return Ok(None);
        }
        if name == format!("arn:aws:iam::{account}:root") {
            return Ok(Some(NamedPrincipal::Account));
        }
        let view = self.view(account);
        let id = if let Some((_, user)) = arn::parse(name, "user") {
            let user = view.get::<UserRecord>(user).await?;
            user.filter(|user| arn::user(account, &user.path, &user.name) == name).map(|user| user.id)
        } else if let Some((_, role)) = arn::parse(name, "role") {
            let role = view.get::<RoleRecord>(role).await?;
            role.filter(|role| arn::role(account, &role.path, &role.name) == name).map(|role| role.id)
        } else if let Some((role, session)) = session(name) {
            let found = view.get::<RoleRecord>(role).await?;
            found.filter(|found| found.name == role).map(|role| format!("{}:{session}", role.id))
        } else {
            None
        };
        Ok(id.map(NamedPrincipal::Unique))
    }

    /// The names under which a policy shows the principals whose ARNs have changed since it was put: the new ARN of who
    /// has been renamed, the unique ID of who is gone. `ids` has the unique IDs, by ARN.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn changed_names(&self, ids: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, ApiError> {
        CurrentNames::new(self).changed(ids).await
    }
}

/// The names that principals have now, for any number of policies: the users of an account are read once at the most.
pub(crate) struct CurrentNames<'a> {
    iam: &'a Iam,
    /// The ARNs of users by unique ID, by account.
    users: BTreeMap<String, BTreeMap<String, String>>,
}

impl<'a> CurrentNames<'a> {
    /// Knows nobody yet.
    pub(crate) fn new(iam: &'a Iam) -> Self {
        Self { iam, users: BTreeMap::new() }
    }

    /// As [`Iam::changed_names`].
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn changed(
        &mut self,
        ids: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let mut changed = BTreeMap::new();
        for (arn, id) in ids {
            if self.iam.principal(arn).await? == Some(NamedPrincipal::Unique(id.clone())) {
                continue;
            }
            let renamed = self.renamed_user(arn, id).await?;
            changed.insert(arn.clone(), renamed.unwrap_or_else(|| id.clone()));
        }
        Ok(changed)
    }

    /// The ARN that a user has now; `None` if it is gone. Roles keep their names.
    async fn renamed_user(&mut self, arn: &str, id: &str) -> Result<Option<String>, ApiError> {
        let Some((account, _)) = arn::parse(arn, "user") else { return Ok(None) };
        if !self.users.contains_key(account) {
            let users = self.iam.view(account).all::<UserRecord>().await?;
            let arns = users.into_iter().map(|user| (user.id, arn::user(account, &user.path, &user.name))).collect();
            self.users.insert(account.to_owned(), arns);
        }
        Ok(self.users.get(account).and_then(|users| users.get(id)).cloned())
    }
}

/// The names of the role and the session in the ARN of a session.
fn session(arn: &str) -> Option<(&str, &str)> {
    let resource = arn.strip_prefix("arn:aws:sts::")?.split_once(':')?.1;
    resource.strip_prefix("assumed-role/")?.split_once('/').filter(|(_, session)| !session.is_empty())
}
