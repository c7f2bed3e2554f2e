"""GNOME Shell and the login1 that it needs, alone and with Plasma on one screen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

FILE = "name: t-gnome\ndisplay: xvfb\nsessions: [gnome]\nservices: [login1]\napps: [terminal]\n"
TICKS = 'for p in /proc/[0-9]*; do cut -d" " -f14,15 "$p/stat" 2>/dev/null; done | awk "{ s += \\$1 + \\$2 } END { print s }"'

# Holds an inhibitor, lists what inhibits, lets it go, lists again.
INHIBIT = """
const {Gio, GLib} = imports.gi;
const bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);
const call = (method, args) => bus.call_with_unix_fd_list_sync('org.freedesktop.login1', '/org/freedesktop/login1',
    'org.freedesktop.login1.Manager', method, args, null, Gio.DBusCallFlags.NONE, -1, null, null);
const held = () => call('ListInhibitors', null)[0].recursiveUnpack()[0].map(i => i.slice(0, 4).join(',')).join(' ');
const [, list] = call('Inhibit', new GLib.Variant('(ssss)', ['sleep:idle', 'test', 'why', 'block']));
print('held ' + held());
const [fd] = list.steal_fds();
Gio.UnixInputStream.new(fd, true).close(null);
for (let i = 0; i < 50 && held().includes('test'); i++) GLib.usleep(20000);
print('gone ' + held());
"""


def shot(cli: Cli, desktop: str, path: Path) -> Image.Image:
    cli.run("screenshot", desktop, "-o", str(path))
    with Image.open(path) as picture:
        return picture.convert("RGB")


def colours(picture: Image.Image, area: tuple[int, int, int, int]) -> int:
    return len(picture.crop(area).getcolors(1 << 24) or [])


@pytest.fixture(scope="module")
def gnome(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """GNOME with a terminal; the desktop's name."""
    path = tmp_path_factory.mktemp("gnome") / "desktop.yaml"
    path.write_text(FILE)
    cli.run("up", str(path), "--yes", timeout=3000)
    yield "t-gnome"
    cli.run("down", "t-gnome", "--volumes", "--yes")
    assert cli.left("t-gnome") == []


def test_the_desktop_lies_open(cli: Cli, gnome: str, tmp_path: Path) -> None:
    picture = shot(cli, gnome, tmp_path / "gnome.png")
    assert picture.getpixel((300, 4)) == (0, 0, 0), "the top bar"
    assert colours(picture, (570, 0, 710, 32)) > 16, "the clock"
    assert colours(picture, (0, 700, 1280, 800)) > 24, "the wallpaper"


def test_inhibitors_last_as_long_as_their_descriptor(cli: Cli, gnome: str) -> None:
    said = cli.run("exec", gnome, "gnome", "--", "gjs", "-c", INHIBIT).stdout.splitlines()
    assert "sleep:idle,test,why,block" in said[0]
    assert "test" not in said[1]


def test_its_log_is_quiet_and_so_is_it(cli: Cli, gnome: str) -> None:
    for module in ("gnome", "login1"):
        lines = [row["line"] for row in cli.json("logs", gnome, module)]
        assert not [x for x in lines if any(w in x for w in ("WARNING", "CRITICAL", "rror"))], lines

    def in_ten_seconds() -> int:
        before = int(cli.inside(gnome, "gnome", TICKS))
        time.sleep(10)
        return int(cli.inside(gnome, "gnome", TICKS)) - before

    used: list[int] = []
    while not used or (used[-1] > 12 and len(used) < 8):  # on a busy computer it takes longer to come to rest
        used.append(in_ten_seconds())
    assert used[-1] <= 12, f"about one per cent of a core, with the look itself: {used}"


def test_a_larger_screen_is_filled(cli: Cli, gnome: str, tmp_path: Path) -> None:
    cli.run("resize", gnome, "1500x900")
    wait_for(
        lambda: colours(shot(cli, gnome, tmp_path / "l.png"), (1290, 820, 1500, 900)) > 24, "the wallpaper fills the new screen"
    )
    cli.run("resize", gnome, "1280x800")
    wait_for(lambda: colours(shot(cli, gnome, tmp_path / "s.png"), (0, 700, 1280, 800)) > 24, "and the old one")


@pytest.mark.parametrize("module", ["gnome", "login1"])
def test_what_dies_comes_back(cli: Cli, gnome: str, module: str, tmp_path: Path) -> None:
    terminal = cli.inside(gnome, "terminal", "grep -lx xfce4-terminal /proc/[0-9]*/comm")
    cli.kill(gnome, module)

    def back() -> bool:
        picture = shot(cli, gnome, tmp_path / "back.png")
        return colours(picture, (570, 0, 710, 32)) > 16 and all(r["phase"] == "running" for r in cli.json("ps", gnome))

    wait_for(back, f"GNOME is there again after {module} died")
    assert cli.inside(gnome, "terminal", "grep -lx xfce4-terminal /proc/[0-9]*/comm") == terminal


def test_it_closes_properly(cli: Cli, gnome: str) -> None:
    begun = time.monotonic()
    cli.native("stop", "--time", "10", f"modulux.{gnome}.gnome")
    assert time.monotonic() - begun < 4
    assert cli.native("inspect", "--format", "{{.State.ExitCode}}", f"modulux.{gnome}.gnome").strip() == "0"


def test_it_cannot_be_a_guest(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "guest.yaml"
    path.write_text(FILE.replace("[gnome]", "[xfce, {module: gnome, arrange: shared}]"))
    done = cli.run("plan", str(path), status=None)
    assert done.returncode != 0
    assert "shared" in done.stderr
    assert "nested" in done.stderr


@pytest.mark.slow
def test_two_worlds(cli: Cli, tmp_path: Path) -> None:
    """GNOME's bar at the top, Plasma's at the bottom, a window of each, listed by one window manager."""
    try:
        cli.run("up", "two-worlds", "--yes", timeout=3000)
        picture = shot(cli, "two-worlds", tmp_path / "two.png")
        assert colours(picture, (570, 0, 710, 32)) > 16, "GNOME's clock"
        assert colours(picture, (1130, 765, 1280, 800)) > 16, "Plasma's clock"
        wait_for(lambda: cli.inside("two-worlds", "gnome", "xprop -root _NET_CLIENT_LIST").count("0x") >= 2, "windows of both")
        assert "modulux" not in cli.inside("two-worlds", "dolphin", "hostname")
    finally:
        cli.run("down", "two-worlds", "--volumes", "--yes", status=None)
