//! What shredding has found, and what it cannot promise.

use coffer_keyring::KeyError;

use super::root::ROOT_KEY;
use super::spec::ShredTarget;
use crate::records::{JobRecord, ShredFacts};

impl JobRecord {
    /// Whether the older generations of the root key stay, because nobody here can destroy them.
    pub(super) fn keeps_root(&self) -> bool {
        self.facts.shred.as_ref().is_some_and(|facts| facts.root_kept.is_some())
    }

    /// Keeps in mind that they do, if that is what an error of the provider means for a job that shreds: it goes on, and
    /// says so.
    pub(super) fn keeps_root_because_of(&mut self, error: &KeyError) -> bool {
        let (KeyError::Unsupported(_) | KeyError::Denied(_)) = error else { return false };
        if self.spec.shreds().is_none() {
            return false;
        }
        self.facts.shred.get_or_insert_default().root_kept = Some(error.to_string());
        true
    }

    /// What a job that shreds has found out, each a sentence.
    pub(super) fn found_by_shredding(&self) -> Vec<String> {
        let Some((target, facts)) = self.spec.shreds().zip(self.facts.shred.as_ref()) else { return Vec::new() };
        let ShredFacts { versions, uploads, .. } = facts;
        match target {
            ShredTarget::Version { .. } => Vec::new(),
            ShredTarget::Bucket { .. } => {
                vec![format!("The bucket held {versions} versions and {uploads} uploads in progress.")]
            }
            ShredTarget::KmsKey { .. } => vec![format!(
                "The key protected {versions} versions and {uploads} uploads in progress here, and what others had it \
                 encrypt."
            )],
        }
    }

    /// What a job that shreds does not promise, each a sentence.
    pub(super) fn limits_of_shredding(&self, target: &ShredTarget, keep_backups: bool) -> Vec<String> {
        let none = ShredFacts::default();
        let facts = self.facts.shred.as_ref().unwrap_or(&none);
        let mut limits = vec![self.limit_of_root(facts, keep_backups)];
        let is_key = matches!(target, ShredTarget::KmsKey { .. });
        if facts.shared > 0 {
            let at_least = if facts.too_many_candidates { "at least " } else { "" };
            limits.push(format!(
                "{at_least}{} other objects or versions share the sealed data: they still show it, and through them it \
                 opens in copies from before.",
                facts.shared
            ));
        }
        if facts.under_customers_keys > 0 {
            limits.push(format!(
                "{} were under keys of customers (SSE-C), who still have them; what these keys open was destroyed here.",
                facts.under_customers_keys
            ));
        }
        if facts.unreadable > 0 {
            limits.push(format!(
                "{} rows could not be opened: what they meant is not known, and blobs that they named stay.",
                facts.unreadable
            ));
        }
        if let Some(key_store) = &facts.key_store {
            limits.push(format!(
                "The provider of the custom key store {key_store} wrapped the material of the key: with what it has, \
                 copies from before open until its key is destroyed there."
            ));
        }
        if is_key {
            limits.push(
                "What was under another key at another time opens in copies from that time with that key.".to_owned(),
            );
        }
        let always = [
            "Whoever read it, copied it or had it replicated while it was there has what they have.",
            "Shares and copies of the root key from before, and former root keys, have the generations that were \
             destroyed here.",
            "Names are not destroyed: those in copies from before, in the audit log and in this job open with the \
             metadata key, until it is rotated (`coffer key rotate-metadata`).",
            "The sealed data itself leaves the disk after the grace period of garbage; no key for it is left here.",
        ];
        limits.extend(always.into_iter().map(str::to_owned));
        limits
    }

    fn limit_of_root(&self, facts: &ShredFacts, keep_backups: bool) -> String {
        let open = "with them, copies and backups from before open, with all that was shredded";
        match &facts.root_kept {
            _ if keep_backups => format!(
                "Older generations of the root key were kept, as was asked: {open}, until `coffer key rotate-root` is run \
                 and those generations are destroyed."
            ),
            Some(why) => format!("Older generations of the root key could not be destroyed: {open}. The reason: {why}."),
            None if self.facts.destroyed.iter().any(|it| it.what == ROOT_KEY) => {
                "Backups from before, and one that was being made meanwhile, cannot be restored any more: make a new one."
                    .to_owned()
            }
            None => format!("Older generations of the root key are not destroyed: {open}."),
        }
    }
}
