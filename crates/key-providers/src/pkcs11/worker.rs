//! The thread of a PKCS#11 library: its calls block, its state is that of the whole process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::driver::Driver;
use super::library::{Cryptoki, Library};
use crate::provider::CallError;

/// The most calls that wait for their turn.
const WAITING: usize = 64;

type Call<L> = Box<dyn FnOnce(&mut Driver<L>) + Send>;

/// How long the end of a library is waited for.
const ENDING: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Has one thread make every call to a library, one after the other. The thread ends when this is dropped.
pub(super) struct Worker<L: Library> {
    /// `None`: it is being dropped.
    calls: Option<mpsc::Sender<Call<L>>>,
    thread: Option<JoinHandle<()>>,
}

impl<L: Library> Drop for Worker<L> {
    /// Waits for the thread, but not for one that hangs: the process may be about to end, and what a library then does
    /// in another thread meets its own exit handlers.
    fn drop(&mut self) {
        self.calls = None;
        let Some(thread) = self.thread.take() else { return };
        let deadline = Instant::now() + ENDING;
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(BETWEEN_LOOKS);
        }
        if thread.is_finished() {
            // A panic in it was shown when it happened.
            let _ = thread.join();
        }
    }
}

impl<L: Library> Worker<L> {
    /// Starts the thread. The library is not asked anything yet.
    ///
    /// # Errors
    /// That there is no thread to be had, as a sentence.
    pub(super) fn start(library: L) -> Result<Self, String> {
        let (calls, mut waiting) = mpsc::channel::<Call<L>>(WAITING);
        let work = move || {
            let mut driver = Driver::new(library);
            while let Some(call) = waiting.blocking_recv() {
                call(&mut driver);
            }
        };
        let thread = thread::Builder::new().name("pkcs11".to_owned()).spawn(work);
        let thread = thread.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { calls: Some(calls), thread: Some(thread) })
    }

    /// Has the thread do `work`. It is not begun when whoever waits for it has given up before its turn.
    ///
    /// # Errors
    /// That of `work`.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Driver<L>) -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        let gone = || CallError::unavailable("the thread of the PKCS#11 library has ended");
        let (answer, answered) = oneshot::channel();
        let call: Call<L> = Box::new(move |driver| {
            if !answer.is_closed() {
                // Nobody may wait for it any more; what it holds is wiped when it is dropped.
                let _ = answer.send(work(driver));
            }
        });
        let calls = self.calls.as_ref().ok_or_else(gone)?;
        calls.send(call).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// The thread of the library at `path`, which all providers with that library share: a library is initialised once in
/// a process, and who is logged in to a token is so for the whole process.
///
/// # Errors
/// As [`Worker::start`].
pub(super) fn of_module(path: &Path) -> Result<Arc<Worker<Cryptoki>>, String> {
    static WORKERS: Mutex<BTreeMap<PathBuf, Weak<Worker<Cryptoki>>>> = Mutex::new(BTreeMap::new());
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(worker) = workers.get(&path).and_then(Weak::upgrade) {
        return Ok(worker);
    }
    let worker = Arc::new(Worker::start(Cryptoki::new(path.clone()))?);
    workers.insert(path, Arc::downgrade(&worker));
    Ok(worker)
}
