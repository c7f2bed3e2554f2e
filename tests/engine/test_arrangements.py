"""Two and three sessions at once, shared, nested and separate: bars apart, one window list for each screen, nobody covers another."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from tests.support.alive import wait_until
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine, pytest.mark.timeout(1800)]

WINDOWS = (
    "for w in $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*'); do"
    " xprop -id $w WM_CLASS _NET_WM_WINDOW_TYPE _NET_WM_STRUT_PARTIAL _NET_WM_NAME WM_NAME | tr '\\n' ' '; echo; done"
)
SIDES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Window:
    """A window as its screen's window manager lists it."""

    name: str
    title: str
    type: str
    side: str | None  # of the screen, that it keeps free for itself


def windows(cli: Cli, desktop: str, session: str) -> list[Window]:
    found = []
    for line in cli.inside(desktop, session, WINDOWS).splitlines():
        strut = re.search(r"_NET_WM_STRUT_PARTIAL\(CARDINAL\) = (\d+), (\d+), (\d+), (\d+)", line)
        side = next((s for s, size in zip(SIDES, strut.groups(), strict=True) if size != "0"), None) if strut else None
        name, title, kind = (
            match.group(1) if (match := re.search(pattern, line)) else ""
            for pattern in (
                r'WM_CLASS\(STRING\) = "([^"]*)"',
                r'WM_NAME\([A-Z0-9_]*\) = "([^"]*)"',
                r"_WINDOW_TYPE_(\w+)",
            )
        )
        found.append(Window(name, title, kind, side))
    return found


def picture(cli: Cli, desktop: str, screen: str, path: Path) -> Image.Image:
    cli.run("screenshot", desktop, "--screen", screen, "-o", str(path / f"{screen}.png"))
    with Image.open(path / f"{screen}.png") as opened:
        return opened.convert("RGB")


def one_screen(cli: Cli, desktop: str, sessions: list[str]) -> None:
    """What holds where several sessions share a screen, and where one has it to itself."""

    def unlisted() -> list[str]:
        lists = {s: [w.name for w in windows(cli, desktop, s)] for s in sessions}
        return [s for s in sessions if lists[s].count("xfce4-terminal") != len(sessions)]

    wait_until("each of them lists the applications of all", unlisted, 60)
    seen = windows(cli, desktop, sessions[0])
    bars = [w.side for w in seen if w.side]
    assert len(bars) == len(set(bars)), f"bars on the same side: {seen}"
    assert len(bars) >= len(sessions) - 1, f"a bar is missing: {seen}"  # GNOME's is no window
    assert len([w for w in seen if w.type == "DESKTOP"]) <= 1, f"one covers another's wallpaper: {seen}"
    assert not [w for w in seen if "(on " in w.title or re.search(r"\b[0-9a-f]{12}\b", w.title)], "titles name containers"


CASES = [
    pytest.param("xfce", {"mate": "shared", "icewm": "nested"}),
    *(
        pytest.param(first, others, marks=pytest.mark.slow)
        for first, others in (
            ("gnome", {"plasma": "shared"}),
            ("gnome", {"plasma": "nested"}),
            ("gnome", {"plasma": "separate"}),
            ("plasma", {"gnome": "nested"}),
            ("plasma", {"gnome": "separate"}),
            ("xfce", {"plasma": "shared"}),
            ("xfce", {"plasma": "nested"}),
            ("xfce", {"plasma": "separate"}),
            ("plasma", {"xfce": "shared"}),
            ("xfce", {"lxqt": "shared", "icewm": "nested"}),
            ("gnome", {"plasma": "shared", "mate": "separate"}),
        )
    ),
]


@pytest.mark.parametrize(("first", "others"), CASES, ids=lambda v: v if isinstance(v, str) else "-".join(sum(v.items(), ())))
def test_at_once(cli: Cli, desktop_file: Callable[..., Path], tmp_path: Path, first: str, others: dict[str, str]) -> None:
    name = "t-at-once"
    everyone = [first, *others]
    file = desktop_file(
        name,
        screen="1280x800",
        sessions=f"[{', '.join([first, *(f'{{module: {s}, arrange: {how}}}' for s, how in others.items())])}]",
        services="[login1]" if "gnome" in everyone else "[]",
        apps=f"[{', '.join(f'{{module: terminal, session: {s}}}' for s in everyone)}]",
        gateway="null",
    )
    cli.run("up", str(file), "--yes", timeout=3000)
    shared = [first, *(s for s, how in others.items() if how == "shared")]
    one_screen(cli, name, shared)
    pictures = {first: picture(cli, name, first, tmp_path)}
    for session, how in others.items():
        if how == "nested":
            one_screen(cli, name, [session])
            titles = [w.title for w in windows(cli, name, first)]
            assert titles.count(session) == 1, f"no window that holds {session}: {titles}"
            size = re.findall(r"\d+", cli.inside(name, session, "xprop -root _NET_DESKTOP_GEOMETRY"))
            assert (int(size[0]), int(size[1])) >= (900, 500), f"the window that holds {session} is {' x '.join(size)}"
        if how == "separate":
            one_screen(cli, name, [session])
            pictures[session] = picture(cli, name, session, tmp_path)
    assert len({shot.tobytes() for shot in pictures.values()}) == len(pictures)
    for screen, shot in pictures.items():
        assert len(shot.getcolors(1 << 24) or []) > 200, f"the screen of {screen} is bare"


@pytest.mark.parametrize(
    ("sessions", "says", "choose"),
    [
        ("[plasma, {module: gnome, arrange: shared}]", "`gnome` cannot be shared", "nested or separate"),
        ("[gnome, {module: plasma, arrange: shared}, {module: mate, arrange: shared}]", "no edge of the screen", "separate"),
        ("[xfce, {module: icewm, arrange: shared}]", "`icewm` cannot be shared", "nested or separate"),
        ("[{module: gnome, arrange: nested}]", "cannot be nested", "say it of the second"),
    ],
)
def test_what_cannot_be(cli: Cli, desktop_file: Callable[..., Path], sessions: str, says: str, choose: str) -> None:
    services = "[login1]" if "gnome" in sessions else "[]"
    done = cli.run("plan", str(desktop_file("t-cannot", sessions=sessions, services=services)), status=None)
    assert done.returncode != 0
    assert says in done.stderr
    assert choose in done.stderr
