"""An S3 client that sends exactly what it is told: every header, every byte, signed or not."""

from xml.sax.saxutils import escape

from . import chunked, wire
from .checksums import content_md5
from .signer import Signature, as_bytes, query_string, sha256_hex, uri_encode


def pairs_of(mapping):
    return list(mapping.items()) if hasattr(mapping, "items") else list(mapping)


class Client:
    """Requests to one server. Every method returns the answer, whatever it is."""

    def __init__(self, server, credentials=None):
        self.server = server
        self.credentials = credentials or server.credentials
        self._tls_context = None

    @property
    def tls_context(self):
        if self._tls_context is None:
            self._tls_context = self.server.tls_context()
        return self._tls_context

    def address(self, tls):
        """Port, TLS context and the Host header of a scheme."""
        if tls:
            return self.server.tls_port, self.tls_context, f"localhost:{self.server.tls_port}"
        return self.server.port, None, f"127.0.0.1:{self.server.port}"

    def path(self, bucket, key):
        path = "/" if bucket is None else "/" + uri_encode(bucket)
        return path if key is None else path + "/" + uri_encode(key, safe="/")

    def send(self, method, target, headers, body=b"", tls=True):
        """Sends a finished request."""
        port, context, _ = self.address(tls)
        return wire.exchange(port, method, target, headers, body, context)

    def signed(self, method, path, query, headers, payload, tls=True, moment=None, host=None, unsigned=()):
        """The head of a signed request: its target, its headers, and its signature.

        `headers` are signed as they are; `unsigned` are sent besides.
        """
        signature = Signature(self.credentials, moment)
        head = [("Host", host or self.address(tls)[2]), ("x-amz-date", signature.timestamp), ("x-amz-content-sha256", payload)]
        if self.credentials.session_token:
            head.append(("x-amz-security-token", self.credentials.session_token))
        head += pairs_of(headers)
        authorization, seed = signature.authorization(method, path, pairs_of(query), head, payload)
        target = path + ("?" + query_string(pairs_of(query)) if query else "")
        return target, head + [("Authorization", authorization)] + pairs_of(unsigned), signature, seed

    def request(self, method, bucket=None, key=None, *, query=(), headers=(), body=b"", tls=True, payload=None, path=None,
                moment=None, host=None, unsigned=(), encoding="utf-8"):
        """A signed request with its payload's SHA-256, or with `payload` said to be that.

        Headers are signed as UTF-8 and sent in `encoding`.
        """
        payload = payload or sha256_hex(body)
        unsigned = pairs_of(unsigned) + ([("Content-Length", len(body))] if body or method in ("PUT", "POST") else [])
        target, head, _, _ = self.signed(
            method, path or self.path(bucket, key), query, headers, payload, tls, moment, host, unsigned)
        head = [(name, value if isinstance(value, bytes) else str(value).encode(encoding)) for name, value in head]
        return self.send(method, target, head, body, tls)

    def anonymous(self, method, bucket=None, key=None, *, query=(), headers=(), body=b"", tls=True):
        target = self.path(bucket, key) + ("?" + query_string(pairs_of(query)) if query else "")
        head = [("Host", self.address(tls)[2])] + pairs_of(headers) + [("Content-Length", len(body))]
        return self.send(method, target, head, body, tls)

    def presign(self, method, bucket, key, *, query=(), headers=(), expires=300, tls=True, moment=None):
        """The target of a presigned URL that covers `headers`."""
        path = self.path(bucket, key)
        head = [("Host", self.address(tls)[2])] + pairs_of(headers)
        query = pairs_of(query)
        if self.credentials.session_token:
            query.append(("X-Amz-Security-Token", self.credentials.session_token))
        pairs = Signature(self.credentials, moment).presigned_pairs(method, path, query, head, expires)
        return path + "?" + query_string(pairs)

    def send_presigned(self, method, target, headers=(), body=b"", tls=True):
        head = [("Host", self.address(tls)[2])] + pairs_of(headers)
        if body or method in ("PUT", "POST"):
            head.append(("Content-Length", len(body)))
        return self.send(method, target, head, body, tls)

    def put_chunked(self, bucket, key, body, *, kind, chunk_size=65536, trailers=(), headers=(), tls=True, query=(), framed=None):
        """PutObject or UploadPart with an aws-chunked body. `framed` replaces the framing: it gets the signer and the chunks."""
        own = [("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", len(body))]
        own = [(name, str(value)) for name, value in own if name.lower() not in {n.lower() for n, _ in pairs_of(headers)}]
        if trailers:
            own.append(("x-amz-trailer", ",".join(name for name, _ in trailers)))
        target, head, signature, seed = self.signed(
            "PUT", self.path(bucket, key), query, own + pairs_of(headers), kind, tls)
        signer = chunked.ChunkSigner(signature, seed)
        chunks = chunked.split(body, chunk_size)
        if framed is not None:
            content = framed(signer, chunks)
        elif kind == chunked.UNSIGNED_TRAILER:
            content = chunked.unsigned_body(chunks, trailers)
        else:
            content = chunked.signed_body(signer, chunks, trailers)
        return self.send("PUT", target, head + [("Content-Length", len(content))], content, tls)

    # The operations that tests name most often.

    def create_bucket(self, bucket, headers=(), body=b""):
        return self.request("PUT", bucket, headers=headers, body=body)

    def put(self, bucket, key, body=b"", headers=(), **more):
        return self.request("PUT", bucket, key, body=body, headers=headers, **more)

    def get(self, bucket, key, headers=(), **more):
        return self.request("GET", bucket, key, headers=headers, **more)

    def head(self, bucket, key, headers=(), **more):
        return self.request("HEAD", bucket, key, headers=headers, **more)

    def delete(self, bucket, key, headers=(), **more):
        return self.request("DELETE", bucket, key, headers=headers, **more)

    def copy(self, bucket, key, source_bucket, source_key, headers=(), **more):
        source = uri_encode(f"/{source_bucket}/{source_key}", safe="/")
        return self.request("PUT", bucket, key, headers=[("x-amz-copy-source", source)] + pairs_of(headers), **more)

    def create_upload(self, bucket, key, headers=(), **more):
        return self.request("POST", bucket, key, query={"uploads": ""}, headers=headers, **more)

    def new_upload(self, bucket, key, headers=()):
        """The ID of a new multipart upload."""
        answer = self.create_upload(bucket, key, headers)
        assert answer.status == 200, answer
        return answer.text("UploadId")

    def upload_part(self, bucket, key, upload, number, body=b"", headers=(), **more):
        return self.request(
            "PUT", bucket, key, query={"partNumber": str(number), "uploadId": upload}, body=body, headers=headers, **more)

    def copy_part(self, bucket, key, upload, number, source_bucket, source_key, headers=(), **more):
        source = uri_encode(f"/{source_bucket}/{source_key}", safe="/")
        return self.request(
            "PUT", bucket, key, query={"partNumber": str(number), "uploadId": upload},
            headers=[("x-amz-copy-source", source)] + pairs_of(headers), **more)

    def complete(self, bucket, key, upload, parts, headers=(), **more):
        """Completes with `parts`: (number, ETag) or (number, ETag, {checksum element: value})."""
        return self.request(
            "POST", bucket, key, query={"uploadId": upload}, body=complete_xml(parts), headers=headers, **more)

    def abort(self, bucket, key, upload, headers=(), **more):
        return self.request("DELETE", bucket, key, query={"uploadId": upload}, headers=headers, **more)

    def put_encryption(self, bucket, rules, headers=None):
        """PutBucketEncryption with the XML of its rules; with a Content-MD5 unless `headers` are given."""
        body = as_bytes(
            '<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"{rules}</ServerSideEncryptionConfiguration>")
        headers = {"Content-MD5": content_md5(body)} if headers is None else headers
        return self.request("PUT", bucket, query={"encryption": ""}, body=body, headers=headers)

    def keys(self, bucket):
        """Every object key of a bucket, in order, as ListObjectsV2 gives them."""
        keys, token = [], None
        while True:
            query = {"list-type": "2", "encoding-type": "url"} | ({"continuation-token": token} if token else {})
            answer = self.request("GET", bucket, query=query)
            assert answer.status == 200, answer
            keys += [element.text for element in answer.xml.iterfind("Contents/Key")]
            token = answer.text("NextContinuationToken")
            if token is None:
                return keys


def complete_xml(parts):
    out = []
    for number, etag, *checksums in parts:
        extra = "".join(f"<{name}>{value}</{name}>" for name, value in (checksums[0] if checksums else {}).items())
        out.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag>{extra}</Part>")
    return as_bytes(
        f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(out)}</CompleteMultipartUpload>')

