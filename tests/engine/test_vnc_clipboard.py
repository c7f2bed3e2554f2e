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
LARGE = "Grüße, 你好, 🌍\n" * (1_000_000 // len("Grüße, 你好, 🌍\n".encode()) + 1)
TAKES_ALL = "-MaxCutText=16777216"
"""By itself the viewer takes no text above 256 KB, and says so in its log."""


@pytest.fixture(scope="module")
def desktop(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("vnc-clipboard")
    path = folder / "desktop.yaml"
    path.write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\nservices: [clipboard]\napps: [probe]\n")
    cli.run("up", str(path), "--modules", str(probe(folder)), "--yes", timeout=1500)
    yield NAME
    cli.run("down", NAME, "--volumes", "--yes")
    assert cli.left(NAME) == []


@pytest.fixture
def computer(cli: Cli, desktop: str, tmp_path: Path) -> Iterator[Desk]:
    ways = cli.json("open", desktop)
    with desk(tmp_path) as there, there.viewer(ways["vnc_address"], ways["vnc_password"], TAKES_ALL):
        yield there


def soon(what: Callable[[], object], wanted: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while (found := what()) != wanted:
        assert time.monotonic() < deadline, f"{str(found)[:200]!r} instead of {str(wanted)[:200]!r}"
        time.sleep(0.5)


def digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()


class App:
    """A program in another container than the desktop's clipboard, viewer and X server."""

    def __init__(self, cli: Cli, desktop: str) -> None:
        self.cli, self.desktop = cli, desktop

    def copy(self, text: str, times: int = 1) -> None:
        many = f"perl -e 'print pack(q(H*), q({text.encode().hex()})) x {times}'"
        self.cli.inside(self.desktop, "probe", f"{many} | xclip -selection clipboard -in >/dev/null 2>&1")

    def paste(self) -> str:
        """The SHA-256 of what is pasted."""
        paste = "timeout 20 xclip -selection clipboard -out -target UTF8_STRING 2>/dev/null | sha256sum"
        return self.cli.inside(self.desktop, "probe", paste, status=None).split()[0]


@pytest.fixture
def app(cli: Cli, desktop: str) -> App:
    return App(cli, desktop)


def test_text_both_ways(computer: Desk, app: App) -> None:
    for text in ("你好世界 🌍 Grüße\nzweite Zeile", LARGE, "kurz"):
        computer.copy(text)
        soon(app.paste, digest(text))
        assert computer.paste() == text  # nothing came back
    piece = "从桌面来 🎈 é\n"
    for times in (1, 1_000_000 // len(piece.encode()) + 1, 2):
        app.copy(piece, times)
        soon(lambda: digest(computer.paste()), digest(piece * times))
        assert app.paste() == digest(piece * times)
