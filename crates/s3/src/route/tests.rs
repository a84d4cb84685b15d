use super::*;
use crate::headers::headers;

fn with(method: &str, host: &str, target: &str, pairs: &[(&str, &str)]) -> Result<Route, S3Error> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = Query::parse(query)?;
    let line = RequestLine { method, host, path, query: &query, headers: &headers(pairs) };
    route(&line, &["s3.example.org".to_owned(), "localhost".to_owned()])
}

fn check(method: &str, target: &str, bucket: Option<&str>, key: Option<&str>, operation: Operation) {
    let found = with(method, "127.0.0.1:9000", target, &[]).unwrap();
    let expected = Route { bucket: bucket.map(str::to_owned), key: key.map(str::to_owned), operation };
    assert_eq!(found, expected, "{method} {target}");
}

fn refused(method: &str, target: &str) -> S3Error {
    with(method, "127.0.0.1:9000", target, &[]).expect_err(target)
}

#[test]
fn the_operations_of_every_day() {
    use Operation::*;
    let (bucket, key) = (Some("photos"), Some("a/b.jpg"));
    check("GET", "/", None, None, ListBuckets);
    check("GET", "/?x-id=ListBuckets", None, None, ListBuckets);
    check("PUT", "/photos", bucket, None, CreateBucket);
    check("HEAD", "/photos/", bucket, None, HeadBucket);
    check("DELETE", "/photos", bucket, None, DeleteBucket);
    check("GET", "/photos?prefix=a&delimiter=/", bucket, None, ListObjects);
    check("GET", "/photos?list-type=2&prefix=a", bucket, None, ListObjectsV2);
    check("GET", "/photos?list-type=1", bucket, None, ListObjects);
    check("GET", "/photos?location", bucket, None, GetBucketLocation);
    check("GET", "/photos?encryption=", bucket, None, GetBucketEncryption);
    check("POST", "/photos?delete&x-id=DeleteObjects", bucket, None, DeleteObjects);
    check("POST", "/photos", bucket, None, PostObject);
    check("GET", "/photos?uploads", bucket, None, ListMultipartUploads);
    check("GET", "/photos/a/b.jpg?versionId=1&partNumber=2", bucket, key, GetObject);
    check("HEAD", "/photos/a/b.jpg", bucket, key, HeadObject);
    check("PUT", "/photos/a/b.jpg?x-id=PutObject", bucket, key, PutObject);
    check("DELETE", "/photos/a/b.jpg", bucket, key, DeleteObject);
    check("POST", "/photos/a/b.jpg?uploads", bucket, key, CreateMultipartUpload);
    check("PUT", "/photos/a/b.jpg?partNumber=1&uploadId=u", bucket, key, UploadPart);
    check("POST", "/photos/a/b.jpg?uploadId=u", bucket, key, CompleteMultipartUpload);
    check("DELETE", "/photos/a/b.jpg?uploadId=u", bucket, key, AbortMultipartUpload);
    check("GET", "/photos/a/b.jpg?uploadId=u&max-parts=2", bucket, key, ListParts);
    check("OPTIONS", "/photos/a/b.jpg?acl", bucket, key, PreflightObject);
}

#[test]
fn a_copy_source_makes_a_copy() {
    let copy = [("x-amz-copy-source", "/photos/a")];
    let operation = |target: &str| with("PUT", "h", target, &copy).unwrap().operation;
    assert_eq!(operation("/photos/b"), Operation::CopyObject);
    assert_eq!(operation("/photos/b?partNumber=1&uploadId=u"), Operation::UploadPartCopy);
}

#[test]
fn an_id_tells_one_configuration_from_their_list() {
    check("GET", "/photos?analytics", Some("photos"), None, Operation::ListBucketAnalyticsConfigurations);
    check("GET", "/photos?analytics&id=1", Some("photos"), None, Operation::GetBucketAnalyticsConfiguration);
}

#[test]
fn keys_are_taken_as_they_are() {
    for (path, key) in [
        ("/photos/a//b", "a//b"),
        ("/photos//", "/"),
        ("/photos//a", "/a"),
        ("/photos/../x", "../x"),
        ("/photos/./x/", "./x/"),
        ("/photos/a%2Fb%20c+d", "a/b c+d"),
        ("/photos/%E6%97%A5", "日"),
        ("/photos/%01%0A%7F", "\u{1}\n\u{7f}"),
        ("/photos/acl", "acl"),
    ] {
        check("GET", path, Some("photos"), Some(key), Operation::GetObject);
    }
}

#[test]
fn virtual_hosts_name_the_bucket() {
    let route = |host: &str, path: &str| with("GET", host, path, &[]).unwrap();
    let object = |bucket: &str, key: &str| Route {
        bucket: Some(bucket.into()),
        key: Some(key.into()),
        operation: Operation::GetObject,
    };
    assert_eq!(route("photos.s3.example.org", "/a/b"), object("photos", "a/b"));
    assert_eq!(route("my.photos.S3.Example.org:9000", "//b"), object("my.photos", "/b"));
    assert_eq!(route("photos.localhost:9000", "/x"), object("photos", "x"));
    assert_eq!(route("photos.s3.example.org", "/").operation, Operation::ListObjects);
    for path_style in ["s3.example.org", "photoss3.example.org", ".s3.example.org", "other.org", "[::1]:9000", ""] {
        assert_eq!(route(path_style, "/photos/k"), object("photos", "k"), "{path_style}");
    }
}

#[test]
fn names_that_no_bucket_has_are_refused() {
    for path in ["/ab", "/a%20b", "/..%2F..", "//key", "/b%C3%BCcket"] {
        assert_eq!(refused("GET", path).code(), "InvalidBucketName", "{path}");
    }
}

#[test]
fn paths_that_do_not_decode_are_refused() {
    for path in ["/photos/%", "/photos/%zz", "/photos/%ff", "/%80abc/x", "/photos/a?%ff=1"] {
        assert_eq!(refused("PUT", path).code(), "InvalidURI", "{path}");
    }
}

#[test]
fn keys_have_at_most_1024_bytes() {
    let key = "ü".repeat(512);
    check("GET", &format!("/photos/{key}"), Some("photos"), Some(&key), Operation::GetObject);
    let error = refused("GET", &format!("/photos/{key}x"));
    assert_eq!((error.code(), error.element("Size")), ("KeyTooLongError", Some("1025")));
}

#[test]
fn two_sub_resources_conflict() {
    for (target, message) in [
        ("/photos?uploads&versioning", "Conflicting query string parameters: uploads, versioning"),
        ("/photos/k?uploads&uploadId=u", "Conflicting query string parameters: uploads, uploadId"),
        ("/photos/k?acl&tagging&acl", "Conflicting query string parameters: acl, tagging, acl"),
    ] {
        let error = refused("POST", target);
        assert_eq!((error.code(), error.message()), ("InvalidArgument", message));
        assert_eq!(error.element("ArgumentName"), Some("ResourceType"));
    }
}

#[test]
fn a_method_that_a_resource_does_not_know_is_refused() {
    for (method, target, resource, allow) in [
        ("PUT", "/", "SERVICE", "GET"),
        ("PATCH", "/photos", "BUCKET", "GET, HEAD, PUT, DELETE, POST"),
        ("DELETE", "/photos?acl", "ACL", "GET, PUT"),
        ("HEAD", "/photos/k?tagging", "TAGGING", "GET, PUT, DELETE"),
        ("POST", "/photos/k", "OBJECT", "GET, HEAD, PUT, DELETE"),
        ("PUT", "/photos/k?uploadId=u", "UPLOADID", "GET, PUT, POST, DELETE"),
    ] {
        let error = refused(method, target);
        assert_eq!((error.code(), error.element("ResourceType")), ("MethodNotAllowed", Some(resource)), "{target}");
        assert_eq!(error.headers()[0].1, allow, "{target}");
    }
}

#[test]
fn a_part_without_an_upload_does_not_become_an_object() {
    assert_eq!(refused("PUT", "/photos/k?partNumber=1").code(), "InvalidArgument");
}

#[test]
fn every_row_of_the_tables_is_reachable() {
    for (table, path) in [(BUCKET, "/photos"), (OBJECT, "/photos/k")] {
        for (sub_resource, method, required, operation) in table {
            let found = with(method, "h", &format!("{path}?{sub_resource}&{required}"), &[]).unwrap();
            assert_eq!(found.operation, *operation);
        }
    }
}

#[test]
fn every_operation_has_a_route() {
    use Operation::*;
    let rows = BUCKET.iter().chain(OBJECT).map(|row| row.3);
    let plain = [
        ListBuckets,
        ListObjects,
        ListObjectsV2,
        HeadBucket,
        CreateBucket,
        DeleteBucket,
        PostObject,
        PreflightObject,
        CopyObject,
        PutObject,
        GetObject,
        HeadObject,
        DeleteObject,
        UploadPartCopy,
    ];
    let routed: Vec<Operation> = rows.chain(plain).collect();
    let of_s3 = Operation::ALL.iter().filter(|operation| !operation.is_of_control_api());
    let missing: Vec<_> = of_s3.filter(|operation| !routed.contains(operation)).collect();
    // Its host is Object Lambda's own, which is never ours.
    assert_eq!(missing, [&WriteGetObjectResponse]);
}

#[test]
fn the_control_api_is_told_by_its_path_and_the_account() {
    use Operation::*;
    let path = "/v20180820/configuration/publicAccessBlock";
    let account = [("x-amz-account-id", "000000000000")];
    let operation = |method, host, pairs: &[(&str, &str)]| with(method, host, path, pairs).unwrap().operation;
    for (method, expected) in [
        ("GET", GetAccountPublicAccessBlock),
        ("PUT", PutAccountPublicAccessBlock),
        ("DELETE", DeleteAccountPublicAccessBlock),
    ] {
        for host in ["127.0.0.1:9000", "000000000000.127.0.0.1:9000", "000000000000.s3.example.org"] {
            assert_eq!(operation(method, host, &account), expected, "{method} {host}");
        }
    }
    assert_eq!(with("POST", "localhost", path, &account).unwrap_err().code(), "MethodNotAllowed");
    assert_eq!(operation("GET", "127.0.0.1:9000", &[]), GetObject, "a bucket may have that name");
    assert_eq!(operation("GET", "photos.s3.example.org", &account), GetObject, "a key may have that name");
    let other = with("GET", "127.0.0.1:9000", "/v20180820/configuration/other", &account).unwrap();
    assert_eq!(other.operation, GetObject);
}

#[test]
fn tags_of_a_bucket_are_asked_for_by_its_arn() {
    use Operation::*;
    let account = [("x-amz-account-id", "000000000000")];
    let path = "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Aphotos";
    for (method, operation) in [("GET", ListTagsForResource), ("POST", TagResource), ("DELETE", UntagResource)] {
        for host in ["127.0.0.1:9000", "000000000000.127.0.0.1:9000", "000000000000.s3.example.org"] {
            let found = with(method, host, path, &account).unwrap();
            assert_eq!(found, Route { bucket: Some("photos".to_owned()), key: None, operation }, "{method} {host}");
        }
    }
    assert_eq!(with("GET", "localhost", path, &[]).unwrap().operation, GetObject, "a bucket may have that name");
    assert_eq!(with("PUT", "localhost", path, &account).unwrap_err().code(), "MethodNotAllowed");
    for other in ["", "photos", "arn:aws:s3:::", "arn:aws:s3:::photos/key", "arn:aws:s3:eu:1:accesspoint/a", "%ff"] {
        let target = format!("/v20180820/tags/{other}");
        assert!(with("GET", "localhost", &target, &account).is_err(), "{other}");
    }
}
