"""What is plugged into a machine: memory sticks, a second screen, keyboards and mice that come later. One boot of each init, on X and on Wayland."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support import stick
from tests.support.cli import Cli
from tests.support.virtual import Virtual, booted, colours
from tests.support.waiting import wait_for

from modulux.machine.qmp import Monitor

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(2400)]

NAME, FIRST, SECOND = "t-hardware", "t-first", "t-second"
FILE = f"""name: {NAME}
init: INIT
desktops: [./first.yaml, {{desktop: ./second.yaml, display: wayland-card}}]
screens: [1280x800, 1024x768]
audio: own
network: none
memory: 1536m
"""
DESKTOP = (
    "name: {}\ndisplay: {}\nsessions: [{}]\napps: [terminal, {{module: thunar, autostart: false}}]\ngateway: null\nviewer: []\n"
)
SIZES = (1280, 800), (1024, 768)
BOTH = 1280 + 1024
MEDIA = f"modulux.{NAME}.media"
TERMINAL = f"modulux.{FIRST}.terminal"


@pytest.fixture(scope="module", params=["engine", "systemd"])
def init(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(init: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hardware")


@pytest.fixture(scope="module")
def machine(init: str, folder: Path) -> Iterator[Virtual]:
    (folder / "machine.yaml").write_text(FILE.replace("INIT", init))
    (folder / "first.yaml").write_text(DESKTOP.format(FIRST, "xvfb", "openbox"))
    (folder / "second.yaml").write_text(DESKTOP.format(SECOND, "wayland", "labwc"))
    first = stick.vfat(folder / "first.img", "MY STICK")
    with booted(Cli("podman"), folder / "machine.yaml", NAME, "--fresh", "--usb", str(first)) as made:
        yield made


def sticks(machine: Virtual) -> dict[str, str]:
    """Those that were mounted, and how they are now."""
    said = json.loads(machine.cli.run("machine", "eject", NAME, "--json").stdout)["sticks"]
    return {one["name"]: one["state"] for one in said}


def test_a_stick_is_a_folder_of_every_desktop_until_it_is_ejected(machine: Virtual, folder: Path) -> None:
    wait_for(lambda: sticks(machine) == {"MY STICK": "mounted"}, "the stick")
    assert any("MY STICK: ok" in line for line in machine.ask("log", MEDIA)), "what a container says"
    for desktop in (FIRST, SECOND):
        machine.inside(f"modulux.{desktop}.terminal", f"echo by {desktop} > '/media/MY STICK/{desktop}.txt'")
    flags = machine.inside(TERMINAL, "grep 'MY.040STICK' /proc/self/mountinfo").split()[5].split(",")
    assert {"rw", "nosuid", "nodev", "noexec"} <= set(flags)
    machine.inside(TERMINAL, "(exec 5>'/media/MY STICK/open'; sleep 600) >/dev/null 2>&1 & echo $! > /tmp/holder")
    refused = machine.cli.run("machine", "eject", NAME, "MY STICK", status=None)
    assert refused.returncode != 0
    assert "is in use" in refused.stderr
    files = f"modulux.{FIRST}.thunar"
    assert "in use" in machine.inside(files, "umount '/media/MY STICK' 2>&1 || true"), "as its button for it does"
    machine.inside(TERMINAL, "kill $(cat /tmp/holder)")
    machine.inside(files, "umount '/media/MY STICK'")
    assert "no such stick" in machine.inside(files, "umount '/media/MY STICK' 2>&1 || true")
    assert sticks(machine) == {"MY STICK": "ejected"}
    assert machine.inside(TERMINAL, "ls /media") == ""
    content = (folder / "first.img").read_bytes()
    assert all(f"by {desktop}\n".encode() in content for desktop in (FIRST, SECOND))
    stick.pull_out(machine.running, "stick0")
    wait_for(lambda: not sticks(machine), "it is gone")


def test_one_that_is_plugged_in_and_pulled_out_later_harms_nothing(machine: Virtual, folder: Path) -> None:
    (folder / "files").mkdir()
    (folder / "files/read.me").write_text("from a stick\n")
    stick.plug_in(machine.running, "later", stick.ext4(folder / "ext4.img", "LATER", folder / "files"))
    stick.plug_in(machine.running, "same", stick.vfat(folder / "same.img", "LATER"))
    wait_for(lambda: set(sticks(machine)) == {"LATER", "LATER-2"}, "two of one name")
    assert machine.inside(TERMINAL, "cat /media/LATER*/read.me") == "from a stick"
    assert "no" in machine.inside(TERMINAL, "touch $(dirname /media/LATER*/read.me)/x 2>/dev/null || echo no"), (
        "ext4 is read-only"
    )
    machine.inside(TERMINAL, "(cd $(dirname /media/LATER*/read.me); exec 5<read.me; sleep 600) >/dev/null 2>&1 &")
    machine.cli.run(
        "machine", "eject", NAME, "LATER-2" if "read.me" in machine.inside(TERMINAL, "ls /media/LATER") else "LATER"
    )
    for name in ("later", "same"):
        stick.pull_out(machine.running, name)
    wait_for(lambda: not sticks(machine), "both are gone")
    assert machine.inside(TERMINAL, "ls /media") == ""
    assert "pulled out before it was ejected" in machine.serial()


def test_who_looks_at_sticks_may_do_nothing_else(machine: Virtual) -> None:
    assert machine.inside(MEDIA, "/usr/lib/modulux/floor || true") == ""
    status = machine.inside(MEDIA, "cat /proc/self/status")
    assert "CapBnd:\t0000000000000000" in status
    udev = f"modulux.{NAME}.udev"
    assert machine.inside(udev, "/usr/lib/modulux/floor || true") == ""
    assert "CapBnd:\t0000000000000000" in machine.inside(udev, "cat /proc/self/status")
    assert machine.inside(TERMINAL, "ls -d /run/modulux/asks /dev/sticks 2>/dev/null || true") == ""


def pictures(machine: Virtual, folder: Path, name: str) -> list[Image.Image]:
    """What each screen shows."""
    found = []
    for number, size in enumerate(SIZES):
        path = folder / f"{name}{number}.png"
        with Monitor(machine.running.machine.monitor) as qemu:
            qemu.picture(path, number)
        found.append(Image.open(path).convert("RGB"))
        assert found[-1].size == size
    return found


def with_window(machine: Virtual, folder: Path) -> list[bool]:
    """On which screens a window lies: it is of one colour for the most part, and a wallpaper of hundreds."""
    shares = [max(p.getcolors(1 << 24) or [])[0] / (p.width * p.height) for p in pictures(machine, folder, "now")]
    return [share > 0.1 for share in shares]


def point(machine: Virtual, x: int, y: int) -> None:
    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.point(x / BOTH, y / 800)
    time.sleep(0.5)


def drag(machine: Virtual, start: tuple[int, int], end: tuple[int, int]) -> None:
    """The window that is there, by the key that window managers have for it."""
    alt = {"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "alt"}}}
    button = {"type": "btn", "data": {"down": True, "button": "left"}}
    point(machine, *start)
    with Monitor(machine.running.machine.monitor) as qemu:
        for event in (alt, button):
            qemu.do("input-send-event", events=[event])
            time.sleep(0.5)
    for step in range(1, 11):
        point(machine, *(a + (b - a) * step // 10 for a, b in zip(start, end, strict=True)))
    with Monitor(machine.running.machine.monitor) as qemu:
        for event in (button, alt):
            event["data"]["down"] = False  # type: ignore[index]
            qemu.do("input-send-event", events=[event])
    time.sleep(3)


@pytest.mark.parametrize("desktop", [SECOND, FIRST])
def test_one_desktop_is_on_two_screens(desktop: str, machine: Virtual, folder: Path) -> None:
    machine.cli.run("machine", "show", NAME, desktop)
    terminal = f"modulux.{desktop}.terminal"

    def drawn() -> bool:
        return min(colours(p, (0, 0, *p.size)) for p in pictures(machine, folder, "screen")) > 50

    wait_for(drawn, "a wallpaper on both")
    centres = (640, 400), (1280 + 512, 384)
    wait_for(lambda: sum(with_window(machine, folder)) == 1, "the terminal")
    here = with_window(machine, folder).index(True)
    drag(machine, centres[here], centres[1 - here])
    wait_for(lambda: with_window(machine, folder)[1 - here], "the window on the other screen")
    assert not with_window(machine, folder)[here]
    for x, y in (centres[here], centres[1 - here]):
        machine.click(x / BOTH, y / 800)
    machine.type("echo clicked > ~/Documents/clicked\n")
    wait_for(lambda: machine.inside(terminal, "cat ~/Documents/clicked 2>/dev/null || true") == "clicked", "the window there")


def test_a_picture_of_a_screen_that_is_not_there_is_refused(machine: Virtual, folder: Path) -> None:
    refused = machine.cli.run("machine", "screenshot", NAME, "--screen", "3", status=None)
    assert refused.returncode != 0
    machine.cli.run("machine", "screenshot", NAME, "--screen", "2", "-o", str(folder / "second.png"))
    with Image.open(folder / "second.png") as second:
        assert second.size == SIZES[1]


def test_a_keyboard_and_a_mouse_that_come_later_work_on_x(machine: Virtual) -> None:
    display = f"modulux.{FIRST}.xorg"
    for kind in ("usb-kbd", "usb-mouse"):
        stick.plug_in_input(machine.running, kind, kind)
    for what in ("QEMU USB Keyboard", "QEMU USB Mouse"):
        wait_for(lambda what=what: what in machine.inside(display, "grep Adding /tmp/xorg.log"), what)  # type: ignore[misc]
    heard = stick.listening(machine.inside, display, "usb-kbd")
    machine.type("echo later > ~/Documents/later\n")
    wait_for(lambda: machine.inside(TERMINAL, "cat ~/Documents/later 2>/dev/null || true") == "later", "what was typed")
    assert int(machine.inside(display, f"wc -c < {heard}")) > 0, "the keys were those of the new keyboard"
    for kind in ("usb-kbd", "usb-mouse"):
        stick.pull_out(machine.running, kind)
    wait_for(lambda: "removing device QEMU QEMU USB Keyboard" in machine.inside(display, "cat /tmp/xorg.log"), "it is gone")


def test_a_keyboard_that_comes_later_works_on_wayland(machine: Virtual) -> None:
    machine.cli.run("machine", "show", NAME, SECOND)
    time.sleep(5)
    stick.plug_in_input(machine.running, "kbd2", "usb-kbd")
    time.sleep(5)
    heard = stick.listening(machine.inside, f"modulux.{SECOND}.wayland-card", "kbd2")
    machine.click(640 / BOTH, 0.5)
    machine.type("echo later > ~/Documents/later\n")
    terminal = f"modulux.{SECOND}.terminal"
    wait_for(lambda: machine.inside(terminal, "cat ~/Documents/later 2>/dev/null || true") == "later", "what was typed")
    assert int(machine.inside(f"modulux.{SECOND}.wayland-card", f"wc -c < {heard}")) > 0


def looks(machine: Virtual, *areas: str) -> int:
    """How the compositor's `looks` ends: 124 when it goes on looking for ten seconds."""
    script = f"timeout 10 /usr/lib/modulux/looks {' '.join(areas)}; echo $?"
    return int(machine.inside(f"modulux.{SECOND}.wayland-card", script).splitlines()[-1])


def test_a_compositor_tells_whether_its_screen_is_drawn(machine: Virtual) -> None:
    ready = [line.split("\t") for line in machine.ask("plan") if line.startswith("look\t")]
    (own,) = [words for words in ready if words[2] == f"modulux.{SECOND}.wayland-card"]
    machine.cli.run("machine", "show", NAME, SECOND)
    wait_for(lambda: looks(machine, *own[4:]) == 0, "the desktop is drawn")
    assert looks(machine, "0,0,1,1,2") == 124, "a pixel has one colour"
