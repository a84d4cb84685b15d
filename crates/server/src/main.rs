//! The binary `coffer`: configuration, wiring, command line.

mod cli;
mod config;
mod hygiene;
mod lock;
mod shutdown;

fn main() {}
