"""The smallest machine there is: one container that takes connections. What disks, slots and upgrades do shows on it as on any."""

from __future__ import annotations

from pathlib import Path

READY = "true"
BROKEN = "false"

MODULE = """role: session
summary: Nothing to see, for trials of machines
base: base/debian-13
provides: [wayland, home]
command: [nc, -lkU, /run/modulux/wayland/wayland-0]
ready:
  command: [sh, -c, "{ready}"]
  timeout: 10s
restart: always
network: none
"""
MACHINE = """name: {name}
kernel: {kernel}
init: {init}
desktops: [./desk.yaml]
display: own
audio: own
network: none
sticks: {sticks}
trial: {trial}
state: 64m
memory: 512m
"""
DESK = "name: t-idle\nsessions: [idle]\nviewer: []\ngateway: null\n"


def smallest(
    folder: Path,
    name: str,
    ready: str = READY,
    trial: int = 300,
    *,
    kernel: str = "cloud",
    sticks: str = "none",
    init: str = "engine",
) -> list[str]:
    """Write its files below `folder`; the words that `machine build` takes for it."""
    module = folder / "modules/session/idle"
    module.mkdir(parents=True)
    (module / "module.yaml").write_text(MODULE.format(ready=ready))
    (module / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (folder / "machine.yaml").write_text(MACHINE.format(name=name, trial=trial, kernel=kernel, sticks=sticks, init=init))
    (folder / "desk.yaml").write_text(DESK)
    return [str(folder / "machine.yaml"), "--modules", str(folder / "modules"), "--yes"]
