"""Disks that a virtual machine has beside its own (`machine run --more`), also at its next starts: its state may lie there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from modulux.errors import UsageError
from modulux.machine.emulator import there
from modulux.machine.places import disks_folder
from modulux.report import Note, Report


def further_disks(name: str, named: Sequence[Path] | None, report: Report, *, none: bool = False) -> list[Path]:
    """The files of such disks: those that are named, which are remembered, or else those that were.

    Args:
        none: those that were are forgotten.

    Raises:
        NotFoundError: a file that was named is not there.
        UsageError: some are named, and there are to be none.
    """
    kept = disks_folder(name) / "more.json"
    if named and none:
        raise UsageError("--more and --no-more do not go together")
    if named or none:
        found = [there(path) for path in named or ()]
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([str(path) for path in found]) + "\n")
        return found
    try:
        remembered = [Path(word) for word in json.loads(kept.read_text())]
    except (OSError, ValueError):
        return []
    for path in remembered:
        report(Note(f"its further disk {path}" if path.exists() else f"its further disk {path} is not there any more"))
    return [path for path in remembered if path.exists()]
