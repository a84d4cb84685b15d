//! What the return values of PKCS#11 mean for whoever asked.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use crate::provider::CallError;

/// The error for what a library returned. Its texts name the function and the value, and never what was handed over.
pub(super) fn failure(error: Error) -> CallError {
    let (value, function) = match error {
        // The operating system's words: the path, and what is missing.
        Error::LibraryLoading(error) => {
            return CallError::Denied(format!("the PKCS#11 library cannot be loaded: {error}"));
        }
        Error::MissingSymbol(_) | Error::NullFunctionPointer => return denied("the library is none of PKCS#11"),
        Error::Pkcs11(value, function) => (value, function),
        _ => return CallError::unavailable("the PKCS#11 library's answer makes no sense"),
    };
    match (value, function) {
        (
            RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::UnknownErrorCode(AEAD_DECRYPT_FAILED),
            Function::Decrypt,
        ) => CallError::WrongKey,
        (RvError::PinExpired, _) => denied("the PIN of the token has expired"),
        (RvError::PinLocked, _) => denied(LOCKED),
        (RvError::UserPinNotInitialized, _) => denied("the token has no PIN of a user yet"),
        (RvError::UserAnotherAlreadyLoggedIn | RvError::UserTooManyTypes, _) => {
            denied("somebody else is logged in to the token from this process")
        }
        (RvError::MechanismInvalid | RvError::MechanismParamInvalid, Function::GenerateKey) => {
            denied("the token makes no AES keys")
        }
        (RvError::MechanismInvalid | RvError::MechanismParamInvalid, _) => {
            denied("the token does not do AES-GCM with a nonce of 12 bytes and a tag of 16")
        }
        (RvError::KeyFunctionNotPermitted, _) => {
            denied("the key must be one to encrypt and to decrypt with (CKA_ENCRYPT, CKA_DECRYPT)")
        }
        (
            RvError::TokenWriteProtected
            | RvError::SessionReadOnly
            | RvError::ActionProhibited
            | RvError::AttributeReadOnly
            | RvError::TemplateInconsistent
            | RvError::AttributeValueInvalid
            | RvError::FunctionNotSupported,
            Function::OpenSession | Function::GenerateKey | Function::DestroyObject,
        ) => CallError::Unsupported(
            "the token does not let its user make or destroy such keys: do it with the tools of its maker",
        ),
        (value, function) => CallError::Unavailable(format!("C_{function:?} of the PKCS#11 library: {value:?}")),
    }
}

/// Whether a login was refused for the PIN, so that the same one must not be tried again.
pub(super) fn is_about_pin(error: &Error) -> bool {
    use RvError::{PinExpired, PinIncorrect, PinInvalid, PinLenRange, PinLocked};
    matches!(error, Error::Pkcs11(PinIncorrect | PinInvalid | PinLenRange | PinLocked | PinExpired, _))
}

/// Whether the return value of a decryption may as well mean that the ciphertext is wrong as that the token is.
pub(super) fn is_vague(error: &Error) -> bool {
    use RvError::{DataInvalid, DataLenRange, FunctionFailed, GeneralError, VendorDefined};
    let is_vague = |value: &RvError| {
        matches!(value, GeneralError | FunctionFailed | DataInvalid | DataLenRange | VendorDefined(_))
    };
    matches!(error, Error::Pkcs11(value, Function::Decrypt) if is_vague(value))
}

/// `CKR_AEAD_DECRYPT_FAILED` of PKCS#11 3.0.
const AEAD_DECRYPT_FAILED: u64 = 0x42;
pub(super) const LOCKED: &str =
    "the PIN of the token is locked, because it was wrong too often: its security officer can unlock it";

pub(super) fn denied(why: &str) -> CallError {
    CallError::Denied(why.to_owned())
}
