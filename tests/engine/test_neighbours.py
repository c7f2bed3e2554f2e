"""Two desktops whose names begin alike: what is done to one leaves the other alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cli import Cli

pytestmark = pytest.mark.engine


def test_names_that_begin_alike(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    cli.run("up", str(desktop_file("t-ab")), "--yes")
    before = cli.json("ps", "t-ab")
    for name in ("t-a", "t-abc", "t"):
        assert cli.run("open", name, status=9).stdout == ""
        assert cli.run("down", name, "--volumes", "--yes", status=9).stdout == ""
    cli.run("up", str(desktop_file("t-a")), "--yes")
    assert cli.json("ps", "t-ab") == before
    cli.run("down", "t-a", "--volumes", "--yes")
    assert cli.json("ps", "t-ab") == before
