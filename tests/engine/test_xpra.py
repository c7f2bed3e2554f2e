"""Xpra with a screen of its own: its native client shows it and types, through its socket and through the gateway; VNC clients do beside it."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from tests.support.cli import Cli
from tests.support.waiting import wait_for

from modulux.desktop.ready import picture
from modulux.desktop.state import existing
from modulux.engine.choose import choose

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

NAME = "t-xpra-own"
GATEWAY = f"modulux.{NAME}.web"
CONTRACT = """role: app
summary: Xpra's native client, on an X server of its own that nobody sees
base: viewer/xpra
uses: [page]
command: [sleep, infinity]
network: internet
"""
RECIPE = "ARG BASE\nFROM ${BASE}\nUSER 0\nRUN /usr/lib/modulux/install python3-gi-cairo xdotool\nUSER 1000:1000\n"
ATTACH = """
mkdir -p /tmp/fb
setsid Xvfb :9 -screen 0 1400x900x24 -fbdir /tmp/fb -nolisten tcp -nolisten unix >/dev/null 2>&1 &
echo $! >/tmp/pids
export DISPLAY=:9
until xdotool getmouselocation >/dev/null 2>&1; do sleep 0.1; done
setsid xpra attach "$URL" --opengl=no --tray=no --webcam=no >/tmp/attach.log 2>&1 &
echo $! >>/tmp/pids
"""


@pytest.fixture(scope="module")
def desktop(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Openbox on Xpra with a terminal, and a native client that attaches to nothing yet."""
    folder = tmp_path_factory.mktemp("xpra")
    client = folder / "modules/app/client"
    client.mkdir(parents=True)
    (client / "module.yaml").write_text(CONTRACT)
    (client / "Containerfile").write_text(RECIPE)
    path = folder / "desktop.yaml"
    path.write_text(
        f"name: {NAME}\ndisplay: xpra\nsessions: [openbox]\napps: [terminal, client]\ngateway: {{module: web, hosts: {GATEWAY}}}\n"
    )
    cli.run("up", str(path), "--yes", "--modules", str(folder / "modules"), timeout=1500)
    yield NAME
    cli.run("down", NAME, "--volumes", "--yes")
    assert cli.left(NAME) == []


@pytest.fixture
def attach(cli: Cli, desktop: str) -> Iterator[Callable[[str], None]]:
    """Start the native client; it and its X server are gone after the test."""

    def start(url: str) -> None:
        cli.inside(desktop, "client", f"URL={url}{ATTACH}")

    yield start
    cli.inside(desktop, "client", "kill $(cat /tmp/pids) 2>/dev/null; rm -f /tmp/pids; sleep 1")


def seen(cli: Cli) -> Image.Image:
    """What the native client's X server shows: its frame buffer is a file in the format of xwd."""
    argv = [str(cli.engine), "exec", f"modulux.{NAME}.client", "cat", "/tmp/fb/Xvfb_screen0"]
    data = subprocess.run(argv, capture_output=True, check=True).stdout
    header = struct.unpack(">25I", data[:100])
    size, width, height, line, colours = header[0], header[4], header[5], header[12], header[19]
    return Image.frombuffer("RGB", (width, height), data[size + 12 * colours :], "raw", "BGRX", line, 1)


def difference(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ clearly."""
    grey = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L")
    return sum(grey.histogram()[32:]) / (grey.width * grey.height)


def arrives(cli: Cli, word: str) -> bool:
    return cli.inside(NAME, "terminal", "cat ~/seen 2>/dev/null; true") == f"{word}\n"


@pytest.mark.parametrize("way", ["socket", "gateway"])
def test_the_native_client_shows_and_types(
    cli: Cli, desktop: str, attach: Callable[[str], None], tmp_path: Path, way: str
) -> None:
    cli.run("resize", desktop, "1280x800")
    through = cli.json("open", desktop)["websocket"].rpartition("/")[2]
    attach(f"ws://{GATEWAY}:6080/{through}" if way == "gateway" else "socket:///run/modulux/page/openbox.xpra.sock")
    shot = tmp_path / "shot.png"
    cli.run("screenshot", desktop, "-o", str(shot))

    def shown() -> bool:
        with Image.open(shot) as screen:
            return difference(screen, seen(cli).crop((0, 0, 1280, 800))) < 0.02

    wait_for(shown, "the client shows the screen")
    type_it = (
        f"xdotool mousemove 600 400 click 1; sleep 0.5; xdotool type --delay 40 'echo by-{way} > ~/seen'; xdotool key Return"
    )
    cli.inside(desktop, "client", f"DISPLAY=:9; export DISPLAY; {type_it}")
    wait_for(lambda: arrives(cli, f"by-{way}"), "what was typed")


def test_a_vnc_client_types_after_it(cli: Cli, desktop: str) -> None:
    """Xpra's clients bring a keyboard layout of their own; x11vnc has to find each key again."""
    engine = choose(cli.engine, runtime=None, ulimits={})
    viewer = existing(engine, desktop).having("rfb")
    assert viewer is not None
    with picture(engine, viewer.name, viewer.sockets["rfb"]) as client:
        client.frame()
        for state in (1, 0):
            client.pointer(600, 400, state)
        time.sleep(0.5)
        for letter in "echo by_VNC > ~/seen\r":
            keysym = 0xFF0D if letter == "\r" else ord(letter)
            client.key(keysym, True)
            client.key(keysym, False)
            time.sleep(0.03)
        client.frame()
        wait_for(lambda: arrives(cli, "by_VNC"), "what was typed")
