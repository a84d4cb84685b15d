//! What must hold of the sources, whatever they do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::root;

/// The most lines that a source file has.
const MAX_LINES: usize = 600;
/// The most bytes that any file has.
const MAX_BYTES: u64 = 100 << 10;
/// Files that may be larger, with the reason.
const LARGE: &[(&str, &str)] =
    &[("Cargo.lock", "written by cargo"), ("vectors/aws/sse-c.json", "captured answers, kept as they came")];
/// Words that have no place, and what to do instead.
const WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it, or open an issue"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
    (concat!("XX", "X"), "say what is meant"),
    (concat!("master", " key"), "it is the root key"),
];
/// The crates that each crate may depend on. Development dependencies are free.
const GRAPH: &[(&str, &[&str])] = &[
    ("coffer-crypto", &[]),
    ("coffer-access", &[]),
    ("coffer-configuration", &[]),
    ("coffer-seal", &["coffer-crypto"]),
    ("coffer-sigv4", &["coffer-crypto"]),
    ("coffer-keyring", &["coffer-crypto", "coffer-seal"]),
    ("coffer-audit", &["coffer-crypto", "coffer-keyring", "coffer-seal"]),
    ("coffer-key-providers", &["coffer-crypto", "coffer-keyring", "coffer-seal", "coffer-sigv4"]),
    ("coffer-meta", &["coffer-crypto", "coffer-seal"]),
    ("coffer-blob", &["coffer-crypto"]),
    (
        "coffer-store",
        &[
            "coffer-access",
            "coffer-blob",
            "coffer-configuration",
            "coffer-crypto",
            "coffer-keyring",
            "coffer-meta",
            "coffer-seal",
        ],
    ),
    ("coffer-backup", &["coffer-crypto", "coffer-keyring", "coffer-meta", "coffer-seal", "coffer-store"]),
    (
        "coffer-s3",
        &["coffer-access", "coffer-configuration", "coffer-crypto", "coffer-keyring", "coffer-sigv4", "coffer-store"],
    ),
    ("coffer-replication", &["coffer-configuration", "coffer-sigv4", "coffer-store"]),
    ("coffer-iam", &["coffer-access", "coffer-crypto", "coffer-sigv4", "coffer-store"]),
    (
        "coffer-kms",
        &[
            "coffer-access",
            "coffer-crypto",
            "coffer-iam",
            "coffer-keyring",
            "coffer-meta",
            "coffer-seal",
            "coffer-store",
        ],
    ),
    (
        "coffer",
        &[
            "coffer-access",
            "coffer-audit",
            "coffer-backup",
            "coffer-blob",
            "coffer-configuration",
            "coffer-crypto",
            "coffer-iam",
            "coffer-key-providers",
            "coffer-keyring",
            "coffer-kms",
            "coffer-meta",
            "coffer-replication",
            "coffer-s3",
            "coffer-sigv4",
            "coffer-store",
        ],
    ),
    ("coffer-testkit", &["coffer-blob", "coffer-meta"]),
    ("coffer-bench", &["coffer-crypto", "coffer-sigv4"]),
    ("xtask", &[]),
];
/// Libraries that one crate alone may name.
const SOLE_USERS: &[(&str, &str)] = &[
    ("aws-lc-rs", "coffer-crypto"),
    ("md-5", "coffer-crypto"),
    ("vsss-rs", "coffer-crypto"),
    ("redb", "coffer-meta"),
    ("cryptoki", "coffer-key-providers"),
];

/// Returns a sentence for everything that does not hold.
pub(crate) fn problems() -> Result<Vec<String>> {
    let files = files(&root())?;
    let mut problems = sizes(&files)?;
    problems.extend(crate_docs(&files)?);
    problems.extend(words(&files)?);
    problems.extend(graph()?);
    Ok(problems)
}

/// The files that git keeps or would keep.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output = Command::new("git").args(list).current_dir(root).output().context("git cannot be started")?;
    anyhow::ensure!(output.status.success(), "git ls-files failed");
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
    let paths = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(paths.filter(|path| root.join(path).is_file()).collect())
}

fn sizes(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| LARGE.iter().all(|(large, _)| *path != Path::new(large))) {
        if fs::metadata(root().join(path))?.len() > MAX_BYTES {
            problems.push(format!("{}: larger than {MAX_BYTES} bytes", path.display()));
        } else if is_source(path) && text(path)?.lines().count() > MAX_LINES {
            problems.push(format!("{}: longer than {MAX_LINES} lines; are there two concepts?", path.display()));
        }
    }
    Ok(problems)
}

fn crate_docs(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")) {
        if !text(path)?.starts_with("//! ") {
            problems.push(format!("{}: the crate does not say what it is", path.display()));
        }
    }
    Ok(problems)
}

fn words(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| is_source(path) || path.extension().is_some_and(|e| e == "md")) {
        for (number, line) in (1..).zip(text(path)?.lines()) {
            for (word, instead) in WORDS.iter().filter(|(word, _)| has_word(line, word)) {
                problems.push(format!("{}:{number}: {word:?}: {instead}", path.display()));
            }
        }
    }
    Ok(problems)
}

fn graph() -> Result<Vec<String>> {
    let metadata = ["metadata", "--no-deps", "--format-version=1", "--offline"];
    let output =
        Command::new("cargo").args(metadata).current_dir(root()).output().context("cargo cannot be started")?;
    anyhow::ensure!(output.status.success(), "cargo metadata failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let drawn: BTreeMap<&str, BTreeSet<&str>> =
        GRAPH.iter().map(|(name, below)| (*name, below.iter().copied().collect())).collect();
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(allowed) = drawn.get(name) else {
            problems.push(format!("{name}: not in the drawing of the crates"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let below = dependency["name"].as_str().unwrap_or_default();
            let is_ours = below.starts_with("coffer");
            if dependency["kind"].is_null() && is_ours && !allowed.contains(below) {
                problems.push(format!("{name}: must not depend on {below}"));
            }
            if let Some((_, user)) = SOLE_USERS.iter().find(|(library, user)| *library == below && *user != name) {
                problems.push(format!("{name}: only {user} names {below}"));
            }
        }
    }
    Ok(problems)
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs" || extension == "py")
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("{} cannot be read", path.display()))
}

/// Whether `word` stands in `line`, not as a part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_tidy() {
        let problems = problems().unwrap();
        assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    }

    #[test]
    fn words_are_found_whole() {
        assert!(has_word("// ABC: later", "ABC"));
        assert!(has_word("ABC", "ABC"));
        assert!(!has_word("ABCD", "ABC"));
        assert!(!has_word("mktemp -d xABC", "ABC"));
    }
}
