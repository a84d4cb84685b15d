//! Seeds that are text: target, name, content.

/// Requests are in the notation that the targets read: a first line, headers, an empty line, the body.
pub const SEEDS: &[(&str, &str, &str)] = &[
    ("access_policy", "identity", IDENTITY),
    ("access_policy", "bucket", BUCKET),
    ("access_policy", "trust", TRUST),
    ("access_policy", "key", KEY),
    ("access_wildcards", "runs", "a*b?c*\naxxbcbxcc"),
    ("access_wildcards", "long", "*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab?*\naab"),
    ("access_wildcards", "variable", "${aws:username}\n${aws:username}"),
    ("sigv4_authorization", "header", HEADER),
    ("sigv4_authorization", "presigned", PRESIGNED),
    ("sigv4_authorization", "version_2", "GET /?AWSAccessKeyId=A&Signature=b&Expires=1\nhost: h\n"),
    (
        "sigv4_authorization",
        "unsigned",
        "PUT /a%20b/%E2%82%AC?acl&b=%2F+c\nhost: h\nx-amz-date: 20130524T000000Z\nx-amz-content-sha256: UNSIGNED-PAYLOAD\nx-amz-meta-a:  1   2 \nx-amz-meta-a: 3\n",
    ),
    (
        "sigv4_chunks",
        "unsigned",
        "u7\0\x0bx-amz-checksum-crc32c\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n",
    ),
    ("sigv4_chunks", "only_one", "u7\0\x05\n5\r\nhello\r\n0\r\n\r\n\r\n"),
    (
        "sigv4_chunks",
        "signed",
        "s7\0\x05\n5;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\nhello\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
    ),
    (
        "sigv4_chunks",
        "empty_with_trailer",
        "t7\0\0a\n0;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\na:1\r\nx-amz-trailer-signature:ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n\r\n",
    ),
    ("sigv4_signed_chunks", "data", "\0\x01\x207sOO8/Q==\nhello"),
    ("sigv4_signed_chunks", "end", "\x7f\x01\x207sOO8/Q==\nhello"),
    ("sigv4_signed_chunks", "empty", "\0\x01\x017a b\n"),
    ("sigv4_fields", "credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
    ("sigv4_fields", "date", "20130524T000000Z"),
    ("sigv4_fields", "http_date", "Fri, 24 May 2013 00:00:00 GMT"),
    ("sigv4_fields", "payload", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
    ("sigv4_fields", "policy", "e30=\nd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"),
    ("sigv4_fields", "query", "a=%20b+c&&acl&x==&%C3%BC=1&%zz"),
    ("s3_request", "put", PUT),
    ("s3_request", "customer_key", CUSTOMER_KEY),
    ("s3_request", "copy", COPY),
    (
        "s3_request",
        "part",
        "PUT /photos/a?partNumber=1&uploadId=00\nhost: s3.example.org\nx-amz-checksum-sha256: x\nx-amz-sdk-checksum-algorithm: SHA256\n",
    ),
    (
        "s3_request",
        "get",
        "GET /a?response-content-type=text%2Fplain&versionId=null\nhost: photos.s3.example.org:9000\nrange: bytes=2-5\nif-match: \"0123\", W/\"4\"\nif-modified-since: Fri, 24 May 2013 00:00:00 GMT\nx-amz-checksum-mode: ENABLED\n\n0123456789",
    ),
    (
        "s3_request",
        "complete",
        "POST /photos/a?uploadId=1\nhost: h\nx-amz-checksum-crc32: AAAAAA==-2\nx-amz-checksum-type: COMPOSITE\nif-none-match: *\n",
    ),
    ("s3_request", "list", "GET /photos?list-type=2&prefix=a%2F&delimiter=/\nhost: h\n"),
    ("s3_values", "range", "\x0a\0\0\0\0\0\0\0bytes=2-5"),
    ("s3_values", "http_date", "\x0a\0\0\0\0\0\0\0Sun, 06 Nov 1994 08:49:37 GMT"),
    ("s3_values", "rfc850_date", "\x0a\0\0\0\0\0\0\0Sunday, 06-Nov-94 08:49:37 GMT"),
    ("s3_values", "asctime", "\x0a\0\0\0\0\0\0\0Sun Nov  6 08:49:37 1994"),
    ("s3_values", "iso_date", "\x0a\0\0\0\0\0\0\x002009-10-12T17:50:30.007Z"),
    (
        "s3_values",
        "quoted",
        "\x0a\0\0\0\0\0\0\0a=_?\u{fc} plain \u{65e5}\u{672c}\u{65e5}\u{672c} and much more text, so that it becomes several words",
    ),
    ("s3_xml", "delete", DELETE),
    ("s3_xml", "complete", COMPLETE),
    (
        "s3_xml",
        "location",
        "<CreateBucketConfiguration xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
    ),
    ("s3_xml", "encryption", ENCRYPTION),
    (
        "s3_xml",
        "acl",
        "<AccessControlPolicy xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Owner><ID>a</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='CanonicalUser'><ID>a</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant><Grant><Grantee xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='Group'><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
    ),
    (
        "s3_xml",
        "logging",
        "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>p/</TargetPrefix><TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>",
    ),
    ("s3_xml", "ownership", "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>"),
    (
        "s3_xml",
        "public_access",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><RestrictPublicBuckets>FALSE</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
    ),
    (
        "s3_xml",
        "text",
        "<?xml version='1.0' encoding='UTF-8'?><!-- c --><K>a&amp;&lt;&#65;&#x42;&#13;\r\n<![CDATA[<c>]]></K>\n",
    ),
    ("s3_xml", "entities", "<!DOCTYPE K [<!ENTITY a 'aaaa'>]><K>&a;</K>"),
    ("s3_post", "signed", POST),
    (
        "s3_post",
        "conditions",
        "7{\"expiration\":\"2013-05-25T00:00:00Z\",\"conditions\":[[\"content-length-range\",\"7\",20],[\"eq\",\"$a\",\"b\"],{\"x\":null}]}\0",
    ),
    (
        "s3_service",
        "put_get",
        "PUT /photos/b?x-amz-acl=private\nx-amz-tagging: a=1&b=2\nx-amz-storage-class: STANDARD\n\nhello\n%%\nGET /photos/b\nrange: bytes=1-3\n%%\nHEAD /photos/b?partNumber=1\n%%\nDELETE /photos/b",
    ),
    ("s3_service", "complete", UPLOAD),
    ("s3_service", "customer_key", CUSTOMER_KEY),
    ("s3_service", "copy", COPY),
    ("s3_service", "delete", "POST /photos?delete\ncontent-md5: MD5\n\n<Delete><Object><Key>a</Key></Object></Delete>"),
    (
        "s3_service",
        "list",
        "GET /photos?list-type=2&max-keys=1&prefix=a&delimiter=/&encoding-type=url&start-after=a&fetch-owner=true\n%%\nGET /photos?uploads&key-marker=a&upload-id-marker=0\n%%\nGET /photos/?marker=a\n%%\nGET /",
    ),
    (
        "s3_service",
        "attributes",
        "GET /photos/a?attributes\nx-amz-object-attributes: ETag,Checksum,ObjectParts,StorageClass,ObjectSize\nx-amz-max-parts: 3\nx-amz-part-number-marker: 0\n%%\nGET /photos/a?tagging\n%%\nGET /photos?encryption\n%%\nGET /photos?location",
    ),
    (
        "s3_service",
        "uploads",
        "POST /photos/c?uploads\nx-amz-checksum-algorithm: CRC32\n%%\nPUT /photos/c?partNumber=1&uploadId=UPLOAD\n\nhello\n%%\nGET /photos/c?uploadId=UPLOAD\n%%\nDELETE /photos/c?uploadId=UPLOAD",
    ),
    (
        "s3_service",
        "buckets",
        "PUT /pictures\n\n<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>\n%%\nPUT /pictures?encryption\ncontent-md5: MD5\n\n<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>\n%%\nHEAD /pictures\n%%\nDELETE /pictures",
    ),
    (
        "s3_service",
        "preflight",
        "OPTIONS /photos/a\norigin: https://example.org\naccess-control-request-method: PUT\n%%\nGET /photos/a?versionId=null\nx-amz-expected-bucket-owner: 123456789012",
    ),
    (
        "s3_service",
        "chunked",
        "PUT /photos/d\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nx-amz-decoded-content-length: 5\nx-amz-trailer: x-amz-checksum-crc32c\ncontent-encoding: aws-chunked\n\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:mnG7TA==\r\n\r\n",
    ),
];

const HEADER: &str = "GET /test.txt
authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41
host: examplebucket.s3.amazonaws.com
range: bytes=0-9
x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-amz-date: 20130524T000000Z
";

const PRESIGNED: &str = "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404
host: examplebucket.s3.amazonaws.com
";

const PUT: &str = "PUT /photos/a%2Fb
host: localhost:9000
content-type: image/jpeg
content-encoding: aws-chunked,gzip
content-md5: XrY7u+Ae7tCTyyK7j1rNww==
x-amz-meta-owner: zo\u{eb}
x-amz-server-side-encryption: aws:kms
x-amz-server-side-encryption-aws-kms-key-id: alias/a
x-amz-server-side-encryption-context: e30=
x-amz-trailer: x-amz-checksum-crc64nvme
x-amz-storage-class: STANDARD

hello";

const CUSTOMER_KEY: &str = "PUT /photos/c
x-amz-server-side-encryption-customer-algorithm: AES256
x-amz-server-side-encryption-customer-key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
x-amz-server-side-encryption-customer-key-md5: KYvwGXoFFJ42a2u2GDWhwQ==

hello
%%
GET /photos/c
x-amz-server-side-encryption-customer-algorithm: AES256
x-amz-server-side-encryption-customer-key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=
x-amz-server-side-encryption-customer-key-md5: KYvwGXoFFJ42a2u2GDWhwQ==";

const COPY: &str = "PUT /photos/c
x-amz-copy-source: /photos/a?versionId=null
x-amz-copy-source-range: bytes=0-3
x-amz-copy-source-if-none-match: \"0123\"
x-amz-copy-source-if-unmodified-since: Fri, 24 May 2013 00:00:00 GMT
x-amz-metadata-directive: REPLACE
x-amz-tagging-directive: COPY
x-amz-meta-a: 2
x-amz-server-side-encryption: AES256
%%
PUT /photos/d
x-amz-copy-source: photos%2Fa";

const UPLOAD: &str = "POST /photos/e?uploads
x-amz-server-side-encryption: AES256
%%
PUT /photos/e?partNumber=1&uploadId=UPLOAD

the only part
%%
POST /photos/e?uploadId=UPLOAD

<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>ETAG</ETag></Part></CompleteMultipartUpload>
%%
GET /photos/e?partNumber=1";

const DELETE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>
 <Object><Key>a&amp;b</Key><VersionId>null</VersionId><ETag>\"0\"</ETag><Size> 5 </Size></Object>
 <Object><Key>c</Key><LastModifiedTime>Fri, 24 May 2013 00:00:00 GMT</LastModifiedTime></Object>
</Delete>";

const COMPLETE: &str = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"0\"</ETag>\
<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part><Part><ETag>1</ETag><PartNumber> 10000 </PartNumber></Part>\
</CompleteMultipartUpload>";

const ENCRYPTION: &str = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
<SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>alias/a</KMSMasterKeyID></ApplyServerSideEncryptionByDefault>\
<BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType>\
</BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>";

const POST: &str = "7{\"expiration\":\"2013-05-25T00:00:00Z\",\"conditions\":[{\"bucket\":\"photos\"},\
[\"starts-with\",\"$key\",\"user/\"],{\"x-amz-credential\":\"AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request\"},\
{\"x-amz-algorithm\":\"AWS4-HMAC-SHA256\"},{\"x-amz-date\":\"20130524T000000Z\"},[\"starts-with\",\"$x-amz-meta-a\",\"\"],\
[\"starts-with\",\"$content-type\",\"\"],[\"content-length-range\",3,10]]}\0\
--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nuser/${filename}\r\n\
--b\r\nContent-Disposition: form-data; name=\"x-amz-meta-a\"\r\n\r\nzo\u{eb}\r\n\
--b\r\nContent-Disposition: form-data; name=\"Content-Type\"\r\n\r\nimage/png\r\n";

const IDENTITY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","NotAction":["s3:Put*"],
"Resource":["arn:aws:s3:::b/home/${aws:username, 'x'}/*"],"Condition":{"StringLikeIfExists":{"aws:Referer":"a${*}*"},
"NumericLessThan":{"s3:max-keys":11},"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"Null":{"aws:x":true}}}]}"#;
const BUCKET: &str = r#"{"Version":"2012-10-17","Id":"i","Statement":[{"Effect":"Allow","Principal":{"AWS":["*",
"arn:aws:iam::111122223333:user/ann","111122223333"],"Service":"logging.s3.amazonaws.com"},"Action":["s3:Get*"],
"Resource":"arn:aws:s3:::b/*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}},{"Effect":"Deny",
"NotPrincipal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"s3:ListBucket","NotResource":"arn:aws:s3:::b/x",
"Condition":{"ForAllValues:StringNotEquals":{"aws:TagKeys":["a","b"]},"Bool":{"aws:SecureTransport":"false"}}}]}"#;
const KEY: &str = r#"{"Version": "2012-10-17", "Id": "key-default-1", "Statement": [{"Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam::444455556666:root", "111122223333"], "Service": "logging.s3.amazonaws.com"},
    "Action": ["kms:Encrypt", "kms:ReEncrypt*"], "Resource": "*", "Condition": {
        "StringEquals": {"kms:EncryptionContext:team": "red", "kms:ViaService": "s3.us-east-1.amazonaws.com"},
        "ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}}]}"#;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333",
"Federated":"arn:aws:iam::111122223333:oidc-provider/id.example"},"Action":["sts:AssumeRole","sts:TagSession"]}}"#;
