"""A receiver of webhooks on this machine: takes events, or refuses them when told to."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .server import free_ports, wait_until

# Longer than the longest pause between two attempts.
WAIT_S = 60


class Receiver:
    """Whatever is POSTed to it, in order. `status` is what it answers; with 503 it takes nothing."""

    def __init__(self, certificate=None, port=None):
        self.port = port or free_ports(1)[0]
        self.certificate = certificate
        self.status = 200
        # Pairs of headers and body.
        self.taken, self.refused = [], []
        self.path = "/hook?from=coffer"
        self.server = None

    @property
    def url(self):
        return f"http{'s' if self.certificate else ''}://localhost:{self.port}{self.path}"

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.status if self.path == receiver.path else 404
                (receiver.taken if status == 200 else receiver.refused).append((self.headers, body))
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *arguments):
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("localhost", self.port), Handler)
        self.server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def bodies(self):
        return [json.loads(body) for _, body in list(self.taken)]

    def tests(self):
        """The test events that came."""
        return [body for body in self.bodies() if body.get("Event") == "s3:TestEvent"]

    def records(self, bucket=None):
        """The records of all events that came, of one bucket."""
        found = [record for body in self.bodies() for record in body.get("Records", [])]
        return [record for record in found if bucket is None or record["s3"]["bucket"]["name"] == bucket]

    def wait(self, bucket, count):
        """The records of a bucket, once there are so many."""
        wait_until(lambda: len(self.records(bucket)) >= count, WAIT_S, f"{count} events of {bucket}: {self.records(bucket)}")
        found = self.records(bucket)
        assert len(found) == count, found
        return found
