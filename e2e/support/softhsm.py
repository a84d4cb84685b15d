"""SoftHSM as an operator has a token: made by softhsm2-util, its keys by OpenSC's pkcs11-tool."""

import os
import subprocess
from pathlib import Path

from .key_providers import private_file, section

PLACES = [Path(folder) / "libsofthsm2.so" for folder in (
    "/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm")]
PIN = "canary-pin-1234"
SO_PIN = "canary-officer-1234"


class SoftHsm:
    """Tokens in a folder of their own."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.library = next((place for place in PLACES if place.exists()), None)
        assert self.library, "SoftHSM is missing: apt-get install softhsm2 opensc, or cargo xtask test, which does"
        self.tokens = self.directory / "tokens"
        self.tokens.mkdir()
        settings = self.directory / "softhsm2.conf"
        settings.write_text(f"directories.tokendir = {self.tokens}\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(settings)}

    def _run(self, *arguments):
        done = subprocess.run(arguments, env={"PATH": os.environ["PATH"]} | self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        assert done.returncode == 0, f"{arguments}: {done.stdout}"
        return done.stdout

    def token(self, label="coffer"):
        self._run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN)
        return self

    def tool(self, *arguments, token="coffer"):
        """pkcs11-tool, as the user of a token."""
        return self._run("pkcs11-tool", "--module", self.library, "--token-label", token, "--login", "--pin", PIN,
                         *arguments)

    def key(self, number, *more, label="coffer-root", token="coffer"):
        """Makes a generation of a key, as the documentation says."""
        self.tool("--keygen", "--key-type", "AES:32", "--sensitive", "--label", label, "--id", f"{number:02x}", *more,
                  token=token)
        return self

    def keys(self, token="coffer"):
        """How many secret keys the token has, all of which must never have been able to leave it."""
        listed = self.tool("-O", "--type", "secrkey", token=token)
        count = listed.count("Secret Key Object")
        assert listed.count("never extractable") == count, listed
        return count

    def take_away(self):
        self.tokens.rename(self.directory / "away")
        self.tokens.mkdir()

    def put_back(self):
        self.tokens.rmdir()
        (self.directory / "away").rename(self.tokens)

    def section(self, name="hsm", **more):
        """A section of the file of key providers."""
        file = private_file(self.directory / f"{name}.pin", PIN + "\n")
        return section(name, **({"kind": "pkcs11", "module": str(self.library), "token_label": "coffer",
                                 "key": "coffer-root", "pin_file": str(file)} | more))
