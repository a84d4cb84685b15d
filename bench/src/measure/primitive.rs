//! What the machine does without any server: the bounds that no server passes.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use coffer_crypto::{AeadKey, Key32, md5};
use crc_fast::{CrcAlgorithm, checksum};

use crate::case::{Case, Encryption, Operation, Unit};

const SEGMENT_LEN: usize = 64 * 1024;
const PAGE_LEN: usize = 4096;
/// More than any cache holds, so that memory itself is measured.
const COPY_LEN: usize = 64 << 20;
/// Connections that ask at the same time, as in the cases of small objects.
const CONNECTION_COUNT: usize = 16;
/// Bytes of a request in the round trips: about a signed GET.
const REQUEST_LEN: usize = 512;

/// Something the machine does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    /// AES-256-GCM over segments of 64 KiB, one core.
    AesGcm,
    /// MD5 over segments of 64 KiB, one core.
    Md5,
    /// CRC-64/NVME over segments of 64 KiB, one core.
    Crc64,
    /// Copying 64 MiB, one core.
    Memcpy,
    /// One stream over loopback TCP, in writes of 64 KiB.
    Loopback,
    /// 16 connections over loopback TCP that ask for 4 KiB.
    RoundTrip4k,
    /// 16 connections over loopback TCP that ask for 64 KiB.
    RoundTrip64k,
    /// fdatasync after each 4 KiB that a file grows by.
    SyncAppend,
    /// fdatasync after each 4 KiB overwritten in a file that has its length.
    SyncOverwrite,
}

impl Primitive {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::AesGcm,
        Self::Md5,
        Self::Crc64,
        Self::Memcpy,
        Self::Loopback,
        Self::RoundTrip4k,
        Self::RoundTrip64k,
        Self::SyncAppend,
        Self::SyncOverwrite,
    ];

    /// The name in the report.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AesGcm => "aes-256-gcm",
            Self::Md5 => "md5",
            Self::Crc64 => "crc64nvme",
            Self::Memcpy => "memcpy",
            Self::Loopback => "loopback",
            Self::RoundTrip4k => "round-trip-4k",
            Self::RoundTrip64k => "round-trip-64k",
            Self::SyncAppend => "fdatasync-append",
            Self::SyncOverwrite => "fdatasync",
        }
    }

    /// What its rate counts.
    #[must_use]
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::AesGcm | Self::Md5 | Self::Crc64 | Self::Memcpy | Self::Loopback => Unit::Megabytes,
            Self::RoundTrip4k | Self::RoundTrip64k | Self::SyncAppend | Self::SyncOverwrite => Unit::Operations,
        }
    }

    /// The primitive that a case is compared with: the dearest one it cannot do without.
    #[must_use]
    pub(crate) fn behind(case: &Case) -> Option<Self> {
        match (case.operation, case.unit()) {
            (Operation::Put, Unit::Operations) | (Operation::Delete, _) => Some(Self::SyncOverwrite),
            (Operation::Put, Unit::Megabytes) if case.encryption == Encryption::Default => Some(Self::Md5),
            (Operation::Put | Operation::Get | Operation::Range(_), Unit::Megabytes) => Some(Self::AesGcm),
            (Operation::Get, Unit::Operations) if case.object_len > PAGE_LEN => Some(Self::RoundTrip64k),
            (Operation::Get | Operation::Range(_), Unit::Operations) | (Operation::Head, _) => Some(Self::RoundTrip4k),
            (Operation::List, _) => None,
        }
    }

    /// Does it for about `time`; returns the rate, in its unit per second. Files are made in `folder`.
    ///
    /// # Errors
    /// When the disk or the network fails.
    pub(crate) fn measure(self, time: Duration, folder: &Path) -> Result<f64> {
        Ok(match self {
            Self::AesGcm => seal(time),
            Self::Md5 => hash(time, md5),
            Self::Crc64 => hash(time, |segment| checksum(CrcAlgorithm::Crc64Nvme, segment)),
            Self::Memcpy => copy(time),
            Self::Loopback => stream(time)?,
            Self::RoundTrip4k => round_trips(time, PAGE_LEN)?,
            Self::RoundTrip64k => round_trips(time, SEGMENT_LEN)?,
            Self::SyncAppend => sync(time, folder, false)?,
            Self::SyncOverwrite => sync(time, folder, true)?,
        })
    }
}

/// Repeats `work`, which returns how much it did; returns how much was done per second.
fn rate(time: Duration, mut work: impl FnMut() -> io::Result<f64>) -> io::Result<f64> {
    let start = Instant::now();
    let mut done = 0.0;
    loop {
        done += work()?;
        let elapsed = start.elapsed();
        if elapsed >= time {
            return Ok(done / elapsed.as_secs_f64());
        }
    }
}

/// [`rate`] of something that moves `len` bytes and cannot fail, in MB/s.
fn byte_rate(time: Duration, len: usize, mut work: impl FnMut()) -> f64 {
    let moved = || {
        work();
        Ok(megabytes(len))
    };
    rate(time, moved).expect("the work returns no error")
}

fn megabytes(len: usize) -> f64 {
    len as f64 / 1e6
}

fn seal(time: Duration) -> f64 {
    let key = AeadKey::new(&Key32::generate());
    let mut run = vec![0x5a; SEGMENT_LEN];
    byte_rate(time, SEGMENT_LEN, || key.seal_in_place(b"", black_box(&mut run)))
}

fn hash<H>(time: Duration, hash: impl Fn(&[u8]) -> H) -> f64 {
    let segment = vec![0x5a; SEGMENT_LEN];
    byte_rate(time, SEGMENT_LEN, || {
        black_box(hash(black_box(&segment)));
    })
}

fn copy(time: Duration) -> f64 {
    let (from, mut to) = (vec![0x5a_u8; COPY_LEN], vec![0; COPY_LEN]);
    byte_rate(time, COPY_LEN, || black_box(&mut to).copy_from_slice(black_box(&from)))
}

fn stream(time: Duration) -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || io::copy(&mut receiver, &mut io::sink()));
        let segment = vec![0x5a; SEGMENT_LEN];
        let rate = rate(time, || sender.write_all(&segment).map(|()| megabytes(SEGMENT_LEN)));
        drop(sender);
        reader.join().expect("reading does not panic")?;
        rate
    })
}

/// Requests per second that [`CONNECTION_COUNT`] connections make, each answered with `reply_len` bytes.
fn round_trips(time: Duration, reply_len: usize) -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut pairs = Vec::new();
    for _ in 0..CONNECTION_COUNT {
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        pairs.push((client, server));
    }
    let start = Barrier::new(CONNECTION_COUNT);
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for (mut client, mut server) in pairs {
            scope.spawn(move || {
                let (mut request, reply) = ([0; REQUEST_LEN], vec![0x5a; reply_len]);
                while server.read_exact(&mut request).and_then(|()| server.write_all(&reply)).is_ok() {}
            });
            let start = &start;
            clients.push(scope.spawn(move || {
                let (request, mut reply) = ([0x5a; REQUEST_LEN], vec![0; reply_len]);
                start.wait();
                rate(time, || {
                    client.write_all(&request)?;
                    client.read_exact(&mut reply)?;
                    Ok(1.0)
                })
            }));
        }
        clients.into_iter().map(|client| client.join().expect("asking does not panic")).sum()
    })
}

fn sync(time: Duration, folder: &Path, overwrite: bool) -> Result<f64> {
    const FILE_LEN: u64 = 16 << 20;
    let path = folder.join("fdatasync");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    if overwrite {
        file.write_all_at(&vec![0x5a; usize::try_from(FILE_LEN)?], 0)?;
        file.sync_all()?;
    }
    let page = [0xa5; PAGE_LEN];
    let mut offset = 0;
    let rate = rate(time, || {
        write_durably(&file, &page, offset)?;
        offset += PAGE_LEN as u64;
        if overwrite {
            offset %= FILE_LEN;
        }
        Ok(1.0)
    })?;
    std::fs::remove_file(&path)?;
    Ok(rate)
}

fn write_durably(file: &File, page: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(page, offset)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_primitive_has_a_rate_and_leaves_no_file() {
        let folder = std::env::temp_dir().join(format!("coffer-bench-primitive-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for primitive in Primitive::ALL {
            let rate = primitive.measure(Duration::from_millis(1), &folder).unwrap();
            assert!(rate.is_finite() && rate > 0.0, "{}: {rate}", primitive.name());
        }
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn cases_are_compared_with_primitives_of_their_unit() {
        for case in Case::all() {
            if let Some(primitive) = Primitive::behind(&case) {
                assert!(primitive.unit() == case.unit(), "{case}");
            }
        }
    }
}
