//! What was measured, as a table for people and as JSON for programs.

use serde::Serialize;

use crate::case::{Case, Unit};
use crate::load::Sample;
use crate::measure::{Machine, Primitive};
use crate::servers::REFERENCE;
use crate::stats::{median, percentile};

/// Everything that one call of the bench found out.
#[derive(Serialize)]
pub(crate) struct Report {
    /// When it started: `YYYYMMDDTHHMMSSZ`.
    pub(crate) started: String,
    /// On what.
    pub(crate) machine: Machine,
    /// Seconds that each run was given.
    pub(crate) seconds: f64,
    /// What the machine does without a server.
    pub(crate) primitives: Vec<PrimitiveRow>,
    /// What the servers do.
    pub(crate) rows: Vec<Row>,
    /// Runs that did not count: case, server and why.
    pub(crate) failures: Vec<String>,
}

/// A primitive's rate.
#[derive(Serialize)]
pub(crate) struct PrimitiveRow {
    /// Its name.
    pub(crate) name: &'static str,
    /// `ops/s` or `MB/s`.
    pub(crate) unit: Unit,
    /// The median of the rates.
    pub(crate) rate: f64,
}

/// One case on one server: the medians of its runs.
#[derive(Serialize)]
pub(crate) struct Row {
    /// The case's name.
    pub(crate) case: String,
    /// The server's name.
    pub(crate) server: String,
    /// Clients at the same time.
    pub(crate) clients: u64,
    /// `ops/s` or `MB/s`.
    pub(crate) unit: Unit,
    /// The rate.
    pub(crate) rate: f64,
    /// The rate of each run.
    pub(crate) rates: Vec<f64>,
    /// Half of the operations took no longer than this, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99 of 100 operations took no longer than this, in milliseconds.
    pub(crate) p99_ms: f64,
    /// CPU seconds of the server per 1,000 operations, or per GB where the rate is in MB/s.
    pub(crate) cpu_s: Option<f64>,
    /// The most memory that the server's processes had, in MB.
    pub(crate) peak_memory_mb: Option<f64>,
    /// The rate, divided by that of nginx.
    pub(crate) to_reference: Option<f64>,
    /// The rate, divided by that of `primitive`.
    pub(crate) to_primitive: Option<f64>,
    /// The primitive that the case cannot do without.
    pub(crate) primitive: Option<&'static str>,
}

impl PrimitiveRow {
    /// The median of `rates`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub(crate) fn new(primitive: Primitive, rates: &[f64]) -> Self {
        let rate = median(rates).expect("a primitive is measured at least once");
        Self { name: primitive.name(), unit: primitive.unit(), rate }
    }
}

impl Row {
    /// The medians of `samples`; `None` when no operation was done.
    #[must_use]
    pub(crate) fn new(case: &Case, server: &str, clients: u64, samples: &[Sample]) -> Option<Self> {
        let median_of =
            |value: &dyn Fn(&Sample) -> Option<f64>| median(&samples.iter().filter_map(value).collect::<Vec<_>>());
        let latency_ms = |percent| move |sample: &Sample| Some(percentile(&sample.latencies_ns, percent)? as f64 / 1e6);
        let rates: Vec<f64> = samples.iter().map(|sample| amount(case, sample) / sample.elapsed_s).collect();
        Some(Self {
            case: case.to_string(),
            server: server.to_owned(),
            clients,
            unit: case.unit(),
            rate: median(&rates)?,
            rates,
            p50_ms: median_of(&latency_ms(50))?,
            p99_ms: median_of(&latency_ms(99))?,
            cpu_s: median_of(&|sample| Some(sample.usage?.cpu_s * 1000.0 / amount(case, sample))),
            peak_memory_mb: median_of(&|sample| Some(sample.usage?.peak_memory_bytes as f64 / 1e6)),
            to_reference: None,
            to_primitive: None,
            primitive: None,
        })
    }
}

/// What a run did: operations, or MB of content.
fn amount(case: &Case, sample: &Sample) -> f64 {
    let operations = sample.latencies_ns.len() as f64;
    match case.unit() {
        Unit::Operations => operations,
        Unit::Megabytes => operations * case.bytes_per_operation() as f64 / 1e6,
    }
}

/// Fills in the ratios of the rows of one case.
pub(crate) fn compare(case: &Case, rows: &mut [Row], primitives: &[PrimitiveRow]) {
    let reference = rows.iter().find(|row| row.server == REFERENCE).map(|row| row.rate);
    let behind = Primitive::behind(case).map(Primitive::name);
    let primitive = primitives.iter().find(|row| Some(row.name) == behind);
    for row in rows {
        row.to_reference = reference.map(|rate| row.rate / rate);
        row.to_primitive = primitive.map(|primitive| row.rate / primitive.rate);
        row.primitive = primitive.map(|primitive| primitive.name);
    }
}

/// The lines above the rows.
#[must_use]
pub(crate) fn table_head() -> String {
    let titles = ["p50 ms", "p99 ms", "CPU s", "", "peak MB", "/nginx", "/raw"];
    let [p50, p99, cpu, per, memory, reference, primitive] = titles;
    format!(
        "{:<17} {:<10} {:>14} {p50:>9} {p99:>9} {cpu:>8} {per:<7} {memory:>8} {reference:>7} {primitive:>7}",
        "case", "server", "rate"
    )
}

/// A row as a line of the table.
#[must_use]
pub(crate) fn table_line(row: &Row) -> String {
    let or_dash =
        |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
    let per = match row.unit {
        Unit::Operations => "/1k ops",
        Unit::Megabytes => "/GB",
    };
    format!(
        "{:<17} {:<10} {:>14} {:>9.2} {:>9.2} {:>8} {per:<7} {:>8} {:>7} {:>7} {}",
        row.case,
        row.server,
        rate_text(row.rate, row.unit),
        row.p50_ms,
        row.p99_ms,
        or_dash(row.cpu_s, 3),
        or_dash(row.peak_memory_mb, 0),
        or_dash(row.to_reference, 2),
        or_dash(row.to_primitive, 2),
        row.primitive.unwrap_or_default()
    )
}

/// A rate with its unit; thousands are set apart.
#[must_use]
pub(crate) fn rate_text(rate: f64, unit: Unit) -> String {
    let digits = format!("{rate:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text.push_str(match unit {
        Unit::Operations => " ops/s",
        Unit::Megabytes => " MB/s",
    });
    text
}

#[cfg(test)]
mod tests;
