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

    /// Queues the line of a request that ended just now.
    pub(crate) fn write(&self, record: &RequestRecord, completion: Completion) {
        self.writer.write(line::line(record, completion, self.names, |scope, name| self.store.pseudonym(scope, name)));
    }
}
