//! What is measured: operations, sizes, numbers of clients.

use std::fmt;

use anyhow::{Result, bail};
use serde::Serialize;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The largest object of any case, in bytes.
pub(crate) const OBJECT_LEN_MAX: usize = 64 * MIB;
/// Keys on a page of the listing.
pub(crate) const PAGE_KEY_COUNT: u64 = 1000;

/// One thing to measure.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// What the clients do, over and over.
    pub(crate) operation: Operation,
    /// Bytes of the objects it is done with.
    pub(crate) object_len: usize,
    /// Clients that do it at the same time.
    pub(crate) client_count: usize,
    /// How the objects are encrypted.
    pub(crate) encryption: Encryption,
}

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Stores an object.
    Put,
    /// Reads an object.
    Get,
    /// Reads this many bytes in the middle of an object.
    Range(usize),
    /// Asks for the metadata of an object.
    Head,
    /// Removes an object.
    Delete,
    /// Lists a page of [`PAGE_KEY_COUNT`] keys, from a random one on.
    List,
}

/// How objects are encrypted, and so how they travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// As the server does when nothing is asked for; over HTTP.
    Default,
    /// With a key of the customer; over HTTPS where the server speaks it.
    SseC,
}

/// What a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Operations.
    #[serde(rename = "ops/s")]
    Operations,
    /// Megabytes of 10^6 bytes.
    #[serde(rename = "MB/s")]
    Megabytes,
}

impl Case {
    /// Every case, in the order of the table.
    #[must_use]
    pub(crate) fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for encryption in [Encryption::Default, Encryption::SseC] {
            for (object_len, client_count) in [(4 * KIB, 16), (64 * KIB, 16), (8 * MIB, 4), (64 * MIB, 2)] {
                for operation in [Operation::Put, Operation::Get] {
                    cases.push(Self { operation, object_len, client_count, encryption });
                }
            }
            let operation = Operation::Range(MIB);
            cases.push(Self { operation, object_len: OBJECT_LEN_MAX, client_count: 4, encryption });
        }
        for operation in [Operation::Head, Operation::Delete, Operation::List] {
            let client_count = if operation == Operation::List { 4 } else { 16 };
            cases.push(Self { operation, object_len: 4 * KIB, client_count, encryption: Encryption::Default });
        }
        cases
    }

    /// The cases whose names are, or start with, one of `names`; all when there are no names.
    ///
    /// # Errors
    /// When a name fits no case.
    pub(crate) fn selected(names: &[String]) -> Result<Vec<Self>> {
        let all = Self::all();
        let known: Vec<String> = all.iter().map(Self::to_string).collect();
        let fits = |case: &str, name: &str| {
            if known.iter().any(|known| known == name) { case == name } else { case.starts_with(name) }
        };
        if let Some(name) = names.iter().find(|name| !known.iter().any(|case| fits(case, name))) {
            bail!("there is no case {name:?}; there are: {}", known.join(", "));
        }
        let wanted = |case: &Case| names.is_empty() || names.iter().any(|name| fits(&case.to_string(), name));
        Ok(all.into_iter().filter(wanted).collect())
    }

    /// What the rate of the case counts.
    #[must_use]
    pub(crate) fn unit(&self) -> Unit {
        if self.bytes_per_operation() >= MIB { Unit::Megabytes } else { Unit::Operations }
    }

    /// Bytes of content that one operation moves.
    #[must_use]
    pub(crate) fn bytes_per_operation(&self) -> usize {
        match self.operation {
            Operation::Put | Operation::Get => self.object_len,
            Operation::Range(len) => len,
            Operation::Head | Operation::Delete | Operation::List => 0,
        }
    }

    /// The set of objects the case works on. Cases that only read share sets.
    #[must_use]
    pub(crate) fn object_set(&self) -> String {
        let prefix = match self.operation {
            Operation::Put => "put",
            Operation::Delete => "delete",
            Operation::List => "list",
            Operation::Get | Operation::Head | Operation::Range(_) => "read",
        };
        format!("{prefix}-{}{}", length_name(self.object_len), self.encryption.suffix())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = length_name(self.object_len);
        match self.operation {
            Operation::Put => write!(f, "put-{length}")?,
            Operation::Get => write!(f, "get-{length}")?,
            Operation::Range(len) => write!(f, "range-{}", length_name(len))?,
            Operation::Head => f.write_str("head")?,
            Operation::Delete => f.write_str("delete")?,
            Operation::List => write!(f, "list-{PAGE_KEY_COUNT}")?,
        }
        f.write_str(self.encryption.suffix())
    }
}

impl Encryption {
    fn suffix(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::SseC => "-sse-c",
        }
    }
}

/// `4k`, `8m`.
fn length_name(len: usize) -> String {
    if len >= MIB { format!("{}m", len / MIB) } else { format!("{}k", len / KIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(selection: &[&str]) -> Vec<String> {
        let selection: Vec<String> = selection.iter().map(ToString::to_string).collect();
        Case::selected(&selection).unwrap().iter().map(Case::to_string).collect()
    }

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut all = names(&[]);
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn a_whole_name_selects_one_case_and_a_prefix_its_family() {
        assert_eq!(names(&["put-4k"]), ["put-4k"]);
        assert_eq!(names(&["put-64"]), ["put-64k", "put-64m", "put-64k-sse-c", "put-64m-sse-c"]);
    }

    #[test]
    fn an_unknown_name_is_refused_and_the_known_ones_are_told() {
        let error = Case::selected(&["putt".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("putt") && error.contains("put-4k"), "{error}");
    }

    #[test]
    fn cases_that_change_objects_share_none() {
        let writers =
            Case::all().into_iter().filter(|case| matches!(case.operation, Operation::Put | Operation::Delete));
        for writer in writers {
            let sharing = Case::all().iter().filter(|case| case.object_set() == writer.object_set()).count();
            assert_eq!(sharing, 1, "{writer}");
        }
    }
}
