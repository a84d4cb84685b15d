//! SSE-KMS: refusals of S3's own, and those of the KMS in S3's words.

use std::borrow::Cow;

use coffer_keyring::KmsError;
use http::StatusCode;

use super::{S3Error, SSE_ARGUMENT};
use crate::kms::{NOT_SIGNED, OVER_HTTP};

impl S3Error {
    /// K-HDR: a KMS header without `x-amz-server-side-encryption: aws:kms`.
    #[must_use]
    pub fn kms_header_without_kms(method: Option<&str>) -> Self {
        let message = "Server Side Encryption with AWS KMS managed key requires HTTP header \
                       x-amz-server-side-encryption : aws:kms";
        Self::invalid_argument(message, SSE_ARGUMENT, method)
    }

    /// K-TLS: what is under a key of a KMS never travels over plain HTTP.
    #[must_use]
    pub fn kms_over_http() -> Self {
        let message = "Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure \
                       connection.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }

    /// K-SIGV4: a KMS is asked in somebody's name, which only Signature Version 4 proves.
    #[must_use]
    pub fn kms_without_signature_4() -> Self {
        let message =
            "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.";
        Self::invalid_argument(message, "Authorization", Some("null"))
    }

    /// K-CTX: an encryption context that is none.
    #[must_use]
    pub fn encryption_context_malformed(header: &str) -> Self {
        let message = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding \
                       JSON which represents a string-string map";
        Self::invalid_argument(message, "x-amz-server-side-encryption-context", Some(header))
    }

    /// B-KMSID: a KMS key in a default encryption that is not by KMS.
    #[must_use]
    pub fn kms_key_not_applicable() -> Self {
        let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
        Self::invalid_argument(message, "ApplyServerSideEncryptionByDefault", None)
    }

    /// The answer to what a KMS refuses or cannot do: its own code behind `KMS.`, but for a denial, which is S3's too,
    /// and for an outage.
    #[must_use]
    pub fn kms(error: KmsError) -> Self {
        let KmsError { code, message } = error;
        match code {
            OVER_HTTP => Self::kms_over_http(),
            NOT_SIGNED => Self::kms_without_signature_4(),
            "AccessDeniedException" => Self::access_denied_because(message),
            "DependencyTimeoutException" => Self::service_unavailable(),
            _ => {
                let temporary = matches!(code, "KMSInternalException" | "KeyUnavailableException");
                let status = if temporary { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::BAD_REQUEST };
                Self::new(status, code_of(code), message_of(code, message))
            }
        }
    }
}

/// The code of an exception of KMS as S3 has it.
fn code_of(exception: &str) -> &'static str {
    CODES.iter().find(|(name, _)| *name == exception).map_or("KMS.KMSInternalException", |(_, code)| code)
}

/// Some exceptions of KMS have no words.
fn message_of(exception: &str, message: Cow<'static, str>) -> Cow<'static, str> {
    if message.is_empty() { format!("The KMS answered {exception}.").into() } else { message }
}

const CODES: [(&str, &str); 11] = [
    ("CustomKeyStoreNotFoundException", "KMS.CustomKeyStoreNotFoundException"),
    ("DisabledException", "KMS.DisabledException"),
    ("IncorrectKeyException", "KMS.IncorrectKeyException"),
    ("InvalidCiphertextException", "KMS.InvalidCiphertextException"),
    ("InvalidKeyUsageException", "KMS.InvalidKeyUsageException"),
    ("KMSInternalException", "KMS.KMSInternalException"),
    ("KMSInvalidStateException", "KMS.KMSInvalidStateException"),
    ("KeyUnavailableException", "KMS.KeyUnavailableException"),
    ("LimitExceededException", "KMS.LimitExceededException"),
    ("NotFoundException", "KMS.NotFoundException"),
    ("ValidationException", "KMS.ValidationException"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_a_kms_has_its_place() {
        for (exception, status, code) in [
            ("NotFoundException", 400, "KMS.NotFoundException"),
            ("DisabledException", 400, "KMS.DisabledException"),
            ("KMSInvalidStateException", 400, "KMS.KMSInvalidStateException"),
            ("InvalidKeyUsageException", 400, "KMS.InvalidKeyUsageException"),
            ("AccessDeniedException", 403, "AccessDenied"),
            ("DependencyTimeoutException", 503, "ServiceUnavailable"),
            ("KMSInternalException", 500, "KMS.KMSInternalException"),
            ("KeyUnavailableException", 500, "KMS.KeyUnavailableException"),
            (OVER_HTTP, 400, "InvalidArgument"),
            (NOT_SIGNED, 400, "InvalidArgument"),
        ] {
            let error = S3Error::kms(KmsError::new(exception, "words"));
            assert_eq!((error.status().as_u16(), error.code()), (status, code), "{exception}");
        }
    }

    #[test]
    fn what_is_temporary_is_a_5xx_and_nothing_else_is() {
        for (exception, _) in
            CODES.into_iter().chain([("DependencyTimeoutException", ""), ("AccessDeniedException", "")])
        {
            let error = KmsError::new(exception, "");
            assert_eq!(error.is_temporary(), S3Error::kms(error).status().is_server_error(), "{exception}");
        }
    }

    #[test]
    fn the_words_are_those_of_the_kms() {
        let error = S3Error::kms(KmsError::new("NotFoundException", "Invalid keyId 'fake-key-id'"));
        assert_eq!(error.message(), "Invalid keyId 'fake-key-id'");
        assert!(!S3Error::kms(KmsError::new("InvalidCiphertextException", "")).message().is_empty());
    }
}
