"""Snapshots: a desktop as it is at one moment, and back. What lies in them is what Modulux keeps anywhere else."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from places import bring, place
from repository import OURS, WARM, Reading, Repository
from said import DAMAGED, NEWER, NOT_FOUND, RefusedError, confirm, tell

from machine import LAYING, Desktop, Machine, alone, desktop, lay, replace, room

LONGEST = 100.0
"""Seconds that the desktop may stand still; PID 1 lets it go on after two minutes."""


def backup(name: str, repository: Repository, tags: Sequence[str], *, yes: bool) -> dict[str, Any]:
    """Keep the desktop. Read once while it runs, and once more, what has changed since, while those stand still who can write.

    Raises:
        RefusedError: nothing was kept.
    """
    began = time.monotonic()
    one = desktop(name)
    with alone(), Machine() as machine:
        repository.there(yes)
        _describe(one)
        reading = Reading(repository, one.folder, [OURS, f"desktop:{name}", *tags])
        try:
            reading.at_gate()
            _warm(one, repository, reading.begun)
            tell(f"{name} stands still")
            with machine.still(one.noted["writers"]) as seconds:
                _write_manifest(one)
                reading.go()
                made = reading.result(LONGEST)
        finally:
            reading.end()
        _forget_warm(one, repository)
    return {
        "snapshot": made["snapshot_id"],
        "desktop": name,
        "frozen": round(seconds[0], 3),
        "seconds": round(time.monotonic() - began, 1),
        "files": made.get("total_files_processed", 0),
        "bytes": made.get("total_bytes_processed", 0),
        "added": made.get("data_added", 0),
        "repository": repository.shown,
    }


def _describe(one: Desktop) -> None:
    """All that is said of it, but of the moment."""
    into = one.folder / "desktop"
    for file in ("desktop.yaml", "lock.json"):
        shutil.copyfile(one.made / file, into / file)
    shutil.rmtree(into / "modules", ignore_errors=True)
    if (one.made / "modules").is_dir():
        shutil.copytree(one.made / "modules", into / "modules", symlinks=True)


def _write_manifest(one: Desktop) -> None:
    said = one.noted
    manifest = {
        "format": said["snapshot_format"],
        "modulux": said["modulux"],
        "desktop": one.name,
        "engine": "machine",
        "taken": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "running": True,
        "file": said["file"],
        "volumes": [{**volume, "owner": 1000} for volume in said["volumes"]],
        "pictures": [],
        "images": None,
        "modules": said["modules"],
    }
    (one.folder / "desktop/manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _warm(one: Desktop, repository: Repository, at: datetime) -> None:
    """Have everything in the repository before anybody stands still: what that makes is not of one moment, and goes again.

    It is dated back to when the one began that waits, which takes none for its parent that is younger than itself.
    """
    with contextlib.suppress(FileNotFoundError):
        (one.folder / "desktop/manifest.json").unlink()
    tell(f"reading {one.name}")
    when = f"{at:%Y-%m-%d %H:%M:%S}"
    repository.do(
        "backup", "--quiet", "--time", when, "--tag", WARM, "--tag", f"desktop:{one.name}", "desktop", "volumes", cwd=one.folder
    )


def _forget_warm(one: Desktop, repository: Repository) -> None:
    items = json.loads(repository.do("snapshots", "--json", "--no-lock", "--tag", f"{WARM},desktop:{one.name}")) or []
    if items:
        repository.do("forget", "--quiet", *(item["id"] for item in items))


def restore(
    word: str, repository: Repository, *, name: str | None, yes: bool, start: bool, paths: Sequence[str] = ()
) -> dict[str, Any]:
    """Bring a desktop's data back: whole into folders beside, then all of it in place of what is there.

    Args:
        name: of the desktop that gets it, if not the one that was kept.
        paths: only these files and folders, while the desktop runs on.

    Raises:
        RefusedError: nothing was changed, or the desktop does not get ready with it.
    """
    stored = repository.find(word)
    said = repository.manifest(stored.id)
    one = desktop(name or str(said.get("desktop", "")))
    if int(said.get("format", 0)) > one.noted["snapshot_format"]:
        raise RefusedError(
            f"the snapshot was made by Modulux {said.get('modulux')}, in a format that this one does not know", NEWER
        )
    if paths:
        replaced = bring(one, repository, stored.id, [place(path, said) for path in paths], yes=yes)
        return {"desktop": one.name, "snapshot": stored.id, "taken": said["taken"], "paths": list(paths), "replaced": replaced}
    parts = [str(v["name"]) for v in said.get("volumes", []) if v.get("name") in one.parts]
    if not parts:
        raise RefusedError(f"the snapshot holds nothing that `{one.name}` has on this machine", NOT_FOUND)
    taken = str(said["taken"])[:16].replace("T", " ")
    confirm(f"`{one.name}` is stopped, and what it holds now is replaced by its state of {taken}. Go on?", yes)
    with alone():
        _bring(one, repository, stored.id, parts)
        replace(one, start=start)
    return {"desktop": one.name, "snapshot": stored.id, "taken": said["taken"], "volumes": parts, "started": start}


def _bring(one: Desktop, repository: Repository, snapshot: str, parts: Sequence[str]) -> None:
    size = json.loads(repository.do("stats", "--json", "--no-lock", "--mode", "restore-size", snapshot))
    room(int(size["total_size"]))
    lay()
    tell("bringing the files back")
    words = ["--sparse"] if repository.leaves_holes else []
    words += [word for part in parts for word in ("--include", f"/volumes/{part}")]
    repository.do("restore", "--no-lock", snapshot, "--target", str(LAYING), *words)
    for part in parts:
        brought = LAYING / "volumes" / part
        if not brought.is_dir() or brought.is_symlink():
            raise RefusedError(f"the snapshot does not hold {part}, which it names", DAMAGED)
        brought.rename(LAYING / one.volume(part))
    (LAYING / "volumes").rmdir()
