"""Some of a snapshot's files, put back into a desktop that may run: each appears whole, at once."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from repository import Repository
from said import NOT_FOUND, USAGE, RefusedError, confirm, tell

from machine import LAYING, Desktop, alone, lay, place_laid, room

HOME = "/home/user"


@dataclass(frozen=True)
class Place:
    """A path as a person writes it, the volume that it lies in, and where in there."""

    written: str
    volume: str
    inside: PurePosixPath

    @property
    def stored(self) -> str:
        """Its path in a snapshot."""
        return f"/volumes/{self.volume}/{self.inside}"


def place(word: str, said: dict[str, Any]) -> Place:
    """What `~/Documents/letter.odt`, a path below /home/user, or `SESSION:~/…` means in the snapshot that says this of itself.

    Raises:
        RefusedError: nothing that is kept can lie there.
    """
    volumes = {str(v["name"]): PurePosixPath(v["at"]) for v in said["volumes"]}
    session, colon, rest = word.partition(":")
    named = bool(colon) and f"{session}.home" in volumes
    text = rest if named else word
    path = PurePosixPath(HOME + text[1:] if text.startswith("~") else text)
    if not path.is_absolute() or ".." in path.parts:
        raise RefusedError(f"`{word}` is no path in a home", USAGE, "such as ~/Documents/letter.odt, or plasma:~/.config")
    home = f"{session if named else _first_session(said['file'])}.home"
    fits = {name: at for name, at in volumes.items() if path != at and path.is_relative_to(at)}
    fits = {name: at for name, at in fits.items() if str(at) != HOME or name == home}
    if not fits:
        there = ", ".join(f"{at} ({name})" for name, at in volumes.items())
        raise RefusedError(f"`{word}` lies in nothing that is kept", USAGE, f"homes and shares are: {there}")
    volume = max(fits, key=lambda name: len(str(fits[name])))
    return Place(word, volume, path.relative_to(fits[volume]))


def _first_session(file: dict[str, Any]) -> str:
    sessions = file.get("sessions")
    first = sessions[0] if isinstance(sessions, list) and sessions else sessions
    return str(first.get("module") if isinstance(first, dict) else first)


def apart(places: Sequence[Place]) -> list[Place]:
    """Each once, and none that lies in another."""
    pure = {p.stored: p for p in places}
    return [p for path, p in pure.items() if not any(str(above) in pure for above in PurePosixPath(path).parents)]


def bring(one: Desktop, repository: Repository, snapshot: str, places: Sequence[Place], *, yes: bool) -> list[str]:
    """Put them back; what a person wrote of those that took the place of something.

    Raises:
        RefusedError: nothing was changed: one is not in the snapshot, its place cannot be had, or it was a no.
    """
    if lacking := [p for p in places if p.volume not in one.parts]:
        raise RefusedError(
            f"`{one.name}` has no volume for `{lacking[0].written}`", NOT_FOUND, "without --path the whole desktop is restored"
        )
    places = apart(places)
    size = sum(_size(repository, snapshot, p) for p in places)
    replaced = [p.written for p in places if _missing(one, p) is None]
    if replaced:
        confirm(f"{', '.join(replaced)}: there now, and replaced by what it was. Go on?", yes)
    with alone():
        room(size)
        lay()
        tell("bringing the files back")
        words = [word for p in places for word in ("--include", re.sub(r"([\\*?\[\]])", r"\\\1", p.stored))]
        words += ["--sparse"] if repository.leaves_holes else []
        repository.do("restore", "--no-lock", snapshot, "--target", str(LAYING), *words)
        for p in places:
            _name_by_place(one, p)
        place_laid()
    return replaced


def _size(repository: Repository, snapshot: str, p: Place) -> int:
    """Bytes of what lies there in the snapshot."""
    said = repository.do("ls", "--json", "--no-lock", "--recursive", snapshot, p.stored)
    nodes = [json.loads(line) for line in said.splitlines()]
    nodes = [node for node in nodes if "node" in (node.get("struct_type"), node.get("message_type"))]  # before 0.17, and since
    if not any(node.get("path") == p.stored for node in nodes):
        raise RefusedError(f"`{p.written}` is not in the snapshot", NOT_FOUND, "nothing was changed")
    return sum(int(node.get("size") or 0) for node in nodes)


def _missing(one: Desktop, p: Place) -> PurePosixPath | None:
    """The first part of its path that the desktop does not have now; None if something is there.

    Raises:
        RefusedError: a link, or what is no folder, is in its way.
    """
    volume = one.folder / "volumes" / p.volume
    for above in (*reversed(p.inside.parents), p.inside):
        try:
            facts = os.lstat(volume / above)
        except FileNotFoundError:
            return above
        if above != p.inside and not stat.S_ISDIR(facts.st_mode):
            kind = "a link" if stat.S_ISLNK(facts.st_mode) else "no folder"
            raise RefusedError(f"`{p.written}` cannot be put back: `{above}` above it is {kind} now", USAGE)
    return None


def _name_by_place(one: Desktop, p: Place) -> None:
    """As PID 1 wants it (`place.c`): with a link that says where it belongs, and with those above it that are missing there."""
    missing = _missing(one, p)
    inside = p.inside if missing is None else missing
    brought = LAYING / "volumes" / p.volume / inside
    if not os.path.lexists(brought):
        return  # it came with another one that lies in the same missing folder
    number = os.lstat(brought).st_ino
    os.symlink(f"{one.volume(p.volume)}/{inside}", LAYING / f"{number}.{'to' if missing is None else 'new'}")  # noqa: PTH211
    os.rename(brought, LAYING / str(number))  # noqa: PTH104
