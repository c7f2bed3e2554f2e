"""The same machine with systemd as PID 1: the same desktop on the card, the same commands, its power button, and memory sticks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support import stick
from tests.support.cli import Cli
from tests.support.virtual import Virtual, booted, colours, processes, wait_for

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3000)]

NAME = "t-systemd"


def test_systemd_starts_the_same_desktop(tmp_path: Path) -> None:
    file = tmp_path / "machine.yaml"
    file.write_text(f"name: {NAME}\ninit: systemd\ndesktops: [openbox]\n")
    with booted(Cli("podman"), file, NAME, "--fresh", "--usb", str(stick.vfat(tmp_path / "stick.img", "MY STICK"))) as machine:
        picture = machine.picture(tmp_path / "screen.png")
        assert colours(picture, (0, 0, 1280, 30)) >= 8, "the panel"
        assert colours(picture, (0, 400, 200, 800)) >= 50, "the wallpaper"
        found = processes(machine.ask("processes"))
        assert found[1][1] == "systemd"
        assert {"Xorg", "tini"} <= {program for _, program in found.values()}
        assert machine.inside("modulux.openbox.terminal", "/usr/lib/modulux/floor || true") == ""
        a_stick_is_there_until_it_is_ejected(machine, tmp_path / "stick.img")


def sticks(machine: Virtual) -> dict[str, str]:
    said = json.loads(machine.cli.run("machine", "eject", NAME, "--json").stdout)["sticks"]
    return {one["name"]: one["state"] for one in said}


def a_stick_is_there_until_it_is_ejected(machine: Virtual, image: Path) -> None:
    wait_for(lambda: sticks(machine) == {"MY STICK": "mounted"}, "the stick")
    machine.inside("modulux.openbox.terminal", "echo by hand > '/media/MY STICK/letter'")
    machine.cli.run("machine", "eject", NAME, "MY STICK")
    assert sticks(machine) == {"MY STICK": "ejected"}
    assert machine.inside("modulux.openbox.terminal", "ls /media") == ""
    assert b"by hand\n" in image.read_bytes()
    stick.pull_out(machine.running, "stick0")
    wait_for(lambda: not sticks(machine), "it is gone")
    stick.plug_in(machine.running, "later", stick.vfat(image.parent / "second.img", "LATER"))
    wait_for(lambda: sticks(machine) == {"LATER": "mounted"}, "one that comes later")
