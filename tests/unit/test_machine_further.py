"""Disks that a virtual machine was given beside its own: remembered, since what it keeps may lie there."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import NotFoundError, UsageError
from modulux.machine.further import further_disks
from modulux.report import Event, Note, silent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def disk(folder: Path, name: str) -> Path:
    made = folder / name
    made.write_bytes(bytes(512))
    return made


def test_what_was_named_is_there_at_the_next_start_until_others_are_or_none(tmp_path: Path) -> None:
    one, two = disk(tmp_path, "one.img"), disk(tmp_path, "two.img")
    assert further_disks("office", None, silent) == []
    assert further_disks("office", [one, two], silent) == [one, two]
    assert further_disks("other", None, silent) == []
    assert further_disks("office", None, silent) == [one, two]
    assert further_disks("office", [two], silent) == [two]
    assert further_disks("office", None, silent) == [two]
    with pytest.raises(UsageError):
        further_disks("office", [one], silent, none=True)
    assert further_disks("office", None, silent, none=True) == []
    assert further_disks("office", None, silent) == []


def test_one_that_is_gone_is_said_and_one_that_is_named_must_be_there(tmp_path: Path) -> None:
    one, told = disk(tmp_path, "one.img"), list[Event]()
    further_disks("office", [one], silent)
    one.unlink()
    assert further_disks("office", None, told.append) == []
    (note,) = told
    assert isinstance(note, Note)
    assert "is not there any more" in note.text
    with pytest.raises(NotFoundError):
        further_disks("office", [one], silent)
