use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn start(path: &Path) -> (Writer, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    (Writer::start(Sink::file(path).unwrap(), Arc::clone(&metrics)).unwrap(), metrics)
}

fn dropped(metrics: &Metrics) -> bool {
    !metrics.render().contains("coffer_access_log_dropped_total 0\n")
}

#[tokio::test]
async fn lines_are_appended_in_order_to_a_private_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    fs::write(&path, "old\n").unwrap();
    let (writer, metrics) = start(&path);
    writer.write(b"a\n".to_vec());
    writer.write(b"b\n".to_vec());
    writer.flush().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "old\na\nb\n");
    let made = directory.path().join("made.log");
    drop(start(&made));
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!dropped(&metrics));
}

#[tokio::test]
async fn a_renamed_file_is_left_alone_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let (path, renamed) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let (writer, _) = start(&path);
    writer.write(b"a\n".to_vec());
    writer.flush().await;
    fs::rename(&path, &renamed).unwrap();
    writer.write(b"b\n".to_vec());
    writer.reopen();
    writer.write(b"c\n".to_vec());
    writer.flush().await;
    assert_eq!(fs::read_to_string(&renamed).unwrap(), "a\nb\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "c\n");
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_again_leaves_the_old_one_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs/access.log");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let (writer, metrics) = start(&path);
    let moved = directory.path().join("moved");
    fs::rename(path.parent().unwrap(), &moved).unwrap();
    writer.reopen();
    writer.write(b"a\n".to_vec());
    writer.flush().await;
    assert_eq!(fs::read_to_string(moved.join("access.log")).unwrap(), "a\n");
    assert!(!dropped(&metrics));
}

#[tokio::test]
async fn a_full_disk_drops_lines_and_counts_them() {
    let (writer, metrics) = start(Path::new("/dev/full"));
    writer.write(b"a\n".to_vec());
    writer.write(b"b\n".to_vec());
    writer.flush().await;
    let text = metrics.render();
    assert!(text.contains("coffer_access_log_dropped_total 2\n"), "{text}");
}

#[test]
fn a_stuck_disk_holds_up_nobody() {
    let metrics = Arc::new(Metrics::default());
    // Nobody takes anything from this queue.
    let (queue, stuck) = sync_channel(1);
    let writer = Writer { queue, metrics: Arc::clone(&metrics) };
    for _ in 0..3 {
        writer.write(b"a\n".to_vec());
    }
    writer.reopen();
    assert!(metrics.render().contains("coffer_access_log_dropped_total 2\n"));
    drop(stuck);
}

#[test]
fn a_line_after_a_failed_write_starts_on_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let sink = Sink::file("/dev/full").unwrap();
    let mut lines = Lines { sink, batch: Vec::new(), count: 0, failing: false, metrics: Arc::default() };
    lines.take(Message::Line(b"lost\n".to_vec()));
    lines.write();
    lines.sink = Sink::file(&path).unwrap();
    lines.take(Message::Line(b"kept\n".to_vec()));
    lines.write();
    assert_eq!(fs::read_to_string(&path).unwrap(), "\nkept\n");
}
