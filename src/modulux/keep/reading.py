"""One `restic backup` under way, in a thread of its own; it waits at a gate until it is told to read.

restic opens the file of its `--exclude-file` after it has opened the repository and before it looks at any file to be kept.
That file is a pipe of ours, without any pattern in it: until its end is told, nothing is read.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from modulux import run
from modulux.errors import ModuluxError, RepositoryError
from modulux.keep import fifo
from modulux.keep.failures import failure
from modulux.keep.restic import INCOMPLETE, Repository, ending_with_us
from modulux.keep.workspace import DESKTOP, VOLUMES, Workspace

STUCK = 8.0
"""Seconds without progress after which a full disk is taken for the reason."""

NO_ROOM = 32 * 1024**2
"""Bytes that restic needs on the disk of a repository, to write a pack."""

LOST = 60.0
"""Seconds without progress after which a server is given up; restic and what it is made of go on for six to fifteen minutes."""

RETRIES = "retrying after"
"""What restic says when something that it asked of a server failed."""

Progress = Callable[[int, int], None]
"""Told bytes done, and bytes in all."""


class Reading:
    """A pass over the workspace. As a context manager it is ended with the context, whatever it was at.

    Args:
        gated: wait for `open` before anything is read.
        tags: of the snapshot that it makes.
        at: the time of that snapshot, in seconds since 1970; its own without.
    """

    def __init__(
        self,
        repository: Repository,
        work: Workspace,
        tags: Sequence[str],
        *,
        gated: bool,
        urgent: bool = False,
        at: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.repository = repository
        self.progress = progress
        self.gate: Path | None = None
        self.send: Callable[[int], None] | None = None  # a signal to restic
        self.started = threading.Event()
        self.summary: dict[str, Any] = {}
        self.troubled = False  # restic has lost its server, and tries again for minutes
        self.last_done = 0
        self.since = time.monotonic()
        self.said: list[str] = []
        self.status: int | None = None
        self.error: BaseException | None = None
        words = ["backup", "--json", *(w for tag in tags for w in ("--tag", tag))]
        if at is not None:
            words += ["--time", datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")]
        if gated:
            self.gate = fifo.make(work.folder / "gate")
            words += ["--exclude-file", str(self.gate)]
        self.argv = ending_with_us(work.argv(repository.argv(*words, DESKTOP, VOLUMES)))
        if urgent:
            self.argv = ["nice", "-n", "-10", *self.argv]  # no more than a wish without root
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Reading:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                env = {**self.repository.told(stack), "TZ": "UTC"}
                process, lines = stack.enter_context(run.lines(self.argv, env=env))
                self.send = process.send_signal
                self.started.set()
                for line in lines:
                    self._line(line)
                self.status = process.wait()
        except BaseException as error:  # noqa: BLE001  it is raised where the end is waited for
            self.error = error
        finally:
            self.started.set()

    def _line(self, line: str) -> None:
        try:
            data = json.loads(line)
            kind = data["message_type"]
        except (ValueError, KeyError, TypeError):
            self.said.append(line)
            self.troubled |= RETRIES in line
            return
        if kind == "summary":
            self.summary = data
        elif kind == "error":
            self.said.append(str(data.get("error", {}).get("message") or data))
        elif kind == "status":
            self._status(int(data.get("bytes_done", 0)), int(data.get("total_bytes", 0)))

    def _status(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(done, total)
        if done != self.last_done:
            self.last_done, self.since = done, time.monotonic()
        if time.monotonic() - self.since > STUCK and self._full() and self.send:
            self.send(signal.SIGKILL)  # restic 0.14 may wait for ever then
        elif time.monotonic() - self.since > LOST and self.troubled and self.send:
            self.said.insert(0, "connection lost")
            self.send(signal.SIGKILL)

    def _full(self) -> bool:
        """Whether the disk of a repository on this machine is full."""
        folder = self.repository.local
        return folder is not None and shutil.disk_usage(folder).free < NO_ROOM

    def at_gate(self) -> bool:
        """Wait until restic stands at the gate; False if it has ended before."""
        assert self.gate is not None
        self._held = fifo.reader(self.gate, self.thread.is_alive)
        return self._held is not None

    def open(self) -> None:
        """Let it read."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    _held: int | None = None

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end; False if it has not come within `seconds`, or the server does not answer any more."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.thread.is_alive() and (deadline is None or time.monotonic() < deadline):
            if deadline is not None and self.troubled:
                return False
            self.thread.join(0.05 if deadline is not None else None)
        return not self.thread.is_alive()

    def result(self, *, whole: bool) -> str:
        """The id of the snapshot that it made, once it has ended.

        Args:
            whole: it is an error if a file could not be read.

        Raises:
            RepositoryError, PasswordError, DamagedError.
        """
        self.thread.join()
        if self.error is not None:
            raise self.error
        made = self.summary.get("snapshot_id")
        if self.status == 0 and made:
            return str(made)
        if self.status == INCOMPLETE and made:
            if not whole:
                return str(made)
            self.discard(str(made))
            last = (self.said or ["?"])[0]
            raise RepositoryError(f"a file could not be read: {last}", hint="nothing was kept; run the same command again")
        crashed = (self.status or 0) < 0 or any(line.startswith("panic:") for line in self.said)
        if crashed and self._full():  # as restic 0.14 may, instead of saying so
            self.said.append("no space left on device")
        raise failure("\n".join(self.said), self.status or 1, self.repository.shown)

    def discard(self, snapshot: str) -> None:
        with contextlib.suppress(ModuluxError):
            self.repository.do("forget", "--quiet", snapshot)

    def end(self) -> None:
        """End it, if it has not ended; restic takes its lock back on SIGINT."""
        self.started.wait()
        for number in (signal.SIGINT, signal.SIGKILL):
            if self.thread.is_alive() and self.send is not None:
                with contextlib.suppress(OSError):
                    self.send(number)
                self.thread.join(5)
        self.open()
        self.thread.join()
        if self.gate is not None:
            self.gate.unlink(missing_ok=True)
