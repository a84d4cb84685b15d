//! S3 over HTTP: what comes off the wire becomes a [`request::S3Request`], what an operation answers goes back
//! in S3's own words.
//!
//! ```
//! use coffer_s3::error::S3Error;
//!
//! let error = S3Error::no_such_bucket("photos");
//! assert_eq!((error.status().as_u16(), error.code()), (404, "NoSuchBucket"));
//! assert!(error.body("REQUEST", "HOST").contains("<BucketName>photos</BucketName>"));
//! ```

pub mod acl;
pub mod auth;
mod authorize;
pub mod body;
pub mod checksum;
pub mod conditional;
pub mod copy_source;
pub mod cors;
pub mod error;
pub mod etag;
pub mod headers;
pub mod kms;
pub mod log;
pub mod metadata;
pub mod notification;
pub mod object_lock;
pub mod ops;
pub mod post;
pub mod query;
pub mod range;
pub mod request;
pub mod response;
pub mod rfc2047;
pub mod route;
pub mod service;
pub mod sse;
pub mod storage_class;
pub mod tags;
pub mod time;
pub mod website;
pub mod xml;
