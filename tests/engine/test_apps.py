"""Apps in the menus of sessions in other containers, and the shipped apps one by one."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli
from tests.support.waiting import wait_for

from modulux.desktop.ready import picture
from modulux.desktop.state import existing
from modulux.engine.choose import choose

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

ENTRIES = "/run/modulux/applications/applications"
RETURN, ESCAPE = 0xFF0D, 0xFF1B


@pytest.fixture(scope="module")
def menu(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Xfce with a terminal that runs and an editor that waits to be started; the desktop's name."""
    path = tmp_path_factory.mktemp("menu") / "desktop.yaml"
    apps = "[terminal, {module: geany, autostart: false}]"
    path.write_text(f"name: t-menu\ndisplay: xvfb\nsessions: [xfce]\napps: {apps}\n")
    cli.run("up", str(path), "--yes", timeout=1200)
    yield "t-menu"
    cli.run("down", "t-menu", "--volumes", "--yes")
    assert cli.left("t-menu") == []


def entry(cli: Cli, desktop: str, name: str, *arguments: str, group: str = "Desktop Entry") -> str:
    """What a menu runs for an entry, its field code filled by `arguments`, as a line for the session's shell."""
    text = cli.inside(desktop, "xfce", f"cat {ENTRIES}/{name}")
    section = text.partition(f"[{group}]\n")[2].partition("\n[")[0]
    line = re.search(r"^Exec=(.*)$", section, re.MULTILINE)
    assert line, text
    words = [w for word in shlex.split(line[1]) for w in (arguments if re.fullmatch("%[fFuU]", word) else [word])]
    return shlex.join(words)


def titles(cli: Cli, desktop: str, wm_class: str) -> list[str]:
    """The titles of the windows of a class, as the window manager lists them."""
    each = "for id in $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*'); do xprop -id $id WM_CLASS _NET_WM_NAME; done"
    found = re.findall(r'WM_CLASS\(STRING\) = (.*)\n_NET_WM_NAME\(UTF8_STRING\) = "(.*)"', cli.inside(desktop, "xfce", each))
    return [title for classes, title in found if f'"{wm_class}"' in classes]


def close_editor(cli: Cli, desktop: str) -> None:
    cli.inside(desktop, "geany", "for p in $(grep -lx geany /proc/[0-9]*/comm | cut -d/ -f3); do kill $p; done; true")
    wait_for(lambda: titles(cli, desktop, "Geany") == [], "the editor is gone")


def test_an_entry_starts_the_app_in_its_own_container(cli: Cli, menu: str) -> None:
    phases = {row["module"]: row["phase"] for row in cli.json("ps", menu)}
    assert phases["app/geany"] == "idle"
    assert titles(cli, menu, "Geany") == []
    cli.inside(menu, "xfce", "printf %s 你好 >'/home/user/Documents/two words & $(more).txt'")
    cli.inside(menu, "xfce", entry(cli, menu, "geany.desktop", "/home/user/Documents/two words & $(more).txt"))
    wait_for(lambda: any("two words & $(more).txt" in t for t in titles(cli, menu, "Geany")), "its window, with the file")
    assert cli.inside(menu, "geany", "grep -lx geany /proc/[0-9]*/comm")
    cli.inside(menu, "xfce", "grep -lx geany /proc/[0-9]*/comm", status=1)
    close_editor(cli, menu)
    assert {row["module"]: row["status"] for row in cli.json("ps", menu)}["app/geany"] == "running"
    cli.inside(menu, "xfce", entry(cli, menu, "geany.desktop"))
    wait_for(lambda: titles(cli, menu, "Geany") != [], "it comes again")
    close_editor(cli, menu)


def test_the_panels_menu_lists_and_starts_it(cli: Cli, menu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cli.env.items():
        monkeypatch.setenv(name, value)
    engine = choose(cli.engine, runtime=None, ulimits={})
    viewer = existing(engine, menu).having("rfb", None)
    assert viewer is not None
    with picture(engine, viewer.name, viewer.sockets["rfb"]) as client:
        before = len(client.frame().image().crop((8, 34, 468, 512)).getcolors(1 << 20) or [])
        client.pointer(60, 15)
        client.pointer(60, 15, 1)
        client.pointer(60, 15)
        wait_for(lambda: len(client.frame().image().crop((8, 34, 468, 512)).getcolors(1 << 20) or []) != before, "the menu")
        time.sleep(1)  # it takes the keyboard after it is drawn
        for letter in "geany":
            client.key(ord(letter), True)
            client.key(ord(letter), False)
            time.sleep(0.2)
        # The entry's icon: a teapot, which is yellow, from the other container; before there is nothing yellow in the menu.
        wait_for(lambda: yellow(client.frame().image().crop((8, 110, 60, 160))) > 20, "its icon")
        client.key(RETURN, True)
        client.key(RETURN, False)
        wait_for(lambda: titles(cli, menu, "Geany") != [], "its window")
    close_editor(cli, menu)


def yellow(area: Image.Image) -> int:
    """How many of its pixels are a strong yellow."""
    return sum(n for n, (r, g, b) in area.convert("RGB").getcolors(1 << 20) or [] if r > 200 and g > 150 and b < 120)  # type: ignore[misc]


def test_entries_have_icons_types_and_actions(cli: Cli, menu: str) -> None:
    text = cli.inside(menu, "xfce", f"cat {ENTRIES}/xfce4-terminal.desktop {ENTRIES}/geany.desktop")
    for icon in re.findall(r"^Icon=(\S+)$", text, re.MULTILINE):
        assert cli.inside(menu, "xfce", f"find /run/modulux/applications/icons -name '{icon}.*'"), icon
    assert not re.search(r"^(TryExec|Path|DBusActivatable)=", text, re.MULTILINE)
    assert all(c.startswith("/usr/lib/modulux/launch ") for c in re.findall(r"^Exec=(.*)$", text, re.MULTILINE))
    action = entry(cli, menu, "xfce4-terminal.desktop", group="Desktop Action preferences")
    cli.inside(menu, "xfce", action)
    wait_for(lambda: any("Preferences" in t for t in titles(cli, menu, "Xfce4-terminal")), "its preferences")
    assert "text/plain=geany.desktop;" in cli.inside(menu, "xfce", f"cat {ENTRIES}/mimeinfo.cache")


def test_requests_at_once_are_all_answered(cli: Cli, menu: str) -> None:
    before = len(titles(cli, menu, "Xfce4-terminal"))
    start = entry(cli, menu, "xfce4-terminal.desktop")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: cli.inside(menu, "xfce", start), range(3)))
    wait_for(lambda: len(titles(cli, menu, "Xfce4-terminal")) == before + 3, "three more windows")


@pytest.mark.parametrize(
    "words", [["sh", "-c", "touch /tmp/reached"], ["/usr/bin/geany"], [""], [], ["PWD=/", "sh"], ["../../bin/sh"], ["geany;sh"]]
)
def test_only_what_an_entry_starts_is_started(cli: Cli, menu: str, words: list[str]) -> None:
    done = cli.run("exec", menu, "xfce", "--", "/usr/lib/modulux/launch", "geany", *words, status=1)
    assert "no entry of geany starts" in done.stderr
    cli.inside(menu, "geany", "test -e /tmp/reached", status=1)


def test_no_request_stops_the_agent(cli: Cli, menu: str) -> None:
    socket = "/run/modulux/applications/geany.sock"
    for request in ("head -c 3000000 /dev/zero", "head -c 100000 /dev/urandom", "printf geany", "printf ''"):
        cli.inside(menu, "xfce", f"{request} | nc -N -U {socket}; true")
    # One that says nothing holds nobody up.
    waiting = f"(sleep 8 | nc -U {socket}) >/dev/null 2>&1 & /usr/lib/modulux/launch geany sh"
    assert "no entry" in cli.run("exec", menu, "xfce", "--", "sh", "-c", waiting, status=1).stderr
    # Words that a shell would read are a file's name here, and are opened in the app's container or not at all.
    cli.inside(
        menu, "xfce", entry(cli, menu, "geany.desktop", "; touch /tmp/reached; $(touch /tmp/reached)\n`touch /tmp/reached`")
    )
    wait_for(lambda: titles(cli, menu, "Geany") != [], "the editor")
    for module in ("xfce", "geany"):
        cli.inside(menu, module, "test -e /tmp/reached", status=1)
    close_editor(cli, menu)


def test_entries_go_and_come_with_the_container(cli: Cli, menu: str) -> None:
    container = f"modulux.{menu}.geany"
    there = f"test -e {ENTRIES}/geany.desktop"
    cli.native("stop", container)
    cli.inside(menu, "xfce", there, status=1)
    assert "geany" not in cli.inside(menu, "xfce", f"cat {ENTRIES}/mimeinfo.cache")
    assert (
        "does not answer" in cli.run("exec", menu, "xfce", "--", "/usr/lib/modulux/launch", "geany", "geany", status=1).stderr
    )
    cli.native("start", container)
    wait_for(lambda: cli.run("exec", menu, "xfce", "--", "sh", "-c", there, status=None).returncode == 0, "its entry")
    cli.inside(menu, "xfce", entry(cli, menu, "geany.desktop"))
    wait_for(lambda: titles(cli, menu, "Geany") != [], "its window")
    close_editor(cli, menu)


def test_an_app_of_two_screens_has_one_entry_and_starts_on_ones_own(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    sessions = "[xfce, {module: openbox, arrange: separate}]"
    apps = "[{module: terminal, autostart: false}, {module: terminal, session: openbox, autostart: false}]"
    cli.run("up", str(desktop_file("t-screens", sessions=sessions, apps=apps)), "--yes")
    start = entry(cli, "t-screens", "xfce4-terminal.desktop")
    assert cli.inside("t-screens", "xfce", f"ls {ENTRIES}").split() == ["mimeinfo.cache", "xfce4-terminal.desktop"]
    cli.inside("t-screens", "openbox", start)
    shell = "grep -lx bash /proc/[0-9]*/comm"
    wait_for(
        lambda: cli.inside("t-screens", "terminal-openbox", f"{shell}; true") != "", "a shell beside the session that asked"
    )
    cli.inside("t-screens", "terminal", shell, status=1)
    cli.native("stop", "modulux.t-screens.terminal-openbox")
    assert "xfce4-terminal.desktop" in cli.inside("t-screens", "xfce", f"ls {ENTRIES}")
    cli.native("stop", "modulux.t-screens.terminal")
    assert cli.inside("t-screens", "xfce", f"ls {ENTRIES}").split() == ["mimeinfo.cache"]


@pytest.mark.slow
@pytest.mark.parametrize("app", ["chromium", "libreoffice", "gimp", "mpv", "thunar", "geany"])
def test_each_app_passes_its_own_tests(cli: Cli, app: str) -> None:
    folder = Path(__file__).parents[2] / "modules/app" / app
    verdicts = cli.json("module", "check", str(folder), "--yes")
    assert [v for v in verdicts if not v["passed"]] == []
    assert [v for v in verdicts if v["what"].startswith("tests/")]
