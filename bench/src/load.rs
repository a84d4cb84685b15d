//! Many clients at once, for a time or a number of operations, measured.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::case::{Encryption, Operation, PAGE_KEY_COUNT};
use crate::client::{BUCKET, Client, ClientError};
use crate::measure::{Usage, process_tree, reset_peak_memory};
use crate::payload::{Payloads, scramble};
use crate::servers::Target;

/// Every so many operations of a client, the bytes that come back are compared; of the others, only the length.
const COMPARED_EVERY: u64 = 8;

/// What the clients do.
pub(crate) struct Load<'a> {
    /// To which server.
    pub(crate) target: &'a Target,
    /// The operation, over and over.
    pub(crate) operation: Operation,
    /// How the objects are encrypted.
    pub(crate) encryption: Encryption,
    /// The objects: their name, how many there are, their length in bytes.
    pub(crate) set: String,
    /// See `set`.
    pub(crate) object_count: u64,
    /// See `set`.
    pub(crate) object_len: usize,
    /// Clients at the same time.
    pub(crate) client_count: u64,
    /// The number of the first object that is put.
    pub(crate) first_index: u64,
    /// No operation starts after this time.
    pub(crate) time_max: Duration,
    /// All clients together do not do more operations than this.
    pub(crate) operation_count_max: u64,
}

/// What came of a load.
pub(crate) struct Sample {
    /// How long each operation took, in nanoseconds, ascending.
    pub(crate) latencies_ns: Vec<u64>,
    /// From the first request to the last reply, in seconds.
    pub(crate) elapsed_s: f64,
    /// What the server used meanwhile; `None` when its process is not known.
    pub(crate) usage: Option<Usage>,
}

/// What one client did.
struct Work {
    latencies_ns: Vec<u64>,
    start: Instant,
    end: Instant,
}

impl Load<'_> {
    /// Runs the load. What was put is read back and compared, after the clock stopped.
    ///
    /// # Errors
    /// When an operation fails or an answer is wrong: a server that answers wrong has no speed.
    pub(crate) fn run(&self, payloads: &Payloads) -> Result<Sample> {
        let pids = self.target.pid.map(process_tree);
        let (connected, started) = (Barrier::new(self.clients() + 1), Barrier::new(self.clients() + 1));
        let work = |client| {
            let opened = Client::open(self.target, self.encryption);
            connected.wait();
            started.wait();
            self.work(client, &mut opened?, payloads)
        };
        let work = &work;
        let (works, before) = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.client_count).map(|client| scope.spawn(move || work(client))).collect();
            connected.wait();
            pids.iter().for_each(|pids| reset_peak_memory(pids));
            let before = pids.as_deref().map(Usage::of);
            started.wait();
            let works: Result<Vec<Work>, ClientError> =
                threads.into_iter().map(|thread| thread.join().expect("a client does not panic")).collect();
            (works, before)
        });
        let works = works.with_context(|| self.target.name.clone())?;
        let after = pids.as_deref().map(Usage::of);
        if self.operation == Operation::Put {
            self.read_back(&works, payloads).with_context(|| format!("{}: reading back", self.target.name))?;
        }
        Ok(self.sample(works, before.zip(after)))
    }

    fn clients(&self) -> usize {
        usize::try_from(self.client_count).expect("there are not that many threads")
    }

    /// What client number `client` does, from its first operation to its last.
    fn work(&self, client: u64, connection: &mut Client<'_>, payloads: &Payloads) -> Result<Work, ClientError> {
        let mut latencies_ns = Vec::new();
        let start = Instant::now();
        let mut now = start;
        while now - start < self.time_max {
            let turn = latencies_ns.len() as u64;
            if client + turn * self.client_count >= self.operation_count_max {
                break;
            }
            self.operate(client, turn, connection, payloads)?;
            let end = Instant::now();
            latencies_ns.push(u64::try_from((end - now).as_nanos()).expect("no run takes centuries"));
            now = end;
        }
        Ok(Work { latencies_ns, start, end: now })
    }

    /// The operation number `turn` of a client.
    fn operate(
        &self,
        client: u64,
        turn: u64,
        connection: &mut Client<'_>,
        payloads: &Payloads,
    ) -> Result<(), ClientError> {
        let compare = turn.is_multiple_of(COMPARED_EVERY);
        let random = scramble(client << 40 | turn);
        let any = random % self.object_count;
        let body = |index| payloads.body(index, self.object_len);
        match self.operation {
            Operation::Put => {
                let index = self.put_index(client, turn);
                connection.put(&self.path(index), body(index))
            }
            Operation::Get => connection.get(&self.path(any), body(any), compare),
            Operation::Range(len) => {
                let start = scramble(random) as usize % (self.object_len - len + 1);
                connection.get_range(&self.path(any), start as u64, &body(any)[start..start + len], compare)
            }
            Operation::Head => connection.head(&self.path(any), self.object_len as u64),
            Operation::Delete => connection.delete(&self.path(client + turn * self.client_count)),
            Operation::List => {
                let before = random % (self.object_count - PAGE_KEY_COUNT);
                connection.list(&format!("{}/", self.set), &self.key(before), compare)
            }
        }
    }

    /// Puts go round the set: new objects first, then over the oldest.
    fn put_index(&self, client: u64, turn: u64) -> u64 {
        (self.first_index + client + turn * self.client_count) % self.object_count
    }

    fn key(&self, index: u64) -> String {
        format!("{}/{index:08}", self.set)
    }

    fn path(&self, index: u64) -> String {
        format!("/{BUCKET}/{}", self.key(index))
    }

    /// Compares what each client put last.
    fn read_back(&self, works: &[Work], payloads: &Payloads) -> Result<(), ClientError> {
        let mut connection = Client::open(self.target, self.encryption)?;
        for (client, work) in (0..).zip(works) {
            if let Some(last) = (work.latencies_ns.len() as u64).checked_sub(1) {
                let index = self.put_index(client, last);
                connection.get(&self.path(index), payloads.body(index, self.object_len), true)?;
            }
        }
        Ok(())
    }

    fn sample(&self, works: Vec<Work>, usage: Option<(Usage, Usage)>) -> Sample {
        let start = works.iter().map(|work| work.start).min();
        let end = works.iter().map(|work| work.end).max();
        let elapsed = start.zip(end).map_or(Duration::ZERO, |(start, end)| end - start);
        let mut latencies_ns: Vec<u64> = works.into_iter().flat_map(|work| work.latencies_ns).collect();
        latencies_ns.sort_unstable();
        let usage = usage.map(|(before, after)| Usage { cpu_s: after.cpu_s - before.cpu_s, ..after });
        Sample { latencies_ns, elapsed_s: elapsed.as_secs_f64(), usage }
    }
}
