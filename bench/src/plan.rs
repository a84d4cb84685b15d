//! The order of things: objects are stored first, then servers take turns, round by round.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::case::{Case, Encryption, OBJECT_LEN_MAX, Operation};
use crate::client::Client;
use crate::load::{Load, Sample};
use crate::options::Options;
use crate::payload::Payloads;
use crate::report::Row;
use crate::servers::Target;

/// Bytes that a case may have stored on a server before it overwrites its first objects.
const PUT_BYTES_MAX: usize = 512 << 20;
/// Bytes that the reading cases of a size have to choose from, and how many objects at least and at most.
const READ_BYTES: usize = 64 << 20;
const READ_COUNT_MIN: usize = 4;
const READ_COUNT_MAX: usize = 2000;
/// Keys in the listing.
const LIST_COUNT: u64 = 5000;
/// Objects that a run of DELETE may remove.
const DELETE_COUNT: u64 = 8000;
/// Clients that store objects for later.
const STORING_CLIENT_COUNT: u64 = 16;

/// Measures cases, one after the other.
pub(crate) struct Plan<'a> {
    targets: Vec<&'a Target>,
    payloads: Payloads,
    /// Sets of objects that are stored: server and set.
    stored: HashSet<(String, String)>,
    quick: bool,
    time: Duration,
    round_count: u32,
    client_count: Option<u64>,
    disk: File,
}

impl<'a> Plan<'a> {
    /// Prepares bodies and creates the bucket on every server. `data`: a folder on the disk that servers write to.
    ///
    /// # Errors
    /// When a server does not take the bucket.
    pub(crate) fn new(options: &Options, targets: Vec<&'a Target>, data: &Path) -> Result<Self> {
        for target in targets.iter().filter(|target| target.credentials.is_some()) {
            let create = || Client::open(target, Encryption::Default)?.create_bucket();
            create().with_context(|| format!("{}: creating the bucket", target.name))?;
        }
        Ok(Self {
            targets,
            payloads: Payloads::new(OBJECT_LEN_MAX),
            stored: HashSet::new(),
            quick: options.quick,
            time: options.time(),
            round_count: options.round_count(),
            client_count: options.clients.map(u64::from),
            disk: File::open(data)?,
        })
    }

    /// Measures one case on every server that can do it. A server that fails a run is left out of the others.
    ///
    /// Returns the rows, and what failed.
    pub(crate) fn measure(&mut self, case: &Case) -> (Vec<Row>, Vec<String>) {
        let targets: Vec<&Target> = self.targets.iter().copied().filter(|target| target.can(case.operation)).collect();
        let mut samples: Vec<Result<Vec<Sample>>> = targets.iter().map(|_| Ok(Vec::new())).collect();
        for _ in 0..self.round_count {
            for (target, samples) in targets.iter().zip(&mut samples) {
                let Ok(earlier) = samples else { continue };
                let put_count = earlier.iter().map(|sample| sample.latencies_ns.len() as u64).sum();
                match self.run(case, target, put_count) {
                    Ok(sample) => earlier.push(sample),
                    Err(error) => *samples = Err(error),
                }
            }
        }
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for (target, samples) in targets.iter().zip(samples) {
            match samples {
                Ok(samples) => rows.extend(Row::new(case, &target.name, self.clients(case), &samples)),
                Err(error) => failures.push(format!("{case}: {error:#}")),
            }
        }
        (rows, failures)
    }

    /// Runs a case once on one server, on which its earlier runs have put `put_count` objects.
    fn run(&mut self, case: &Case, target: &Target, put_count: u64) -> Result<Sample> {
        self.store(case, target)?;
        // What an earlier run left to the page cache must not be written during this one.
        rustix::fs::syncfs(&self.disk)?;
        let operation_count_max = match case.operation {
            Operation::Delete => self.object_count(case),
            _ => u64::MAX,
        };
        let load = self.load(case, target);
        Load { first_index: put_count, operation_count_max, ..load }.run(&self.payloads)
    }

    /// Stores the objects that the case reads or removes, unless they are there.
    fn store(&mut self, case: &Case, target: &Target) -> Result<()> {
        let name = (target.name.clone(), case.object_set());
        if case.operation == Operation::Put || self.stored.contains(&name) {
            return Ok(());
        }
        let object_count = self.object_count(case);
        let load = Load {
            operation: Operation::Put,
            client_count: STORING_CLIENT_COUNT.min(object_count),
            time_max: Duration::MAX,
            operation_count_max: object_count,
            ..self.load(case, target)
        };
        load.run(&self.payloads).context("storing what is to be read or deleted")?;
        if case.operation != Operation::Delete {
            self.stored.insert(name);
        }
        Ok(())
    }

    fn load<'t>(&self, case: &Case, target: &'t Target) -> Load<'t> {
        Load {
            target,
            operation: case.operation,
            encryption: case.encryption,
            set: case.object_set(),
            object_count: self.object_count(case),
            object_len: case.object_len,
            client_count: self.clients(case),
            first_index: 0,
            time_max: self.time,
            operation_count_max: u64::MAX,
        }
    }

    fn clients(&self, case: &Case) -> u64 {
        self.client_count.unwrap_or(case.client_count as u64)
    }

    /// Objects in the set that the case works on.
    fn object_count(&self, case: &Case) -> u64 {
        match case.operation {
            Operation::Put => (PUT_BYTES_MAX / case.object_len) as u64,
            Operation::Get | Operation::Head | Operation::Range(_) => {
                (READ_BYTES / case.object_len).clamp(READ_COUNT_MIN, READ_COUNT_MAX) as u64
            }
            Operation::List if self.quick => LIST_COUNT / 2,
            Operation::List => LIST_COUNT,
            Operation::Delete if self.quick => DELETE_COUNT / 8,
            Operation::Delete => DELETE_COUNT,
        }
    }
}
