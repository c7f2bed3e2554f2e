"""Bad desktop files: each is a clear error with file, line and a hint."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modulux.errors import FileError
from modulux.model.desktop import Desktop
from modulux.model.module import Module
from modulux.resolve.files import MAX_BYTES, load
from modulux.resolve.shares import check_shares

GOOD = "name: a\ndisplay: xvfb\nsessions: [xfce]\n"


def test_the_least_that_is_a_desktop(write: Callable[[str], Path]) -> None:
    desktop = load(write(GOOD), Desktop)
    assert desktop.display is not None
    assert (desktop.name, desktop.display.module, [s.module for s in desktop.sessions]) == ("a", "xvfb", ["xfce"])
    assert str(desktop.screen) == "1280x800"
    assert desktop.viewer is None  # the display says which


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


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("limits: {memory: 8m}", "`limits.memory`: too little memory", "at least 16m"),
        ("limits: {memory: 2t}", "should be at most 1t", None),
        ("limits: {memory: 9999999999999999999999}", "a size such as", None),
        ("limits: {memory: true}", "a size such as", None),
        ("limits: {cpus: 0}", "`limits.cpus`: should be at least 0.01", None),
        ("limits: {cpus: .nan}", "`limits.cpus`: should be a number", None),
        ("limits: {cpus: .inf}", "`limits.cpus`", None),
        ("limits: {cpus: 5000}", "should be at most 1024", None),
        ("limits: {pids: 2}", "should be at least 8", None),
        ("limits: {pids: 10000000}", "should be at most 1000000", None),
        ("limits: {pids: 0x" + "f" * 9000 + "}", "`limits.pids`", None),
        ("screen: 8193x800", "`screen.width`: should be at most 8192", None),
        ("screen: 8192x8192", "`screen`: 8192x8192 is 67 megapixels", "at most 34"),
        ("gateway: {module: web, port: 80, vnc-port: 80}", "`port` and `vnc-port` are both 80", "any that is free"),
        ("gateway: {module: web, address: 1.2.3}", "'1.2.3' is not an IP address", "127.0.0.1"),
        ("gateway: {module: web, address: 'fe80::1%x'}", "is not an IP address", None),
        ("locale: de_GE.UTF-8", "'de_GE.UTF-8' is no known locale", "de_"),
        ("locale: de_DE.ISO-8859-1", "not in UTF-8", "de_DE.UTF-8"),
        ("keyboard: gemran", "no keyboard layout", "such as us"),
        ("keyboard: de(nodeadkey)", "layout de has no variant", "nodeadkeys"),
        ("keyboard: 'us,de,fr,it,es'", "5 keyboard layouts", "at most 4"),
        ("shares: {'a/b': ~/Documents}", "a/b", None),
        ("shares: {'a:ro': ~/Documents}", "a:ro", None),
        ("shares: {.a: ~/Documents}", ".a", None),
        ("shares: {A: {path: ~/A, host: '/tmp:/etc'}}", "'/tmp:/etc' will not do", None),
        ("shares: {A: {path: ~/A, host: ~other}}", "'~other' will not do", None),
        ("shares: {A: ~/Music, B: ~/Music}", "A and B both lie at ~/Music", "of its own"),
        ("display: [xvfb]", "`display`: takes one module, not a list", "name one"),
        ("limits: [1]", "`limits`: should be `key: value` pairs", None),
        ("shares: 3", "`shares`: should be `key: value` pairs", None),
        ("sessions: []", "`sessions`: should hold at least 1", None),
        ("summary: 3", "`summary`: should be text", None),
    ],
)
def test_bounds_and_plain_words(write: Callable[[str], Path], text: str, says: str, hint: str | None) -> None:
    first = "".join(line + "\n" for line in GOOD.splitlines() if line.split(":")[0] != text.split(":", maxsplit=1)[0])
    with pytest.raises(FileError) as caught:
        load(write(first + text + "\n"), Desktop)
    message = str(caught.value)
    assert says in message
    assert hint is None or hint in str(caught.value.hint)
    assert caught.value.line == len(first.splitlines()) + 1
    assert not any(word in message for word in ("instance of", "dictionary", "Use", "Share", "Gateway", "Value error"))


@pytest.mark.parametrize(
    "text",
    [
        "limits: {memory: 16m, cpus: 0.01, pids: 8}",
        "limits: {memory: 1t, cpus: 1024, pids: 1000000}",
        "screen: 7680x4320",
        "gateway: {module: web, port: 0, vnc-port: 0, address: '::1'}",
        "locale: POSIX",
        "shares: {A.b-c_1: {path: ~/A, host: ~/a b}}",
    ],
)
def test_what_lies_within(write: Callable[[str], Path], text: str) -> None:
    assert load(write(GOOD + text + "\n"), Desktop).name == "a"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("limits: {pids: 4}", "limits.pids"),
        ("limits: {memory: 1m}", "limits.memory"),
        ("seccomp: ../../x", "seccomp"),
        ("seccomp: /etc/x", "seccomp"),
        ("seccomp: ..", "seccomp"),
        ("ready: {timeout: 9999999999999s}", "ready.timeout"),
        ("params: {x: {type: string, default: []}}", "params.x.default"),
    ],
)
def test_bad_contracts(write: Callable[[str], Path], text: str, where: str) -> None:
    path = write(f"role: app\nsummary: a\nbase: base/debian\ncommand: [a]\n{text}\n")
    with pytest.raises(FileError, match=f"`{where}`:"):
        load(path, Module)


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


BOMB = "{a0: &a0 [x, x, x, x, x, x, x, x, x, x], " + ", ".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)
)


@pytest.mark.parametrize(
    "text",
    [
        f"limits: {{memory: {BOMB}}}}}",
        f"limits: {{cpus: {BOMB}}}}}",
        f"limits: {BOMB}}}",
        f"screen: {BOMB}}}",
        f"summary: {BOMB}}}",
        f"locale: {BOMB}}}",
        f"timezone: {BOMB}}}",
        f"apps: {BOMB}}}",
        f"gateway: {{module: {BOMB}}}}}",
    ],
)
def test_aliases_within_a_value_cannot_blow_up(write: Callable[[str], Path], text: str) -> None:
    path = write(GOOD + text + "\n")
    begun = time.monotonic()
    with pytest.raises(FileError) as caught:
        load(path, Desktop)
    assert time.monotonic() - begun < 1
    assert len(str(caught.value)) < 1000
    assert "not YAML" not in str(caught.value)


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00name: a")
    with pytest.raises(FileError, match="UTF-8"):
        load(path, Desktop)


@pytest.mark.parametrize("name", ["none.yaml", "."])
def test_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / name, Desktop)


@pytest.mark.parametrize(
    ("host", "says", "hint"),
    [
        ("~/there", None, None),
        ("~", None, None),
        ("~/none", "there is no folder", "make it"),
        ("~/file", "is not a folder", "never a socket"),
        ("~/docker.sock", "is not a folder", "never a socket"),
        ("~/link.sock", "is not a folder", "never a socket"),
        ("~/file/below", "Not a directory", None),
        ("/dev/null", "is not a folder", "a device"),
    ],
)
def test_shared_folders_of_the_host(
    write: Callable[[str], Path], tmp_path: Path, host: str, says: str | None, hint: str | None
) -> None:
    home = tmp_path / "home"
    (home / "there").mkdir(parents=True)
    (home / "file").write_text("")
    os.mknod(home / "docker.sock", stat.S_IFSOCK | 0o600)
    (home / "link.sock").symlink_to("docker.sock")
    path = write(GOOD + f"shares:\n  Mine:\n    path: ~/Mine\n    host: {host!r}\n")
    desktop = load(path, Desktop)
    if says is None:
        check_shares(desktop, path, str(home))
        return
    with pytest.raises(FileError) as caught:
        check_shares(desktop, path, str(home))
    assert "`shares.Mine`: " in str(caught.value)
    assert host.replace("~", str(home)) in str(caught.value)
    assert says in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(path), 7)
    assert hint is None or hint in str(caught.value.hint)
