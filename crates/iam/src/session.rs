//! Temporary credentials. Nothing is kept of them: the session token is the session, sealed, and bound to its access
//! key. What the user or role may do is looked up whenever the token comes back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::ids::{IdKind, secret_access_key, unique_id};
use crate::records::SessionRecord;
use crate::settings::Iam;
use crate::xml::Xml;

/// Temporary credentials, to be shown once.
pub(crate) struct TemporaryCredentials {
    pub(crate) access_key: String,
    secret_key: Zeroizing<String>,
    session_token: String,
    pub(crate) expires_ms: u64,
}

impl Iam {
    /// Issues credentials for a session. Its secret is drawn here.
    pub(crate) fn issue(&self, mut session: SessionRecord) -> TemporaryCredentials {
        let access_key = unique_id(IdKind::SessionKey);
        let secret_key = Zeroizing::new(secret_access_key());
        session.secret_key.clone_from(&secret_key);
        let token = self.store().seal_token(access_key.as_bytes(), &session);
        TemporaryCredentials {
            access_key,
            secret_key,
            session_token: STANDARD.encode(token),
            expires_ms: session.expires_ms,
        }
    }

    /// Opens a session token; `None` for what is none, or is not of this access key.
    pub(crate) fn open_session(&self, access_key: &str, token: &str) -> Option<SessionRecord> {
        let token = STANDARD.decode(token).ok()?;
        self.store().open_token(access_key.as_bytes(), &token)
    }
}

impl TemporaryCredentials {
    /// Writes `Credentials`.
    pub(crate) fn write(&self, xml: &mut Xml) {
        xml.element("Credentials", |xml| {
            xml.text("AccessKeyId", &self.access_key)
                .text("SecretAccessKey", &self.secret_key)
                .text("SessionToken", &self.session_token)
                .time("Expiration", self.expires_ms);
        });
    }
}
