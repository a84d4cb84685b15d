//! As much HTTP/1.1 as a load generator needs: keep-alive, known lengths, chunked replies.

mod chunked;
mod connection;
mod head;

pub(crate) use connection::{Connection, Endpoint, ExchangeError, Reply};
