//! The keys of the rows, and which record is where.
//!
//! ```text
//! identity row = 'a' account | 'c' canonical ID | 'e' e-mail | 'n' alias | 's' account | kind account lower-case-name
//! ```

use minicbor::{Decode, Encode};

use crate::records::{
    CreateAccountRecord, GroupRecord, ManagedPolicyRecord, OidcProviderRecord, RoleRecord, UserRecord,
};

/// Something in an account that has a name. Names differ by more than case.
pub(crate) trait Entity: Encode<()> + for<'b> Decode<'b, ()> + Send + Sync {
    /// What starts its row.
    const KIND: u8;

    /// Its name.
    fn name(&self) -> &str;
}

macro_rules! entity {
    ($record:ty, $kind:literal, $name:ident) => {
        impl Entity for $record {
            const KIND: u8 = $kind;

            fn name(&self) -> &str {
                &self.$name
            }
        }
    };
}

entity!(UserRecord, b'u', name);
entity!(GroupRecord, b'g', name);
entity!(RoleRecord, b'r', name);
entity!(ManagedPolicyRecord, b'p', name);
entity!(OidcProviderRecord, b'o', url);
entity!(CreateAccountRecord, b'q', id);

/// The row of an entity.
pub(crate) fn entity<T: Entity>(account: &str, name: &str) -> Vec<u8> {
    [&[T::KIND], account.as_bytes(), name.to_lowercase().as_bytes()].concat()
}

/// What the rows of all entities of a kind in an account start with.
pub(crate) fn entities<T: Entity>(account: &str) -> Vec<u8> {
    [&[T::KIND], account.as_bytes()].concat()
}

/// The row of an account.
pub(crate) fn account(account: &str) -> Vec<u8> {
    [b"a", account.as_bytes()].concat()
}

/// The row that finds an account by its canonical user ID.
pub(crate) fn canonical_id(id: &str) -> Vec<u8> {
    [b"c", id.as_bytes()].concat()
}

/// The row that finds an account by its e-mail address.
pub(crate) fn email(email: &str) -> Vec<u8> {
    [b"e", email.to_lowercase().as_bytes()].concat()
}

/// The row that finds an account by its alias.
pub(crate) fn alias(alias: &str) -> Vec<u8> {
    [b"n", alias.as_bytes()].concat()
}

/// The row of the stamp of an account.
pub(crate) fn stamp(account: &str) -> Vec<u8> {
    [b"s", account.as_bytes()].concat()
}

/// The row that says when an access key, or a role by its unique ID, was last used.
pub(crate) fn last_used(used: &str) -> Vec<u8> {
    [b"l", used.as_bytes()].concat()
}
