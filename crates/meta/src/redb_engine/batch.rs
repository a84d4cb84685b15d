//! Group commit: many commits in one transaction.

use std::collections::BTreeMap;

use redb::{Database, ReadableTable, StorageError, Table};

use super::open::{MARK, TABLE};
use super::view::{View, reading};
use super::writer::Request;
use crate::engine::{Commit, CommitError, EngineError};
use crate::pages::{Fault, Faults};

/// The outcome of each commit of a batch.
pub(super) type Outcomes = Vec<Result<(), CommitError>>;

type Entries<'txn> = Table<'txn, &'static [u8], &'static [u8]>;

/// Applies the commits in order, each to the state the ones before it left, in one transaction and one sync. The view
/// is of the new state, if anything changed.
///
/// A commit that needs a page which cannot be read takes no part. If that shows only after it began to write, the
/// transaction is undone and made anew without it. Once such a page was met, every transaction records the allocator's
/// state: a crash after one that does not costs a walk through the file, which would end at the page. With
/// `checkpoint` every transaction records it anyway.
pub(super) fn commit_batch(
    database: &Database,
    batch: &[Request],
    faults: &Faults,
    checkpoint: bool,
) -> Result<(Outcomes, Option<View>), redb::Error> {
    let mut excluded = BTreeMap::new();
    loop {
        match attempt(database, batch, faults, checkpoint, &excluded)? {
            Attempt::Done(outcomes, view) => return Ok((outcomes, view)),
            Attempt::Undone(index, fault) => drop(excluded.insert(index, fault)),
        }
    }
}

enum Attempt {
    Done(Outcomes, Option<View>),
    /// Nothing was changed: the commit with this index met the fault while it wrote.
    Undone(usize, Fault),
}

fn attempt(
    database: &Database,
    batch: &[Request],
    faults: &Faults,
    checkpoint: bool,
    excluded: &BTreeMap<usize, Fault>,
) -> Result<Attempt, redb::Error> {
    let mut transaction = database.begin_write()?;
    let mut table = transaction.open_table(TABLE)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut changed = false;
    let mut last_mark = None;
    for (index, Request { commit, mark, .. }) in batch.iter().enumerate() {
        let looked = match excluded.get(&index) {
            Some(fault) => Err(fault.clone()),
            // Where one page is damaged many commits may want it: a look at the way of every write beforehand
            // finds them without undoing the transaction once for each.
            None => reading(|| first_failed(&table, commit, !excluded.is_empty()))?,
        };
        match looked {
            Err(fault) => outcomes.push(Err(EngineError::from(fault).into())),
            Ok(Some(check)) => outcomes.push(Err(CommitError::Conflict(check))),
            Ok(None) => {
                if let Err(fault) = reading(|| write(&mut table, commit))? {
                    drop(table);
                    transaction.abort()?;
                    return Ok(Attempt::Undone(index, fault));
                }
                changed |= !commit.writes.is_empty() || mark.is_some();
                last_mark = mark.as_ref().or(last_mark);
                outcomes.push(Ok(()));
            }
        }
    }
    drop(table);
    if !changed {
        transaction.abort()?;
        return Ok(Attempt::Done(outcomes, None));
    }
    if let Some(mark) = last_mark {
        transaction.open_table(MARK)?.insert((), &mark[..])?;
    }
    transaction.set_quick_repair(checkpoint || faults.met_unreadable());
    transaction.commit()?;
    Ok(Attempt::Done(outcomes, Some(View::new(database)?)))
}

/// The first check that fails. With `look_ahead` the keys to be written are read, too.
fn first_failed(table: &Entries<'_>, commit: &Commit, look_ahead: bool) -> Result<Option<usize>, StorageError> {
    for (index, check) in commit.checks.iter().enumerate() {
        let value = table.get(&check.key[..])?;
        if value.as_ref().map(|value| value.value()) != check.expected.as_deref() {
            return Ok(Some(index));
        }
    }
    if look_ahead {
        for write in &commit.writes {
            table.get(&write.key[..])?;
        }
    }
    Ok(None)
}

fn write(table: &mut Entries<'_>, commit: &Commit) -> Result<(), StorageError> {
    for write in &commit.writes {
        match &write.value {
            Some(value) => drop(table.insert(&write.key[..], &value[..])?),
            None => drop(table.remove(&write.key[..])?),
        }
    }
    Ok(())
}
