"""Every session: its log is free of errors, it uses next to no processor time once it has settled, and it ends by itself when told to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.alive import Alive
from tests.support.cli import ROOT, Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine, pytest.mark.slow]

SESSIONS = sorted(folder.name for folder in (ROOT / "modules/session").iterdir())
SERVICES = {"gnome": "[login1]", "gnome-wayland": "[login1]"}
DISPLAYS = {"labwc": "wayland", "sway": "null"}
SETTLE = 25.0
WATCH = 20.0


def used(alive: Alive, session: str) -> int:
    """Hundredths of a second of a processor that the processes of a module have had so far, those that ended included."""
    total = 0
    for process in alive.look()[session].processes:
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
        except FileNotFoundError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total


@pytest.mark.parametrize("session", SESSIONS)
def test_it_is_quiet_and_ends(cli: Cli, desktop_file: Callable[..., Path], session: str) -> None:
    name = f"t-quiet-{session}"
    keys = {"display": DISPLAYS.get(session, "xvfb"), "services": SERVICES.get(session, "[]"), "gateway": "null"}
    cli.run("up", str(desktop_file(name, sessions=f"[{session}]", **keys)), "--yes", timeout=1800)
    time.sleep(SETTLE)
    alive = Alive(cli, name, [session])
    before = used(alive, session)
    time.sleep(WATCH)
    share = (used(alive, session) - before) / WATCH
    assert share < 1, f"{share:.1f} % of a processor"
    log = [line["line"] for line in cli.json("logs", name, session)]
    assert [line for line in log if re.search("error|critical|failed", line, re.IGNORECASE)] == []
    cli.native("stop", "--time", "3", f"modulux.{name}.{session}")
    ended = cli.native("inspect", "--format", "{{.State.ExitCode}}", f"modulux.{name}.{session}").strip()
    assert ended == "0", f"after 3 s it was ended by force: {ended}"
