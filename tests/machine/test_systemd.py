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
TERMINAL, DISPLAY = "modulux.openbox.terminal", "modulux.openbox.xorg"


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
        assert machine.inside(TERMINAL, "/usr/lib/modulux/floor || true") == ""
        a_stick_is_there_until_it_is_ejected(machine, tmp_path / "stick.img")
        a_keyboard_that_comes_later_works(machine)
        a_container_is_stopped_and_started_by_its_unit(machine)


def sticks(machine: Virtual) -> dict[str, str]:
    said = json.loads(machine.cli.run("machine", "eject", NAME, "--json").stdout)["sticks"]
    return {one["name"]: one["state"] for one in said}


def a_stick_is_there_until_it_is_ejected(machine: Virtual, image: Path) -> None:
    wait_for(lambda: sticks(machine) == {"MY STICK": "mounted"}, "the stick")
    media = next(name for name in states(machine) if name.endswith(".media"))
    assert any("MY STICK: ok" in line for line in machine.ask("log", media)), "what a container says"
    machine.inside(TERMINAL, "echo by hand > '/media/MY STICK/letter'")
    machine.cli.run("machine", "eject", NAME, "MY STICK")
    assert sticks(machine) == {"MY STICK": "ejected"}
    assert machine.inside(TERMINAL, "ls /media") == ""
    assert b"by hand\n" in image.read_bytes()
    stick.pull_out(machine.running, "stick0")
    wait_for(lambda: not sticks(machine), "it is gone")
    stick.plug_in(machine.running, "later", stick.vfat(image.parent / "second.img", "LATER"))
    wait_for(lambda: sticks(machine) == {"LATER": "mounted"}, "one that comes later")


def a_keyboard_that_comes_later_works(machine: Virtual) -> None:
    stick.plug_in_input(machine.running, "usb-kbd", "usb-kbd")
    wait_for(lambda: "QEMU USB Keyboard" in machine.inside(DISPLAY, "grep Adding /tmp/xorg.log"), "X has the keyboard")
    heard = stick.listening(machine.inside, DISPLAY, "usb-kbd")
    machine.click(0.5, 0.5)
    machine.type("echo later > ~/Documents/later\n")
    wait_for(lambda: machine.inside(TERMINAL, "cat ~/Documents/later 2>/dev/null || true") == "later", "what was typed")
    assert int(machine.inside(DISPLAY, f"wc -c < {heard}")) > 0, "the keys were those of the new keyboard"
    stick.pull_out(machine.running, "usb-kbd")
    wait_for(lambda: "removing device QEMU QEMU USB Keyboard" in machine.inside(DISPLAY, "cat /tmp/xorg.log"), "it is gone")


def states(machine: Virtual) -> dict[str, list[str]]:
    return {(words := line.split("\t"))[0]: words[1:] for line in machine.ask("status")}


def a_container_is_stopped_and_started_by_its_unit(machine: Virtual) -> None:
    machine.ask("stop", TERMINAL)
    wait_for(lambda: states(machine)[TERMINAL][0] == "ended", "it has ended")
    machine.ask("start", TERMINAL)
    wait_for(lambda: states(machine)[TERMINAL][:2] == ["running", "ready"], "it is there again")
    before = int(states(machine)[TERMINAL][2])
    machine.ask("restart", TERMINAL)
    wait_for(lambda: int(states(machine)[TERMINAL][2]) == before + 1, "it was started anew")
    wait_for(lambda: states(machine)[TERMINAL][1] == "ready", "and is ready")
