//! Delivery of notifications to the targets that the settings name.
//!
//! Events wait in sealed queues of the store, one for each target. A task for each target delivers its queue in order,
//! one event at a time, and takes out what the target has taken: at least once, and no target holds up another.

mod delivery;
mod nats;
mod secret;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use coffer_crypto::random_array;
use coffer_s3::notification::{self, TargetAdmission};

use crate::config::{Target as TargetSetting, TargetSettings};

pub(crate) use delivery::{deliver, drop_old};

/// How long a target may take to take an event, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Every target there is, by name.
pub(crate) struct EventTargets {
    targets: BTreeMap<String, Arc<Target>>,
    /// The account that may use all of them.
    first_account: String,
}

/// A target.
pub(crate) struct Target {
    /// Its name in the settings.
    pub(crate) name: String,
    accounts: Vec<String>,
    publisher: Box<dyn Publisher>,
}

/// Who can be connected to.
#[async_trait]
trait Publisher: Send + Sync {
    /// Connects, and makes sure that messages would be taken as far as that can be known.
    ///
    /// Errors say what is in the way, without anything secret and without any name of a client's.
    async fn connect(&self) -> Result<Box<dyn Session>, String>;
}

/// A connection that takes one message after the other. After an error it is of no use.
#[async_trait]
trait Session: Send {
    /// Sends a message. When this returns, the other side has it.
    async fn publish(&mut self, message: &Message) -> Result<(), String>;
}

/// What is sent of an event.
struct Message {
    /// Tells it from others; the same when it is sent again.
    id: String,
    /// JSON.
    body: Vec<u8>,
}

impl Target {
    /// Whether it is for the buckets of an account.
    fn admits(&self, account: &str, first_account: &str) -> bool {
        account == first_account || self.accounts.iter().any(|named| named == account || named == "*")
    }
}

impl EventTargets {
    /// The targets of the settings; their secrets are read now.
    ///
    /// # Errors
    /// A sentence for a person.
    pub(crate) fn open(settings: &TargetSettings, first_account: &str) -> Result<Self> {
        let mut targets = BTreeMap::new();
        for (name, setting) in settings {
            let publisher: Result<Box<dyn Publisher>> = match setting {
                TargetSetting::Webhook(webhook) => webhook::Webhook::open(webhook).map(|opened| Box::new(opened) as _),
                TargetSetting::Nats(nats) => nats::Nats::open(nats).map(|opened| Box::new(opened) as _),
            };
            let publisher = publisher.with_context(|| format!("the target [notification.{name}] cannot be used"))?;
            let target = Target { name: name.clone(), accounts: setting.accounts().to_vec(), publisher };
            targets.insert(name.clone(), Arc::new(target));
        }
        Ok(Self { targets, first_account: first_account.to_owned() })
    }

    /// The targets, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.targets.values()
    }
}

#[async_trait]
impl notification::EventTargets for EventTargets {
    fn admission(&self, target: &str, account: &str) -> TargetAdmission {
        let Some(target) = self.targets.get(target) else { return TargetAdmission::Missing };
        if target.admits(account, &self.first_account) { TargetAdmission::Admitted } else { TargetAdmission::Forbidden }
    }

    async fn deliver(&self, target: &str, message: Vec<u8>) -> bool {
        let Some(target) = self.targets.get(target) else { return false };
        let message = Message { id: hex(&random_array::<16>()), body: message };
        let attempt = async { target.publisher.connect().await?.publish(&message).await };
        let outcome = tokio::time::timeout(TIMEOUT, attempt).await.unwrap_or_else(|_| Err(too_long()));
        if let Err(why) = &outcome {
            tracing::warn!(target = target.name, why, "the target of notifications did not take a test event");
        }
        outcome.is_ok()
    }
}

fn too_long() -> String {
    "it takes too long".to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
