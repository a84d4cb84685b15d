//! What a run costs the server, and what the machine alone can do.

mod machine;
mod primitive;
mod process;

pub(crate) use machine::Machine;
pub(crate) use primitive::Primitive;
pub(crate) use process::{Usage, process_tree, reset_peak_memory};
