//! The binary `coffer`: configuration, wiring, command line.

mod admin;
mod certificate;
mod cli;
mod config;
mod connection;
mod files;
mod hygiene;
mod listen;
mod lock;
mod metrics;
mod shutdown;
mod tls;

fn main() {}
