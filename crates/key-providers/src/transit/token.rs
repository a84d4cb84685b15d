//! Tokens of Vault and OpenBao: from a file, or by AppRole and renewed.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Transit, denied, is_plain, parsed};
use crate::provider::{CallError, no_sense, wipe};
use crate::secret_file::SecretFile;

/// How to get a token.
pub enum TransitAuth {
    /// It is in a file, which somebody keeps fresh. The file is read for each call.
    Token(SecretFile),
    /// By the AppRole method.
    AppRole {
        /// Where the method is mounted, such as `approle`.
        mount: String,
        /// The id of the role.
        role_id: String,
        /// The secret id.
        secret_id: SecretFile,
    },
}

pub(super) struct Tokens {
    auth: TransitAuth,
    /// The token of a login. Whoever makes a new one keeps the others waiting.
    login: Mutex<Option<Login>>,
}

struct Login {
    token: Zeroizing<String>,
    /// When half of its life is over; never for a token without end.
    renew_at: Option<Instant>,
    renewable: bool,
}

impl Tokens {
    /// Checks that the secret is there.
    ///
    /// # Errors
    /// What is wrong with a setting.
    pub(super) fn new(auth: TransitAuth) -> Result<Self, String> {
        match &auth {
            TransitAuth::Token(file) => file.line().map_err(|error| format!("`token_file`: {error}"))?,
            TransitAuth::AppRole { mount, secret_id, .. } => {
                if mount.is_empty() || !mount.split('/').all(|part| !part.is_empty() && part.bytes().all(is_plain)) {
                    return Err("`approle_mount` must be a path such as approle".to_owned());
                }
                secret_id.line().map_err(|error| format!("`secret_id_file`: {error}"))?
            }
        };
        Ok(Self { auth, login: Mutex::default() })
    }

    /// A token.
    ///
    /// # Errors
    /// [`CallError`]
    pub(super) async fn get(&self, transit: &Transit) -> Result<Zeroizing<String>, CallError> {
        let (mount, role_id, secret_id) = match &self.auth {
            TransitAuth::Token(file) => return file.line().map_err(|error| CallError::Denied(error.to_string())),
            TransitAuth::AppRole { mount, role_id, secret_id } => (mount, role_id, secret_id),
        };
        let mut login = self.login.lock().await;
        if let Some(now) = &*login {
            if now.renew_at.is_none_or(|at| Instant::now() < at) {
                return Ok(now.token.clone());
            }
            if now.renewable {
                let path = "/v1/auth/token/renew-self";
                let answer = transit.send(Method::POST, path, Some(&now.token), Some(&json!({}))).await?;
                // A token that reaches the end of its last life is not renewed: then a new one is due.
                let renewed = parsed(&answer, "").and_then(Login::read);
                if let Ok(renewed) = renewed {
                    let token = renewed.token.clone();
                    *login = Some(renewed);
                    return Ok(token);
                }
            }
        }
        let secret_id = secret_id.line().map_err(|error| CallError::Denied(error.to_string()))?;
        let mut request = json!({ "role_id": role_id, "secret_id": *secret_id });
        let path = format!("/v1/auth/{mount}/login");
        let answer = transit.send(Method::POST, &path, None, Some(&request)).await;
        wipe(&mut request, "/secret_id");
        let made = parsed(&answer?, "").map_err(|error| match error {
            CallError::Unavailable(_) => error,
            _ => denied("the login by AppRole is refused"),
        });
        let made = Login::read(made?)?;
        let token = made.token.clone();
        *login = Some(made);
        Ok(token)
    }

    /// Forgets a token that is refused. Returns whether another one can be had.
    pub(super) async fn refused(&self, token: &str) -> bool {
        let mut login = self.login.lock().await;
        let is_login = matches!(self.auth, TransitAuth::AppRole { .. });
        if login.as_ref().is_some_and(|login| *login.token == token) {
            *login = None;
        }
        is_login
    }
}

impl Login {
    fn read(mut answer: Value) -> Result<Self, CallError> {
        let token = answer["auth"]["client_token"].as_str().filter(|token| !token.is_empty());
        let token = token.map(|token| Zeroizing::new(token.to_owned())).ok_or_else(no_sense)?;
        wipe(&mut answer, "/auth/client_token");
        let auth = &answer["auth"];
        let renew_at = match auth["lease_duration"].as_u64() {
            None | Some(0) => None,
            Some(seconds) => Instant::now().checked_add(Duration::from_secs(seconds) / 2),
        };
        Ok(Self { token, renew_at, renewable: auth["renewable"].as_bool().unwrap_or(false) })
    }
}
