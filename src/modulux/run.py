"""The one place that starts processes: argv lists, no shell, no inherited stdin, each command logged so that it can be pasted.

Standard library only: the bootstrap uses it before anything is installed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

log = logging.getLogger("modulux.run")

HELD: set[int] = set()
"""File descriptors of locks that children must hold too: what outlives a killed parent still counts as under way."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

MOMENT = 1.0
"""Seconds that a command has to end when this process is interrupted."""

GRACE = 10.0
"""Seconds that it has where it is to end by itself."""

_apart = threading.Event()
"""Set while what is started goes into process groups of its own."""

_live: set[subprocess.Popen[bytes] | subprocess.Popen[str]] = set()

_spared: set[subprocess.Popen[bytes] | subprocess.Popen[str]] = set()
"""Those of them that are to end by themselves."""


@dataclass(frozen=True)
class Completed:
    """A process that ended: what it was, its exit status (negative: the signal that ended it), its output as text."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.status == 0


def shown(argv: Sequence[str], secrets: Sequence[str] = ()) -> str:
    """The command as a person would paste it, with each of `secrets` blanked."""
    line = shlex.join(argv)
    for secret in secrets:
        if secret:
            line = line.replace(secret, "********")
    return line


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """This process's environment with `extra` on top, and messages in English so that logs read alike everywhere."""
    return {**os.environ, "LC_ALL": "C.UTF-8", **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    spared: bool = False,
    secrets: Sequence[str] = (),
) -> Completed:
    """Run `argv` to its end and return what it printed. Never raises for a bad exit status.

    Args:
        input: bytes for its stdin; without, stdin is empty.
        env: variables on top of this process's own.
        timeout: seconds; past that the process is killed and the status is -SIGKILL.
        spared: an interrupt lets it end by itself (`GRACE`), for what is finished whether this process is there or not.
        secrets: words blanked in the log.

    Raises:
        FileNotFoundError: there is no such program.
    """
    log.debug("+ %s", shown(argv, secrets))
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env),
        pass_fds=tuple(HELD),
        process_group=0 if _apart.is_set() else None,
    ) as process:
        if spared:
            _spared.add(process)
        _live.add(process)
        try:
            out, err = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        except BaseException:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=GRACE if spared else MOMENT)
            process.terminate()
            raise
        finally:
            _live.discard(process)
            _spared.discard(process)
    return Completed(tuple(argv), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


@contextlib.contextmanager
def lines(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Run `argv` and give its stdout and stderr, interleaved, line by line as they come; it is ended with the context.

    Yields:
        the process (its `returncode` is set once the lines are used up and it was waited for) and the iterator of lines.
    """
    log.debug("+ %s", shown(argv))
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(env),
        pass_fds=tuple(HELD),
        process_group=0 if _apart.is_set() else None,
    ) as process:
        assert process.stdout is not None
        _live.add(process)
        try:
            yield process, (line.rstrip("\n") for line in process.stdout)
        finally:
            _live.discard(process)
            _end(process)


@contextlib.contextmanager
def pipe(argv: Sequence[str], patience: float = 0.0) -> Iterator[subprocess.Popen[bytes]]:
    """Run `argv` with unbuffered pipes at stdin and stdout (stderr is kept on a pipe too); it is ended with the context.

    Args:
        patience: seconds that it has to end by itself once its stdin is closed. Of an engine's `exec` the signal would end
            the near half alone, and now and then leave the one in the container.
    """
    log.debug("+ %s", shown(argv))
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment(None),
        process_group=0 if _apart.is_set() else None,
    ) as process:
        _live.add(process)
        try:
            yield process
        finally:
            _live.discard(process)
            _let_end(process, patience)
            _end(process)


@contextlib.contextmanager
def talk(argv: Sequence[str], patience: float = 2.0) -> Iterator[tuple[socket.socket, Callable[[], str]]]:
    """Run `argv` with one end of a socket for its stdin and stdout; it is ended with the context.

    Args:
        patience: seconds that it has to end by itself.

    Yields:
        The other end, and a function for when that one has ended: it waits as long and gives what was said on stderr.

    Raises:
        FileNotFoundError: there is no such program.
    """
    log.debug("+ %s", shown(argv))
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryFile() as said:
        with theirs:
            group = 0 if _apart.is_set() else None
            process = subprocess.Popen(
                list(argv),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=said,
                env=environment(None),
                process_group=group,
            )

        def last_words() -> str:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            said.seek(0)
            return said.read().decode(errors="replace")

        _live.add(process)
        try:
            yield ours, last_words
        finally:
            _live.discard(process)
            ours.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
            _end(process)


def joined(first: Sequence[str], second: Sequence[str], *, env: Mapping[str, str] | None = None) -> tuple[Completed, Completed]:
    """Run both to their ends, the stdout of `first` at the stdin of `second`; what `first` printed is not kept.

    Args:
        env: variables on top of this process's own, for both.

    Raises:
        FileNotFoundError: there is no such program.
    """
    log.debug("+ %s | %s", shown(first), shown(second))
    group = 0 if _apart.is_set() else None
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(tempfile.TemporaryFile())
        common: dict[str, Any] = {"env": environment(env), "pass_fds": tuple(HELD), "process_group": group}
        one = subprocess.Popen(list(first), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, **common)
        _watched(stack, one)
        two = subprocess.Popen(list(second), stdin=one.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **common)
        _watched(stack, two)
        assert one.stdout is not None
        one.stdout.close()  # so that `first` notices when `second` ends before it
        out, err = two.communicate()
        one.wait()
        said.seek(0)
        ended = Completed(tuple(first), one.returncode, "", said.read().decode(errors="replace"))
    return ended, Completed(tuple(second), two.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _watched(stack: contextlib.ExitStack, process: subprocess.Popen[bytes]) -> None:
    """See to it that the process is ended with the context."""
    stack.enter_context(process)
    _live.add(process)
    stack.callback(_end, process)
    stack.callback(_live.discard, process)


@contextlib.contextmanager
def one_interrupt() -> Iterator[Callable[[], None]]:
    """The first Ctrl-C or its like raises KeyboardInterrupt, and none after it counts, so that what it calls for can be done.

    What is started meanwhile is in a process group of its own: the terminal tells this process alone, which ends the others in
    order. Outside the main thread, which alone is interrupted, nothing changes.

    Yields:
        a function; once it was called not even a first one counts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.getsignal(number) for number in INTERRUPTS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}  # nohup

    def ignore() -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)

    def first(number: int, _: FrameType | None) -> None:
        ignore()
        raise KeyboardInterrupt(number)

    _apart.set()
    try:
        for number in before:
            signal.signal(number, first)
        yield ignore
    finally:
        _apart.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def past_interrupts() -> None:
    """From here on Ctrl-C and its like change nothing: all is done, and only to be told. For the last steps of a process."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)


def end_all() -> None:
    """End every process under way, in any thread: an interrupt reaches only the main one.

    Those that have started others get to see these end (SIGTERM), which lets a build clean up after itself as it does after any
    failed step; after `GRACE` seconds they are asked themselves, and so are those that were to end by themselves.
    """
    processes = list(_live)
    for process in set(processes) - _spared:
        for pid in _children(process.pid) or [process.pid]:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)

    def ask() -> None:
        for process in processes:
            with contextlib.suppress(OSError):
                process.terminate()  # does nothing once it has been waited for

    timer = threading.Timer(GRACE, ask)
    timer.daemon = True
    timer.start()


def _children(pid: int) -> list[int]:
    """All that descend from the process, the youngest generation last."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = list(parents.get(pid, []))
    for child in found:  # grows while it is walked
        found += parents.get(child, [])
    return found


def interactive(argv: Sequence[str]) -> int:
    """Run `argv` on this terminal (the person's stdin, stdout, stderr) and return its exit status."""
    log.debug("+ %s", shown(argv))
    with subprocess.Popen(list(argv)) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # the terminal sent it to the child as well: let it end in its own way
                continue


def detached(argv: Sequence[str], *, printed: Path, env: Mapping[str, str], cwd: Path = Path("/")) -> int:
    """Start `argv` in a session of its own, to outlive this process and its terminal; returns its process id.

    Args:
        printed: a file to which what it prints is appended.
        env: its whole environment.
    """
    log.debug("+ %s &", shown(argv))
    with printed.open("ab") as output:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env), cwd=cwd, start_new_session=True
        )
    process.returncode = 0  # it is nobody's to wait for
    return process.pid


def _let_end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Close its stdin, and read what it still says, which would hold it, for so long."""
    if not seconds or process.stdin is None or process.stdout is None:
        return
    with contextlib.suppress(OSError):
        process.stdin.close()
    deadline = time.monotonic() + seconds
    with contextlib.suppress(OSError, ValueError):
        while (left := deadline - time.monotonic()) > 0 and select.select([process.stdout], [], [], left)[0]:
            if not os.read(process.stdout.fileno(), 1 << 16):
                break
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
