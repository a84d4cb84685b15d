"""Real providers of root keys, as processes that can be stopped: OpenBao's Transit engine, and the KMS of Moto."""

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

import boto3

from .server import free_ports, wait_until
from .tools import SCRIPTS

START_TIMEOUT_S = 60
DEV_TOKEN = "token-of-the-tests"


def private_file(path, text):
    """A file that only its owner reads."""
    path.write_text(text)
    path.chmod(0o600)
    return path


class Provider:
    """A process on a port of its own."""

    program = None

    def __init__(self, directory):
        self.directory = directory
        installed = SCRIPTS / self.program
        self.path = str(installed) if installed.exists() else shutil.which(self.program)
        assert self.path, f"{self.program} is missing: install e2e/requirements.txt"
        (self.port,) = free_ports(1)
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def arguments(self):
        raise NotImplementedError

    def start(self):
        with open(self.directory / f"{self.program}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.arguments(), stdout=log, stderr=log, cwd=self.directory,
                env={"PATH": os.environ["PATH"], "HOME": str(self.directory)})
        wait_until(self._ready, START_TIMEOUT_S, f"{self.program} is ready")
        return self

    def _ready(self):
        assert self.process.poll() is None, (self.directory / f"{self.program}.log").read_text()
        try:
            urllib.request.urlopen(self.url, timeout=1).close()
        except urllib.error.HTTPError:
            pass
        except OSError:
            return False
        return True

    def pause(self):
        """Answers nothing, as on a network that swallows packets."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class Bao(Provider):
    """`bao server -dev`: it forgets everything when it is stopped, so an outage is a pause or a seal."""

    program = "bao"

    def arguments(self):
        return [self.path, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={DEV_TOKEN}",
                f"-dev-listen-address=127.0.0.1:{self.port}"]

    def call(self, method, path, body=None):
        """A call as root; returns the answer's JSON."""
        request = urllib.request.Request(
            f"{self.url}/v1/{path}", method=method, headers={"X-Vault-Token": DEV_TOKEN},
            data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def with_transit(self, key="coffer"):
        self.call("POST", "sys/mounts/transit", {"type": "transit"})
        self.call("POST", f"transit/keys/{key}", {"type": "aes256-gcm96"})
        return self

    def section(self, name, **more):
        """A section of the file of key providers, with a token in a file."""
        token = private_file(self.directory / f"{name}.token", DEV_TOKEN + "\n")
        return section(name, kind="transit", endpoint=self.url, timeout_seconds=1,
                       **({"key": "coffer", "token_file": str(token)} | more))


class Moto(Provider):
    """The KMS of Moto, which keeps its keys in memory."""

    program = "moto_server"

    def arguments(self):
        return [self.path, "-H", "127.0.0.1", "-p", str(self.port)]

    def client(self):
        return boto3.client("kms", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="moto",
                            aws_secret_access_key="moto-secret")

    def section(self, name, key_arn):
        credentials = private_file(
            self.directory / f"{name}.credentials", 'access_key = "moto"\nsecret_key = "moto-secret"\n')
        return section(name, kind="aws-kms", endpoint=self.url, region="us-east-1", key_arn=key_arn,
                       credentials_file=str(credentials), timeout_seconds=1)


def section(name, **values):
    """A section of the file of key providers."""
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def use(server, sections, **settings):
    """Makes a server, which is not running, read these sections and settings."""
    file = server.config / "key-providers.toml"
    file.write_text("".join(sections))
    server.environment["COFFER_KEY_PROVIDERS"] = str(file)
    for name, value in settings.items():
        server.environment[f"COFFER_{name.upper()}"] = value
    return server
