"""What is said of a machine file with a wrong value: one line with the file, the line, the key and what is wrong, and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import FileError
from modulux.machine.files import read_machine

HEAD = "name: office\ndesktops: [openbox]\n"

WRONG = [
    ("kernel: ''", "`kernel.module`: ''", "it must match"),
    ("kernel: [debian]", "`kernel`", "linux-image-"),
    ("kernel: {module: debian, path: ./x}", "one of module, package, path and image", "a folder"),
    ("kernel: {modul: debian}", "unknown key `kernel.modul`", "did you mean `module`?"),
    ("init: systemdd", "`init`: should be 'engine' or 'systemd' (it is 'systemdd')", "did you mean `systemd`?"),
    ("init: 7", "`init`", "PID 1"),
    ("profile: laptop", "`profile`: should be 'virtual' or 'pc'", "drivers"),
    ("display: 7", "`display`: should be text (it is 7)", "own"),
    ("display: Xorg card", "`display`: 'Xorg card' will not do", "it must match"),
    ("audio: [alsa]", "`audio`: should be text", "own"),
    ("services: [{modul: x}]", "`services.0.module` is missing", "every desktop"),
    ("network: static", "`network`: should be 'dhcp' or 'none' (it is 'static')", "addresses"),
    ("network: true", "`network`", "addresses"),
    ("time: often enough", "`time`: 'often enough' is no time server", "`network`, or `none`"),
    ("time: [none, 10.0.0.1]", "`time`: 'none' is no time server", "`network`, or `none`"),
    ("time: []", "`time`", "DHCP"),
    ("login: yes", "`login`", "nobody can log in"),
    ("login: {}", "`login`: takes one of", "nobody can log in"),
    ("login: {password: hunter2}", "`login.password`: can only be `none`", "password-hash"),
    ("login: {password-hash: hunter2}", "`login.password-hash`: is no hash", "mkpasswd"),
    ("login: {password-file: nowhere.hash}", "nowhere.hash cannot be read", "openssl passwd"),
    ("gateway: {module: web, port: 99999}", "`gateway.port`: should be at most 65535 (it is 99999)", "on the host"),
    ("gateway: {module: web, port: 80, vnc-port: 80}", "both 80", "take two"),
    ("gateway: {port: 80}", "`gateway.module` is missing", "browsers"),
    ("gateway: {module: web, address: everywhere}", "`gateway.address`: 'everywhere' is not an IP address", "0.0.0.0"),
    ("screen: big", "`screen`: should be a size such as 1280x800 (it is 'big')", "of all desktops"),
    ("screen: 99999x1", "`screen.width`: should be at most 8192", "of all desktops"),
    ("locale: english", "`locale`: 'english' is no known locale", "de_DE.UTF-8"),
    ("timezone: Mars/Phobos", "`timezone`: 'Mars/Phobos' is no known time zone", "Europe/Berlin"),
    ("keyboard: qwertyuiop", "`keyboard`: 'qwertyuiop' is no keyboard layout", "us"),
    ("state: 4 parsecs", "`state`: should be a size such as 512m or 2g (it is '4 parsecs')", "4g"),
    ("state: 0", "`state`: should be more than 0", "4g"),
    ("state: 2t", "`state`: should be at most 1t", "4g"),
    ("trial: soon", "`trial`: should be a whole number (it is 'soon')", "seconds"),
    ("trial: 1", "`trial`: should be at least 10 (it is 1)", "seconds"),
    ("state: 100k", "`state`: is too small", "64m"),
    ("state: 63m", "`state`: is too small", "64m"),
    ("memory: 16m", "`memory`: is too little memory to boot in", "256m"),
    ("memory: 255m", "`memory`: is too little memory to boot in", "256m"),
    ("memory:", "`memory`", "1g"),
    ("summary: [a]", "`summary`: should be text", "a line"),
    ("desktop: xfce", "unknown key `desktop`", "did you mean `desktops`?"),
    ("name: other", "not YAML: found duplicate key", "each key once"),
    ("  bad: indent", "not YAML", "equally far to the right"),
    ("- a", "not YAML", "`key: value`"),
]


def wrong(folder: Path, text: str) -> FileError:
    path = folder / "office.yaml"
    path.write_text(text)
    with pytest.raises(FileError) as raised:
        read_machine(path)
    assert raised.value.file == str(path)
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(("line", "says", "hint"), WRONG)
def test_a_wrong_value_is_told_with_its_place_and_what_would_do(tmp_path: Path, line: str, says: str, hint: str) -> None:
    error = wrong(tmp_path, f"{HEAD}{line}\n")
    assert error.line == 3
    assert says in str(error)
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    ("text", "line", "says", "hint"),
    [
        ("name: o\n", None, "the key `desktops` is missing", "[xfce]"),
        ("desktops: [xfce]\n", None, "the key `name` is missing", "name: office"),
        ("name: An Office\ndesktops: [xfce]\n", 1, "`name`: 'An Office' will not do", "it must match"),
        ("name: o\ndesktops: []\n", 2, "`desktops`: should hold at least 1", "[xfce]"),
        ("name: o\ndesktops: [7]\n", 2, "`desktops.0`", "[xfce]"),
        ("name: o\ndesktops:\n- xfce\n- {display: own}\n", 4, "`desktops.1.desktop` is missing", "the path of a file"),
        ("name: o\ndesktops: [{desktop: x, displai: own}]\n", 2, "`desktops.0.displai`", "did you mean `display`?"),
    ],
)
def test_what_every_machine_needs(tmp_path: Path, text: str, line: int | None, says: str, hint: str) -> None:
    error = wrong(tmp_path, text)
    assert error.line == line
    assert says in str(error)
    assert hint in (error.hint or "")


def test_the_least_of_memory_and_state_is_taken(tmp_path: Path) -> None:
    (tmp_path / "office.yaml").write_text(f"{HEAD}memory: 256m\nstate: 64m\n")
    found = read_machine(tmp_path / "office.yaml")
    assert (found.memory, found.state) == (256 * 1024**2, 64 * 1024**2)


def test_who_has_no_network_can_ask_no_time_server(tmp_path: Path) -> None:
    error = wrong(tmp_path, f"{HEAD}network: none\ntime: 10.0.0.1\n")
    assert "nobody can be asked" in str(error)
    assert error.hint
