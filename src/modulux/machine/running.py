"""A virtual machine on this host: started, waited for until its desktop is ready, ended as by its power button."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
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

ELSEWHERE = "by ssh: list, log, show, describe, open, update, upgrade, rollback, storage, eject, do, stop"


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
    """Start QEMU, in a session of its own.

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
    deadline = time.monotonic() + SPAWNED
    while not machine.monitor.exists():
        if not _alive(pid) or time.monotonic() > deadline:
            said = printed.read_text(errors="replace").strip().splitlines()
            raise EngineError("QEMU did not start", hint=said[-1] if said else None)
        time.sleep(0.02)
    screen, password = (None, None) if machine.window else _vnc(machine.monitor)
    if not machine.window:
        plug_in(machine)
    running = Running(name, pid, machine, screen, password)
    _note(running)
    return running


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


def stop(running: Running, grace: float = 60.0) -> bool:
    """Press the power button and wait; after `grace` seconds pull the plug. Whether it went off by itself."""
    by_itself = True
    with contextlib.suppress(NotFoundError, EngineError), Monitor(running.machine.monitor) as qemu:
        qemu.do("system_powerdown")
    deadline = time.monotonic() + grace
    while running.alive():
        if time.monotonic() > deadline:
            by_itself = False
            pull_plug(running)
        time.sleep(0.1)
    (running.machine.sockets / "running.json").unlink(missing_ok=True)  # what it said stays until it is started again
    return by_itself


def pull_plug(running: Running) -> None:
    """End the virtual machine at once, as a power cut would."""
    with contextlib.suppress(NotFoundError, EngineError), Monitor(running.machine.monitor) as qemu:
        qemu.do("quit")
