"""PID 1 of a machine, on this host: a process namespace in which it is the first, a root of its own, and a runtime that only pretends.

Nothing of the host's is reached: no devices, no /sys, the kernel's settings read-only; what it says of its console is in a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modulux.paths import shipped

SOURCE = shipped("modules") / "init/engine/source"
GRACE = 1.5
PATIENCE = 2.0
LOOK = 0.5
CALM = 4.0
STILL_TIME = 3.0
DISK_TIME = 3.0
LIVES = 2.0
SAID = re.compile(r"machine:\s+(\d+\.\d+) (.*)")

ENTER = """
set -e
cd "$1"
mkdir -p usr proc sys dev run tmp state store machine etc/machine/bundles
for link in bin sbin lib lib64; do [ ! -L "/$link" ] || [ -L "$link" ] || ln -s "usr/$link" "$link"; done
mount --bind /usr usr
mount -t proc proc proc
mount -o bind,ro proc/sys proc/sys
[ ! -e proc/sysrq-trigger ] || mount --bind /dev/null proc/sysrq-trigger
mount --bind machine/cmdline proc/cmdline
mount -t tmpfs dev dev
for node in null urandom $2; do cp -a "/dev/$node" dev/; done
mount -t tmpfs run run
[ ! -d machine/devices ] || cp -a machine/devices/. dev/
[ ! -d machine/run ] || cp -a machine/run/. run/
exec chroot . /machine/init system
"""

RUNTIME = r"""#!/usr/bin/python3
import json, os, signal, socket, sys, time
words = [w for w in sys.argv[1:] if w != "--cgroup-manager=cgroupfs"]
if words == ["--version"]:
    sys.exit(0)
verb, name = words[0], words[{"exec": 3, "kill": 1}.get(words[0], -1)]
def note(*what):
    with open("/run/noted", "a") as file:
        file.write(json.dumps([time.monotonic(), *what]) + "\n")
note(verb, name, words)
try:
    how = json.load(open(f"/machine/fake/{name}.json"))
except OSError:
    how = {}
if verb == "exec":
    counter = f"/run/asked.{name}"
    asked = int(open(counter).read()) if os.path.exists(counter) else 0
    open(counter, "w").write(str(asked + 1))
    print("asked", asked, *words[4:], flush=True)
    if how.get("fills"):
        os.set_blocking(1, False)
        try:
            while True:
                os.write(1, b"x" * 1023 + b"\n")
        except BlockingIOError:
            pass
    codes = how.get("exec", [0])
    sys.exit(codes[min(asked, len(codes) - 1)])
if verb == "kill" and not (how.get("deaf") and words[2] == "TERM"):
    os.kill(int(open("/run/one.pid").read()), getattr(signal, "SIG" + words[2]))
if verb != "run":
    sys.exit(0)
time.sleep(how.get("startup", 0))
if "broken" in how:
    print(how["broken"], file=sys.stderr)
    sys.exit(1)
there, here = os.pipe()
pid = os.fork()
if pid:
    os.close(here)
    os.read(there, 1)
    open(words[words.index("--pid-file") + 1], "w").write(f"{pid}\n")
    sys.exit(0)
def end(*_):
    if not how.get("deaf"):
        note("ended", name)
        time.sleep(how.get("ending", 0))
        os._exit(0)
signal.signal(signal.SIGTERM, end)
os.close(there)
os.close(here)
for line in how.get("says", []):
    print(line, flush=True)
for _ in range(how.get("storm", 0)):
    if os.fork() == 0:
        os._exit(0) if os.fork() else os._exit(0)
time.sleep(how.get("before", 0))
doors = []
for path in how.get("listens", []):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.unlink(path)
    door = socket.socket(socket.AF_UNIX)
    door.bind(path)
    door.listen()
    doors.append(door)
note("up", name)
deadline = time.monotonic() + how.get("lives", 1e6)
while time.monotonic() < deadline:
    time.sleep(min(0.05, max(0, deadline - time.monotonic())))
os._exit(how.get("code", 0))
"""


STOPS = """
case $2 in
start) echo "$3" >> /run/told ;;
stop)
  unit=/run/${3%.service}
  echo success 0 >> $unit.ends
  rm -f $unit.cid ;;
esac"""
"""What systemd does when it is told to start or stop a unit, as far as is seen here."""


def compile_pid1(folder: Path, **changed: float) -> Path:
    """PID 1 as a program of this host's, with a runtime of the tests' and less patience, or as much as is said."""
    made = folder / "init"
    flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-static"]
    quickly = {
        "GRACE": GRACE,
        "PATIENCE": PATIENCE,
        "LOOK_INSIDE": LOOK,
        "UNTIL_CALM": CALM,
        "STILL_TIME": STILL_TIME,
        "DISK_TIME": DISK_TIME,
        "LIVES": LIVES,
        "TO_END": 1,
        **changed,
    }
    places = {"RUNTIME": "crun", "GROUPS": "groups", "SYSTEMD": "systemd", "JOURNALCTL": "journalctl", "SYSTEMCTL": "systemctl"}
    places["UPTIME"] = "uptime"
    defines = [
        *(f'-D{name}="/machine/{place}"' for name, place in places.items()),
        *(f"-D{name}={n}" for name, n in quickly.items()),
    ]
    subprocess.run(["gcc", *flags, *defines, "-o", str(made), *map(str, sorted(SOURCE.glob("*.c")))], check=True)
    return made


def compile_part(folder: Path, part: str, before: str, after: str) -> Path:
    """A program of one file of PID 1's and a `main` of the test's, which may call what is private there; all others lie beside.

    Args:
        before: C that is read before that file, such as what takes the place of a call to the kernel.
        after: C that is read after it.
    """
    text = f'#include "init.h"\n{before}\n#include "{part}"\n#undef main\n{after}\n'
    (folder / "part.c").write_text(text)
    others = [str(path) for path in sorted(SOURCE.glob("*.c")) if path.name != part]
    flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{SOURCE}", "-Dmain=first_process"]
    subprocess.run(["gcc", *flags, "-o", str(folder / "part"), str(folder / "part.c"), *others], check=True)
    return folder / "part"


@dataclass
class Noted:
    """What the runtime was asked for, and what containers did: seconds, a word, the container's name, the whole command."""

    at: float
    what: str
    name: str
    words: list[str] = field(default_factory=list)


@dataclass
class World:
    """A machine's files, its first process, and what both have said."""

    folder: Path
    program: Path
    node: str = ""
    words: str = "modulux.store=none modulux.state=none"
    process: subprocess.Popen[bytes] | None = None

    def plan(self, *lines: str) -> None:
        (self.folder / "etc/machine").mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/machine/boot").write_text("".join(line.replace(" ", "\t") + "\n" for line in lines))

    def container(self, name: str, **how: Any) -> None:
        (self.folder / "machine/fake").mkdir(parents=True, exist_ok=True)
        (self.folder / "machine/fake" / f"{name}.json").write_text(json.dumps(how))

    def systemd(self, script: str) -> None:
        """Build it for systemd as PID 1, and run this in systemd's place; its journal has nothing but one line."""
        self.machine.mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/machine").mkdir(parents=True, exist_ok=True)
        (self.folder / "etc/machine/init").write_text("systemd\n")
        said = "echo nothing to live for"
        for name, text in (("systemd", script), ("systemctl", STOPS), ("journalctl", said)):
            (self.machine / name).write_text(f"#!/bin/sh\n{text}\n")
            (self.machine / name).chmod(0o755)

    def start(self) -> None:
        self.machine.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # never written over: it may still be running
            (self.machine / "init").unlink()
        shutil.copy2(self.program, self.machine / "init")
        (self.machine / "crun").write_text(RUNTIME)
        (self.machine / "crun").chmod(0o755)
        (self.machine / "cmdline").write_text(f"quiet {self.words}\n")
        spaces = ["--mount", "--pid", "--fork", "--ipc", "--uts", "--net", "--kill-child", "--propagation", "private"]
        argv = ["unshare", *spaces, "sh", "-c", ENTER, "sh", str(self.folder), self.node]
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    @property
    def machine(self) -> Path:
        return self.folder / "machine"

    @property
    def pid(self) -> int:
        """PID 1, as the host counts."""
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    @property
    def inside(self) -> Path:
        """Its root, seen from the host."""
        return Path(f"/proc/{self.pid}/root")

    def console(self) -> list[str]:
        return [match[2] for match in SAID.finditer((self.folder / "console").read_text(errors="replace"))]

    def noted(self, what: str | None = None) -> list[Noted]:
        with contextlib.suppress(OSError, IndexError):
            lines = (self.inside / "run/noted").read_text().splitlines()
            every = [Noted(*json.loads(line)) for line in lines]
            return [n for n in every if what in (None, n.what)]
        return []

    def wait(self, holds: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until it holds.

        Raises:
            AssertionError: not in time, with all that was said.
        """
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end or (self.process and self.process.poll() is not None and not holds()):
                raise AssertionError("not in time:\n" + (self.folder / "console").read_text(errors="replace"))
            time.sleep(0.02)

    def hears(self, words: str, seconds: float = 10.0) -> None:
        """Wait until the console shows a line with these words."""
        self.wait(lambda: any(words in line for line in self.console()), seconds)

    def ask(self, *words: str, seconds: float = 10.0) -> list[str]:
        """A command's answer, its last line with it."""
        with socket.socket(socket.AF_UNIX) as port:
            port.settimeout(seconds)
            port.connect(str(self.inside / "run/machine/control"))
            port.sendall("\t".join(words).encode() + b"\n")
            lines: list[str] = []
            for line in port.makefile("r"):
                lines.append(line.rstrip("\n"))
                if lines[-1] == "ok" or lines[-1].startswith("error"):
                    break
            return lines

    def status(self) -> dict[str, list[str]]:
        return {(words := line.split("\t"))[0]: words[1:] for line in self.ask("status")[:-1]}

    def power_off(self, seconds: float = 15.0) -> None:
        os.kill(self.pid, signal.SIGUSR2)
        assert self.process is not None
        self.process.wait(seconds)

    def kill(self) -> None:
        """As a power cut: nothing of it is left when this returns, so nothing is written any more."""
        if self.process and self.process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                os.kill(self.pid, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(60)  # it waits for its child, which ends as the last of all inside
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def world(folder: Path, program: Path) -> Iterator[World]:
    made = World(folder, program)
    try:
        yield made
    finally:
        made.kill()


def order(noted: Sequence[Noted]) -> list[str]:
    return [n.name for n in noted]
