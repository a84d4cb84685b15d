//! Brings versions of objects to buckets elsewhere: the worker behind PutBucketReplication, and the S3 client it uses.
//!
//! Where a bucket may be replicated to is decided by whoever runs the server: a [`Target`] is an endpoint with credentials,
//! and a rule names it by a role. No name or address that a client chose is ever connected to. What is to be done is in
//! the store's queue; this does it, again and again until it holds, so it may be interrupted anywhere.
//!
//! An object is opened piece by piece in memory, goes out over TLS, and is sealed again where it arrives.

mod answer;
mod bring;
mod call;
mod client;
mod follow;
mod multipart;
mod target;
mod worker;

pub use client::{Connect, Connection};
pub use target::{Endpoint, InvalidEndpoint, LookedAt, Target, TargetCredentials, Targets};
pub use worker::{ReplicationMetrics, Replicator};
