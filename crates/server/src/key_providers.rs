//! Providers of root keys and of custom key stores: the file that `key_providers` names.
//!
//! ```toml
//! [vault]
//! kind = "transit"
//! endpoint = "https://vault.example:8200"
//! key = "coffer"
//! role_id = "9c6f..."
//! secret_id_file = "/etc/coffer/vault.secret-id"
//! ```

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use coffer_crypto::sha256;
use coffer_key_providers::{CompositeRootKeys, ProviderStats, RemoteRootKeys};
use coffer_keyring::{KeyError, KeyFileError, LocalKeyring, RootDescription, RootKeys};

use crate::config::Settings;
use crate::key_place::key_place;

/// What the settings call the keyring on this machine.
pub(crate) const LOCAL: &str = "local";
/// The longest name of a provider, in bytes.
const MAX_NAME_LEN: usize = 64;

/// Every provider that the settings name. Nothing was asked yet.
pub(crate) struct KeyProviders {
    all: BTreeMap<String, Arc<RemoteRootKeys>>,
    key_stores: Vec<String>,
}

/// The root, ready to be asked.
pub(crate) struct Root {
    /// What wraps and unwraps.
    pub(crate) keys: Arc<dyn RootKeys>,
    /// Whether the keyring on this machine was made just now.
    pub(crate) made_key: bool,
    /// Root keys of before: their names in the settings, and what they are.
    pub(crate) former: Vec<(String, RootDescription)>,
}

impl KeyProviders {
    /// Reads the file, and checks that every provider that other settings name is in it.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) fn read(settings: &Settings) -> Result<Self> {
        let mut all = BTreeMap::new();
        if let Some(path) = &settings.key_providers {
            let unreadable = || format!("`key_providers`: {}", path.display());
            let text = fs::read_to_string(path).with_context(unreadable)?;
            let entries: BTreeMap<String, file::Entry> = toml::from_str(&text).with_context(unreadable)?;
            for (name, entry) in entries {
                ensure!(is_name(&name), "{}: {name:?} must be of lower-case letters, digits and dashes", unreadable());
                ensure!(name != LOCAL, "{}: `local` is the keyring on this machine", unreadable());
                let keys = entry.into_keys(&name).with_context(|| format!("{}: [{name}]", unreadable()))?;
                all.insert(name, Arc::new(keys));
            }
        }
        let providers = Self { all, key_stores: settings.key_stores.clone() };
        let roots: Vec<&String> = std::iter::once(&settings.root_key).chain(&settings.former_root_keys).collect();
        for (setting, name) in roots
            .iter()
            .map(|name| ("root_key` or `former_root_keys", *name))
            .chain(settings.key_stores.iter().map(|name| ("key_stores", name)))
        {
            let is_known = providers.all.contains_key(name) || (name == LOCAL && setting != "key_stores");
            ensure!(is_known, "`{setting}`: there is no provider {name:?} in the file of `key_providers`");
        }
        let distinct: BTreeSet<_> = roots.iter().collect();
        ensure!(distinct.len() == roots.len(), "`root_key` and `former_root_keys` must not name a provider twice");
        Ok(providers)
    }

    /// The root; the keyring on this machine is made if it wraps, there is none and no data needs it.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) fn root(&self, settings: &Settings, is_new: bool) -> Result<Root> {
        let mut made_key = false;
        let mut open = |name: &String| -> Result<Arc<dyn RootKeys>> {
            if let Some(remote) = self.all.get(name) {
                return Ok(Arc::clone(remote) as Arc<dyn RootKeys>);
            }
            let may_make = is_new && *name == settings.root_key;
            let (local, made) = open_local(settings, may_make)?;
            made_key |= made;
            Ok(Arc::new(local))
        };
        let current = open(&settings.root_key)?;
        let former = settings.former_root_keys.iter().map(&mut open).collect::<Result<Vec<_>>>()?;
        let names = settings.former_root_keys.iter().cloned();
        let described = names.zip(former.iter().map(|keys| keys.describe())).collect();
        Ok(Root { keys: Arc::new(CompositeRootKeys::new(current, former)), made_key, former: described })
    }

    /// The providers of custom key stores, by the id of the store.
    pub(crate) fn key_stores(&self) -> BTreeMap<String, Arc<dyn RootKeys>> {
        let remote = self.key_stores.iter().filter_map(|name| Some((name, self.all.get(name)?)));
        remote.map(|(name, keys)| (key_store_id(name), Arc::clone(keys) as Arc<dyn RootKeys>)).collect()
    }

    /// What is counted of each, by its name.
    pub(crate) fn stats(&self) -> Vec<(String, Arc<ProviderStats>)> {
        self.all.iter().map(|(name, keys)| (name.clone(), keys.stats())).collect()
    }

    /// Looks whether each provider of a key store is there, and which generation it has. One that is away keeps
    /// nobody from starting.
    pub(crate) async fn look_at_key_stores(&self) {
        for name in &self.key_stores {
            let Some(keys) = self.all.get(name) else { continue };
            match keys.generations().await {
                Ok(_) => tracing::info!(provider = name, key_store = key_store_id(name), "the key store is there"),
                Err(error) => tracing::warn!(provider = name, %error, "the key store cannot be asked"),
            }
        }
    }
}

/// The id of the custom key store of a provider, as AWS writes such ids.
pub(crate) fn key_store_id(name: &str) -> String {
    let hash = sha256(&[b"coffer key store v1\0", name.as_bytes()].concat());
    format!("cks-{}", &hex::encode(hash)[..17])
}

/// Opens the keyring on this machine; makes it if it is missing and `may_make`. Returns whether it was made.
fn open_local(settings: &Settings, may_make: bool) -> Result<(LocalKeyring, bool)> {
    let place = key_place(settings);
    match LocalKeyring::open(&place) {
        Ok(keyring) => Ok((keyring, false)),
        Err(KeyFileError::Missing(path)) if !may_make && path == settings.key_file => {
            let missing = match &settings.passphrase_file {
                Some(_) => format!("the keyring {}", place.keyring().display()),
                None => format!("the key file {}", path.display()),
            };
            bail!(
                "{missing} is missing, and {} is not empty: nothing in it can be read without its key. Restore the key \
                 file and its keyring from your backup, or say where they are with --key-file. Nothing was written",
                settings.data.display()
            )
        }
        // Under a credential, the key of which is there from the first, only the keyring is to be made.
        Err(error)
            if may_make
                && match &error {
                    KeyFileError::Missing(path) => *path == settings.key_file,
                    KeyFileError::KeyringMissing(_) => settings.is_credential(place.key_file()),
                    _ => false,
                } =>
        {
            let made = LocalKeyring::create(place).context("a root key cannot be made")?;
            Ok((made, true))
        }
        Err(error) => Err(anyhow!(error).context("the root key cannot be opened; nothing was written")),
    }
}

/// Says what the refusal of a root key means to the person who has to find the right one. `None` for other errors.
pub(crate) fn explain(error: &KeyError, settings: &Settings) -> Option<String> {
    let (root, data) = (&settings.root_key, settings.data.display());
    match error {
        KeyError::WrongKey | KeyError::UnknownGeneration(_)
            if root == LOCAL && settings.former_root_keys.is_empty() =>
        {
            Some(format!(
                "the key file {} is not the one that {data} was sealed with: restore the right one from your backup, \
                 or say where it is with --key-file; if the root key was with a provider, name that in `root_key` or \
                 `former_root_keys`. Nothing was written",
                settings.key_file.display(),
            ))
        }
        KeyError::WrongKey | KeyError::UnknownGeneration(_) => Some(format!(
            "none of the root keys in `root_key` and `former_root_keys` is the one that {data} was sealed with: check \
             the settings of {root:?}, and name the provider that was used before in `former_root_keys`. Nothing was \
             written"
        )),
        KeyError::Denied(_) => Some(format!("the root key {root:?} may not be used. Nothing was written")),
        KeyError::Unavailable(_) => Some(format!("the root key {root:?} is not available. Nothing was written")),
        _ => None,
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests;
