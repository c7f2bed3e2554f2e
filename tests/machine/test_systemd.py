"""The same machine with systemd as PID 1: the same desktop on the card, the same commands, its power button."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.virtual import booted, colours, processes

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3000)]

NAME = "t-systemd"


def test_systemd_starts_the_same_desktop(tmp_path: Path) -> None:
    file = tmp_path / "machine.yaml"
    file.write_text(f"name: {NAME}\ninit: systemd\ndesktops: [openbox]\n")
    with booted(Cli("podman"), file, NAME, "--fresh") as machine:
        picture = machine.picture(tmp_path / "screen.png")
        assert colours(picture, (0, 0, 1280, 30)) >= 8, "the panel"
        assert colours(picture, (0, 400, 200, 800)) >= 50, "the wallpaper"
        found = processes(machine.ask("processes"))
        assert found[1][1] == "systemd"
        assert {"Xorg", "tini"} <= {program for _, program in found.values()}
        assert machine.inside("modulux.openbox.terminal", "/usr/lib/modulux/floor || true") == ""
