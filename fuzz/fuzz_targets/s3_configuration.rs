//! The documents that configure a bucket: bounded, and what was understood can be said again.

#![no_main]

use coffer_s3::error::S3Error;
use coffer_s3::xml::{
    parse_cors_configuration, parse_lifecycle_configuration, parse_notification_configuration,
    parse_object_lock_configuration, parse_replication_configuration, parse_request_payment, parse_retention,
    parse_tagging, parse_versioning_configuration, parse_website_configuration, write_cors_configuration,
    write_replication_configuration, write_website_configuration,
};
use libfuzzer_sys::fuzz_target;

/// The root elements, so that a few bytes are enough to get into a document.
const ROOTS: [&str; 10] = [
    "CORSConfiguration",
    "LifecycleConfiguration",
    "NotificationConfiguration",
    "ObjectLockConfiguration",
    "ReplicationConfiguration",
    "RequestPaymentConfiguration",
    "Retention",
    "Tagging",
    "VersioningConfiguration",
    "WebsiteConfiguration",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, inner)) = input.split_first() else { return };
    let root = ROOTS[usize::from(*first) % ROOTS.len()];
    let body = [format!("<{root}>").as_bytes(), inner, format!("</{root}>").as_bytes()].concat();
    check(&body);
    check(input);
});

fn check(body: &[u8]) {
    // An answer of any other kind would tell what the parser stumbled over.
    let refused = |error: &S3Error| (400..=501).contains(&error.status().as_u16());
    match parse_cors_configuration(body) {
        Ok(rules) => {
            let again = write_cors_configuration(&rules);
            assert!(
                !can_be_written(&again) || parse_cors_configuration(again.as_bytes()).is_ok_and(|read| read == rules)
            );
        }
        Err(error) => assert!(refused(&error)),
    }
    match parse_website_configuration(body) {
        Ok(website) => {
            let again = write_website_configuration(&website);
            assert!(
                !can_be_written(&again)
                    || parse_website_configuration(again.as_bytes()).is_ok_and(|read| read == website)
            );
        }
        Err(error) => assert!(refused(&error)),
    }
    match parse_replication_configuration(body) {
        Ok(rules) => {
            let again = write_replication_configuration(&rules);
            assert!(
                !can_be_written(&again)
                    || parse_replication_configuration(again.as_bytes()).is_ok_and(|read| read == rules)
            );
        }
        Err(error) => assert!(refused(&error)),
    }
    assert!(parse_lifecycle_configuration(body).err().as_ref().is_none_or(refused));
    assert!(parse_notification_configuration(body).err().as_ref().is_none_or(refused));
    assert!(parse_object_lock_configuration(body).err().as_ref().is_none_or(refused));
    assert!(parse_request_payment(body).err().as_ref().is_none_or(refused));
    assert!(parse_retention(body).err().as_ref().is_none_or(refused));
    assert!(parse_tagging(body).err().as_ref().is_none_or(refused));
    assert!(parse_versioning_configuration(body).err().as_ref().is_none_or(refused));
}

/// Whether XML can hold the text: no NUL, not even as a reference.
fn can_be_written(text: &str) -> bool {
    !text.contains('\0') && !text.contains("&#x0;")
}
