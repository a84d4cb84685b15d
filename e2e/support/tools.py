"""Command-line clients, run as a person runs them, with a home of their own."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 150
# Where pip puts the clients of requirements.txt.
SCRIPTS = Path(sys.executable).parent


class Tool:
    """A program, with the environment that points it at one server."""

    def __init__(self, program, server, home, environment=None, arguments=()):
        installed = SCRIPTS / program
        self.program = str(installed) if installed.exists() else program
        self.home = Path(home)
        self.arguments = [str(each) for each in arguments]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": server.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": server.credentials.secret_key,
            "AWS_DEFAULT_REGION": server.credentials.region,
            "AWS_REGION": server.credentials.region,
            "AWS_CA_BUNDLE": str(server.ca_file),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        } | (environment or {})

    def attempt(self, *arguments):
        return subprocess.run(
            [self.program, *self.arguments, *map(str, arguments)], cwd=self.home, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)

    def run(self, *arguments):
        """Runs to a successful end and returns what was printed."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"{self.program} {' '.join(map(str, arguments))}\n{done.stdout}"
        return done.stdout


def sha256_of_file(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def hashes(directory):
    """SHA-256 by relative path of every file below."""
    directory = Path(directory)
    return {str(path.relative_to(directory)): sha256_of_file(path) for path in directory.rglob("*") if path.is_file()}


def make_tree(directory, random_bytes):
    """A directory of files with awkward names and sizes."""
    files = {"empty": 0, "one": 1, "page.bin": 65536, "with space/and+plus.txt": 1000, "grün/日本語.bin": 70_001, "a/b/c/deep": 3}
    for at, (name, size) in enumerate(files.items()):
        path = Path(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random_bytes(size, at))
    return hashes(directory)
