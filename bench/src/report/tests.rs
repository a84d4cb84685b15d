use super::*;
use crate::measure::Usage;

fn case(name: &str) -> Case {
    Case::selected(&[name.to_owned()]).unwrap()[0]
}

/// `count` operations of a millisecond each in `elapsed_s`, for `cpu_s` of the server's time.
fn sample(count: usize, elapsed_s: f64, cpu_s: f64) -> Sample {
    let usage = Some(Usage { cpu_s, peak_memory_bytes: 5_000_000 });
    Sample { latencies_ns: vec![1_000_000; count], elapsed_s, usage }
}

fn row(name: &str, server: &str, samples: &[Sample]) -> Row {
    Row::new(&case(name), server, 16, samples).unwrap()
}

#[test]
fn small_objects_count_operations() {
    let row = row("put-4k", "coffer", &[sample(2000, 2.0, 0.5)]);
    assert_eq!((row.unit, row.rate, row.cpu_s), (Unit::Operations, 1000.0, Some(0.25)));
    assert_eq!((row.p50_ms, row.p99_ms, row.peak_memory_mb), (1.0, 1.0, Some(5.0)));
}

#[test]
fn large_objects_count_megabytes_of_content() {
    let row = row("range-1m", "coffer", &[sample(1000, 2.0, 1.048_576)]);
    assert_eq!((row.unit, row.rate, row.cpu_s), (Unit::Megabytes, 524.288, Some(1.0)));
}

#[test]
fn one_slow_round_does_not_move_the_row() {
    let rounds = [sample(3000, 1.0, 0.3), sample(10, 1.0, 0.9), sample(3100, 1.0, 0.3)];
    let row = row("get-4k", "coffer", &rounds);
    assert_eq!((row.rate, row.rates.len()), (3000.0, 3));
}

#[test]
fn nothing_done_is_no_row() {
    assert!(Row::new(&case("get-4k"), "coffer", 16, &[]).is_none());
    assert!(Row::new(&case("get-4k"), "coffer", 16, &[sample(0, 1.0, 0.0)]).is_none());
}

#[test]
fn an_unknown_process_has_dashes_and_still_a_rate() {
    let stranger = Sample { usage: None, ..sample(10, 1.0, 0.0) };
    let row = row("get-4k", "peer", &[stranger]);
    assert_eq!((row.cpu_s, row.peak_memory_mb), (None, None));
    assert!(table_line(&row).contains(" - "));
}

#[test]
fn ratios_are_those_of_the_same_case() {
    let mut rows =
        [row("put-4k", "coffer", &[sample(500, 1.0, 0.1)]), row("put-4k", REFERENCE, &[sample(1000, 1.0, 0.1)])];
    compare(&case("put-4k"), &mut rows, &[PrimitiveRow::new(Primitive::SyncOverwrite, &[250.0])]);
    assert_eq!((rows[0].to_reference, rows[0].to_primitive), (Some(0.5), Some(2.0)));
    assert_eq!(rows[1].to_reference, Some(1.0));
}

#[test]
fn without_a_reference_there_is_no_ratio() {
    let mut rows = [row("put-4k", "coffer", &[sample(500, 1.0, 0.1)])];
    compare(&case("put-4k"), &mut rows, &[]);
    assert_eq!((rows[0].to_reference, rows[0].to_primitive), (None, None));
}

#[test]
fn columns_line_up_under_their_titles() {
    let line = table_line(&row("put-64k-sse-c", "coffer", &[sample(5000, 1.0, 0.5)]));
    let head = table_head();
    for title in ["rate", "p50 ms", "p99 ms", "CPU s", "peak MB"] {
        let end = head.find(title).unwrap() + title.len();
        assert_ne!(&line[end - 1..end], " ", "{title}");
        assert_eq!(&line[end..=end], " ", "{title}");
    }
}

#[test]
fn thousands_are_set_apart() {
    let texts = [0.4, 12.0, 999.6, 1234.0, 1_234_567.0].map(|rate| rate_text(rate, Unit::Megabytes));
    assert_eq!(texts, ["0 MB/s", "12 MB/s", "1,000 MB/s", "1,234 MB/s", "1,234,567 MB/s"]);
}
