"""An independent decoder, written from the specification in another language, opens everything that the server wrote."""

import base64
import hashlib
import json

import pytest
import seal1

from support.checksums import digest, md5_hex
from support.client import Client
from support.sealed_store import SealedStore
from support.sse import KEY_A, KEY_B

MIB = 1 << 20
BUCKETS = ["first-decoded-bucket", "second-decoded-bucket"]
HEADERS = {"x-amz-meta-colour": "blue", "Content-Type": "text/x-test"}
SIZES = [0, 1, 500, 65535, 65536, 65537, 400_000]
CRC64NVME = 3
KMS_SIZES = [0, 500, 65_537, 400_000]
CONTEXT = {"team": "blue whale"}
LAYERS = {
    "aws:kms": [seal1.MODE_SSE_KMS],
    "aws:kms:dsse": [seal1.MODE_SSE_KMS, seal1.MODE_SSE_S3],
}


def kms_headers(method):
    context = base64.b64encode(json.dumps(CONTEXT).encode()).decode()
    return {"x-amz-server-side-encryption": method, "x-amz-server-side-encryption-context": context}


def modes_of(key, customer):
    """The mode of each layer of an object, by the first part of its key."""
    return LAYERS.get(key.split("/")[0]) or [seal1.MODE_SSE_C if customer else seal1.MODE_SSE_S3]


def content(name, size):
    return hashlib.shake_256(name.encode()).digest(size)


@pytest.fixture(scope="module")
def written(make_server):
    """A stopped server, and what was put: {(bucket, key): (body, customer key or None, multipart)}."""
    server = make_server().start()
    client = Client(server)
    objects = {}

    def put(bucket, key, size, customer=None, sealed=()):
        body = content(key, size)
        headers = HEADERS | (customer.headers() if customer else {}) | dict(sealed)
        assert client.put(bucket, key, body, headers).status == 200
        objects[bucket, key] = (body, customer, False)

    def put_parts(bucket, key, sizes, customer=None, complete_with_key=False, sealed=()):
        headers = customer.headers() if customer else {}
        upload = client.new_upload(bucket, key, HEADERS | headers | dict(sealed))
        parts = [content(f"{key} {at}", size) for at, size in enumerate(sizes)]
        # Numbers with gaps, and the second part uploaded twice.
        numbers = [3 * at + 1 for at in range(len(sizes))]
        client.upload_part(bucket, key, upload, numbers[-1], b"replaced", headers)
        done = [(number, client.upload_part(bucket, key, upload, number, part, headers).etag)
                for number, part in zip(numbers, parts)]
        answer = client.complete(bucket, key, upload, done, headers if complete_with_key else {})
        assert answer.status == 200, answer
        objects[bucket, key] = (b"".join(parts), customer, True)

    for bucket in BUCKETS:
        assert client.create_bucket(bucket).status == 200
    for size in SIZES:
        put(BUCKETS[0], f"plain/{size}", size)
        put(BUCKETS[0], f"sealed/{size}", size, KEY_A)
    put_parts(BUCKETS[0], "parts/plain", [5 * MIB, 1000])
    put_parts(BUCKETS[0], "parts/sealed", [5 * MIB, 1000], KEY_A)
    put_parts(BUCKETS[0], "parts/sealed with sums", [5 * MIB + 1, 70_000], KEY_B, complete_with_key=True)
    put_parts(BUCKETS[0], "parts/empty", [0])
    for method in LAYERS:
        for size in KMS_SIZES:
            put(BUCKETS[0], f"{method}/{size}", size, sealed=kms_headers(method))
        put_parts(BUCKETS[0], f"{method}/parts", [5 * MIB, 70_000], sealed=kms_headers(method))
        for source in ("plain/400000", f"{method}/400000"):
            key = f"{method}/copy of {source.replace('/', ' ')}"
            assert client.copy(BUCKETS[1], key, BUCKETS[0], source, kms_headers(method)).status == 200
            objects[BUCKETS[1], key] = (objects[BUCKETS[0], source][0], None, False)
    shared_key = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-bucket-key-enabled": "true"}
    for name in ("one", "two"):
        put(BUCKETS[1], f"aws:kms/shares a data key {name}", 1000, sealed=shared_key)
    copies = [("copy/shared", "plain/400000", {}, None), ("copy/opened", "sealed/400000", KEY_A.source_headers(), None),
              ("copy/sealed anew", "sealed/65537", KEY_A.source_headers() | KEY_B.headers(), KEY_B)]
    for key, source, headers, customer in copies:
        assert client.copy(BUCKETS[1], key, BUCKETS[0], source, headers).status == 200
        objects[BUCKETS[1], key] = (objects[BUCKETS[0], source][0], customer, False)
    put(BUCKETS[1], "../a//b \U0001F980", 1000)
    put(BUCKETS[1], "replaced", 300_000)
    put(BUCKETS[1], "replaced", 200)
    put(BUCKETS[1], "deleted", 300_000)
    client.delete(BUCKETS[1], "deleted")
    del objects[BUCKETS[1], "deleted"]
    assert server.stop() == 0
    return server, objects


@pytest.fixture(scope="module")
def store(written):
    return SealedStore(written[0])


def test_the_decoder_finds_exactly_what_was_put(written, store):
    assert {(each.bucket, each.key) for each in store.objects()} == set(written[1])


def test_every_object_opens_to_its_bytes(written, store):
    for each in store.objects():
        body, customer, multipart = written[1][each.bucket, each.key]
        assert each.modes == modes_of(each.key, customer)
        opened = each.open(customer.raw if customer else None)
        assert opened.read_all() == body, each.key
        assert "blue" in each.head(opened).values() and "text/x-test" in each.head(opened).values(), each.head(opened)
        if not multipart:
            assert (each.etag == md5_hex(body)) == (each.modes == [seal1.MODE_SSE_S3])


def test_kms_objects_are_bound_to_their_encryption_context(written, store):
    of_kms = [each for each in store.objects() if each.kms]
    assert {each.key.split("/")[0] for each in of_kms} == set(LAYERS)
    for each in of_kms:
        shares = "shares" in each.key
        arn = f"arn:aws:s3:::{each.bucket}" if shares else f"arn:aws:s3:::{each.bucket}/{each.key}"
        assert each.kms[2] == {"aws:s3:arn": arn} | ({} if shares else CONTEXT)
        assert (each.kms[0].startswith("arn:aws:kms:"), each.kms[3]) == (True, shares)
        each.sealed.scope.context = seal1.canonical_context(each.kms[2] | {"team": "red"})
        with pytest.raises(seal1.WrongKey):
            each.open()
        ciphertext, material = seal1.KmsCiphertext.read(each.kms[1]), next(iter(each.materials.values()))
        with pytest.raises(seal1.WrongKey):
            ciphertext.decrypt(material, {})


def test_a_data_key_is_shared_only_with_a_bucket_key(written, store):
    keys = {each.key: each.data_key() for each in store.objects() if each.kms}
    shared = {key for key in keys if "shares" in key}
    assert len(shared) == 2 and len({keys[key] for key in shared}) == 1
    assert len(set(keys.values())) == len(keys) - 1


def test_the_bucket_key_alone_opens_no_box_of_the_inner_layer(written, store):
    for each in store.objects():
        if each.modes == LAYERS["aws:kms:dsse"]:
            outer = seal1.unwrap(each.kek(each.sealed.envelopes[1], None), each.sealed.envelopes[1], each.sealed.scope)
            keys = seal1.ObjectKeys(outer)
            for part in each.sealed.parts:
                assert keys.open_part_box(part.number, part.boxes[1]).checksums == {}
                with pytest.raises(seal1.Tampered):
                    keys.open_part_box(part.number, part.boxes[0])
            with pytest.raises(seal1.Tampered):
                keys.open_sums_box(each.sealed.sums_box)


def test_checksums_are_in_the_sums_box(written, store):
    for each in store.objects():
        body, customer, multipart = written[1][each.bucket, each.key]
        opened = each.open(customer.raw if customer else None)
        if opened.sums is None:
            # Without the customer key at completion there is nothing to seal a checksum under.
            assert customer and multipart and each.key == "parts/sealed"
        else:
            assert opened.sums[1][CRC64NVME] == digest("crc64nvme", body), each.key


def test_any_range_opens_alone(written, store):
    for each in store.objects():
        body, customer, _ = written[1][each.bucket, each.key]
        opened = each.open(customer.raw if customer else None)
        for start, end in [(0, 1), (65_535, 65_537), (len(body) // 2, len(body) // 2 + 100), (max(len(body) - 10, 0), len(body))]:
            assert opened.read(start, min(end, len(body))) == body[start:end], (each.key, start, end)


def test_another_key_opens_nothing(written, store):
    for each in store.objects():
        _, customer, _ = written[1][each.bucket, each.key]
        with pytest.raises(seal1.WrongKey):
            each.open((KEY_B if customer is KEY_A else KEY_A).raw)


def test_no_row_shows_what_is_in_it(written, store):
    """Rows are named by bucket and key inside the sealed pages; their values hold neither, nor any header."""
    for row, value in store.rows.items():
        for word in (b"blue", b"text/x-test", b"decoded-bucket", b"sealed anew"):
            assert word not in value, row
