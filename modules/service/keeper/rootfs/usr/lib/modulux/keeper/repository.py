"""A repository of restic's, and the commands of restic that are needed here. Its layout is that of Modulux anywhere else."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from said import DAMAGED, NOT_FOUND, PASSWORD, REPOSITORY, RefusedError, answer, confirm, tell

OURS, WARM, IMAGES = "modulux", "modulux-warm", "modulux-images"
GATE = "/tmp/gate"
ABSENT, LOCKED, WRONG = (10, "Is there a repository at"), (11, "already locked"), (12, "wrong password")
"""restic's exit statuses, from 0.17 on, and what it said before."""

INCOMPLETE = 3


@dataclass(frozen=True)
class Stored:
    """A snapshot as the repository lists it."""

    id: str
    time: str
    tags: tuple[str, ...]

    @property
    def desktop(self) -> str:
        return self.tag("desktop") or ""

    def tag(self, key: str) -> str | None:
        """The value of a tag `KEY:VALUE`; None if it has none."""
        return next((tag.partition(":")[2] for tag in self.tags if tag.startswith(f"{key}:")), None)

    @property
    def at(self) -> datetime:
        """When; restic writes more digits of a second than Python reads."""
        return datetime.fromisoformat(re.sub(r"\.\d+", "", self.time))


def without_password(where: str) -> str:
    """An address for people."""
    head, at, host = where.rpartition("@")
    user, colon, _ = head.rpartition(":")
    return f"{user}:…@{host}" if at and colon and "//" in user else where


class Repository:
    """Where snapshots are kept: a folder of this container's, or what restic takes (`sftp:…`, `rest:…`, `s3:…`)."""

    def __init__(self, where: str, password_file: str | None) -> None:
        self.where = where
        self.password = _password(password_file)

    @property
    def shown(self) -> str:
        """Its address for people, without a password in it."""
        return without_password(self.where)

    def environment(self) -> dict[str, str]:
        more = {"RESTIC_REPOSITORY": self.where, "RESTIC_PASSWORD": self.password, "RESTIC_CACHE_DIR": "/tmp/restic"}
        return {**os.environ, **more}

    def run(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["restic", *words],
            env=self.environment(),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def do(self, *words: str, cwd: Path | None = None) -> str:
        """What a command of restic's prints.

        Raises:
            RefusedError: it failed.
        """
        done = self.run(*words, cwd=cwd)
        if (
            _is(done.returncode, done.stderr, LOCKED) and not self.run("unlock", "--quiet").returncode
        ):  # locks of the dead alone
            done = self.run(*words, cwd=cwd)
        if done.returncode:
            raise self.failure(done.returncode, done.stderr)
        return done.stdout

    def failure(self, status: int, said: str) -> RefusedError:
        """How restic's end is told."""
        lines = [_plainly(line) for line in said.splitlines() if line.strip()]
        if _is(status, said, WRONG):
            return RefusedError(f"{self.shown}: wrong password", PASSWORD)
        return RefusedError(f"{self.shown}: {(lines or [f'restic ended with {status}'])[-1]}", REPOSITORY)

    def there(self, yes: bool) -> None:
        """See to it that there is one, made after a yes.

        Raises:
            RefusedError: it cannot be opened, or nobody said yes.
        """
        done = self.run("cat", "config", "--no-lock", "--quiet")
        if not done.returncode:
            return
        if not _is(done.returncode, done.stderr, ABSENT):
            raise self.failure(done.returncode, done.stderr)
        confirm(f"There is no repository at {self.shown}. Make one?", yes)
        self.do("init", "--quiet")
        tell(f"a new repository at {self.shown}; without its password nothing in it can be read again")

    @property
    def leaves_holes(self) -> bool:
        """Whether it can leave holes where a file has nothing but zeros (0.15)."""
        found = re.search(r"restic (\d+)\.(\d+)", self.do("version"))
        return found is not None and (int(found[1]), int(found[2])) >= (0, 15)

    def snapshots(self, tag: str = OURS) -> list[Stored]:
        """All of desktops, or with another tag, the oldest first."""
        items = json.loads(self.do("snapshots", "--json", "--no-lock", "--tag", tag)) or []
        return sorted((Stored(i["id"], i["time"], tuple(i.get("tags") or ())) for i in items), key=lambda s: s.time)

    def find(self, word: str) -> Stored:
        """The snapshot that is meant: the beginning of its id, `latest`, or a desktop's name for its latest.

        Raises:
            RefusedError: there is none, or several begin so.
        """
        return self.among(self.snapshots(), word)

    def among(self, every: Sequence[Stored], word: str) -> Stored:
        """The same, of those that were asked for before."""
        named = every if word == "latest" else [s for s in every if s.desktop == word]
        begin = [s for s in every if s.id.startswith(word.lower())] if len(word) >= 4 else []
        if named:
            return named[-1]
        if len(begin) != 1:
            raise RefusedError(f"no snapshot `{word}` in {self.shown}", NOT_FOUND, "modulux snapshots lists them")
        return begin[0]

    def manifest(self, snapshot: str) -> dict[str, Any]:
        """What a snapshot says of itself.

        Raises:
            RefusedError: it says nothing that can be read.
        """
        try:
            return dict(json.loads(self.do("dump", "--no-lock", snapshot, "/desktop/manifest.json")))
        except ValueError:
            raise RefusedError("what the snapshot says of itself cannot be read", DAMAGED) from None


def _plainly(line: str) -> str:
    """restic says why as JSON where it was asked for JSON."""
    return str(_read(line).get("message", line)).strip().splitlines()[0].removeprefix("Fatal: ")


def _is(status: int, said: str, kind: tuple[int, str]) -> bool:
    return status == kind[0] or (status == 1 and kind[1] in said)


def _password(file: str | None) -> str:
    if file:
        try:
            return Path(file).expanduser().read_text().rstrip("\r\n")
        except OSError as error:
            raise RefusedError(f"{file}: {error.strerror}", PASSWORD) from None
    return answer("password of the repository:", hidden=True)


def keep_password(password: str, file: str) -> None:
    """Write it where only this container can read it, whole or not at all."""
    path = Path(file).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:  # noqa: PTH123
        sink.write(f"{password}\n")
        sink.flush()
        os.fsync(sink.fileno())
    beside.rename(path)


class Reading:
    """A `restic backup` that waits, once it has opened the repository, until it is let go: nobody need stand still for that.

    restic opens its `--exclude-file` after the repository and before any file: a pipe of ours, which holds no pattern.
    """

    def __init__(self, repository: Repository, folder: Path, tags: Sequence[str]) -> None:
        self.repository = repository
        with contextlib.suppress(FileNotFoundError):
            os.unlink(GATE)  # noqa: PTH108
        os.mkfifo(GATE, 0o600)
        self.gate = -1
        self.begun = datetime.now().astimezone()
        words = [
            "restic",
            "backup",
            "--json",
            "--exclude-file",
            GATE,
            *(w for tag in tags for w in ("--tag", tag)),
            "desktop",
            "volumes",
        ]
        self.process = subprocess.Popen(
            words,
            env=repository.environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def at_gate(self) -> None:
        """Wait until it waits, or has ended: a pipe can be opened to write once somebody reads."""
        while self.gate < 0 and self.process.poll() is None:
            try:
                self.gate = os.open(GATE, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.02)

    def go(self) -> None:
        """Let it read."""
        if self.gate >= 0:
            os.close(self.gate)
            self.gate = -1

    def result(self, seconds: float) -> Mapping[str, Any]:
        """What it made, after so many seconds at most.

        Raises:
            RefusedError: a file could not be read, restic failed, or it took longer.
        """
        try:
            out, said = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise RefusedError(
                f"what had changed could not be kept within {seconds:.0f} s, and the desktop cannot stand still longer",
                REPOSITORY,
            ) from None
        summary = next((item for line in out.splitlines() if (item := _read(line)).get("message_type") == "summary"), {})
        if self.process.returncode == INCOMPLETE and summary:
            self.repository.run("forget", "--quiet", str(summary["snapshot_id"]))
            raise RefusedError(
                f"a file could not be read: {(said.splitlines() or ['?'])[0]}",
                REPOSITORY,
                "nothing was kept; run the same command again",
            )
        if self.process.returncode or not summary:
            raise self.repository.failure(self.process.returncode, said)
        return summary

    def end(self) -> None:
        """End it, if it has not ended; it takes its lock back."""
        if self.process.poll() is None:
            self.process.send_signal(2)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)
            self.go()  # who is told to end before, and then reads, makes nothing of it
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
            self.process.kill()
            self.process.wait()
        self.go()


def _read(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}
