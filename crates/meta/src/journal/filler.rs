//! The thread that brings rows from the overlay into the tree, many at once and in order.

use std::time::Duration;

use super::overlay::Rows;
use super::{Mark, Refusal, Shared};
use crate::engine::Write;
use crate::redb_engine::Failure;

/// How long the tree is left alone after it had no room for rows.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it is left alone after it met a damaged page, which stays damaged.
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// Runs until the engine is closed, and then brings everything into the tree.
pub(super) fn run(shared: &Shared) {
    loop {
        let closing = wait_for_work(shared);
        fill(shared, closing);
        if closing {
            return;
        }
    }
}

/// Waits until there is something to do; returns whether it is the last time.
fn wait_for_work(shared: &Shared) -> bool {
    let mut control = shared.control();
    let pause = match &control.stuck {
        None => Duration::ZERO,
        Some(Refusal::NoSpace) => PAUSE,
        Some(Refusal::Failed(_)) => LONG_PAUSE,
    };
    if !pause.is_zero() {
        control = shared.wait_while(control, pause, |control| !control.closing);
    }
    loop {
        if control.closing {
            return true;
        }
        if std::mem::take(&mut control.wanted) {
            return false;
        }
        let waited = shared.overlay.read().since().map(|since| since.elapsed());
        let rest = match waited {
            Some(waited) if waited >= shared.settings.fill_after => return false,
            Some(waited) => shared.settings.fill_after - waited,
            None => Duration::MAX,
        };
        control = shared.wait_while(control, rest, |control| !control.wanted && !control.closing && !control.began);
        control.began = false;
    }
}

/// Brings every row of the overlay into the tree, and says so. `closing`: no commit comes any more.
fn fill(shared: &Shared, closing: bool) {
    let frozen = shared.overlay.write().freeze();
    let rows = frozen.merged();
    let (in_use, taken) = {
        let control = shared.control();
        (control.in_use, control.taken)
    };
    if !in_use || (!closing && taken == frozen.end) {
        return;
    }
    let mark = Mark { id: shared.id, taken: frozen.end, in_use: !closing };
    let count = frozen.layers.len();
    drop(frozen);
    let outcome = take(shared, &rows, mark);
    let mut layers = shared.overlay.write();
    let (forgotten, stuck) = match outcome {
        Ok(()) => (layers.forget(count, Rows::new()), None),
        Err((refusal, left)) => {
            let forgotten = left.map(|left| layers.forget(count, left));
            (forgotten.unwrap_or_default(), Some(refusal))
        }
    };
    drop(layers);
    drop(forgotten);
    let mut control = shared.control();
    if stuck.is_none() {
        control.taken = mark.taken;
        control.in_use = mark.in_use;
    } else if control.stuck.is_none() {
        tracing::error!(refusal = ?stuck, "the journal of the metadata cannot be emptied");
    }
    control.stuck = stuck;
    drop(control);
    shared.changed.notify_all();
}

/// Writes `rows` and `mark` to the tree. When that is not possible because of some rows, those are returned, and the
/// others are in the tree; without the mark, so that the journal keeps all.
fn take(shared: &Shared, rows: &Rows, mark: Mark) -> Result<(), (Refusal, Option<Rows>)> {
    let writes: Vec<_> = rows.iter().map(|(key, value)| Write { key: key.clone(), value: value.clone() }).collect();
    match shared.write_to_tree(writes.clone(), Some(mark)) {
        Ok(()) => Ok(()),
        Err(Refusal::Failed(Failure::Damaged(what))) => {
            let mut left = Rows::new();
            take_what_goes(shared, &writes, &mut left).map_err(|refusal| (refusal, None))?;
            Err((Refusal::Failed(Failure::Damaged(what)), Some(left)))
        }
        Err(refusal) => Err((refusal, None)),
    }
}

/// Writes those of `writes` for which the tree has every page, and adds the others to `left`.
fn take_what_goes(shared: &Shared, writes: &[Write], left: &mut Rows) -> Result<(), Refusal> {
    match (shared.write_to_tree(writes.to_vec(), None), writes) {
        (Ok(()), _) => Ok(()),
        (Err(Refusal::Failed(Failure::Damaged(_))), [write]) => {
            left.insert(write.key.clone(), write.value.clone());
            Ok(())
        }
        (Err(Refusal::Failed(Failure::Damaged(_))), _) => {
            let (first, second) = writes.split_at(writes.len() / 2);
            take_what_goes(shared, first, left)?;
            take_what_goes(shared, second, left)
        }
        (Err(refusal), _) => Err(refusal),
    }
}
