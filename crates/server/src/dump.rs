//! `coffer dump`: every row of the metadata as JSON lines, still sealed, for other implementations to open.

use std::fmt::Write as _;
use std::io::Write;
use std::ops::Bound;

use anyhow::{Context, Result};
use coffer_meta::{Direction, Engine, KeyRange};

/// Rows read at a time.
const PAGE: usize = 1000;

/// Writes one line per row to `output`: `{"key":"<hex>","value":"<hex>"}`, in key order.
///
/// # Errors
/// When the engine cannot be read or `output` cannot be written.
pub(crate) async fn dump(engine: &dyn Engine, output: &mut impl Write) -> Result<()> {
    let mut start = Bound::Unbounded;
    loop {
        let page = engine.scan(KeyRange { start, end: Bound::Unbounded }, PAGE, Direction::Forward).await?;
        for row in &page {
            writeln!(output, r#"{{"key":"{}","value":"{}"}}"#, hex(&row.key), hex(&row.value))
                .context("the rows cannot be printed")?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => start = Bound::Excluded(last.key.to_vec()),
            _ => return output.flush().context("the rows cannot be printed"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

#[cfg(test)]
mod tests {
    use coffer_meta::{Commit, MemoryEngine};

    use super::*;

    async fn dumped(rows: usize) -> String {
        let engine = MemoryEngine::new();
        let mut commit = Commit::new();
        for row in 0..rows {
            commit.put(format!("key {row:05}"), vec![0, 0xff]);
        }
        engine.commit(commit).await.unwrap();
        let mut output = Vec::new();
        dump(&engine, &mut output).await.unwrap();
        String::from_utf8(output).unwrap()
    }

    #[tokio::test]
    async fn rows_are_lines_of_hex_in_key_order() {
        let expected = "{\"key\":\"6b6579203030303030\",\"value\":\"00ff\"}\n{\"key\":\"6b6579203030303031\",\"value\":\"00ff\"}\n";
        assert_eq!(dumped(2).await, expected);
    }

    #[tokio::test]
    async fn every_page_is_dumped_once() {
        for rows in [0, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 1] {
            let text = dumped(rows).await;
            let keys: std::collections::BTreeSet<_> = text.lines().collect();
            assert_eq!((text.lines().count(), keys.len()), (rows, rows));
        }
    }
}
