"""A repository of restic's, and the commands of restic that are needed here.

The password goes through a named pipe and the repository's address through the environment: neither stands in `ps`.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from modulux import run
from modulux.errors import DamagedError, EngineError, NotFoundError
from modulux.keep import fifo
from modulux.keep.failures import AbsentError, LockedError, failure
from modulux.keep.workspace import Workspace
from modulux.paths import cache

OURS = "modulux"
"""A tag of every snapshot of a desktop."""

WARM = "modulux-warm"
"""The tag of what is read before a desktop is frozen, instead; it goes when the snapshot is there."""

STILL_OURS = '[ "$PPID" = "$0" ] && exec "$@"'
"""A shell's command: go on only as a child of that process, which may have been killed before its end could be noticed."""

INCOMPLETE = 3
"""restic's exit status when it could not read all files."""


def ending_with_us(argv: Sequence[str]) -> list[str]:
    """The command so that it does not go on, or begin, alone when this process is killed."""
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", STILL_OURS, str(os.getpid()), *argv]


@dataclass(frozen=True)
class Stored:
    """A snapshot as the repository lists it."""

    id: str
    time: datetime
    host: str
    tags: tuple[str, ...]

    @property
    def short(self) -> str:
        return self.id[:8]

    def tag(self, key: str) -> str | None:
        """The value of a tag `key:value`."""
        return next((tag.partition(":")[2] for tag in self.tags if tag.startswith(f"{key}:")), None)

    @property
    def desktop(self) -> str:
        return self.tag("desktop") or ""


@dataclass(frozen=True)
class Repository:
    """Where snapshots are kept: a folder, or what restic takes (`sftp:…`, `s3:…`, `rest:…`). `near` leads to the volumes."""

    where: str
    password: bytes
    near: Callable[[Sequence[str]], list[str]] = field(default=list)
    user: bool = False  # whether `near` makes this user root in a namespace of its own

    @property
    def local(self) -> Path | None:
        """Its folder, if it is one on this machine."""
        return Path(self.where) if self.where.startswith("/") else None

    @cached_property
    def version(self) -> tuple[int, ...]:
        """Of the restic that is installed."""
        words = run.run(["restic", "version"]).stdout.split()
        return tuple(int(n) for n in re.findall(r"\d+", words[1])) if len(words) > 1 else ()

    @property
    def shown(self) -> str:
        """Its address for people, without a password in it."""
        head, at, host = self.where.rpartition("@")
        user, colon, _ = head.rpartition(":")
        return f"{user}:…@{host}" if at and colon and "//" in user else self.where

    def environment(self) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": self.where,
            "RESTIC_PASSWORD": "",
            "RESTIC_PASSWORD_COMMAND": "",
            "RESTIC_PROGRESS_FPS": "5",
            "GOGC": os.environ.get("GOGC", "200"),  # restic would take 50: less memory for more time
        }

    def argv(self, *words: str) -> list[str]:
        """A command of restic's; the password's pipe is named by RESTIC_PASSWORD_FILE."""
        options: list[str] = []
        if self.user and self.where.startswith("sftp:"):
            options = ["--option", f"sftp.command={_as_oneself(self.where)}"]
        return ["restic", *options, *words]

    def told(self, stack: ExitStack) -> dict[str, str]:
        """The environment for one command that is told the password; for as long as the stack."""
        folder = cache() / "keep"
        folder.mkdir(parents=True, exist_ok=True)
        fifo.sweep(folder, "password.*")
        pipe = folder / f"password.{os.getpid()}.{threading.get_ident()}"
        stack.enter_context(fifo.told(pipe, self.password + b"\n"))
        return {**self.environment(), "RESTIC_PASSWORD_FILE": str(pipe)}

    def do(self, *words: str, mounts: Workspace | None = None, input_from: Sequence[str] | None = None) -> str:
        """Run a command of restic's to its end; its stdout.

        Args:
            mounts: where it runs, with volumes mounted in it.
            input_from: a command whose stdout it reads.

        Raises:
            RepositoryError, PasswordError, DamagedError: see `failure`.
        """
        try:
            return self._once(words, mounts, input_from)
        except LockedError:
            if not self.unlock_own():
                raise
            return self._once(words, mounts, input_from)

    def _once(self, words: Sequence[str], mounts: Workspace | None, input_from: Sequence[str] | None) -> str:
        done = self._ended(words, mounts, input_from)
        if not done.ok:
            raise failure(done.stderr + "\n" + done.stdout, done.status, self.shown)
        return done.stdout

    def _ended(self, words: Sequence[str], mounts: Workspace | None, input_from: Sequence[str] | None) -> run.Completed:
        argv = self.argv(*words)
        argv = ending_with_us(mounts.argv(argv) if mounts else self.near(argv))
        with ExitStack() as stack:
            env = self.told(stack)
            if input_from is None:
                return run.run(argv, env=env)
            first, done = run.joined(input_from, argv, env=env)
        if not first.ok:
            last = first.stderr.strip().splitlines()[-1:] or [f"exit status {first.status}"]
            raise EngineError(f"{input_from[0]}: {last[0]}")
        return done

    def pour(self, words: Sequence[str], into: Sequence[str]) -> run.Completed:
        """Let a command read what a command of restic's prints; how that ended.

        Raises:
            RepositoryError, PasswordError, DamagedError: restic failed, and the other has read only a part.
        """
        with ExitStack() as stack:
            env = self.told(stack)
            first, second = run.joined(ending_with_us(self.near(self.argv(*words))), into, env=env)
        if not first.ok and (second.ok or "broken pipe" not in first.stderr):
            raise failure(first.stderr, first.status, self.shown)
        return second

    def unlock_own(self) -> bool:
        """Remove the locks of processes of this machine that are dead, if there are no others that are in the way.

        restic itself calls a lock stale when its process is gone, or when it was not renewed for half an hour.
        """
        before = self._locks()
        if not before:
            return True  # it has gone meanwhile
        if not any(_dead(lock) for lock in before):
            return False
        self._once(["unlock"], None, None)
        return len(self._locks()) < len(before)

    def _locks(self) -> list[dict[str, Any]]:
        ids = self._once(["list", "locks", "--no-lock", "--quiet"], None, None).split()
        return [dict(json.loads(self._once(["cat", "lock", id, "--no-lock", "--quiet"], None, None))) for id in ids]

    # -- what is in it -----------------------------------------------------------------------------------------------

    def snapshots(self, *tags: str) -> list[Stored]:
        """All that carry all of the tags, the oldest first; one that cannot be read is left out."""
        return self._listed(tags)[0]

    def _listed(self, tags: Sequence[str]) -> tuple[list[Stored], str]:
        """Those, and what restic says of one that cannot be read."""
        done = self._ended(["snapshots", "--json", "--no-lock", *(["--tag", ",".join(tags)] if tags else [])], None, None)
        if not done.ok:
            raise failure(done.stderr, done.status, self.shown)
        items = json.loads(done.stdout or "[]") or []
        broken = [line for line in done.stderr.splitlines() if "load snapshot" in line or "gnoring" in line]
        return sorted((_stored(item) for item in items), key=lambda s: s.time), "".join(broken[:1])

    def find(self, word: str) -> Stored:
        """The snapshot that `word` means: the beginning of its id, `latest`, or a desktop's name for its latest.

        Raises:
            NotFoundError: there is none, or several begin so.
            DamagedError: it may be one that cannot be read.
        """
        every, broken = self._listed([OURS])
        if not broken:
            return self.among(every, word)
        named = [s for s in every if len(word) >= 8 and s.id.startswith(word.lower())]
        if len(named) != 1:
            raise DamagedError(f"a snapshot in {self.shown} cannot be read: {broken}", hint="the others can, by their ids")
        return named[0]

    def among(self, every: Sequence[Stored], word: str) -> Stored:
        """As `find`, among snapshots that are known already."""
        if word == "latest" and every:
            return every[-1]
        named = [s for s in every if s.desktop == word]
        if named:
            return named[-1]
        begin = [s for s in every if s.id.startswith(word.lower())] if len(word) >= 4 else []
        if len(begin) != 1:
            what = f"several snapshots begin with `{word}`" if begin else f"no snapshot `{word}` in {self.shown}"
            raise NotFoundError(what, hint="modulux snapshots lists them")
        return begin[0]

    def mark(self) -> tuple[int, int] | None:
        """What tells this repository from another at the same place, if it is a folder; None when there is none.

        restic makes again what vanishes while it works: a disk that is unplugged is none that it would complain about.
        """
        try:
            found = (self.local / "config").stat() if self.local else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    def read(self, snapshot: str, path: str) -> str:
        """The text of a file in a snapshot."""
        return self.do("dump", "--no-lock", snapshot, path)

    def exists(self) -> bool:
        """Whether there is a repository that the password opens; False where there is none.

        Raises:
            PasswordError, RepositoryError, DamagedError: it cannot be opened.
        """
        try:
            self.do("cat", "config", "--no-lock", "--quiet")
        except AbsentError:
            return False
        return True


def location(word: str) -> str:
    """A repository's address as restic takes it; a folder's as an absolute path, wherever restic is started."""
    scheme, colon, _ = word.partition(":")
    if colon and scheme.isalnum() and scheme != "local" and "/" not in scheme:
        return word
    return os.path.abspath(Path(word.removeprefix("local:")).expanduser())  # noqa: PTH100  links stay as they are


def _stored(item: Mapping[str, Any]) -> Stored:
    time = datetime.fromisoformat(item["time"][:19] + "+00:00" if item["time"].endswith("Z") else _seconds(item["time"]))
    return Stored(item["id"], time, item.get("hostname", ""), tuple(item.get("tags") or ()))


def _seconds(text: str) -> str:
    """The time without parts of a second, of which there may be nine digits."""
    head, dot, tail = text.partition(".")
    return head + tail.lstrip("0123456789") if dot else text


def _dead(lock: Mapping[str, Any]) -> bool:
    """Whether the lock is one of this machine's whose process is gone."""
    if lock.get("hostname") != os.uname().nodename:
        return False
    return not Path(f"/proc/{int(lock.get('pid', 0))}").exists()


def _as_oneself(where: str) -> str:
    """The command for SFTP as the user and not as root of the namespace, whose keys and settings ssh would look for."""
    rest = where.removeprefix("sftp:").removeprefix("//")
    host = rest.partition("/")[0] if where.startswith("sftp://") else rest.partition(":")[0]
    port: list[str] = []
    if where.startswith("sftp://") and ":" in host:
        host, _, number = host.rpartition(":")
        port = ["-p", number]
    words = ["unshare", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}", "ssh", *port, host, "-s", "sftp"]
    return " ".join(words)
