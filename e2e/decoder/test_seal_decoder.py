"""The independent decoder reads the golden vectors, and what the server's own code seals."""

import base64
import json
import subprocess
from pathlib import Path

import pytest

from key_files import read_key_file
from seal1 import Malformed
from vectors import VectorFailed, check_backups, check_folder

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "vectors" / "seal"
BACKUPS = ROOT / "vectors" / "backup"


def changed_vector(folder, name, change):
    """Writes one golden vector to `folder` after `change`."""
    vector = json.loads((VECTORS / name).read_text())
    change(vector)
    (folder / name).parent.mkdir()
    (folder / name).write_text(json.dumps(vector))
    return folder


def test_golden_vectors_end_as_they_must():
    assert check_folder(VECTORS) == sum(1 for _ in VECTORS.rglob("*.json"))


def test_what_rust_seals_opens(tmp_path):
    make = ["cargo", "run", "--quiet", "--locked", "-p", "coffer-seal", "--example", "fresh_vectors", "--", str(tmp_path)]
    subprocess.run(make, cwd=ROOT, check=True)
    assert check_folder(tmp_path) > 30


def test_golden_backups_end_as_they_must():
    assert check_backups(BACKUPS) >= 40


def test_backups_that_rust_takes_open(tmp_path):
    make = ["cargo", "run", "--quiet", "--locked", "-p", "coffer-backup", "--example", "fresh_vectors", "--", str(tmp_path)]
    subprocess.run(make, cwd=ROOT, check=True)
    assert check_backups(tmp_path) >= 40


@pytest.mark.parametrize("field, value", [("expect", "damaged"), ("opened", {"rows": []})])
def test_a_backup_that_is_not_as_the_vector_says_fails_the_check(tmp_path, field, value):
    vector = json.loads((BACKUPS / "patched.json").read_text())
    vector[field] = vector[field] | value if isinstance(value, dict) else value
    (tmp_path / "patched.json").write_text(json.dumps(vector))
    with pytest.raises(VectorFailed):
        check_backups(tmp_path)


def test_a_forgery_that_opens_fails_the_check(tmp_path):
    folder = changed_vector(tmp_path, "object/single_1_byte_sse_s3.json", lambda vector: vector.update(expect="tampered"))
    with pytest.raises(VectorFailed, match="opened, must be tampered"):
        check_folder(folder)


def test_another_plaintext_fails_the_check(tmp_path):
    folder = changed_vector(tmp_path, "object/single_1_byte_sse_s3.json", lambda vector: vector["opened"].update(sha256="00" * 32))
    with pytest.raises(VectorFailed, match="SHA-256"):
        check_folder(folder)


def test_the_wrong_error_fails_the_check(tmp_path):
    folder = changed_vector(tmp_path, "object/wrong_customer_key.json", lambda vector: vector.update(expect="tampered"))
    with pytest.raises(VectorFailed, match="wrong key, must be tampered"):
        check_folder(folder)


def test_a_folder_without_vectors_fails_the_check(tmp_path):
    with pytest.raises(VectorFailed, match="no vectors"):
        check_folder(tmp_path)


def test_a_key_file_is_one_line():
    key = bytes(range(32))
    line = b"coffer-key-v1:" + base64.b64encode(key)
    for text in (line, line + b"\n", line + b"\r\n"):
        assert read_key_file(text) == key
    for text in (b"", line[:-1], line + b"\n\n", b" " + line, line.replace(b"v1", b"v2"), line[:-2] + b"*="):
        with pytest.raises(Malformed):
            read_key_file(text)
