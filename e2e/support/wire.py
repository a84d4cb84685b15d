"""HTTP as bytes on a socket: requests go out exactly as given, also when they are wrong."""

import http.client
import socket
import xml.etree.ElementTree as ElementTree

READ_TIMEOUT_S = 60


class Response:
    """An answer, read whole. Header names are matched without regard to case."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} is sent {len(values)} times"
        return values[0] if values else None

    @property
    def etag(self):
        """The ETag without its quotes."""
        value = self.header("ETag")
        assert value is not None and value.startswith('"') and value.endswith('"'), f"ETag: {value}"
        return value[1:-1]

    @property
    def xml(self):
        return without_namespaces(ElementTree.fromstring(self.body))

    def text(self, path):
        """The text of an XML element, or None."""
        return self.xml.findtext(path)

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


def without_namespaces(root):
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def header_bytes(headers):
    """Header lines. Text is sent as UTF-8; bytes are sent as they are."""
    lines = []
    for name, value in headers:
        value = value if isinstance(value, bytes) else str(value).encode()
        lines.append(name.encode() + b": " + value + b"\r\n")
    return b"".join(lines)


def connect(port, tls_context=None, server_name="localhost", timeout=READ_TIMEOUT_S):
    """A connection to a port of this machine, inside TLS when a context is given."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls_context is not None:
        connection = tls_context.wrap_socket(connection, server_hostname=server_name)
    return connection


def send_head(connection, method, target, headers):
    connection.sendall(f"{method} {target} HTTP/1.1\r\n".encode() + header_bytes(headers) + b"\r\n")


def read_response(connection, method="GET"):
    """Reads one answer. Raises `http.client.IncompleteRead` when the body is cut short."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    try:
        return Response(answer.status, answer.getheaders(), answer.read())
    finally:
        answer.close()


def exchange(port, method, target, headers, body=b"", tls_context=None, server_name="localhost"):
    """Sends one request on a connection of its own and reads the answer.

    `body` is bytes or an iterable of bytes. A server may answer and close before it has read the whole body; the answer counts.
    """
    with connect(port, tls_context, server_name) as connection:
        send_head(connection, method, target, headers)
        try:
            for piece in [body] if isinstance(body, bytes) else body:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_response(connection, method)
