"""Chinese typed on the keys that a viewer sends, into files, by programs in containers of their own; and a desktop that speaks it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import carry
from tests.support.cli import Cli

from modulux.rfb import Client, open_pipe

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

RETURN, CONTROL = 0xFF0D, 0xFFE3
NAME = "t-chinese"
DESKTOP = f"""
name: {NAME}
display: xvfb
sessions: [openbox]
viewer: x11vnc
input-method: fcitx5
services: [fonts]
apps: [terminal]
locale: zh_CN.UTF-8
timezone: Asia/Shanghai
"""
PLAIN_X = """
role: app
summary: a terminal that draws and types by X itself
base: base/graphics
requires: [x11]
uses: [home, fonts, input-method]
command: [xterm, -u8, -class, PlainX, -geometry, 40x5+0+60]
ready: {windows: [PlainX], timeout: 60s}
"""
QT = """
role: app
summary: an editor built with Qt
base: base/qt
requires: [x11]
uses: [home, session-bus, fonts, input-method, window-manager]
command: [featherpad, /home/user/Documents/qt]
ready: {windows: [featherpad], timeout: 60s}
"""
PROGRAMS = {"plain-x": (PLAIN_X, "xterm"), "qt-editor": (QT, "featherpad")}
"""What this desktop has beside the modules shipped: their contracts and packages."""
WINDOWS = {"terminal": (700, 450), "plain-x": (100, 100)}
"""Where to click to type into it."""


@pytest.fixture(scope="module")
def chinese(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("chinese")
    for name, (contract, package) in PROGRAMS.items():
        module = folder / "modules/app" / name
        module.mkdir(parents=True)
        (module / "module.yaml").write_text(contract)
        (module / "Containerfile").write_text(
            f"ARG BASE\nFROM ${{BASE}}\nUSER 0\nRUN /usr/lib/modulux/install {package}\nUSER 1000:1000\n"
        )
    file = folder / "desktop.yaml"
    file.write_text(DESKTOP)
    # What is built; only the terminal is started at once. Plain X looks for an input method when it starts, and never again.
    built = folder / "built.yaml"
    built.write_text(DESKTOP.replace("[terminal]", f"[terminal, {', '.join(PROGRAMS)}]"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MODULUX_MODULES", str(folder / "modules"))
        for name, value in cli.env.items():
            environment.setenv(name, value)
        podman = Cli("podman")
        podman.run("build", "--desktop", str(built), "--yes", timeout=3000)
        if cli.engine == "docker":
            carry(podman, cli, [str(built)])
        cli.run("up", str(file), "--yes", timeout=1200)
        cli.run("run", NAME, "plain-x", "--yes", timeout=1200)
        yield
        cli.run("down", NAME, "--volumes", "--yes")
        assert cli.left(NAME) == []


@contextlib.contextmanager
def keys(cli: Cli, window: str | None) -> Iterator[Client]:
    """An RFB client that has clicked into the window, if one is named."""
    socket = "/run/modulux/rfb/openbox.x11vnc.sock"
    with Client(open_pipe([str(cli.engine), "exec", "-i", f"modulux.{NAME}.x11vnc", "nc", "-U", socket])) as client:
        client.frame()
        if window:
            for buttons in (0, 1, 0):
                client.pointer(*WINDOWS[window], buttons)
                time.sleep(0.3)
        yield client


def types(client: Client, text: str) -> None:
    for letter in text:
        keysym = RETURN if letter == "\n" else ord(letter)
        client.key(keysym, True)
        client.key(keysym, False)
        time.sleep(0.1)


def switches(client: Client) -> None:
    """Ctrl+Space: to pinyin and back."""
    client.key(CONTROL, True)
    types(client, " ")
    client.key(CONTROL, False)
    time.sleep(1)


def becomes(cli: Cli, module: str, script: str, wanted: str) -> None:
    deadline = time.monotonic() + 30
    while (said := cli.inside(NAME, module, script, status=None)) != wanted:
        assert time.monotonic() < deadline, f"{script}: {said!r}, not {wanted!r}"
        time.sleep(0.3)


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize("window", WINDOWS)
def test_pinyin_arrives_in_a_file(cli: Cli, window: str) -> None:
    with keys(cli, window) as client:
        types(client, f"cat >~/Documents/{window}; echo done >~/Documents/{window}.end\n")
        becomes(cli, window, f"ls ~/Documents/{window}", f"/home/user/Documents/{window}\n")
        switches(client)
        types(client, "nihao ")
        switches(client)
        types(client, "\nabc\n")
        client.key(CONTROL, True)
        types(client, "d")
        client.key(CONTROL, False)
        becomes(cli, window, f"cat ~/Documents/{window}.end", "done\n")
    assert cli.inside(NAME, window, f"cat ~/Documents/{window}") == "你好\nabc\n"


@pytest.mark.usefixtures("chinese")
def test_pinyin_arrives_in_a_file_of_a_program_of_qt(cli: Cli) -> None:
    cli.inside(NAME, "terminal", "echo >~/Documents/qt")
    cli.run("run", NAME, "qt-editor", "--yes")
    try:
        with keys(cli, None) as client:  # a new window has the keyboard
            switches(client)
            types(client, "nihao ")
            switches(client)
            client.key(CONTROL, True)
            types(client, "s")
            client.key(CONTROL, False)
            becomes(cli, "terminal", "head -n 1 ~/Documents/qt", "你好\n")
    finally:
        cli.run("stop", NAME, "qt-editor")


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(("method", "typed", "wanted"), [("mozc", "nihongo \n", "日本語"), ("hangul", "gksrmf ", "한글")])
def test_japanese_and_korean(cli: Cli, method: str, typed: str, wanted: str) -> None:
    with keys(cli, "terminal") as client:
        types(client, f"read -r word; echo $word >~/Documents/{method}\n")
        cli.inside(NAME, "fcitx5", f"fcitx5-remote -s {method}")
        becomes(cli, "fcitx5", "fcitx5-remote -n", f"{method}\n")
        time.sleep(1)
        types(client, typed)
        cli.inside(NAME, "fcitx5", "fcitx5-remote -s keyboard-us")
        types(client, "\n")
        becomes(cli, "terminal", f"cat ~/Documents/{method}", f"{wanted}\n")


@pytest.mark.usefixtures("chinese")
def test_it_speaks_chinese_and_keeps_time(cli: Cli) -> None:
    assert "无法访问" in cli.inside(NAME, "terminal", "LC_MESSAGES=$LANG ls /none 2>&1", status=2)
    assert "没有那个文件" in cli.inside(NAME, "terminal", "ls /none 2>&1", status=2)
    assert cli.inside(NAME, "xvfb", "date +%Z:%A --date=@0") == "CST:星期四\n"
    languages = cli.inside(NAME, "terminal", "cd /usr/share/locale && find * -mindepth 1 -type f | cut -d/ -f1 | sort -u")
    assert languages == "zh_CN\n"


@pytest.mark.usefixtures("chinese")
def test_the_modules_own_tests_pass_in_chinese_too(cli: Cli) -> None:
    modules = Path(__file__).resolve().parents[2] / "modules"
    cli.inside(NAME, "fonts", (modules / "service/fonts/tests/fonts").read_text())
    cli.inside(NAME, "fcitx5", (modules / "input-method/fcitx5/tests/methods").read_text())
    for module in ("fonts", "fcitx5"):
        assert cli.inside(NAME, module, "/usr/lib/modulux/floor") == ""


@pytest.mark.usefixtures("chinese")
def test_no_program_reads_all_fonts_again(cli: Cli) -> None:
    assert cli.inside(NAME, "terminal", "fc-match -f '%{family[0]}' sans-serif") == "Noto Sans CJK SC"
    said = cli.inside(NAME, "terminal", "LC_ALL=C fc-cache -v", status=None)
    assert "/usr/local/share/fonts/cjk: skipping, existing cache is valid" in said
    cli.inside(NAME, "terminal", "test -w /usr/local/share/fonts", status=1)


@pytest.mark.slow
def test_the_ready_made_office(cli: Cli, tmp_path: Path) -> None:
    """Its first document has a Chinese name, and the letters for it."""
    if cli.engine == "docker":
        pytest.skip("large images are tried on one engine")
    cli.run("up", "zh-office", "--yes", timeout=3000)
    try:
        window = "for i in $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*'); do xprop -id $i _NET_WM_NAME; done"
        assert "未命名 1" in cli.inside("zh-office", "xfce", window)
        assert cli.inside("zh-office", "libreoffice", "fc-match -f '%{family[0]}' serif") == "Noto Serif CJK SC"
        cli.run("screenshot", "zh-office", "-o", str(tmp_path / "office.png"))
    finally:
        cli.run("down", "zh-office", "--volumes", "--yes")
