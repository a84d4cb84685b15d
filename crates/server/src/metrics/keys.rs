//! What is counted of the keys of the KMS.

use coffer_kms::KmsMetrics;

use super::Exposition;

/// Writes the counts.
pub(super) fn render(kms: &KmsMetrics, text: &mut Exposition) {
    let (name, keys) = ("coffer_kms_keys", kms.keys());
    text.family(name, "gauge", "Keys of the KMS, by state.");
    for (state, count) in
        [("enabled", keys.enabled), ("disabled", keys.disabled), ("pending_deletion", keys.pending_deletion)]
    {
        text.sample(name, &format!("{{state=\"{state}\"}}"), count);
    }
    let name = "coffer_kms_uses_total";
    text.family(
        name,
        "counter",
        "Uses and changes of keys of the KMS, by action and outcome; those that S3 asks for too.",
    );
    for ((action, outcome), count) in kms.uses() {
        text.sample(name, &format!("{{action=\"{action}\",outcome=\"{outcome}\"}}"), count);
    }
    let name = "coffer_kms_provider_failures_total";
    text.family(
        name,
        "counter",
        "Failures of what wraps the material of keys, by custom key store; root: the root key.",
    );
    for (key_store, count) in kms.provider_failures() {
        text.sample(name, &format!("{{key_store=\"{key_store}\"}}"), count);
    }
}
