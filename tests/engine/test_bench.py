"""bench's moving pictures are counted through a real viewer; how many there were is no matter of a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.bench import MODULES, viewers
from modulux.bench.cli import CommandLine
from modulux.engine.podman import Podman

pytestmark = [pytest.mark.engine, pytest.mark.one_engine, pytest.mark.bench]


def test_scrolling_lines_are_counted(cli: Cli, tmp_path: Path) -> None:
    which = [viewers.Setup("xvfb", "openbox", ("x11vnc",))]
    line = CommandLine(str(cli.engine), modules=(MODULES,))
    shown, cost = viewers.measure(Podman(), line, tmp_path, 2, lambda _: None, which=which, loads=["scrolling"])
    (row,) = shown.rows
    assert 0 < row.series.high <= viewers.RATE * 1.5
    assert 0 < row.extra["drawn"] <= viewers.RATE * 1.5
    assert 0 < cost.rows[0].series.high < 1000
    assert cli.left(which[0].name) == []
