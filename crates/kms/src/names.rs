//! Key IDs, ARNs and aliases.

use coffer_crypto::{random_array, sha256};
use coffer_keyring::KmsError;

use crate::error::{not_found, validation};

/// The id of a key: what its UUID says.
pub(crate) type KeyId = [u8; 16];

/// Draws the id of a new key, a random UUID (RFC 9562, version 4).
pub(crate) fn new_key_id() -> KeyId {
    let mut id: KeyId = random_array();
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

/// A key id in letters: a UUID, or `mrk-` and 32 digits for a multi-Region key.
pub(crate) fn key_id_text(id: &KeyId, multi_region: bool) -> String {
    let hex = hex::encode(id);
    if multi_region {
        return format!("mrk-{hex}");
    }
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What a generation of the material of a key is called: 64 hexadecimal digits, which say nothing of the material.
pub(crate) fn material_id(id: &KeyId, generation: u32) -> String {
    hex::encode(sha256(&[&b"coffer kms key material"[..], id, &generation.to_be_bytes()].concat()))
}

/// Reads a key id.
pub(crate) fn parse_key_id(text: &str) -> Option<KeyId> {
    let hex = match text.strip_prefix("mrk-") {
        Some(hex) => hex.to_owned(),
        None => {
            let groups: Vec<&str> = text.split('-').collect();
            if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
                return None;
            }
            groups.concat()
        }
    };
    hex::decode(hex).ok()?.try_into().ok()
}

/// What a request calls a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// A key id, or the ARN of a key; the account only if the ARN names one.
    Key { account: Option<String>, id: KeyId },
    /// `alias/...`, or its ARN.
    Alias { account: Option<String>, name: String },
}

impl KeyName {
    /// Reads a key id, key ARN, alias name or alias ARN.
    ///
    /// # Errors
    /// `NotFoundException` in the words of KMS.
    pub(crate) fn parse(text: &str, region: &str) -> Result<Self, KmsError> {
        if text.is_empty() || text.len() > 2048 {
            return Err(validation(
                "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must have length \
                 between 1 and 2048",
            ));
        }
        let (account, resource) = match text.strip_prefix("arn:") {
            None => (None, text),
            Some(arn) => {
                let fields: Vec<&str> = arn.splitn(5, ':').collect();
                let [_, service, arn_region, account, resource] = fields[..] else {
                    return Err(not_found(format!("Invalid keyId '{text}'")));
                };
                if service != "kms" {
                    return Err(not_found(format!("Invalid keyId '{text}'")));
                }
                if arn_region != region {
                    return Err(not_found(format!("Invalid arn {arn_region}")));
                }
                let resource = resource.strip_prefix("key/").unwrap_or(resource);
                (Some(account.to_owned()), resource)
            }
        };
        if resource.starts_with("alias/") {
            return Ok(Self::Alias { account, name: resource.to_owned() });
        }
        let id = parse_key_id(resource).ok_or_else(|| not_found(format!("Invalid keyId '{text}'")))?;
        Ok(Self::Key { account, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_two_forms_that_read_back() {
        let id = new_key_id();
        for multi_region in [false, true] {
            assert_eq!(parse_key_id(&key_id_text(&id, multi_region)), Some(id));
        }
        assert_eq!(key_id_text(&[0x12; 16], false), "12121212-1212-1212-1212-121212121212");
    }

    #[test]
    fn every_form_of_a_name_is_read() {
        let id = key_id_text(&[0x12; 16], false);
        for (text, expected) in [
            (id.clone(), KeyName::Key { account: None, id: [0x12; 16] }),
            (format!("arn:aws:kms:eu:1:key/{id}"), KeyName::Key { account: Some("1".into()), id: [0x12; 16] }),
            ("alias/a/b".into(), KeyName::Alias { account: None, name: "alias/a/b".into() }),
            ("arn:aws:kms:eu:1:alias/a".into(), KeyName::Alias { account: Some("1".into()), name: "alias/a".into() }),
        ] {
            assert_eq!(KeyName::parse(&text, "eu"), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_found_in_the_words_of_kms() {
        for (text, message) in [
            ("fake-key-id", "Invalid keyId 'fake-key-id'"),
            ("arn:aws:kms:us:1:key/12121212-1212-1212-1212-121212121212", "Invalid arn us"),
            (
                "arn:aws:s3:eu:1:key/12121212-1212-1212-1212-121212121212",
                "Invalid keyId 'arn:aws:s3:eu:1:key/12121212-1212-1212-1212-121212121212'",
            ),
            ("1212121212121212-1212-1212-121212121212", "Invalid keyId '1212121212121212-1212-1212-121212121212'"),
        ] {
            assert_eq!(KeyName::parse(text, "eu").unwrap_err().message, message);
        }
    }
}
