#!/usr/bin/env python3
"""A decoder of what Coffer stores, which follows docs/spec and shares no code with the server.

    seal_decoder.py check-vectors vectors/seal       runs the golden vectors
    seal_decoder.py check-backups vectors/backup     runs those of backups
    seal_decoder.py show-keyring root.key            lists the root keys of a key file, without the keys
    seal_decoder.py list-rows root.key FOLDER ID     lists the rows of a backup: their keys, and how long their values are
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backup import Backup
from key_files import ACTIVE, DECRYPT_ONLY, DESTROYED, RootKeys
from seal1 import Refused
from vectors import VectorFailed, check_backups, check_folder

STATES = {ACTIVE: "active", DECRYPT_ONLY: "decrypt-only", DESTROYED: "destroyed"}


def check_vectors(arguments: argparse.Namespace) -> None:
    print(f"{check_folder(arguments.folder)} files of vectors: all as they must be")


def show_keyring(arguments: argparse.Namespace) -> None:
    for entry in RootKeys.load(arguments.key_file).entries:
        print(f"{entry.id.hex()} generation {entry.generation} {STATES[entry.state]}")


def check_backup_vectors(arguments: argparse.Namespace) -> None:
    print(f"{check_backups(arguments.folder)} backups: all as they must be")


def list_rows(arguments: argparse.Namespace) -> None:
    for key, value in Backup(arguments.folder, arguments.id, RootKeys.load(arguments.key_file)).rows():
        print(f"{key.hex()} {len(value)}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("check-vectors")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=check_vectors)
    command = commands.add_parser("show-keyring")
    command.add_argument("key_file", type=Path)
    command.set_defaults(run=show_keyring)
    command = commands.add_parser("check-backups")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=check_backup_vectors)
    command = commands.add_parser("list-rows")
    command.add_argument("key_file", type=Path)
    command.add_argument("folder", type=Path)
    command.add_argument("id")
    command.set_defaults(run=list_rows)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (Refused, VectorFailed, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
