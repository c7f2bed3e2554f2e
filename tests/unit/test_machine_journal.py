"""What is asked of the module that keeps what was said, and how times are written."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from modulux.errors import NotFoundError, UsageError
from modulux.machine import journal


@pytest.mark.parametrize(
    ("word", "at"),
    [("30s", 970), ("10m", 400), ("2h", 1000 - 7200), ("3 d", 1000 - 3 * 86400), ("1970-01-02T00:00:00+00:00", 86400)],
)
def test_times_as_people_write_them(word: str, at: float) -> None:
    assert journal.since_when(word, 1000) == at


@pytest.mark.parametrize("word", ["yesterday", "", "-3h", "3 weeks", "2026-13-01"])
def test_what_is_no_time_is_told_with_one_that_is(word: str) -> None:
    with pytest.raises(UsageError, match="no time") as raised:
        journal.since_when(word, 1000)
    assert "10m" in (raised.value.hint or "")


def test_a_machine_that_keeps_nothing_says_why() -> None:
    with pytest.raises(NotFoundError, match="`office` does not keep") as raised:
        journal.keeper({"name": "office", "journal": None})
    assert "log: none" in (raised.value.hint or "")
    assert journal.keeper({"name": "office", "journal": "modulux.office.log"}) == "modulux.office.log"


def test_answers_are_lines_and_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(control: Path, *words: str) -> list[str]:
        asked.append(words)
        return ["100.250\tmodulux.m.log\ta\tb", "101.000\tkernel\t", "\t\t00003.00001:77"]

    monkeypatch.setattr(journal, "ask", answer)
    lines, at = journal.kept(Path("/control"), "modulux.m.log", journal.Question("-1", 5, "all"))
    assert asked == [("act", "modulux.m.log", journal.PROGRAM, "-1", "5.000", "all", "-")]
    assert lines == [journal.Line(100.25, "modulux.m.log", "a\tb"), journal.Line(101, "kernel", "")]
    assert at == "00003.00001:77"
    when = datetime.fromtimestamp(100.25).astimezone()
    assert str(lines[0]) == f"{when:%Y-%m-%d %H:%M:%S} m.log: a\tb"


def test_a_start_that_is_not_kept_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ask", lambda *_: ["\t\tnone"])
    with pytest.raises(NotFoundError, match="not kept"):
        journal.kept(Path("/control"), "c", journal.Question("-9"))
