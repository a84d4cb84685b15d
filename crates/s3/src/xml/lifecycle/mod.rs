//! The document of lifecycle rules.

mod check;
mod parse;
mod write;

#[cfg(test)]
mod tests;

pub use parse::parse_lifecycle_configuration;
pub use write::write_lifecycle_configuration;
