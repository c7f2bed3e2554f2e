"""A disk with a machine's slots, of some MiB, as `sfdisk` makes and reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

MIB = 1024**2
SLOTS = {"modulux-esp": 2, "modulux-system-a": 3, "modulux-system-b": 1, "modulux-state": 12}
"""Partitions by their labels, in MiB."""


def slots_table(folder: Path) -> bytes:
    """The first MiB of a disk of 20 that has these slots."""
    image = folder / "parted"
    image.write_bytes(bytes(20 * MIB))
    rows = [f'size={size}MiB, name="{label}"' for label, size in SLOTS.items()]
    said = "\n".join(["label: gpt", "first-lba: 2048", *rows])
    subprocess.run(["sfdisk", "--quiet", image], input=said, text=True, check=True)
    return image.read_bytes()[:MIB]


def _rows_of(disk: Path) -> list[dict[str, Any]]:
    said = subprocess.run(["sfdisk", "--json", disk], check=True, capture_output=True, text=True).stdout
    rows: list[dict[str, Any]] = json.loads(said)["partitiontable"]["partitions"]
    return rows


def assert_renumbered(disk: Path, table: bytes, folder: Path) -> None:
    """Its partitions are those of the table, but for their numbers, none of which is in it."""
    (folder / "before").write_bytes(table + bytes(19 * MIB))
    now, before = _rows_of(disk), _rows_of(folder / "before")
    kept = ("name", "start", "size", "type")
    assert [[row[key] for key in kept] for row in now] == [[row[key] for key in kept] for row in before]
    assert not {row["uuid"] for row in now} & {row["uuid"] for row in before}
