"""Who may log in on a machine's console: what a machine file can say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import FileError
from modulux.machine.files import read_machine

HASH = "$y$j9T$" + "a" * 22 + "$" + "b" * 43


def machine(folder: Path, login: str) -> Path:
    path = folder / "office.yaml"
    path.write_text(f"name: office\ndesktops: [xfce]\nlogin: {login}\n")
    return path


def test_a_hash_in_the_file_or_in_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "office.hash").write_text(HASH + "\n")
    for login in (f"{{password-hash: '{HASH}'}}", "{password-file: office.hash}"):
        found = read_machine(machine(tmp_path, login)).login
        assert found is not None
        assert found.word == HASH


def test_a_hash_in_a_file_is_for_the_serial_line_too(tmp_path: Path) -> None:
    (tmp_path / "office.hash").write_text(HASH + "\n")
    found = read_machine(machine(tmp_path, "{password-file: office.hash, serial: true}")).login
    assert found is not None
    assert found.serial


def test_none_is_said(tmp_path: Path) -> None:
    found = read_machine(machine(tmp_path, "{password: none}")).login
    assert found is not None
    assert found.word == "none"


@pytest.mark.parametrize("login", ["{}", "{password: secret}", f"{{password: none, password-hash: '{HASH}'}}", "yes", "none"])
def test_one_way_and_no_other(tmp_path: Path, login: str) -> None:
    with pytest.raises(FileError, match="login"):
        read_machine(machine(tmp_path, login))


@pytest.mark.parametrize("word", ["secret-word", "$6$a", "$1$abc:" + "d" * 30, f"{HASH} # office"])
def test_what_is_no_hash_is_refused_and_not_repeated_since_it_may_be_the_password(tmp_path: Path, word: str) -> None:
    (tmp_path / "office.hash").write_text(word)
    for login in (f"{{password-hash: '{word}'}}", "{password-file: office.hash}"):
        with pytest.raises(FileError, match="no hash") as raised:
            read_machine(machine(tmp_path, login))
        assert word not in str(raised.value)
        assert "openssl passwd -6" in (raised.value.hint or "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError) as raised:
        read_machine(machine(tmp_path, "{password-file: nowhere}"))
    assert raised.value.file == str(tmp_path / "office.yaml")
    assert raised.value.line == 3
    assert str(tmp_path / "nowhere") in str(raised.value)


@pytest.mark.parametrize("login", ["hunter2", "{password: hunter2}", "[hunter2]"])
def test_what_may_be_a_password_is_not_repeated(tmp_path: Path, login: str) -> None:
    with pytest.raises(FileError, match="login") as raised:
        read_machine(machine(tmp_path, login))
    assert "hunter2" not in f"{raised.value} {raised.value.hint}"
    assert raised.value.hint
