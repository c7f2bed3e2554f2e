"""The clipboard between a real VNC client, TigerVNC's viewer, and programs on the desktop, in all letters and of any sane size."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.probe import probe
from tests.support.vncviewer import Desk, desk

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

NAME = "t-vnc-clipboard"
LARGE = "Grüße, 你好, 🌍\n" * 45_500  # 1,001,000 bytes; the viewer 1.12 loses what another program gives it in parts
TAKES_ALL = "-MaxCutText=16777216"
"""By itself the viewer takes no text above 256 KB, and says so in its log."""


class App:
    """A program in another container than the desktop's clipboard, viewer and display."""

    def __init__(self, cli: Cli, desktop: str, module: str, copy: str, paste: str) -> None:
        self.cli, self.desktop, self.module = cli, desktop, module
        self._copy, self._paste = copy, paste

    def copy(self, text: str, times: int = 1) -> None:
        many = f"perl -e 'print pack(q(H*), q({text.encode().hex()})) x {times}'"
        self.cli.inside(self.desktop, self.module, f"{many} | {self._copy} >/dev/null 2>&1")

    def paste(self) -> str:
        """The SHA-256 of what is pasted."""
        paste = f"timeout 20 {self._paste} 2>/dev/null | sha256sum"
        return self.cli.inside(self.desktop, self.module, paste, status=None).split()[0]


X11 = ("xclip -selection clipboard -in", "xclip -selection clipboard -out -target UTF8_STRING")
WAYLAND = ("setsid wl-copy", "wl-paste --no-newline --type 'text/plain;charset=utf-8'")
WAYS = [
    pytest.param(("display: xvfb\nsessions: [openbox]\nservices: [clipboard]\napps: [probe]\n", X11), id="x11vnc"),
    pytest.param(
        ("display: xvnc\nsessions: [openbox]\nservices: [clipboard]\napps: [probe]\n", X11), id="xvnc", marks=pytest.mark.slow
    ),
    pytest.param(("display: wayland\nsessions: [labwc]\napps: [wprobe]\n", WAYLAND), id="wayvnc", marks=pytest.mark.slow),
]
"""Desktops, and how a program copies and pastes there."""


def modules(folder: Path) -> Path:
    """The programs of this test, in containers of their own."""
    place = folder / "modules/app/wprobe"
    place.mkdir(parents=True)
    contract = "role: app\nsummary: programs of a test\nbase: base/debian-13\nrequires: [wayland]\ncommand: [sleep, infinity]\n"
    (place / "module.yaml").write_text(contract)
    recipe = "ARG BASE\nFROM ${BASE}\nUSER 0\nRUN /usr/lib/modulux/install wl-clipboard\nUSER 1000:1000\n"
    (place / "Containerfile").write_text(recipe)
    return probe(folder)


@pytest.fixture(scope="module", params=WAYS)
def desktop(request: pytest.FixtureRequest, cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    lines, (copy, paste) = request.param
    folder = tmp_path_factory.mktemp("vnc-clipboard")
    path = folder / "desktop.yaml"
    path.write_text(f"name: {NAME}\n{lines}")
    cli.run("up", str(path), "--modules", str(modules(folder)), "--yes", timeout=1500)
    yield App(cli, NAME, "wprobe" if "wprobe" in lines else "probe", copy, paste)
    cli.run("down", NAME, "--volumes", "--yes")
    assert cli.left(NAME) == []


@pytest.fixture
def computer(cli: Cli, desktop: App, tmp_path: Path) -> Iterator[Desk]:
    ways = cli.json("open", desktop.desktop)
    with desk(tmp_path) as there, there.viewer(ways["vnc_address"], ways["vnc_password"], TAKES_ALL):
        yield there


def soon(what: Callable[[], object], wanted: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (found := what()) != wanted:
        assert time.monotonic() < deadline, f"{found} instead of {wanted}"
        time.sleep(0.5)


def digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()


def test_text_both_ways(computer: Desk, desktop: App) -> None:
    for text in ("你好世界 🌍 Grüße\nzweite Zeile", LARGE, "kurz"):
        computer.copy(text)
        soon(desktop.paste, digest(text))
        assert computer.paste() == text  # nothing came back
    piece = "从桌面来 🎈 é\n"
    for times in (1, 1_000_000 // len(piece.encode()) + 1, 2):
        desktop.copy(piece, times)
        soon(lambda: digest(computer.paste()), digest(piece * times))
        assert desktop.paste() == digest(piece * times)
