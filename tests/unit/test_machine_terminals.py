"""The terminals of a machine that runs, by the words of people."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import NotFoundError
from modulux.machine import terminals as module
from modulux.machine.terminals import Terminal, chosen, show, terminals

ANSWER = [
    "modulux.office.login\t2\ttext\t-",
    "modulux.office.xorg\t7\tdraws\tseen",
    "modulux.play.xorg\t8\tdraws\t-",
    "modulux.play.xorg-mate\t9\tdraws\t-",
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    words: list[tuple[str, ...]] = []

    def ask(control: Path, *said: str) -> list[str]:
        words.append(said)
        return ANSWER if said == ("terminals",) else []

    monkeypatch.setattr(module, "ask", ask)
    return words


def test_which_there_are_and_which_is_seen(asked: list[tuple[str, ...]]) -> None:
    found = terminals(Path("control"))
    assert [(t.name, t.number, t.seen) for t in found] == [
        ("login", 2, False),
        ("office", 7, True),
        ("play", 8, False),
        ("play", 9, False),
    ]
    assert found[1].to_json() == {"name": "office", "container": "modulux.office.xorg", "number": 7, "seen": True}


@pytest.mark.parametrize(
    ("word", "number"), [("office", 7), ("play", 8), ("login", 2), ("9", 9), ("play.xorg-mate", 9), ("office.login", 2)]
)
def test_one_is_shown_by_its_desktop_its_key_or_its_whole_name(asked: list[tuple[str, ...]], word: str, number: int) -> None:
    found = chosen(word, terminals(Path("control")))
    assert found.number == number
    show(Path("control"), found)
    assert asked[-1] == ("show", found.container)


def test_those_there_are_are_named(asked: list[tuple[str, ...]]) -> None:
    with pytest.raises(NotFoundError, match="`ofice`") as raised:
        chosen("ofice", terminals(Path("control")))
    assert raised.value.hint == "there are: login, office, play, play"
    with pytest.raises(NotFoundError) as raised:
        chosen("office", [])
    assert raised.value.hint is None


def test_a_terminal_is_a_key() -> None:
    assert Terminal("modulux.a.xorg", 7, draws=True, seen=True).words == ("a", "7", "a.xorg")
