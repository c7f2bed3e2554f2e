"""Bad desktop files: each is a clear error with file, line and a hint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from modulux.errors import FileError
from modulux.model.desktop import Desktop
from modulux.resolve.files import MAX_BYTES, load

GOOD = "name: a\ndisplay: xvfb\nsessions: [xfce]\n"


def test_the_least_that_is_a_desktop(write: Callable[[str], Path]) -> None:
    desktop = load(write(GOOD), Desktop)
    assert (desktop.name, desktop.display.module, [s.module for s in desktop.sessions]) == ("a", "xvfb", ["xfce"])
    assert str(desktop.screen) == "1280x800"
    assert [v.module for v in desktop.viewer] == ["x11vnc"]


@pytest.mark.parametrize(
    ("text", "line", "says", "hint"),
    [
        (GOOD + "dispaly: x\n", 4, "unknown key `dispaly`", "display"),
        (GOOD + "limits: {memroy: 2g}\n", 4, "unknown key `limits.memroy`", None),
        ("display: xvfb\nsessions: [xfce]\n", None, "`name` is missing", None),
        (GOOD + "screen: 12\n", 4, "screen", None),
        (GOOD + "screen: 1280 by 800\n", 4, "1280x800", None),
        (GOOD + "screen: 0x0\n", 4, "1280x800", None),
        (GOOD + "screen: 10x800\n", 4, "screen.width", None),
        (GOOD + "screen: 999999x800\n", 4, "screen.width", None),
        (GOOD + "screen: -5x800\n", 4, "1280x800", None),
        ("name: Ünï cöde\ndisplay: xvfb\nsessions: [xfce]\n", 1, "Ünï cöde", "match"),
        ("name: a/../b\ndisplay: xvfb\nsessions: [xfce]\n", 1, "a/../b", "match"),
        ("name: -x\ndisplay: xvfb\nsessions: [xfce]\n", 1, "-x", "match"),
        (f"name: {'a' * 41}\ndisplay: xvfb\nsessions: [xfce]\n", 1, "name", None),
        ("name: a\ndisplay: [xvfb, xother]\nsessions: [xfce]\n", 2, "display", None),
        ("name: a\ndisplay: xvfb\nsessions: []\n", 3, "sessions", None),
        (GOOD + "limits: {memory: lots}\n", 4, "a size such as", None),
        (GOOD + "timezone: Mars/Olympus\n", 4, "time zone", None),
        (GOOD + "locale: '; rm -rf /'\n", 4, "locale", None),
        (GOOD + "shares: {Documents: /etc}\n", 4, "share", None),
        (GOOD + "shares: {Documents: ~/../../etc}\n", 4, "share", None),
        (GOOD + "name: b\n", 4, "not YAML", None),
        ("name: [\n", None, "not YAML", None),
        ("just words\n", None, "holds no keys", "key: value"),
        ("", None, "holds no keys", None),
        ("name: a\n\tdisplay: x\n", 2, "not YAML", None),
        (GOOD + "apps: !!python/object/apply:os.system [id]\n", None, "not YAML", None),
    ],
)
def test_bad_files(write: Callable[[str], Path], text: str, line: int | None, says: str, hint: str | None) -> None:
    path = write(text)
    with pytest.raises(FileError) as caught:
        load(path, Desktop)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    if line is not None:
        assert caught.value.line == line
    if hint is not None:
        assert hint in str(caught.value.hint)


def test_too_large(write: Callable[[str], Path]) -> None:
    path = write(GOOD + "#" * 10_000_000)
    with pytest.raises(FileError, match=f"{MAX_BYTES:,}"):
        load(path, Desktop)


@pytest.mark.parametrize("text", ["[" * 5000, "name: " + "{a: " * 5000, "\n".join(" " * i + f"a{i}:" for i in range(600))])
def test_nested_too_deeply(write: Callable[[str], Path], text: str) -> None:
    with pytest.raises(FileError):
        load(write(text), Desktop)


def test_aliases_cannot_blow_up(write: Callable[[str], Path]) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
    )
    with pytest.raises(FileError) as caught:
        load(write(bomb), Desktop)
    assert len(str(caught.value)) < 1000


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00name: a")
    with pytest.raises(FileError, match="UTF-8"):
        load(path, Desktop)


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / name, Desktop)
