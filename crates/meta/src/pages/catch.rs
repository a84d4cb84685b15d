//! A failed read that passes through redb instead of ending it.
//!
//! redb refuses all work after the first error its storage returns, so one page that does not open would take the
//! whole store with it. Inside [`catch`] such a read unwinds instead: redb caches nothing of it and latches nothing,
//! and what a half-done operation holds is dropped as in a panic, for which redb is written. The caller must then
//! abort the transaction, unless it only read.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Fault;

#[cfg(panic = "abort")]
compile_error!("a page that does not open would end the process: build with panic = \"unwind\"");

thread_local! {
    /// Whether a [`catch`] of this thread is waiting.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; an error when a read in it failed.
///
/// Panics pass through as they are.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    let outer = CATCHING.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    outcome.or_else(|payload| match payload.downcast::<Fault>() {
        Ok(fault) => Err(*fault),
        Err(panic) => resume_unwind(panic),
    })
}

/// Ends the innermost [`catch`] of this thread with `fault`; returns only when there is none.
pub(super) fn throw(fault: &Fault) {
    if CATCHING.get() {
        // Unlike `panic!` this calls no panic hook: nothing is printed.
        resume_unwind(Box::new(fault.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault::Io("disk".into())
    }

    #[test]
    fn outside_of_a_catch_nothing_is_thrown() {
        throw(&fault());
        assert!(catch(|| 7).is_ok());
        throw(&fault());
    }

    #[test]
    fn a_throw_ends_the_innermost_catch() {
        let outer = catch(|| {
            assert!(catch(|| throw(&fault())).is_err());
            7
        });
        assert!(matches!(outer, Ok(7)));
        assert!(
            catch(|| {
                assert!(catch(|| 7).is_ok());
                throw(&fault());
            })
            .is_err()
        );
    }

    #[test]
    fn a_panic_is_no_fault() {
        let panicked = catch_unwind(|| catch(|| resume_unwind(Box::new("a bug"))).is_err());
        assert!(panicked.unwrap_err().is::<&str>());
        throw(&fault());
    }
}
