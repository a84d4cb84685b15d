//! The root credentials: the environment's, or made at the first start and kept sealed in the store.

use anyhow::{Result, ensure};
use coffer_crypto::random_array;
use coffer_store::{RootCredentials, Store};

/// The characters of made credentials: none that a shell, a URL or an eye mistakes.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// What made access keys start with, so that a search finds leaked ones.
const PREFIX: &str = "COFFER";

/// The root credentials in effect, and whether they were made just now.
pub(crate) struct Root {
    /// The credentials.
    pub(crate) credentials: RootCredentials,
    /// Whether nobody has seen them yet.
    pub(crate) made: bool,
    /// Whether they come from the environment.
    pub(crate) from_environment: bool,
}

/// Returns the root credentials of `store`. Those of the environment replace the kept ones; if there are neither, new
/// ones are made and kept.
///
/// # Errors
/// When the environment's do not do, or the store fails.
pub(crate) async fn establish(store: &Store, environment: Option<(String, String)>) -> Result<Root> {
    let kept = store.root_credentials().await?;
    if let Some((access_key, secret_key)) = environment {
        check(&access_key, &secret_key)?;
        let credentials = RootCredentials::new(access_key, secret_key);
        if !kept.is_some_and(|kept| same(&kept, &credentials)) {
            store.put_root_credentials(&credentials).await?;
        }
        return Ok(Root { credentials, made: false, from_environment: true });
    }
    if let Some(credentials) = kept {
        return Ok(Root { credentials, made: false, from_environment: false });
    }
    // 70 bits name the account, 200 bits are its secret.
    let credentials = RootCredentials::new(format!("{PREFIX}{}", random_text::<14>()), random_text::<40>());
    store.put_root_credentials(&credentials).await?;
    Ok(Root { credentials, made: true, from_environment: false })
}

fn same(a: &RootCredentials, b: &RootCredentials) -> bool {
    a.access_key == b.access_key && coffer_crypto::ct_eq(a.expose_secret().as_bytes(), b.expose_secret().as_bytes())
}

/// What AWS' clients accept as an access key, and a secret that is worth guessing at for a while.
fn check(access_key: &str, secret_key: &str) -> Result<()> {
    let is_word = access_key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    ensure!(
        is_word && (3..=128).contains(&access_key.len()),
        "COFFER_ROOT_ACCESS_KEY must be 3 to 128 letters, digits and underscores"
    );
    ensure!(
        secret_key.bytes().all(|b| b.is_ascii_graphic()) && (8..=128).contains(&secret_key.len()),
        "COFFER_ROOT_SECRET_KEY must be 8 to 128 visible ASCII characters"
    );
    Ok(())
}

fn random_text<const N: usize>() -> String {
    // 256 is a multiple of the alphabet's length, so every character is as likely as any other.
    random_array::<N>().iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_text_is_random_and_fits() {
        let (first, second) = (random_text::<40>(), random_text::<40>());
        assert_ne!(first, second);
        check(&format!("{PREFIX}{first}"), &second).unwrap();
    }

    #[test]
    fn credentials_that_clients_could_not_use_are_refused() {
        for (access_key, secret_key) in [
            ("", "long enough"),
            ("ab", "longenough"),
            ("with space", "longenough"),
            ("slash/slash", "longenough"),
            ("access", "short"),
            ("access", "with space"),
            ("access", "newline\nnewline"),
            ("\u{fc}ber", "longenough"),
        ] {
            assert!(check(access_key, secret_key).is_err(), "{access_key} {secret_key}");
        }
        check("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap();
    }
}
