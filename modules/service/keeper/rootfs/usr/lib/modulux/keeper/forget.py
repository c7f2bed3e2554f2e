"""Letting go of snapshots, by their names or by rules, and of what nothing needs any more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from repository import IMAGES, OURS, WARM, Repository, Stored
from said import USAGE, RefusedError, confirm, tell

from machine import alone

RULES = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
"""Each keeps so many: the newest ones, or the newest of each hour, day, week, month, year."""


@dataclass(frozen=True)
class Choice:
    """What goes and what stays, of desktops' snapshots."""

    gone: list[Stored]
    kept: list[Stored]


def asked(rules: Mapping[str, int], words: Sequence[str]) -> dict[str, int]:
    """The rules that say something.

    Args:
        rules: how many stay, by the names in RULES; 0 is none.
        words: snapshots that are named.

    Raises:
        RefusedError: neither a snapshot nor a rule was given.
    """
    if any(number < 0 for number in rules.values()) or not (any(rules.values()) or words):
        raise RefusedError("forget which?", USAGE, "a snapshot, or a rule such as --keep-daily 7")
    return {rule: number for rule, number in rules.items() if number}


def choose(repository: Repository, words: Sequence[str], rules: Mapping[str, int], desktops: Sequence[str]) -> Choice:
    """What would go: those that are named, and those that no rule keeps, of each desktop apart. Nothing is changed.

    Args:
        rules: as `asked` gives them.
        desktops: only these are judged by the rules; all without.

    Raises:
        RefusedError: there is no such snapshot.
    """
    every = repository.snapshots()
    gone = {repository.among(every, word).id for word in words}
    for desktop in sorted({s.desktop for s in every}) if rules else []:
        if not desktops or desktop in desktops:
            gone |= _judged(repository, desktop, rules)
    return Choice([s for s in every if s.id in gone], [s for s in every if s.id not in gone])


def _judged(repository: Repository, desktop: str, rules: Mapping[str, int]) -> set[str]:
    words = [word for rule, number in rules.items() for word in (f"--keep-{rule}", str(number))]
    tags = ["--tag", f"{OURS},desktop:{desktop}", "--group-by", ""]
    said = repository.do("forget", "--dry-run", "--no-lock", "--json", *tags, *words)
    groups = json.loads(said.splitlines()[0]) if said.strip() else []
    return {item["id"] for group in groups or [] for item in group.get("remove") or []}


def forget(repository: Repository, choice: Choice, *, yes: bool, prune: bool) -> int:
    """Let them go, and with them images that none of those that stay needs, and what killed backups left; how many those were.

    Args:
        prune: free their room as well, which reads and rewrites a part of the repository.

    Raises:
        RefusedError: it was a no.
    """
    if choice.gone:
        names = ", ".join(s.id[:8] for s in choice.gone)
        confirm(f"{names}: {len(choice.gone)} snapshots would go, {len(choice.kept)} stay. Go on?", yes)
    with alone():
        others = _others(repository, choice)
        ids = [s.id for s in (*choice.gone, *others)]
        if ids:
            tell(f"letting {len(choice.gone)} snapshots go")
            repository.do("forget", "--quiet", *ids)
        if ids and prune:
            tell("freeing the room")
            repository.do("prune", "--quiet")
    return len(others)


def _others(repository: Repository, choice: Choice) -> list[Stored]:
    needed = {s.tag("images") for s in choice.kept}
    images = [s for s in repository.snapshots(IMAGES) if s.tag("images") not in needed]
    yesterday = datetime.now(UTC) - timedelta(days=1)  # a younger one may belong to a backup that is under way
    return images + [s for s in repository.snapshots(WARM) if s.at < yesterday]
