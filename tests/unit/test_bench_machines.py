"""What `modulux machine bench` says of what it measured: sizes, memory, and which goals were missed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from modulux.bench import boots, machines
from modulux.bench.boots import Boot
from modulux.bench.figures import Results, table
from modulux.bench.machines import MB, _memory, _sizes, _with_little
from modulux.cli.bench import show
from modulux.errors import NotReadyError
from modulux.machine.emulator import Machine

SIZES = {"kernel": 12 * MB, "initramfs": MB, "system.erofs": 15 * MB, "store.erofs": 200 * MB}
PC = {"kernel": 12 * MB, "initramfs": 2 * MB, "system.erofs": 53 * MB}
BOOTS = {machines.OURS: [Boot(25.0, 340 * MB, 7.6)], machines.THEIRS: [Boot(57.0, 354 * MB)]}
LITTLE = Boot(31.0, 300 * MB, 8.0)


def said(*figures: Any) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(console, Results({}, figures))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_sizes_are_those_of_both_profiles() -> None:
    figure = _sizes(SIZES, PC)
    assert ("system.erofs, profile pc", "53.0 MB", "53.0 to 53.0") in table(figure)
    assert [(goal.text, goal.value, goal.limit) for goal in figure.goals] == [
        ("kernel, start-up archive and system", 28, 64),
        ("the same, profile pc", 67, 160),
        ("all, with Xfce", 228, 256),
    ]
    assert "all 3 goals reached" in said(figure)


def test_whether_it_boots_with_little_memory_is_told() -> None:
    boots_so = _memory(BOOTS, LITTLE, 1024)
    assert "boots with 512 MB: yes" in boots_so.notes
    assert ("Modulux: Xfce is drawn, with 512 MB", "31.0 s", "31.0 to 31.0") in table(boots_so)
    assert all(goal.met for goal in boots_so.goals)
    does_not = _memory(BOOTS, None, 1024)
    assert "boots with 512 MB: no" in does_not.notes
    assert [str(goal) for goal in does_not.goals if not goal.met] == ["boots to a drawn Xfce with: 1024 MB (at most 512 MB)"]


def test_what_is_missed_is_said_plainly() -> None:
    text = said(_memory(BOOTS, None, 1024), _sizes({**SIZES, "kernel": 99 * MB}, {**PC, "system.erofs": 200 * MB}))
    last = text.strip().splitlines()[-1]
    assert last.startswith("missed: 4 of 5 goals: boots to a drawn Xfce with; kernel, start-up archive and system; the same")


def test_little_memory_is_what_it_is_booted_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    given: list[int] = []

    def ours(machine: Machine, session: str) -> Boot:
        given.append(machine.memory)
        if len(given) > 1:
            raise NotReadyError("no desktop came to rest")
        return LITTLE

    monkeypatch.setattr(boots, "ours", ours)
    machine = Machine(tmp_path, tmp_path, None, 2**30)
    assert _with_little(machine, "x") is LITTLE
    assert _with_little(machine, "x") is None
    assert given == [512 * 1024**2] * 2
