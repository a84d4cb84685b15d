"""A real NATS server, and a client of a few lines to see what it was sent."""

import json
import shutil
import socket
import ssl
import subprocess

from .server import free_ports, wait_until
from .tools import SCRIPTS

START_TIMEOUT_S = 30


class NatsServer:
    """nats-server as a process. `more` are lines of its configuration."""

    def __init__(self, directory, more="", ca_file=None):
        installed = SCRIPTS / "nats-server"
        self.program = str(installed) if installed.exists() else shutil.which("nats-server")
        assert self.program, "install e2e/requirements.txt"
        self.directory = directory
        self.ca_file = ca_file
        (self.port,) = free_ports(1)
        self.configuration = directory / "nats.conf"
        self.configuration.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{directory / "jetstream"}" }}\n{more}\n')
        self.log_file = directory / "nats.log"
        self.process = None

    @property
    def url(self):
        return f"nats://localhost:{self.port}"

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([self.program, "-c", str(self.configuration)], stdout=log, stderr=log)
        wait_until(self._ready, START_TIMEOUT_S, "the NATS server is ready")
        return self

    def _ready(self):
        assert self.process.poll() is None, self.log_file.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class NatsClient:
    """Requests and subscriptions over the plain protocol."""

    def __init__(self, server, **login):
        self.socket = socket.create_connection(("127.0.0.1", server.port), 10)
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"INFO ")
        if server.ca_file:
            self.socket = ssl.create_default_context(cafile=server.ca_file).wrap_socket(self.socket, server_hostname="localhost")
            self.file = self.socket.makefile("rb")
        self.write(f"CONNECT {json.dumps({'verbose': False, 'headers': True, 'no_responders': True} | login)}\r\n".encode())
        self.confirm()

    def write(self, data):
        self.socket.sendall(data)

    def subscribe(self, subject):
        self.write(f"SUB {subject} 1\r\n".encode())
        self.confirm()

    def confirm(self):
        """Waits until the server has seen what was sent."""
        self.write(b"PING\r\n")
        while (line := self.file.readline()) != b"PONG\r\n":
            assert line == b"PING\r\n", line
            self.write(b"PONG\r\n")

    def message(self):
        """The next message: subject and body."""
        while True:
            fields = self.file.readline().split()
            assert fields, "the connection ended"
            if fields[0] == b"PING":
                self.write(b"PONG\r\n")
            elif fields[0] in (b"MSG", b"HMSG"):
                length = int(fields[-1])
                header_length = int(fields[-2]) if fields[0] == b"HMSG" else 0
                body = self.file.read(length + 2)[:-2]
                return fields[1].decode(), body[header_length:]

    def request(self, subject, body=b""):
        self.subscribe("inbox")
        self.write(f"PUB {subject} inbox {len(body)}\r\n".encode() + body + b"\r\n")
        answer = json.loads(self.message()[1])
        self.write(b"UNSUB 1\r\n")
        assert "error" not in answer, answer
        return answer

    def close(self):
        self.socket.close()
