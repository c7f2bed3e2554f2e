"""A virtual machine on this host: started, waited for until its desktop is ready, ended as by its power button."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from modulux import run
from modulux.errors import EngineError, HostError, NotFoundError, NotReadyError
from modulux.machine.address import is_address
from modulux.machine.build import RECORD
from modulux.machine.emulator import Machine
from modulux.machine.monitors import plug_in
from modulux.machine.places import disks_folder, sockets_folder
from modulux.machine.qmp import Monitor
from modulux.model.units import Screen

SAID = re.compile(r"machine:\s+(\d+\.\d+) (.*)")
"""What PID 1 says on the serial line, with the seconds since power-on."""

READY = "desktop ready"
SPAWNED = 10.0

ELSEWHERE = "by ssh: list, log, show, start, describe, open, update, upgrade, rollback, storage, eject, do, stop"

DYING = 1.0
"""Seconds in which a QEMU that does not answer any more has ended, if that is why."""

ANSWERS = 30.0
"""Seconds after which a QEMU that does not answer is taken for one that hangs."""

QUITS = 10.0
"""Seconds that a QEMU has to end when it is told to, and the kernel to end it when it is killed."""


class Ended(StrEnum):
    """How a virtual machine was ended: by its power button, by QEMU when it did not go off, or with QEMU, which hung."""

    BY_ITSELF = "by itself"
    CUT_OFF = "cut off"
    KILLED = "killed"


@dataclass(frozen=True)
class Running:
    """A virtual machine that runs: its process, how it was started, and what it shows its host."""

    name: str
    pid: int
    machine: Machine
    screen: str | None
    password: str | None

    @property
    def control(self) -> Path:
        return self.machine.control

    @property
    def keeper(self) -> Path:
        return self.machine.keeper

    @property
    def accelerator(self) -> str:
        return self.machine.accelerator

    def facts(self) -> dict[str, Any]:
        """As `record`."""
        return record(self.machine.built)

    def at(self, port: int | None) -> tuple[str, int] | None:
        """Where a port of the machine's is found from here, if it is."""
        outside = self.machine.ports.get(port or 0)
        return ("127.0.0.1", outside) if outside else None

    def restarted(self) -> Callable[[], bool]:
        """What tells, from now on, whether its desktop has got ready at a new start.

        That raises NotReadyError when the machine has gone off.
        """
        heard = len(self.said())

        def ready() -> bool:
            if not self.alive():
                hint = f"modulux machine log {self.name}"
                raise NotReadyError("the machine went off while it was starting anew", hint=hint)
            return READY in [text for _, text in self.said()[heard:]]

        return ready

    def alive(self) -> bool:
        return _alive(self.pid, self.machine.monitor)

    def said(self) -> list[tuple[float, str]]:
        """What PID 1 has said so far: seconds since power-on, and the words."""
        with contextlib.suppress(OSError):
            text = self.machine.serial.read_text(errors="replace")
            return [(float(m[1]), m[2].strip()) for m in SAID.finditer(text)]
        return []


def state_disk(name: str, size: int) -> Path:
    """The disk that keeps what a machine writes, made sparse when it is not there; PID 1 puts a file system on it."""
    path = disks_folder(name) / "state.img"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
        path.chmod(0o600)
    return path


def record(built: Path) -> dict[str, Any]:
    """What the build noted about a machine.

    Raises:
        NotFoundError: nothing was built there.
    """
    try:
        return dict(json.loads((built / RECORD).read_text()))
    except (OSError, ValueError):
        raise NotFoundError(f"there is no machine in {built}", hint="modulux machine build FILE -o DIR") from None


def free_port() -> int:
    """A port of the loopback that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(name: str, machine: Machine) -> Running:
    """Start QEMU, in a session of its own. Whatever keeps it from being noted ends it: nobody would know of it.

    Raises:
        EngineError: it ended at once; the hint is what it said.
        HostError: one of that name runs already.
    """
    if find(name):
        raise HostError(f"the machine `{name}` runs already", hint=f"modulux machine stop {name}, or --name for another")
    shutil.rmtree(machine.sockets, ignore_errors=True)
    machine.sockets.mkdir(parents=True, mode=0o700)
    printed = machine.sockets / "qemu.log"
    pid = run.detached(machine.argv(), printed=printed, env=dict(os.environ))
    try:
        screen, password = _greeted(pid, machine, printed)
        running = Running(name, pid, machine, screen, password)
        _note(running)
    except BaseException:
        _kill(pid, machine.monitor)
        raise
    return running


def _greeted(pid: int, machine: Machine, printed: Path) -> tuple[str | None, str | None]:
    """Wait until QEMU answers, and set its screens up; where the first is seen, and the password.

    It has its monitor before it looks at its disks, which it may not like.
    """
    deadline = time.monotonic() + SPAWNED
    while True:
        try:
            return _set_up(machine)
        except (EngineError, NotFoundError, OSError) as error:
            early = isinstance(error, NotFoundError)  # nobody listens yet
            if _ended(pid, time.monotonic() + (0.02 if early else DYING)):
                said = printed.read_text(errors="replace").strip().splitlines()
                raise EngineError("QEMU did not start", hint=said[-1] if said else None) from None
            if not early or time.monotonic() > deadline:
                raise


def _set_up(machine: Machine) -> tuple[str | None, str | None]:
    if machine.window:
        with Monitor(machine.monitor):
            return None, None
    found = _vnc(machine.monitor)
    plug_in(machine)
    return found


def _ended(pid: int, deadline: float) -> bool:
    while _alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _vnc(monitor: Path) -> tuple[str, str]:
    password = secrets.token_urlsafe(6)
    with Monitor(monitor) as qemu:
        qemu.do("set_password", protocol="vnc", password=password)
        port = qemu.do("query-vnc")["service"]
    return f"127.0.0.1::{port}", password


def _note(running: Running) -> None:
    m = running.machine
    note = {
        "name": running.name,
        "pid": running.pid,
        "built": str(m.built),
        "state": str(m.state) if m.state else None,
        "ports": {str(k): v for k, v in m.ports.items()},
        "screen": running.screen,
        "password": running.password,
        "memory": m.memory,
        "accelerator": m.accelerator,
        "disk": str(m.disk) if m.disk else None,
        "beside": [str(size) for size in m.beside],
    }
    path = m.sockets / "running.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(note))


def find(name: str) -> Running | None:
    """The virtual machine of this name, if it runs."""
    sockets = sockets_folder(name)
    try:
        note = json.loads((sockets / "running.json").read_text())
    except (OSError, ValueError):
        return None
    state = Path(note["state"]) if note["state"] else None
    ports = {int(k): v for k, v in note["ports"].items()}
    more = {"accelerator": note["accelerator"], "ports": ports, "disk": Path(note["disk"]) if note.get("disk") else None}
    beside = tuple(Screen.model_validate(size) for size in note.get("beside", ()))
    machine = Machine(Path(note["built"]), sockets, state, note["memory"], beside=beside, **more)
    found = Running(name, note["pid"], machine, note["screen"], note["password"])
    return found if found.alive() else None


def named(name: str) -> Running:
    """As `find`.

    Raises:
        NotFoundError: none of that name runs.
    """
    if is_address(name):
        raise NotFoundError(f"this is only for virtual machines on this host, and `{name}` is elsewhere", hint=ELSEWHERE)
    found = find(name)
    if found is None:
        raise NotFoundError(f"no machine `{name}` runs", hint="modulux machine run")
    return found


def _alive(pid: int, monitor: Path | None = None) -> bool:
    """Whether the process is there, and is the QEMU that listens on this monitor: numbers are used again."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False
    return state not in "ZX" and (monitor is None or str(monitor) in command)


def wait_ready(running: Running, timeout: float, heard: Callable[[float, str], None]) -> float:
    """Wait until PID 1 says that the desktop is ready; seconds from power-on.

    Args:
        heard: called with each new thing that it says.

    Raises:
        NotReadyError: the machine went off, or time is up; the hint is its last words.
    """
    deadline = time.monotonic() + timeout
    told = 0
    while True:
        said = running.said()
        for at, words in said[told:]:
            heard(at, words)
            if words == READY:
                return at
        told = len(said)
        if not running.alive():
            raise NotReadyError("the machine went off before its desktop was ready", hint=_last(running))
        if time.monotonic() > deadline:
            raise NotReadyError(f"the desktop was not ready after {timeout:.0f} s", hint=_last(running))
        time.sleep(0.1)


def _last(running: Running) -> str:
    with contextlib.suppress(OSError):
        lines = [line for line in running.machine.serial.read_text(errors="replace").splitlines() if line.strip()]
        return "\n".join(lines[-5:]) or f"nothing was said on {running.machine.serial}"
    return "it said nothing"


def stop(running: Running, grace: float = 60.0) -> Ended:
    """Press the power button and wait; after `grace` seconds pull the plug, and kill a QEMU that does not hear of it.

    Raises:
        EngineError: not even that ended it.
    """
    deadline, patience = time.monotonic() + grace, min(max(grace, 1.0), ANSWERS)
    with contextlib.suppress(NotFoundError, EngineError), Monitor(running.machine.monitor, patience) as qemu:
        qemu.do("system_powerdown")
    ended = Ended.BY_ITSELF if _gone(running, deadline) else cut_off(running)
    (running.machine.sockets / "running.json").unlink(missing_ok=True)  # what it said stays until it is started again
    return ended


def cut_off(running: Running) -> Ended:
    """End the virtual machine at once and wait until it has, by the kernel where QEMU does not answer.

    Raises:
        EngineError: not even that ended it.
    """
    deadline = time.monotonic() + QUITS
    pull_plug(running, QUITS)
    if _gone(running, deadline):
        return Ended.CUT_OFF
    _kill(running.pid, running.machine.monitor)
    return Ended.KILLED


def _gone(running: Running, deadline: float) -> bool:
    """Whether it has ended by then."""
    while running.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def pull_plug(running: Running, patience: float = ANSWERS) -> None:
    """End the virtual machine at once, as a power cut would; in vain where QEMU does not answer within `patience`."""
    with contextlib.suppress(NotFoundError, EngineError), Monitor(running.machine.monitor, patience) as qemu:
        qemu.do("quit")


def _kill(pid: int, monitor: Path) -> None:
    """End the QEMU that listens on this monitor, and no other process that its number may have gone to.

    Raises:
        EngineError: it is there still, as one that waits for a disk can be.
    """
    try:
        process = os.pidfd_open(pid)  # from here on the number cannot mean another one
    except ProcessLookupError:
        return
    try:
        if _alive(pid, monitor):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        deadline = time.monotonic() + QUITS
        while _alive(pid, monitor):
            if time.monotonic() > deadline:
                raise EngineError(f"QEMU (process {pid}) does not even end when it is killed", hint="it may wait for a disk")
            time.sleep(0.02)
    finally:
        os.close(process)
