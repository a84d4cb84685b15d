//! The root credentials: the environment's, or made at the first start and kept sealed in the store.

use anyhow::{Context as _, Result, bail, ensure};
use coffer_crypto::random_array;
use coffer_store::{Clock as _, KeptRoot, RootCredentials, Store, SystemClock};

/// The characters of made credentials: none that a shell, a URL or an eye mistakes.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// What made access keys start with, so that a search finds leaked ones.
const PREFIX: &str = "COFFER";

/// The root credentials that the server starts with.
pub(crate) enum Root {
    /// They were made just now: nobody has seen them yet.
    Made(RootCredentials),
    /// They were kept; their owner may have deleted or deactivated them.
    Kept,
    /// The environment sets them.
    Given,
}

/// Sees to the root credentials of `store`. Those of the environment replace the kept ones; if there were never any,
/// new ones are made and kept. Deleted ones stay deleted.
///
/// # Errors
/// When the environment's do not do, or the store fails.
pub(crate) async fn establish(store: &Store, environment: Option<(String, String)>) -> Result<Root> {
    let kept = store.root_credentials().await?;
    if let Some((access_key, secret_key)) = environment {
        check(&access_key, &secret_key)?;
        let given = RootCredentials::new(access_key, secret_key, SystemClock.now_ms());
        let is_kept = matches!(&kept, KeptRoot::Credentials(kept) if !kept.inactive && same(kept, &given));
        if !is_kept {
            store.put_root_credentials(&given).await?;
        }
        return Ok(Root::Given);
    }
    match kept {
        KeptRoot::Missing => Ok(Root::Made(make(store).await?)),
        KeptRoot::Deleted | KeptRoot::Credentials(_) => Ok(Root::Kept),
    }
}

/// Makes new root credentials in place of those that are kept, whatever became of them.
///
/// # Errors
/// When the store fails.
pub(crate) async fn make(store: &Store) -> Result<RootCredentials> {
    // 70 bits name the account, 200 bits are its secret.
    let (access_key, secret_key) = (format!("{PREFIX}{}", random_text::<14>()), random_text::<40>());
    let credentials = RootCredentials::new(access_key, secret_key, SystemClock.now_ms());
    store.put_root_credentials(&credentials).await.context("the root credentials cannot be kept")?;
    Ok(credentials)
}

/// The root credentials that are kept.
///
/// # Errors
/// A sentence for a person when there are none.
pub(crate) async fn kept(store: &Store) -> Result<RootCredentials> {
    match store.root_credentials().await? {
        KeptRoot::Credentials(credentials) => Ok(credentials),
        KeptRoot::Missing => bail!("there are no root credentials yet: `coffer serve` makes them"),
        KeptRoot::Deleted => bail!("the root credentials were deleted: `coffer credentials reset` makes new ones"),
    }
}

/// What is printed of credentials.
pub(crate) fn shown(credentials: &RootCredentials) -> String {
    let note = if credentials.inactive {
        "inactive: `aws iam update-access-key` or `coffer credentials reset` helps\n"
    } else {
        ""
    };
    format!("access key {}\nsecret key {}\n{note}", credentials.access_key, credentials.expose_secret())
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
