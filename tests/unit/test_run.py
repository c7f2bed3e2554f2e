"""Processes are started in one place, and ended with who started them."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from modulux import run
from modulux.parallel import each


def interrupted(seconds: float, *argv: str) -> None:
    """Run it, and interrupt this process meanwhile."""
    with interrupt_after(seconds):
        run.run(argv)


@contextlib.contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """What is done within is interrupted, as by Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_is_about_to_end_when_somebody_interrupts_ends_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOMENT", 30.0)
    interrupted(0.2, "sh", "-c", f"sleep 1; echo done >{tmp_path}/made")
    assert (tmp_path / "made").read_text() == "done\n"


def test_what_is_not_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOMENT", 0.2)
    began = time.monotonic()
    interrupted(0.2, "sleep", "60")
    assert time.monotonic() - began < 50


@pytest.mark.parametrize("spared", [True, False])
def test_what_others_finish_is_waited_for_also_where_it_runs_beside(tmp_path: Path, spared: bool) -> None:
    with interrupt_after(0.5):
        each([tmp_path / "made"], lambda made: run.run(["sh", "-c", f"sleep 2 && echo done >{made}"], spared=spared))
    assert (tmp_path / "made").exists() == spared


def test_what_others_finish_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "GRACE", 0.2)
    began = time.monotonic()
    with interrupt_after(0.2):
        run.run(["sleep", "60"], spared=True)
    with interrupt_after(0.2):
        each(["60"], lambda seconds: run.run(["sleep", seconds], spared=True))
    assert time.monotonic() - began < 50
