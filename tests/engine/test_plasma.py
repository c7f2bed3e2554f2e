"""Plasma alone and as the guest of another session, LXQt, and KDE's file manager."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine, pytest.mark.slow]

WINDOWS = (
    "for i in $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*'); do"
    ' xprop -id "$i" WM_CLASS _NET_WM_WINDOW_TYPE WM_NAME | tr "\\n" " "; echo; done'
)


def write(folder: Path, name: str, sessions: str, apps: str = "[]") -> Path:
    path = folder / "desktop.yaml"
    path.write_text(f"name: {name}\ndisplay: xvfb\nscreen: 1280x800\nsessions: {sessions}\napps: {apps}\n")
    return path


@pytest.fixture(scope="module")
def mosaic(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Xfce with Plasma on the same screen, applications of both."""
    apps = "[terminal, {module: dolphin, session: plasma}]"
    cli.run(
        "up",
        str(write(tmp_path_factory.mktemp("mosaic"), "t-mosaic", "[xfce, {module: plasma, arrange: shared}]", apps)),
        "--yes",
    )
    yield "t-mosaic"
    cli.run("down", "t-mosaic", "--volumes", "--yes")
    assert cli.left("t-mosaic") == []


def ticks(cli: Cli, desktop: str, module: str) -> int:
    """Processor time that the module's processes have used, in hundredths of a second."""
    return sum(int(field) for field in cli.inside(desktop, module, "cut -d' ' -f14,15 /proc/[0-9]*/stat 2>/dev/null").split())


def test_both_bars_lie_apart_on_one_screen(cli: Cli, mosaic: str, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    cli.run("screenshot", mosaic, "-o", str(shot))
    with Image.open(shot) as picture:
        rgb = picture.convert("RGB")
    for area in ((0, 0, 110, 28), (0, 764, 60, 800), (1130, 764, 1280, 800)):
        assert len(rgb.crop(area).getcolors(1 << 20) or []) > 12, area


def test_one_window_list_holds_the_applications_of_both(cli: Cli, mosaic: str) -> None:
    seen = cli.inside(mosaic, "plasma", WINDOWS)
    assert '"Xfce4-terminal"' in seen
    assert '"dolphin"' in seen
    assert " on " not in seen.split("WM_NAME")[-1]


def test_the_guest_covers_nothing_and_manages_nothing(cli: Cli, mosaic: str) -> None:
    """The module's own test looks at both arrangements."""
    cli.run("exec", mosaic, "plasma", "--", "sh", "-c", "! grep -lx kwin_x11 /proc/[0-9]*/comm")
    desktops = [line for line in cli.inside(mosaic, "xfce", WINDOWS).splitlines() if "_DESKTOP" in line]
    assert len(desktops) == 1
    assert "xfdesktop" in desktops[0]


def test_each_session_has_its_own_home_and_bus(cli: Cli, mosaic: str) -> None:
    cli.inside(mosaic, "plasma", "echo plasma >~/whose")
    cli.inside(mosaic, "dolphin", 'test "$(cat ~/whose)" = plasma')
    cli.inside(mosaic, "xfce", "test ! -e ~/whose")


def test_plasma_is_quiet_when_idle(cli: Cli, mosaic: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        before = ticks(cli, mosaic, "plasma")
        time.sleep(10)
        used = (ticks(cli, mosaic, "plasma") - before) / 10
        if used < 3:  # per cent of a core; about 1 on a quiet machine, 30 and more when something asks again and again
            return
        assert time.monotonic() < deadline, f"{used:.1f} % of a core"


@pytest.mark.parametrize("session", ["plasma", "lxqt"])
def test_alone_with_its_window_manager(cli: Cli, session: str, tmp_path: Path) -> None:
    name = f"t-{session}"
    try:
        cli.run("up", str(write(tmp_path, name, f"[{session}]", "[terminal]")), "--yes")
        seen = cli.inside(name, session, WINDOWS)
        assert '"Xfce4-terminal"' in seen
        assert "_DESKTOP" in seen
        assert "_DOCK" in seen
        started = time.monotonic()
        cli.native("stop", "--time", "10", f"modulux.{name}.{session}")
        assert time.monotonic() - started < 5
    finally:
        cli.run("down", name, "--volumes", "--yes", status=None)
    assert cli.left(name) == []
