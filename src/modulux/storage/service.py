"""Stopping and starting an engine's daemon: by systemd where that started it, else as the process that was found running."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from modulux import run
from modulux.errors import StorageError
from modulux.storage.facts import Process, Service

GRACE = 120.0
"""Seconds that a daemon may take to end, or to answer again."""

SYSTEMD = Path("/run/systemd/system")


def systemd() -> bool:
    """Whether systemd runs this machine."""
    return SYSTEMD.is_dir()


def listener(path: Path) -> int | None:
    """The process that listens at a unix socket, None when nobody does (or a process outside of this namespace: 0 then)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(path))
        except OSError:
            return None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])


def processes(name: str) -> list[int]:
    """Processes whose program is called `name`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and command(int(entry.name))[:1]:
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().strip() == name[:15]:
                    found.append(int(entry.name))
    return sorted(found)


def command(pid: int) -> list[str]:
    """The command line of a process; empty when it is gone (or a thread of the kernel)."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(word) for word in raw.split(b"\0")[:-1]]


def ended(pid: int) -> bool:
    """Whether a process is no more, or only waits to be forgotten."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def started_as(pid: int) -> Process:
    """How a process was started."""
    folder = Path(f"/proc/{pid}")
    raw = (folder / "environ").read_bytes().decode(errors="ignore")  # what is not text would not survive the journal
    pairs = (item.partition("=") for item in raw.split("\0") if item)
    return Process(
        argv=command(pid),
        cwd=(folder / "cwd").readlink(),
        environment={name: value for name, _, value in pairs},
    )


def unit_of(pid: int) -> str | None:
    """The unit of systemd that a process belongs to."""
    if not systemd():
        return None
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return None
    names = [part for line in lines for part in line.split("/") if part.endswith(".service")]
    return names[-1] if names else None


def systemctl(user: str | None, *words: str) -> list[str]:
    """The words for systemd of the machine, or for the user's own units."""
    whose = ["--user", f"--machine={user}@.host"] if user else []
    return ["systemctl", *whose, *words]


def as_user(user: str) -> list[str]:
    """The words before a command that is run as `user`, with that user's surroundings."""
    entry = pwd.getpwnam(user)
    surroundings = {
        "HOME": entry.pw_dir,
        "USER": user,
        "LOGNAME": user,
        "XDG_RUNTIME_DIR": f"/run/user/{entry.pw_uid}",
        "PATH": os.environ.get("PATH", os.defpath),
    }
    pairs = [f"{name}={value}" for name, value in surroundings.items()]
    return [
        "setpriv",
        f"--reuid={entry.pw_uid}",
        f"--regid={entry.pw_gid}",
        "--init-groups",
        "--",
        "env",
        "--chdir=/",
        "--ignore-environment",
        *pairs,
    ]


def stop(service: Service, user: str | None, pids: Callable[[], list[int]]) -> None:
    """Stop the daemon and wait until it is gone.

    Args:
        pids: finds the daemon's processes, as far as it runs without a service manager.

    Raises:
        StorageError: it does not end.
    """
    if service.units:
        done = run.run(systemctl(user, "stop", *service.units), timeout=2 * GRACE)
        if not done.ok:
            raise StorageError(f"systemctl stop {' '.join(service.units)}: {done.stderr.strip()}")
    if service.process:
        for pid in pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if not until(lambda: not pids(), GRACE):
            raise StorageError(f"{service.process.argv[0]} does not end within {GRACE:.0f} s of SIGTERM")


def start(service: Service, user: str | None, log: Path, answers: Callable[[], bool]) -> bool:
    """Start the daemon and wait until it answers; False when it does not, or has ended.

    Args:
        log: where a daemon that systemd does not keep writes to.
    """
    alive: Callable[[], bool] = lambda: True  # noqa: E731  without a daemon there is nothing that could end
    if service.units:
        # sockets begin to listen before what answers on them
        done = run.run(systemctl(user, "start", *reversed(service.units)), timeout=2 * GRACE)
        if not done.ok:
            return False
    if service.process:
        p = service.process
        pid = run.detached(p.argv, printed=log, env=p.environment, cwd=p.cwd)
        alive = lambda: not ended(pid)  # noqa: E731
    until(lambda: answers() or not alive(), GRACE)
    return answers()


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; False when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
