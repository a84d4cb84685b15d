"""The life of a key from end to end: what an operator does with it, while clients of every kind use what it protects."""

import json
import shutil
import threading

from support.checksums import md5_hex
from support.client import Client
from support.clients import all_clients
from support.iam import client_of
from support.server import Server
from support.shares import exported
from support.sse import SSE, SSE_KMS_KEY, expect_sse_s3
from support.tools import sha256_of_file

BUCKET, PLAIN, ALIAS = "photos", "plain", "alias/photos"
BODY = b"an object that was there before\n" * 5000
ROTATIONS = 3


def ran(server, *arguments):
    done = server.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Load:
    """Clients that write and read all the time. What was acknowledged is read back; what fails is kept."""

    def __init__(self, server):
        self.client, self.server = Client(server), server
        self.written, self.wrong = {}, []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(bucket,)) for bucket in (BUCKET, PLAIN)]

    def work(self, bucket):
        number = 0
        while not self.stop.is_set():
            number += 1
            key, body = f"load/{number}", b"%d of the load\n" % number * (50_000 if number % 7 == 0 else 50)
            try:
                if (put := self.client.put(bucket, key, body)).status != 200:
                    self.wrong.append(("put", bucket, key, put.status, put.body))
                    continue
                self.written[bucket, key] = md5_hex(body)
                for name, expected in ((key, md5_hex(body)), (f"load/{1 + number // 2}", None), ("before", md5_hex(BODY))):
                    got = self.client.get(bucket, name)
                    expected = expected or self.written[bucket, name]
                    if got.status != 200 or md5_hex(got.body) != expected:
                        self.wrong.append(("get", bucket, name, got.status))
            except Exception as error:
                self.wrong.append((bucket, key, repr(error)))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Story:
    """A server, a KMS key that is the default of a bucket, and an object of each client under it."""

    def __init__(self, server, directory):
        self.server, self.directory = server, directory
        self.client, self.kms, self.s3 = Client(server), client_of("kms", server), client_of("s3", server, tls=True)
        self.key = self.kms.create_key(Description="Photos")["KeyMetadata"]
        self.kms.create_alias(AliasName=ALIAS, TargetKeyId=self.key["KeyId"])
        for bucket in (BUCKET, PLAIN):
            self.s3.create_bucket(Bucket=bucket)
        self.s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [{
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": self.key["Arn"]},
            "BucketKeyEnabled": True}]})
        for bucket in (BUCKET, PLAIN):
            assert self.client.put(bucket, "before", BODY).status == 200
        self.clients = all_clients(server, directory / "clients", self.key["Arn"])
        self.source = directory / "source"
        self.source.write_bytes(b"a file of the story\n" * 40_000)
        self.hash = sha256_of_file(self.source)

    def upload(self):
        for name, client in self.clients.items():
            done = client.put(self.source, BUCKET, name)
            assert done.returncode == 0, f"{name}: {done.stdout}"

    def expect_readable(self):
        """Every object by a client that did not write it, and what is in the other bucket."""
        names = list(self.clients)
        for at, name in enumerate(names):
            back = self.directory / "back"
            done = self.clients[names[at - 1]].get(BUCKET, name, back)
            assert done.returncode == 0, f"{names[at - 1]}: {done.stdout}"
            assert sha256_of_file(back) == self.hash
            back.unlink()
        assert self.client.get(PLAIN, "before").body == BODY

    def expect_unreadable(self, code):
        """No client gets anything of it, nor puts anything; the wire says why; the other bucket is as it was."""
        for name, client in self.clients.items():
            back = self.directory / "not-back"
            done = client.get(BUCKET, name, back)
            assert done.returncode != 0, f"{name} has read it"
            assert not back.exists() or self.source.read_bytes()[:20] not in back.read_bytes(), f"{name} has some of it"
            back.unlink(missing_ok=True)
            got = self.client.get(BUCKET, name)
            assert (got.status, got.text("Code")) == (400, code), got
            assert client.put(self.source, BUCKET, f"new-{name}").returncode != 0
            assert self.client.head(BUCKET, f"new-{name}").status == 404, "nothing is stored under another key, or none"
        assert self.client.get(PLAIN, "before").body == BODY
        assert self.client.put(PLAIN, "meanwhile", b"as ever").status == 200

    def expect_under_the_key(self):
        for name in self.clients:
            head = self.client.head(BUCKET, name)
            assert (head.header(SSE), head.header(SSE_KMS_KEY)) == ("aws:kms", self.key["Arn"]), f"{name}: {head}"
        expect_sse_s3(self.client.head(PLAIN, "before"))


def test_the_life_of_a_key(make_server, tmp_path):
    server = make_server(environment={"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0"}).start()
    story = Story(server, tmp_path)
    story.upload()
    story.expect_under_the_key()
    story.expect_readable()

    with Load(server) as load:
        for _ in range(ROTATIONS):
            story.kms.rotate_key_on_demand(KeyId=story.key["KeyId"])
            for command in (("rotate-root",), ("rotate-bucket", BUCKET), ("rotate-bucket", PLAIN)):
                job = ran(server, "key", *command)
                assert job["state"] == "done" and {each["count"] for each in job["references"][:-1]} == {0}, job
        for generation in range(1, ROTATIONS + 1):
            for of in (f"bucket:{BUCKET}", f"bucket:{PLAIN}", "root"):
                assert ran(server, "key", "destroy-generation", of, f"--generation={generation}", "--yes")["state"] == "done"
    assert load.wrong == [] and len(load.written) > 10
    rotations = story.kms.list_key_rotations(KeyId=story.key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert len(rotations) == ROTATIONS + 1
    server.restart()
    for (bucket, key), expected in load.written.items():
        assert md5_hex(story.client.get(bucket, key).body) == expected
    story.expect_under_the_key()
    story.expect_readable()

    story.kms.disable_key(KeyId=story.key["KeyId"])
    story.expect_unreadable("KMS.DisabledException")
    story.kms.enable_key(KeyId=story.key["KeyId"])
    story.expect_readable()

    story.kms.schedule_key_deletion(KeyId=story.key["KeyId"], PendingWindowInDays=7)
    story.expect_unreadable("KMS.KMSInvalidStateException")
    story.kms.cancel_key_deletion(KeyId=story.key["KeyId"])
    story.expect_unreadable("KMS.DisabledException")
    story.kms.enable_key(KeyId=story.key["KeyId"])
    story.expect_readable()

    backups = tmp_path / "backups"
    shares = exported(server, tmp_path / "shares")
    ran(server, "backup", "create", str(backups))
    before = shutil.copytree(server.data, tmp_path / "data-before", ignore=shutil.ignore_patterns("control.sock"))
    shred(story, tmp_path)
    expect_closed(server, before, backups, shares, tmp_path)
    on_a_new_machine(story, tmp_path)


def shred(story, directory):
    """Another KMS key is destroyed at once, with a signed report, and so is what is under it; the rest is as it was."""
    server, doomed = story.server, story.kms.create_key()["KeyMetadata"]
    story.s3.put_object(Bucket=PLAIN, Key="doomed", Body=b"doomed", ServerSideEncryption="aws:kms", SSEKMSKeyId=doomed["Arn"])
    report = directory / "report"
    done = ran(server, "shred", f"kms:{doomed['KeyId']}", f"--report={report}", "--yes")
    assert done["state"] == "done", done
    assert server.run("audit", "verify-report", str(report)).returncode == 0
    report.with_name("forged").write_text(report.read_text().replace(doomed["KeyId"], story.key["KeyId"]))
    assert server.run("audit", "verify-report", str(report.with_name("forged"))).returncode != 0
    assert story.client.get(PLAIN, "doomed").status == 400
    story.expect_readable()


def expect_closed(server, before, backups, shares, directory):
    """What was copied before the shredding opens with no key that is left; with shares from before, which nobody can take
    back, it does, and that is what the documentation says of them."""
    there = Server(directory / "copy")
    shutil.copytree(before, there.data)
    shutil.copytree(server.config, there.config, dirs_exist_ok=True)
    done = there.run("key", "show")
    assert done.returncode == 1 and "Nothing was written" in done.stderr, done
    shutil.rmtree(there.data)
    assert there.run("restore", str(backups)).returncode == 1
    assert server.run("key", "verify-backup", *map(str, shares[:2])).returncode == 1, "shares have to be made anew"


def on_a_new_machine(story, directory):
    """Two of three shares, a backup of the metadata and a copy of the blobs are enough, and one share is not."""
    server = story.server
    shares = exported(server, directory / "new-shares")
    assert server.run("key", "verify-backup", str(shares[0]), str(shares[1])).returncode == 0
    backups = directory / "new-backups"
    taken = ran(server, "backup", "create", str(backups))
    server.stop()

    there = Server(directory / "there")
    shutil.copytree(server.data / "blobs", there.data / "blobs")
    shutil.rmtree(server.directory)
    assert there.run("restore", str(backups)).returncode != 0, "there is no root key yet"
    done = there.run("key", "recover", str(shares[2]))
    assert done.returncode == 1 and "find 1 more" in done.stderr and not there.key_file.exists()
    done = there.run("key", "recover", str(shares[2]), str(shares[0]))
    assert done.returncode == 0, done.stderr
    restored = ran(there, "restore", str(backups))
    assert restored["id"] == taken["id"] and restored["closed"] == []
    there.start()
    accepted = ran(there, "backup", "accept")
    assert (accepted["missing"], accepted["accepted"]) == (0, True)

    kms = client_of("kms", there)
    assert kms.describe_key(KeyId=ALIAS)["KeyMetadata"]["Arn"] == story.key["Arn"]
    assert Client(there).get(PLAIN, "doomed").status == 400, "what was shredded stays so"
    story.server, story.client, story.clients = there, Client(there), all_clients(there, directory / "clients-there", story.key["Arn"])
    story.expect_under_the_key()
    story.expect_readable()
    ran(there, "key", "rotate-root")
    assert there.run("audit", "verify").stdout.startswith("intact: ")
    story.expect_readable()
    there.close()
