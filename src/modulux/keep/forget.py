"""Letting go of snapshots, by their names or by rules, and of what nothing needs any more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modulux.keep.images import IMAGES
from modulux.keep.restic import OURS, WARM, Repository, Stored
from modulux.report import Report, step

RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
"""Each keeps so many: the newest ones, or the newest of each hour, day, week, month, year."""


@dataclass(frozen=True)
class Choice:
    """What goes and what stays, of desktops' snapshots."""

    gone: tuple[Stored, ...]
    kept: tuple[Stored, ...]


def choose(repository: Repository, named: Sequence[Stored], rules: Mapping[str, int], desktops: Sequence[str]) -> Choice:
    """What would go: those that are named, and those that no rule keeps, of each desktop apart. Nothing is changed.

    Args:
        rules: how many, by the names in RULES.
        desktops: only these are judged by the rules; all without.
    """
    every = repository.snapshots(OURS)
    gone = {s.id for s in named}
    if rules:
        words = [word for rule, number in rules.items() for word in (f"--keep-{rule}", str(number))]
        for desktop in sorted({s.desktop for s in every}):
            if not desktops or desktop in desktops:
                tags = ["--tag", f"{OURS},desktop:{desktop}", "--group-by", ""]
                said = repository.do("forget", "--dry-run", "--no-lock", "--json", *tags, *words)
                groups = json.loads(said.splitlines()[0]) if said.strip() else []
                gone |= {item["id"] for group in groups or [] for item in group.get("remove") or []}
    return Choice(tuple(s for s in every if s.id in gone), tuple(s for s in every if s.id not in gone))


def forget(repository: Repository, choice: Choice, report: Report, *, prune: bool = True) -> int:
    """Let them go, and with them images that none of those that stay needs, and what killed backups left; how many those were.

    Args:
        prune: free their room as well, which reads and rewrites a part of the repository.
    """
    needed = {s.tag("images") for s in choice.kept}
    others = [s for s in repository.snapshots(IMAGES) if s.tag("images") not in needed]
    yesterday = datetime.now(UTC) - timedelta(days=1)  # a younger one may belong to a backup that is under way
    others += [s for s in repository.snapshots(WARM) if s.time < yesterday]
    ids = [s.id for s in (*choice.gone, *others)]
    if ids:
        with step(report, "forget", f"letting {len(choice.gone)} snapshots go"):
            repository.do("forget", "--quiet", *ids)
    if ids and prune:
        with step(report, "prune", "freeing the room"):
            repository.do("prune", "--quiet")
    return len(others)
