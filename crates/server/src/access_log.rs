//! The access log: one line of JSON for each request, once its answer has gone out or broken off.
//!
//! Nothing that a client sent is readable in it unless the operator asks for that: names have pseudonyms instead. No
//! secret is ever in it, and no query, where a signature may be.

mod line;
mod writer;

use std::sync::Arc;

use anyhow::{Context, Result};
use coffer_s3::log::{Completion, RequestRecord};
use coffer_store::Store;

use crate::config::{Names, Settings};
use crate::metrics::Metrics;
use writer::{Sink, Writer};

/// Where lines are made.
pub(crate) struct AccessLog {
    writer: Writer,
    names: Names,
    store: Store,
}

impl AccessLog {
    /// The log that the settings ask for, if they ask for one.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(crate) fn open(settings: &Settings, store: &Store, metrics: &Arc<Metrics>) -> Result<Option<Self>> {
        let sink = match settings.access_log.as_str() {
            "off" => return Ok(None),
            "stdout" => Sink::Stdout,
            path => Sink::file(path).with_context(|| format!("the access log {path} cannot be opened"))?,
        };
        let writer = Writer::start(sink, Arc::clone(metrics)).context("the access log cannot be started")?;
        Ok(Some(Self { writer, names: settings.access_log_names, store: store.clone() }))
    }

    /// Opens the file again: the old one may have been renamed.
    pub(crate) fn reopen(&self) {
        self.writer.reopen();
    }

    /// Returns when all lines until now are written, or when that takes too long.
    pub(crate) async fn flush(&self) {
        self.writer.flush().await;
    }

    fn write(&self, record: &RequestRecord, completion: Completion) {
        self.writer.write(line::line(record, completion, self.names, |scope, name| self.store.pseudonym(scope, name)));
    }
}

/// A request that is logged when this is dropped, whatever becomes of it.
pub(crate) struct Entry {
    record: Arc<RequestRecord>,
    log: Arc<AccessLog>,
    sent: u64,
    len: Option<u64>,
}

impl Entry {
    /// An entry for the request of `record`.
    pub(crate) fn new(record: Arc<RequestRecord>, log: Arc<AccessLog>) -> Self {
        Self { record, log, sent: 0, len: None }
    }

    /// The answer begins to go out; its body has `len` bytes.
    pub(crate) fn answered(&mut self, len: Option<u64>) {
        self.len = len;
    }

    /// So many bytes more of the body were handed to the connection.
    pub(crate) fn sent(&mut self, len: usize) {
        self.sent += len as u64;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let completion = Completion { bytes_sent: self.sent, complete: self.len == Some(self.sent) };
        self.log.write(&self.record, completion);
    }
}
