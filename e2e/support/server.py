"""The server as a process: started, stopped, killed and started again."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from .signer import Credentials

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("COFFER_BIN", REPOSITORY / "target/release/coffer"))
ROOT = Credentials("COFFERTESTROOTKEY", "root-secret-of-the-tests-0123456789")
# Beside the key file, where the server keeps the certificate that it makes for itself.
CA_FILE = Path("tls/ca.pem")

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30
POLL_S = 0.02


def free_ports(count):
    """Ports that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until(condition, timeout_s, what):
    """Polls until `condition()` gives something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_S)


class Server:
    """One server with a data directory, a key file and a home of its own."""

    def __init__(self, directory, environment=None, credentials=ROOT):
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.config = self.directory / "config"
        self.key_file = self.config / "root.key"
        self.home = self.directory / "home"
        self.log_file = self.directory / "server.log"
        self.port, self.tls_port, self.admin_port = free_ports(3)
        self.credentials = credentials
        self.environment = environment or {}
        self.process = None
        self.home.mkdir(parents=True)
        self.config.mkdir()

    @property
    def ca_file(self):
        return self.config / CA_FILE

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self):
        return f"https://localhost:{self.tls_port}"

    def tls_context(self):
        return ssl.create_default_context(cafile=self.ca_file)

    def command(self, *arguments, **replaced):
        """Arguments of the binary, with this server's directories and ports."""
        options = {
            "data": self.data,
            "key-file": self.key_file,
            "listen": f"127.0.0.1:{self.port}",
            "listen-tls": f"127.0.0.1:{self.tls_port}",
            "listen-admin": f"127.0.0.1:{self.admin_port}",
        } | {name.replace("_", "-"): value for name, value in replaced.items()}
        return [str(BINARY), *arguments] + [f"--{name}={value}" for name, value in options.items()]

    def process_environment(self):
        """Only what is named here reaches the server; in particular none of the tests' own COFFER_ variables."""
        named = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        if self.credentials is not None:
            named["COFFER_ROOT_ACCESS_KEY"] = self.credentials.access_key
            named["COFFER_ROOT_SECRET_KEY"] = self.credentials.secret_key
        return named | self.environment

    def run(self, *arguments, **replaced):
        """Runs the binary to its end and returns what it printed."""
        return subprocess.run(
            self.command(*arguments, **replaced), env=self.process_environment(), cwd=self.directory,
            capture_output=True, text=True, timeout=START_TIMEOUT_S)

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command("serve"), env=self.process_environment(), cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._ready, START_TIMEOUT_S, "the server is ready")
        return self

    def _ready(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.log()}"
        try:
            return self.admin("/health/ready")[0] == 200
        except OSError:
            return False

    def admin(self, path):
        """GET on the admin address: status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log(self):
        return self.log_file.read_text(errors="replace")

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def restart(self):
        assert self.stop() == 0
        return self.start()

    def resident_bytes(self, high_water=False):
        """Resident memory of the process now, or the most it ever was."""
        field = "VmHWM:" if high_water else "VmRSS:"
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
        raise AssertionError("the process has no memory figures")

    def data_files(self):
        """Every file under the data directory."""
        return sorted(path for path in self.data.rglob("*") if path.is_file())

    def blob_files(self):
        """The files that hold object bodies: everything that grows with bodies but the metadata engine's own."""
        return sorted(path for path in (self.data / "blobs").rglob("*") if path.is_file())
