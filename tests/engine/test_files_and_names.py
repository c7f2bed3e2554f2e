"""What a desktop file says holds for this desktop, and for no other whose name begins alike."""

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


def test_keyboard_and_time_zone_of_the_file(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    cli.run("up", str(desktop_file("t-keys", keyboard='"us,de(nodeadkeys)"', timezone="Asia/Shanghai")), "--yes")
    rules = cli.inside("t-keys", "openbox", "xprop -root _XKB_RULES_NAMES")
    assert '"us,de", ",nodeadkeys"' in rules
    for module in ("xvfb", "openbox", "web"):
        assert cli.inside("t-keys", module, "date +%Z").strip() == "CST"
