"""Processes are started in one place, and ended with who started them."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType

import pytest

from modulux import run


def interrupted(seconds: float, *argv: str) -> None:
    """Run it, and interrupt this process meanwhile."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with pytest.raises(KeyboardInterrupt):
            run.run(argv)
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
