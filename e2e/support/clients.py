"""Every S3 client of the tests as one thing: it puts a file to a name, and gets a name to a file.

Each speaks TLS, as keys of a KMS demand.
"""

import urllib3
from minio import Minio
from minio.sse import SseKMS

from .iam import client_of
from .tools import Tool

S3CMD = """[default]
access_key = {0.credentials.access_key}
secret_key = {0.credentials.secret_key}
host_base = localhost:{0.tls_port}
host_bucket = localhost:{0.tls_port}
use_https = True
ca_certs_file = {0.ca_file}
"""


class S3cmd:
    def __init__(self, server, home):
        (home / ".s3cfg").write_text(S3CMD.format(server))
        self.tool = Tool("s3cmd", server, home)

    def put(self, path, bucket, key, kms_key=None):
        """`kms_key` is sent with the object; without one the default of the bucket is what there is."""
        named = ["--server-side-encryption", f"--server-side-encryption-kms-id={kms_key}"] if kms_key else []
        return self.tool.attempt("put", *named, path, f"s3://{bucket}/{key}")

    def get(self, bucket, key, path):
        return self.tool.attempt("get", "--force", f"s3://{bucket}/{key}", path)


class AwsCli:
    def __init__(self, server, home):
        self.tool = Tool("aws", server, home, arguments=["--endpoint-url", server.tls_url, "s3", "cp"])

    def put(self, path, bucket, key, kms_key=None):
        named = ["--sse", "aws:kms", "--sse-kms-key-id", kms_key] if kms_key else []
        return self.tool.attempt(*named, path, f"s3://{bucket}/{key}")

    def get(self, bucket, key, path):
        return self.tool.attempt(f"s3://{bucket}/{key}", path)


class S5cmd:
    def __init__(self, server, home):
        self.tool = Tool("s5cmd", server, home, arguments=["--endpoint-url", server.tls_url, "--retry-count", "0", "cp"])

    def put(self, path, bucket, key, kms_key=None):
        named = ["--sse", "aws:kms", "--sse-kms-key-id", kms_key] if kms_key else []
        return self.tool.attempt(*named, path, f"s3://{bucket}/{key}")

    def get(self, bucket, key, path):
        return self.tool.attempt(f"s3://{bucket}/{key}", path)


class Rclone:
    """It takes an ETag for an MD5 unless its own settings say that there is a KMS key, as with AWS."""

    def __init__(self, server, home, kms_key=None):
        remote = {
            "TYPE": "s3", "PROVIDER": "Other", "REGION": server.credentials.region, "ENDPOINT": server.tls_url,
            "ACCESS_KEY_ID": server.credentials.access_key, "SECRET_ACCESS_KEY": server.credentials.secret_key,
            "FORCE_PATH_STYLE": "true", "CHUNK_SIZE": "5Mi", "UPLOAD_CUTOFF": "10Mi", "NO_CHECK_BUCKET": "true",
        } | ({"SERVER_SIDE_ENCRYPTION": "aws:kms", "SSE_KMS_KEY_ID": kms_key} if kms_key else {})
        self.tool = Tool("rclone", server, home, {f"RCLONE_CONFIG_COFFER_{name}": value for name, value in remote.items()}, [
            "--config", "/dev/null", "--ca-cert", server.ca_file, "--retries", "1", "--low-level-retries", "1", "--no-update-modtime"])

    def put(self, path, bucket, key):
        return self.tool.attempt("copyto", path, f"coffer:{bucket}/{key}")

    def get(self, bucket, key, path):
        return self.tool.attempt("copyto", "--ignore-times", f"coffer:{bucket}/{key}", path)


class Curl:
    def __init__(self, server, home):
        keys, self.server = server.credentials, server
        self.tool = Tool("curl", server, home, arguments=[
            "--silent", "--show-error", "--fail-with-body", "--cacert", server.ca_file, "--aws-sigv4", f"aws:amz:{keys.region}:s3",
            "--user", f"{keys.access_key}:{keys.secret_key}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])

    def put(self, path, bucket, key, kms_key=None):
        named = ["-H", "x-amz-server-side-encryption: aws:kms", "-H", f"x-amz-server-side-encryption-aws-kms-key-id: {kms_key}"] if kms_key else []
        return self.tool.attempt(*named, "--upload-file", path, f"{self.server.tls_url}/{bucket}/{key}")

    def get(self, bucket, key, path):
        return self.tool.attempt("--output", path, f"{self.server.tls_url}/{bucket}/{key}")


class Called:
    """A library's call in the place of a program: what it raises is what a program would print."""

    def __init__(self, error=None):
        self.returncode, self.stdout = (1, str(error)) if error else (0, "")


def called(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except Exception as error:  # Each library has errors of its own.
        return Called(error)
    return Called()


class Boto3:
    def __init__(self, server, home):
        self.s3 = client_of("s3", server, tls=True)

    def put(self, path, bucket, key, kms_key=None):
        named = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        return called(self.s3.upload_file, str(path), bucket, key, ExtraArgs=named)

    def get(self, bucket, key, path):
        return called(self.s3.download_file, bucket, key, str(path))


class MinioPy:
    def __init__(self, server, home):
        self.minio = Minio(
            f"localhost:{server.tls_port}", server.credentials.access_key, server.credentials.secret_key,
            region=server.credentials.region, http_client=urllib3.PoolManager(ca_certs=str(server.ca_file), retries=False))

    def put(self, path, bucket, key, kms_key=None):
        return called(self.minio.fput_object, bucket, key, str(path), sse=SseKMS(kms_key, {}) if kms_key else None)

    def get(self, bucket, key, path):
        return called(self.minio.fget_object, bucket, key, str(path))


CLIENTS = {
    "s3cmd": S3cmd, "aws": AwsCli, "boto3": Boto3, "rclone": Rclone, "s5cmd": S5cmd, "minio-py": MinioPy, "curl": Curl}


def all_clients(server, directory, kms_key):
    """Every client by its name, each with a home of its own, for a bucket whose default is `kms_key`."""
    made = {}
    for name, kind in CLIENTS.items():
        home = directory / name
        home.mkdir(parents=True, exist_ok=True)
        made[name] = kind(server, home, kms_key) if kind is Rclone else kind(server, home)
    return made
