"""Single desktops of a machine that runs: what PID 1 is asked for, and what is seen afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import NotFoundError
from modulux.machine import desktops as module
from modulux.machine import terminals
from modulux.machine.desktops import end_desktop, start_desktop

TERMINALS = ["modulux.office.xorg\t7\tdraws\t-", "modulux.play.xorg\t8\tdraws\tseen", "modulux.third.xorg\t9\tdraws\t-"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What PID 1 was asked. `third` rests, and `play` ends at the second look."""
    words: list[tuple[str, ...]] = []

    def ask(control: Path, *said: str) -> list[str]:
        words.append(said)
        looks = sum(w == ("desktops",) for w in words)
        states = {"third": "rests", "office": "ready", "play": "rests" if ("end", "play") in words and looks > 2 else "ready"}
        answers = {"desktops": [f"{name}\t{state}" for name, state in states.items()], "terminals": TERMINALS}
        return answers.get(said[0], [])

    monkeypatch.setattr(module, "ask", ask)
    monkeypatch.setattr(terminals, "ask", ask)
    return words


def test_one_that_was_seen_is_ended_and_then_another_is_seen_that_runs(asked: list[tuple[str, ...]]) -> None:
    slept: list[float] = []
    end_desktop(Path("control"), "play", slept.append)
    assert slept, "it has waited until it had ended"
    assert asked[-1] == ("show", "modulux.office.xorg")


def test_one_that_was_not_seen_is_ended_and_the_screen_stays(asked: list[tuple[str, ...]]) -> None:
    end_desktop(Path("control"), "third")
    assert ("end", "third") in asked
    assert not any(words[0] == "show" for words in asked)


def test_one_that_there_is_not_is_named_and_those_that_there_are(asked: list[tuple[str, ...]]) -> None:
    for change in (start_desktop, end_desktop):
        with pytest.raises(NotFoundError, match="`ofice`") as raised:
            change(Path("control"), "ofice")
        assert raised.value.hint == "there are: third, office, play"
    assert {words[0] for words in asked} == {"desktops"}
    start_desktop(Path("control"), "third")
    assert asked[-1] == ("begin", "third")
