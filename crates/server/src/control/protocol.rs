//! What goes over the control socket: a command as JSON one way, lines of JSON the other way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where commands are sent. The number changes when old and new programs would misunderstand each other.
pub(super) const PATH: &str = "/v1";
/// The most bytes of a command.
pub(super) const MAX_COMMAND_LEN: usize = 1 << 20;
/// The most bytes of everything that a command answers.
pub(super) const MAX_ANSWER_LEN: usize = 256 << 20;

/// A line of an answer. The last one is no `Progress`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// How far it is, for a person.
    Progress(String),
    /// It is done.
    Done(Report),
    /// It failed, and why.
    Error(String),
}

impl Line {
    /// The line as it is sent, with its end.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("text and JSON values can be written as JSON");
        line.push(b'\n');
        line
    }
}

/// What became of a command.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// For people; lines with their ends.
    pub(crate) text: String,
    /// For programs.
    pub(crate) data: Value,
}
