"""The page of the matrix: what was tried before stays, what is tried again is replaced."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from modulux.matrix.judge import Step
from modulux.matrix.measure import Outcome
from modulux.matrix.page import write
from modulux.matrix.pairs import Pair


def outcome(session: str, *, passed: bool) -> Outcome:
    step = Step("the menu opens", passed, "0.1 % changed")
    return Outcome(Pair("xvfb", session, "x11vnc"), 2.5, 100_000_000, [step], Image.new("RGB", (64, 40)))


def test_a_run_over_a_part_leaves_the_other_rows(tmp_path: Path) -> None:
    page = tmp_path / "matrix.md"
    write([outcome("xfce", passed=True), outcome("mate", passed=False)], page, "On podman.")
    text = page.read_text()
    assert "1 of 2 passed" in text
    assert "| xvfb | mate | x11vnc | ✗ the menu opens |" in text
    assert "0.1 % changed" in text
    assert (tmp_path / "matrix/xvfb-mate-x11vnc.png").exists()
    write([outcome("icewm", passed=False)], page, "On podman.")
    assert "1 of 3 passed" in page.read_text()
    write([outcome("mate", passed=True)], page, "On podman.")
    text = page.read_text()
    assert "2 of 3 passed" in text
    assert text.count("0.1 % changed") == 1
    write([outcome("icewm", passed=True)], page, "On podman.")
    assert "What failed" not in page.read_text()
    assert page.read_text().count("| xvfb |") == 3
