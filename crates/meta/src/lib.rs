//! An ordered map of byte keys to byte values, changed only by check-and-commit.

mod engine;

pub use engine::{Check, Commit, CommitError, Direction, Engine, EngineError, Entry, KeyRange, Write};
