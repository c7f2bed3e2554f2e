"""Three desktops on one card, screen and keyboard, two of X and one of Wayland, each seen in its turn; and a login on a console beside them."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from tests.support.cli import Cli
from tests.support.virtual import Virtual, booted, colours, processes
from tests.support.waiting import wait_for

from modulux.machine.qmp import Monitor

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(2400)]

NAME, FIRST, SECOND, THIRD = "t-seat", "t-first", "t-second", "t-third"
PASSWORD = "correct horse"
HASH = "$6$modulux$utBrM7Kj0Y0pGxu9VPJxVMSDEt6iq1DcX6UtpcYDsLKrgGAM/9WuoNNanbTFRq6I8gbBHH2tOlvaAYvWIgXKh."
FILE = f"""name: {NAME}
init: INIT
desktops: [./first.yaml, ./second.yaml, {{desktop: ./third.yaml, display: wayland-card}}]
audio: own
login: {{password-hash: '{HASH}'}}
memory: 1536m
"""
CURSOR = 0.0001
"""More of a picture than a cursor that blinks, less than a word."""

DESKTOP = "name: {}\ndisplay: {}\nsessions: [{}]\napps: [terminal]\n"


@pytest.fixture(scope="module", params=["engine", "systemd"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Virtual]:
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("qemu-system-x86 is needed: scripts/test installs it")
    folder = tmp_path_factory.mktemp("seat")
    (folder / "machine.yaml").write_text(FILE.replace("INIT", request.param))
    (folder / "first.yaml").write_text(DESKTOP.format(FIRST, "xvfb", "openbox"))
    (folder / "second.yaml").write_text(DESKTOP.format(SECOND, "xvfb", "icewm"))
    (folder / "third.yaml").write_text(DESKTOP.format(THIRD, "wayland", "labwc"))
    with booted(Cli("podman"), folder / "machine.yaml", NAME, "--fresh") as made:
        yield made


@pytest.fixture(scope="module")
def pictures(machine: Virtual, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image.Image]:
    """What is seen of each desktop, by its name: the one that is there after the start, and the others."""
    folder = tmp_path_factory.mktemp("pictures")
    wait_for(lambda: seen(machine) == FIRST, "the first desktop of the file is seen")
    found = {FIRST: settled(machine, folder / "first.png")}
    for desktop in (SECOND, THIRD):
        machine.cli.run("machine", "show", NAME, desktop)
        wait_for(partial(is_seen, machine, desktop), desktop)
        found[desktop] = settled(machine, folder / f"{desktop}.png")
    return found


def seen(machine: Virtual) -> str:
    there = json.loads(machine.cli.run("machine", "show", NAME, "--json").stdout)["terminals"]
    return next((one["name"] for one in there if one["seen"]), "")


def is_seen(machine: Virtual, name: str) -> bool:
    return seen(machine) == name


def settled(machine: Virtual, path: Path) -> Image.Image:
    """The picture once it is the same for a while."""
    last = machine.picture(path)
    for _ in range(60):
        time.sleep(2)
        now = machine.picture(path)
        if difference(last, now) < 0.001 and colours(now, (0, 0, *now.size)) >= 2:
            return now
        last = now
    raise AssertionError("the picture never comes to rest")


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of dots that are not the same."""
    if one.size != other.size:
        return 1.0
    same = ImageChops.difference(one, other).convert("L").histogram()[0]
    return 1 - same / (one.size[0] * one.size[1])


def press(machine: Virtual, *keys: str) -> None:
    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.press(*keys, seconds=0.2)


def typed(machine: Virtual, desktop: str) -> str:
    return machine.inside(f"modulux.{desktop}.terminal", "cat ~/Documents/typed 2>/dev/null || true")


def test_all_come_up_and_each_is_seen_when_it_is_asked_for(pictures: dict[str, Image.Image]) -> None:
    assert all(picture.size == (1280, 800) for picture in pictures.values())
    for one, other in itertools.combinations(pictures.values(), 2):
        assert difference(one, other) > 0.03, "their bars and windows lie elsewhere"


def test_keys_and_pointer_are_of_the_one_that_is_seen(machine: Virtual, pictures: dict[str, Image.Image]) -> None:
    for desktop, other in ((SECOND, FIRST), (THIRD, SECOND), (FIRST, THIRD)):
        machine.cli.run("machine", "show", NAME, desktop)
        wait_for(partial(is_seen, machine, desktop), desktop)
        machine.click(0.5, 0.5)
        machine.type(f"echo {desktop} >> ~/Documents/typed\n")
        wait_for(partial(typed, machine, desktop), "the file")
        assert typed(machine, desktop) == desktop
        assert desktop not in typed(machine, other)


def test_the_keyboard_switches_and_what_was_there_is_there_again(
    machine: Virtual, pictures: dict[str, Image.Image], tmp_path: Path
) -> None:
    for key, desktop in (("f8", SECOND), ("f9", THIRD), ("f7", FIRST), ("f9", THIRD), ("f8", SECOND), ("f7", FIRST)):
        press(machine, "ctrl", "alt", key)
        wait_for(partial(is_seen, machine, desktop), f"{desktop} by its key")
        assert difference(settled(machine, tmp_path / "now.png"), pictures[desktop]) < 0.03


def test_one_that_is_ended_leaves_the_screen_to_another_and_is_started_by_who_goes_to_it(
    machine: Virtual, pictures: dict[str, Image.Image], tmp_path: Path
) -> None:
    def state() -> str:
        return dict(line.split("\t") for line in machine.ask("desktops"))[SECOND]

    machine.cli.run("machine", "show", NAME, SECOND)
    wait_for(partial(is_seen, machine, SECOND), SECOND)
    machine.cli.run("machine", "stop", NAME, SECOND)
    assert state() == "rests"
    assert not {name for name, _ in processes(machine.ask("processes")).values() if name.startswith(f"modulux.{SECOND}.")}
    wait_for(partial(is_seen, machine, FIRST), "the first in its place")
    assert difference(settled(machine, tmp_path / "first.png"), pictures[FIRST]) < 0.03
    press(machine, "ctrl", "alt", "f8")
    wait_for(lambda: state() == "ready", "it has been started")
    assert difference(settled(machine, tmp_path / "again.png"), pictures[SECOND]) < 0.03


def test_who_knows_the_password_gets_a_shell_on_the_console(machine: Virtual, tmp_path: Path) -> None:
    login = f"modulux.{NAME}.login"

    def written(name: str) -> str:
        return machine.inside(login, f"cat ~/{name} 2>/dev/null || true")

    press(machine, "ctrl", "alt", "f2")
    wait_for(lambda: seen(machine) == "login", "the console")
    before = settled(machine, tmp_path / "console.png")
    machine.type("wrong\n")
    machine.type("touch ~/refused\n")  # too early, and no password either
    time.sleep(6)
    assert machine.inside(login, "ls ~/refused 2>/dev/null || true") == ""
    machine.type(f"{PASSWORD}\n")
    time.sleep(4)
    machine.type("env > ~/own; id -u > ~/Documents/in\n")
    wait_for(lambda: written("Documents/in") == "1000", "a file by the shell")
    assert difference(before, machine.picture(tmp_path / "shell.png")) > 0
    assert "TERM=linux" in written("own")
    assert "MODULUX_PASSWORD" not in written("own")
    assert machine.inside(f"modulux.{FIRST}.terminal", "cat ~/Documents/in") == "1000"
    machine.type("exit\n")
    wait_for(lambda: difference(before, machine.picture(tmp_path / "again.png")) < CURSOR, "it asks again")
    press(machine, "ctrl", "alt", "f7")
    wait_for(lambda: seen(machine) == FIRST, "the desktop again")


@pytest.mark.parametrize("container", [f"modulux.{NAME}.login", f"modulux.{SECOND}.terminal"])
def test_every_module_is_held_to_the_floor(machine: Virtual, container: str) -> None:
    assert machine.inside(container, "/usr/lib/modulux/floor || true") == ""
