"""The access log of a server, as a program reads it."""

import json

from .server import wait_until

TIMEOUT_S = 10


class AccessLog:
    """A file of JSON lines that a server appends to."""

    def __init__(self, path):
        self.path = path

    def text(self):
        return self.path.read_text(encoding="ascii") if self.path.exists() else ""

    def entries(self):
        """Every whole line."""
        return [json.loads(line) for line in self.text().split("\n")[:-1]]

    def find(self, condition, what):
        """The one entry that meets a condition, once it is there."""
        found = wait_until(lambda: [entry for entry in self.entries() if condition(entry)], TIMEOUT_S, what)
        assert len(found) == 1, found
        return found[0]

    def of(self, answer):
        """The entry of an answer."""
        id = answer.header("x-amz-request-id")
        return self.find(lambda entry: entry["requestID"] == id, f"an entry for {answer}")
