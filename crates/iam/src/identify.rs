//! Who has an access key.

use std::sync::{Arc, PoisonError};

use coffer_access::Caller;
use coffer_crypto::{ct_eq, sha256};
use coffer_sigv4::{SecretKey, SigningKeys};
use coffer_store::{RowTable, RowVersion};

use crate::error::ApiError;
use crate::records::{RoleRecord, SessionOf, SessionRecord, UserRecord};
use crate::rows;
use crate::settings::Iam;

/// Somebody with an access key, as they were when they were looked up.
pub struct Credential {
    /// The access key ID.
    pub access_key: String,
    /// The account.
    pub account: String,
    /// The principal with its policies.
    pub caller: Arc<Caller>,
    /// The secret access key, and what is derived from it.
    pub keys: Arc<SigningKeys>,
    /// When temporary credentials end, in milliseconds since 1970.
    pub(crate) expires_ms: Option<u64>,
    /// The session, of temporary credentials.
    pub(crate) session: Option<Arc<SessionRecord>>,
}

impl Credential {
    /// Whether these are temporary credentials that a user made of its own. Without a second factor IAM takes none.
    pub(crate) fn is_own_session(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.of != SessionOf::Role)
    }
}

/// What an access key and a session token are good for.
pub enum Identified {
    /// Somebody: if the signature is theirs.
    Known(Arc<Credential>),
    /// Nobody has the access key, or it is inactive.
    UnknownAccessKey,
    /// The session token is none, or is not of this access key, or whose session it was is gone.
    InvalidToken,
    /// The session is over.
    ExpiredToken,
}

/// Somebody who has asked before, valid while the stamp of the account is the same.
pub(crate) struct Cached {
    stamp: RowVersion,
    token_hash: Option<[u8; 32]>,
    credential: Arc<Credential>,
}

/// The most who are remembered.
const MOST: usize = 10_000;
/// How far the clock may have been ahead when a session began, in milliseconds.
const MAX_SKEW_MS: u64 = 5 * 60 * 1000;

impl Iam {
    /// Finds who has an access key. `now_ms` is in milliseconds since 1970.
    ///
    /// A change in the account shows at once: a deleted user, an inactive key, another policy.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn identify(
        &self,
        access_key: &str,
        session_token: Option<&str>,
        now_ms: u64,
    ) -> Result<Identified, ApiError> {
        let token_hash = session_token.map(|token| sha256(token.as_bytes()));
        if let Some(credential) = self.remembered(access_key, token_hash).await? {
            return Ok(unless_expired(credential, now_ms));
        }
        match session_token {
            None => self.by_access_key(access_key).await,
            Some(token) => self.by_session(access_key, token, now_ms).await,
        }
    }

    async fn remembered(
        &self,
        access_key: &str,
        token_hash: Option<[u8; 32]>,
    ) -> Result<Option<Arc<Credential>>, ApiError> {
        let (credential, stamp) = {
            let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(cached) = known.get(access_key) else { return Ok(None) };
            let same_token = match (&cached.token_hash, &token_hash) {
                (None, None) => true,
                (Some(kept), Some(given)) => ct_eq(kept, given),
                _ => false,
            };
            if !same_token {
                return Ok(None);
            }
            (Arc::clone(&cached.credential), cached.stamp.clone())
        };
        Ok((self.stamp(&credential.account).await? == stamp).then_some(credential))
    }

    async fn stamp(&self, account: &str) -> Result<RowVersion, ApiError> {
        Ok(self.store().row_version(RowTable::Identity, &rows::stamp(account)).await?)
    }

    fn remember(&self, stamp: RowVersion, token_hash: Option<[u8; 32]>, mut credential: Credential) -> Identified {
        Arc::make_mut(&mut credential.caller).context.set("aws:PrincipalOrgID", self.organization_id());
        let credential = Arc::new(credential);
        let cached = Cached { stamp, token_hash, credential: Arc::clone(&credential) };
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(credential.access_key.clone(), cached);
        Identified::Known(credential)
    }

    async fn by_access_key(&self, access_key: &str) -> Result<Identified, ApiError> {
        let first_account = &self.settings().account_id;
        let account =
            self.access_key(access_key).await?.map_or_else(|| first_account.clone(), |key| key.account.clone());
        // What is read after the stamp may be newer than it, never older. So the key is read once more.
        let stamp = self.stamp(&account).await?;
        if let Some(root) = self.first_root_key(first_account).await?.filter(|root| root.access_key == access_key) {
            if root.inactive {
                return Ok(Identified::UnknownAccessKey);
            }
            let caller = Caller::root(first_account);
            let credential = long_term(access_key, first_account, caller, root.expose_secret());
            return Ok(self.remember(stamp, None, credential));
        }
        let Some(record) = self.access_key(access_key).await?.filter(|record| !record.inactive) else {
            return Ok(Identified::UnknownAccessKey);
        };
        if self.is_suspended(&record.account).await? {
            return Ok(Identified::UnknownAccessKey);
        }
        let caller = match &record.user {
            None => Caller::root(&record.account),
            Some(name) => {
                let view = self.view(&record.account);
                match view.get::<UserRecord>(name).await? {
                    Some(user) if user.access_keys.iter().any(|key| key == access_key) => {
                        view.user_caller(&user).await?
                    }
                    _ => return Ok(Identified::UnknownAccessKey),
                }
            }
        };
        let credential = long_term(access_key, &record.account, caller, &record.secret_key);
        Ok(self.remember(stamp, None, credential))
    }

    async fn by_session(&self, access_key: &str, token: &str, now_ms: u64) -> Result<Identified, ApiError> {
        let Some(session) = self.open_session(access_key, token) else { return Ok(Identified::InvalidToken) };
        if session.issued_ms > now_ms.saturating_add(MAX_SKEW_MS) {
            return Ok(Identified::InvalidToken);
        }
        if now_ms >= session.expires_ms {
            return Ok(Identified::ExpiredToken);
        }
        let stamp = self.stamp(&session.account).await?;
        if self.is_suspended(&session.account).await? {
            return Ok(Identified::InvalidToken);
        }
        let Some(mut caller) = self.session_caller(&session).await? else { return Ok(Identified::InvalidToken) };
        self.view(&session.account).limit_to_session(&mut caller, &session).await?;
        let credential = Credential {
            access_key: access_key.to_owned(),
            account: session.account.clone(),
            caller: Arc::new(caller),
            keys: Arc::new(SigningKeys::new(SecretKey::new(session.secret_key.as_bytes()))),
            expires_ms: Some(session.expires_ms),
            session: Some(Arc::new(session)),
        };
        Ok(self.remember(stamp, Some(sha256(token.as_bytes())), credential))
    }

    /// Whose session it is; `None` when they are gone, and another one of the same name is somebody else.
    async fn session_caller(&self, session: &SessionRecord) -> Result<Option<Caller>, ApiError> {
        let view = self.view(&session.account);
        Ok(match session.of {
            SessionOf::Root => Some(Caller::root(&session.account)),
            SessionOf::User => match view.get::<UserRecord>(&session.name).await? {
                Some(user) if user.id == session.id => Some(view.user_caller(&user).await?),
                _ => None,
            },
            SessionOf::Role => match view.get::<RoleRecord>(&session.name).await? {
                Some(role) if role.id == session.id => Some(view.role_caller(&role, &session.session_name).await?),
                _ => None,
            },
        })
    }

    /// Whether an account is closed. The first one never is.
    pub(crate) async fn is_suspended(&self, account: &str) -> Result<bool, ApiError> {
        if account == self.settings().account_id {
            return Ok(false);
        }
        Ok(self.account(account).await?.is_none_or(|account| account.suspended))
    }
}

fn long_term(access_key: &str, account: &str, caller: Caller, secret_key: &str) -> Credential {
    Credential {
        access_key: access_key.to_owned(),
        account: account.to_owned(),
        caller: Arc::new(caller),
        keys: Arc::new(SigningKeys::new(SecretKey::new(secret_key.as_bytes()))),
        expires_ms: None,
        session: None,
    }
}

fn unless_expired(credential: Arc<Credential>, now_ms: u64) -> Identified {
    match credential.expires_ms {
        Some(expires_ms) if now_ms >= expires_ms => Identified::ExpiredToken,
        _ => Identified::Known(credential),
    }
}

#[cfg(test)]
mod tests {
    use coffer_meta::{CommitError, EngineError};
    use coffer_testkit::{EngineCall, Fault, When};

    use crate::testing::{Keys, World, code, root};

    #[tokio::test]
    async fn unknown_and_inactive_keys_are_the_same_reads_and_the_same_words() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        let inactive = [("UserName", "bob"), ("AccessKeyId", &bob.access_key), ("Status", "Inactive")];
        world.root("UpdateAccessKey", &inactive).await.unwrap();
        let mut seen = Vec::new();
        for access_key in ["AKIAUNKNOWNUNKNOWN00", &bob.access_key, "AKIAUNKNOWNUNKNOWN00", &bob.access_key] {
            let keys = Keys { access_key: access_key.to_owned(), ..bob.clone() };
            world.faults().reset();
            let refused = world.ask(&keys, "GetCallerIdentity", &[]).await.unwrap_err();
            seen.push((world.faults().calls(), refused));
        }
        assert!(seen.iter().all(|each| *each == seen[0]), "{seen:?}");
        assert_eq!(seen[0].1.code, "InvalidClientTokenId");
    }

    #[tokio::test]
    async fn who_has_asked_before_is_one_read_until_something_changes() {
        let world = World::new().await;
        let bob = world.user("bob").await;
        let reads = async || {
            world.faults().reset();
            world.ask(&bob, "GetCallerIdentity", &[]).await.unwrap();
            world.faults().count(EngineCall::Get)
        };
        assert!(reads().await > 1);
        assert_eq!(reads().await, 1);
        world.root("CreateGroup", &[("GroupName", "g")]).await.unwrap();
        assert!(reads().await > 1);
        assert_eq!(reads().await, 1);
    }

    #[tokio::test]
    async fn a_store_that_fails_lets_nobody_in() {
        let world = World::new().await;
        for keys in [root(), Keys { access_key: "AKIAUNKNOWNUNKNOWN00".to_owned(), ..root() }] {
            world.faults().inject(When::Every(EngineCall::Get), Fault::Fail(|| EngineError::NoSpace.into()));
            let refused = world.ask(&keys, "GetCallerIdentity", &[]).await.unwrap_err();
            assert!(refused.status.is_server_error(), "{refused:?}");
            world.faults().reset();
        }
    }

    #[tokio::test]
    async fn a_change_that_meets_another_one_does_not_happen() {
        let world = World::new().await;
        world.faults().inject(When::Every(EngineCall::Commit), Fault::Fail(|| CommitError::Conflict(0)));
        assert_eq!(code(world.root("CreateUser", &[("UserName", "bob")]).await), "ConcurrentModification");
        world.faults().reset();
        assert_eq!(code(world.root("GetUser", &[("UserName", "bob")]).await), "NoSuchEntity");
    }
}
