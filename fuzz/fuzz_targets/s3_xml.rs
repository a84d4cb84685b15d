//! The documents that clients send: bounded, and what was understood can be said again.

#![no_main]

use coffer_s3::checksum::ChecksumAlgorithm;
use coffer_s3::error::S3Error;
use coffer_s3::xml::{
    AccessControlPolicy, CreateBucketConfiguration, Delete, ServerSideEncryptionConfiguration, XmlReader, document,
    parse_bucket_logging_status, parse_complete_multipart_upload, parse_lifecycle_configuration,
    parse_ownership_controls, parse_public_access_block,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    check_delete(body);
    check_parts(body);
    // An answer of any other kind would tell what the parser stumbled over.
    let refused = |error: &S3Error| (400..=501).contains(&error.status().as_u16());
    assert!(CreateBucketConfiguration::parse(body).err().as_ref().is_none_or(refused));
    assert!(ServerSideEncryptionConfiguration::parse(body).err().as_ref().is_none_or(refused));
    assert!(parse_ownership_controls(body).err().as_ref().is_none_or(refused));
    assert!(parse_bucket_logging_status(body).err().as_ref().is_none_or(refused));
    assert!(parse_lifecycle_configuration(body).err().as_ref().is_none_or(refused));
    assert!(parse_public_access_block(body).err().as_ref().is_none_or(refused));
    match AccessControlPolicy::parse(body) {
        Ok(acl) => assert!(acl.grants.len() <= 100),
        Err(error) => assert!(refused(&error)),
    }
    if let Ok(text) = XmlReader::open(body, "K").and_then(|mut xml| xml.text()) {
        assert!(text.len() <= body.len());
        if can_be_written(&text) {
            let again = document("K", |xml| {
                xml.text("T", &text);
            });
            let mut xml = XmlReader::open(again.as_bytes(), "K").expect("a document that was written is one");
            assert_eq!(xml.child().expect("a child"), Some("T".to_owned()));
            assert_eq!(xml.text().expect("a text"), text);
        }
    }
});

fn check_delete(body: &[u8]) {
    let Ok(delete) = Delete::parse(body) else { return };
    assert!((1..=1000).contains(&delete.objects.len()));
    assert!(delete.objects.iter().all(|object| !object.key.is_empty()));
    let again = document("Delete", |xml| {
        xml.value("Quiet", delete.quiet);
        for object in &delete.objects {
            xml.element("Object", |xml| {
                xml.text("Key", &object.key)
                    .text_if("VersionId", object.version_id.as_ref())
                    .text_if("ETag", object.etag.as_ref())
                    .text_if("LastModifiedTime", object.last_modified_time.as_ref())
                    .text_if("Size", object.size.map(|size| size.to_string()));
            });
        }
    });
    if can_be_written(&again) {
        assert_eq!(Delete::parse(again.as_bytes()).expect("what was understood can be said"), delete);
    }
}

fn check_parts(body: &[u8]) {
    let Ok(parts) = parse_complete_multipart_upload(body) else { return };
    assert!((1..=10_000).contains(&parts.len()));
    for part in &parts {
        assert!((1..=10_000).contains(&part.number) && part.checksums.len() <= ChecksumAlgorithm::ALL.len());
    }
}

/// Whether XML can hold the text: no NUL, not even as a reference.
fn can_be_written(text: &str) -> bool {
    !text.contains('\0') && !text.contains("&#x0;")
}
