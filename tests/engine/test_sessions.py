"""The lighter sessions: alone, and on one screen with another."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

from modulux.engine.choose import choose
from modulux.modules.check import own_tests
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog

pytestmark = pytest.mark.engine

WINDOWS = (
    "for w in $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*'); do xprop -id $w WM_CLASS _NET_WM_STRUT_PARTIAL; done"
)


def struts(listed: str) -> list[tuple[int, int]]:
    """What bars keep free at the top and at the bottom of the screen, from `WINDOWS`."""
    found = re.findall(r"_NET_WM_STRUT_PARTIAL\(CARDINAL\) = (\d+), (\d+), (\d+), (\d+)", listed)
    return sorted((int(top), int(bottom)) for _, _, top, bottom in found)


def colours(picture: Image.Image, box: tuple[int, int, int, int]) -> int:
    return len(picture.crop(box).convert("RGB").getcolors(1 << 20) or [])


def soon(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def test_xfce_as_a_guest_of_openbox(cli: Cli, desktop_file: Callable[..., Path], tmp_path: Path) -> None:
    """Two bars, one window list; and a home that was a guest's shows nothing of it when it is alone again."""
    apps = "[terminal, {module: terminal, session: xfce}]"
    both = desktop_file("t-guest", sessions="[openbox, {module: xfce, arrange: shared}]", apps=apps, gateway="null")
    cli.run("up", str(both), "--yes", timeout=1200)
    listed = cli.inside("t-guest", "openbox", WINDOWS)
    assert struts(listed) == [(0, 32), (32, 0)]
    assert listed.count('"Xfce4-terminal"') == 2
    soon(lambda: cli.inside("t-guest", "xfce", WINDOWS).count('"Xfce4-terminal"') == 2, "the guest sees the windows of both")
    running = cli.inside("t-guest", "xfce", "cat /proc/[0-9]*/comm").split()
    assert "xfce4-panel" in running
    assert not {"xfwm4", "xfdesktop"} & set(running)
    cli.run("screenshot", "t-guest", "-o", str(tmp_path / "both.png"))
    with Image.open(tmp_path / "both.png") as picture:
        assert colours(picture, (0, 0, 112, 32)) > 40
        assert colours(picture, (0, 768, 112, 800)) > 40

    alone = desktop_file("t-guest", sessions="[xfce]", gateway="null")
    cli.run("up", str(alone), "--yes", timeout=1200)
    soon(lambda: struts(cli.inside("t-guest", "xfce", WINDOWS)) == [(32, 0)], "the bar at the top")
    assert {"xfwm4", "xfdesktop"} <= set(cli.inside("t-guest", "xfce", "cat /proc/[0-9]*/comm").split())
    assert cli.inside("t-guest", "xfce", "grep -rl -e 'p=10' -e Client1_Command ~/.config || true") == ""


def test_openbox_as_a_guest_of_xfce_and_menus_that_grow(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    sessions = "[xfce, {module: openbox, arrange: shared}]"
    file = desktop_file("t-menu", sessions=sessions, apps="[terminal]", gateway="null")
    cli.run("up", str(file), "--yes", timeout=1200)
    assert struts(cli.inside("t-menu", "xfce", WINDOWS)) == [(0, 32), (32, 0)]
    running = cli.inside("t-menu", "openbox", "readlink /proc/[0-9]*/exe").split()
    assert "/usr/bin/tint2" in running
    assert "/usr/bin/openbox" not in running
    entries = "XDG_DATA_DIRS=/run/modulux/applications:/usr/share OPENBOX_GUEST=1 /usr/lib/modulux/openbox-entries"
    before = cli.inside("t-menu", "openbox", entries)
    assert "launch terminal" in before
    assert "launch gnome-paint" not in before
    cli.run("run", "t-menu", "gnome-paint", "--yes")
    soon(lambda: "launch gnome-paint" in cli.inside("t-menu", "openbox", entries), "the new application is in the menu")


@pytest.mark.one_engine
@pytest.mark.parametrize("name", ["mate", "icewm"])
def test_alone_it_is_whole_and_ends_quickly(cli: Cli, desktop_file: Callable[..., Path], name: str) -> None:
    cli.run("up", str(desktop_file(f"t-{name}", sessions=f"[{name}]", gateway="null")), "--yes", timeout=1800)
    found = Catalog([shipped("modules")]).module(f"session/{name}")
    engine = choose(cli.engine, runtime=None, ulimits={})
    assert [v for v in own_tests(engine, found, f"modulux.t-{name}.{name}") if not v.passed] == []
    assert cli.inside(f"t-{name}", name, "/usr/lib/modulux/floor") == ""
    log = [line["line"] for line in cli.json("logs", f"t-{name}", name)]
    assert [line for line in log if re.search("error|critical|failed", line, re.IGNORECASE)] == []
    began = time.monotonic()
    cli.native("stop", "--time", "10", f"modulux.t-{name}.{name}")
    assert time.monotonic() - began < 5  # 3 s and what the engine itself takes


@pytest.mark.one_engine
def test_mate_as_a_guest_of_openbox(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    file = desktop_file("t-mate-guest", sessions="[openbox, {module: mate, arrange: shared}]", gateway="null")
    cli.run("up", str(file), "--yes", timeout=1800)
    assert struts(cli.inside("t-mate-guest", "openbox", WINDOWS)) == [(0, 32), (32, 0)]
    running = cli.inside("t-mate-guest", "mate", "cat /proc/[0-9]*/comm").split()
    assert "mate-panel" in running
    assert not {"marco", "caja"} & set(running)
    soon(lambda: cli.inside("t-mate-guest", "mate", WINDOWS).count('"Tint2"') == 1, "it sees the first session's windows")


@pytest.mark.one_engine
def test_what_owns_bar_and_windows_at_once_cannot_be_a_guest(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    file = desktop_file("t-no", sessions="[openbox, {module: icewm, arrange: shared}]")
    said = cli.run("plan", str(file), status=None)
    assert said.returncode != 0
    assert "`icewm` cannot be shared as a second session" in said.stderr
