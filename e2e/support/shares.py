"""Shares of the root key as text, and what can go wrong with them."""

import base64
import hashlib
import re


def exported(server, directory, shares=3, threshold=2):
    """The files of a fresh export."""
    done = server.run("key", "export", f"--shares={shares}", f"--threshold={threshold}", f"--out={directory}")
    assert done.returncode == 0, done.stderr
    return [directory / f"share-{index}-of-{shares}.txt" for index in range(1, shares + 1)]


def with_check_sum(line):
    """The line with the check sum that it should have."""
    checked = line.strip().rsplit(" check=", 1)[0]
    return f"{checked} check={hashlib.sha256(checked.encode()).hexdigest()[:16]}\n"


def forged(line):
    """A share of the same set and number with another value, and a check sum that is right."""
    data = re.search(r" data=(\S+)", line)[1]
    payload = bytearray(base64.b64decode(data))
    payload[3] ^= 1
    return with_check_sum(line.replace(data, base64.b64encode(payload).decode()))
