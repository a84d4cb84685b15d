//! What is counted of each provider of keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use coffer_key_providers::{CircuitState, ProviderStats};

use super::Exposition;

/// Writes what is known of all providers. Without any, nothing is written.
pub(super) fn render(providers: &[(String, Arc<ProviderStats>)], text: &mut Exposition) {
    if providers.is_empty() {
        return;
    }
    let name = "coffer_key_provider_up";
    text.family(name, "gauge", "Whether a provider of keys is asked: 1, or 0 while it has failed and is left alone.");
    for (provider, stats) in providers {
        let is_asked = stats.state() == CircuitState::Closed;
        text.sample(name, &format!("{{provider=\"{provider}\"}}"), u8::from(is_asked));
    }
    let name = "coffer_key_provider_calls_total";
    text.family(name, "counter", "Calls to providers of keys, by outcome; retried ones are counted beside it.");
    for (provider, stats) in providers {
        let count = |outcome: &str, number: &AtomicU64, text: &mut Exposition| {
            let labels = format!("{{provider=\"{provider}\",outcome=\"{outcome}\"}}");
            text.sample(name, &labels, number.load(Relaxed));
        };
        count("succeeded", &stats.succeeded, text);
        count("failed", &stats.failed, text);
        count("refused", &stats.refused, text);
        count("not_tried", &stats.not_tried, text);
        count("retried", &stats.retried, text);
    }
}
