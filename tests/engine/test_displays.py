"""Displays and viewers of X11, freely paired: each by a small desktop, its modules' own tests, and what a change of size does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

from modulux.engine.choose import choose
from modulux.modules.check import own_tests
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.rfb import Client, open_pipe

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

Write = Callable[..., Path]


def passes(cli: Cli, desktop: str, id: str, name: str | None = None) -> None:
    """Run a module's own tests inside the desktop; `name` is the module's there, if it is not its own."""
    found = Catalog([shipped("modules")]).module(id)
    verdicts = list(own_tests(choose(cli.engine, runtime=None, ulimits={}), found, f"modulux.{desktop}.{name or found.name}"))
    assert verdicts
    assert [v for v in verdicts if not v.passed] == []


@pytest.fixture
def environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cli.env.items():
        monkeypatch.setenv(name, value)


@contextlib.contextmanager
def looking(cli: Cli, desktop: str, viewer: str) -> Iterator[Client]:
    """An RFB client on the viewer's unix socket."""
    argv = [str(cli.engine), "exec", "-i", f"modulux.{desktop}.{viewer}", "nc", "-U", f"/run/modulux/rfb/openbox.{viewer}.sock"]
    with Client(open_pipe(argv)) as client:
        client.frame()
        yield client


def becomes(client: Client, width: int, height: int, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while (client.width, client.height) != (width, height):
        assert time.monotonic() < deadline, f"the viewer stays at {client.width}x{client.height}"
        client.request()
        next(client.updates(0.5), None)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("display", "viewer"), [("xvfb", "x11vnc"), ("xdummy", "x11vnc"), ("xvnc", "xvnc"), ("xpra", "x11vnc")]
)
def test_a_display_is_closed_drawn_and_changes_its_size(
    cli: Cli, desktop_file: Write, tmp_path: Path, display: str, viewer: str
) -> None:
    name = f"t-{display}"
    cli.run("up", str(desktop_file(name, display=display, apps="[terminal]")), "--yes", timeout=1200)
    passes(cli, name, f"display/{display}")
    assert cli.inside(name, display, "/usr/lib/modulux/floor") == ""
    shell = cli.inside(name, "terminal", "grep -lx bash /proc/[0-9]*/comm")
    with looking(cli, name, viewer) as client:
        for width, height in ((1500, 777), (1280, 800)):
            cli.run("resize", name, f"{width}x{height}")
            becomes(client, width, height)
    assert cli.run("resize", name, "9000x9000", status=None).returncode != 0
    shot = tmp_path / "shot.png"
    cli.run("screenshot", name, "-o", str(shot))
    with Image.open(shot) as picture:
        assert picture.size == (1280, 800)
    assert cli.inside(name, "terminal", "grep -lx bash /proc/[0-9]*/comm") == shell


@pytest.mark.usefixtures("environment")
def test_a_viewer_for_looking_only_stands_beside_a_full_one(cli: Cli, desktop_file: Write) -> None:
    name = "t-look"
    path = desktop_file(name, viewer="[x11vnc, x11vnc-view]", apps="[terminal]")
    cli.run("up", str(path), "--yes", timeout=1200)
    passes(cli, name, "viewer/x11vnc")
    passes(cli, name, "viewer/x11vnc-view")
    written = "cat ~/seen 2>/dev/null || true"
    with looking(cli, name, "x11vnc-view") as client:
        typed(client, "touch not-this\n")
    with looking(cli, name, "x11vnc") as client:
        typed(client, "echo yes >seen\n")
        deadline = time.monotonic() + 15
        while cli.inside(name, "terminal", written) != "yes\n":
            assert time.monotonic() < deadline, "what was typed did not arrive"
            time.sleep(0.2)
    cli.inside(name, "terminal", "test ! -e ~/not-this")


def typed(client: Client, text: str) -> None:
    """Click into the terminal and type; letters, digits and a few signs of the layout `us`."""
    client.pointer(600, 400, 1)
    client.pointer(600, 400, 0)
    time.sleep(0.5)
    for letter in text:
        keysym = 0xFF0D if letter == "\n" else ord(letter)
        shifted = letter in ">~"
        for key, down in [
            *([(0xFFE1, True)] if shifted else []),
            (keysym, True),
            (keysym, False),
            *([(0xFFE1, False)] if shifted else []),
        ]:
            client.key(key, down)
        time.sleep(0.02)
    client.frame()


@pytest.mark.usefixtures("environment")
def test_a_program_that_nobody_trusts_has_a_screen_of_its_own(cli: Cli, desktop_file: Write) -> None:
    name = "t-alone"
    path = desktop_file(name, apps="[{module: terminal, trust: none}]")
    cli.run("up", str(path), "--yes", timeout=1200)
    containers = {row["container"].rpartition(".")[2]: row["module"] for row in cli.json("ps", name)}
    nested = next(short for short, module in containers.items() if module == "display/xephyr")
    app = next(short for short, module in containers.items() if module == "app/terminal")
    passes(cli, name, "display/xephyr", nested)
    outer = cli.inside(
        name, "openbox", 'for i in $(xprop -root _NET_CLIENT_LIST | grep -o "0x[0-9a-f]*"); do xprop -id $i WM_CLASS; done'
    )
    assert '"Xephyr"' in outer
    assert "Xfce4-terminal" not in outer
    assert "MODULUX_SECRET" not in cli.inside(name, app, "xprop -root")
    cli.inside(name, app, "xprop -root -f MODULUX_SECRET 8s -set MODULUX_SECRET x")
    assert "MODULUX_SECRET" not in cli.inside(name, "openbox", "xprop -root")
