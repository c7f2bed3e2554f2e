"""A clock that is an hour wrong is right once the machine's time service has asked, and who holds a one-time link can still use it."""

from __future__ import annotations

import os
import shutil
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.ntp import served
from tests.support.odd import hears, odd
from tests.support.waiting import wait_for

from modulux.machine.build import noted
from modulux.machine.emulator import Machine
from modulux.machine.running import free_port

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME, DESKTOP = "t-time", "t-time-desk"
FILE = f"""name: {NAME}
init: INIT
desktops: [./desk.yaml]
display: own
audio: own
time: 10.0.2.2
timezone: Europe/Berlin
gateway: {{module: web, address: 0.0.0.0, port: 6080, vnc-port: 5900}}
"""
DESK = f"name: {DESKTOP}\ndisplay: xvfb\nsessions: [openbox]\n"
HOUR = 3600
GATEWAY, CLOCK = f"modulux.{DESKTOP}.web", f"modulux.{NAME}.time"


@dataclass(frozen=True)
class Behind(Machine):
    """Its clock is an hour behind when the power is switched on."""

    def argv(self) -> list[str]:
        return [*super().argv(), "-rtc", f"base={time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() - HOUR))}"]


@pytest.mark.parametrize("init", ["engine", "systemd"])
def test_the_clock_is_set_right_and_links_live_on(init: str, tmp_path: Path) -> None:
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("qemu-system-x86 is needed: scripts/test installs it")
    if os.geteuid():
        pytest.fail("only root may answer at the port of time servers")
    (tmp_path / "machine.yaml").write_text(FILE.replace("INIT", init))
    (tmp_path / "desk.yaml").write_text(DESK)
    built = tmp_path / "built"
    Cli("podman").run("machine", "build", str(tmp_path / "machine.yaml"), "-o", str(built), "--yes", timeout=2400)
    ports = {int(inside): free_port() for inside in noted(built)["ports"]}
    with odd(NAME, built, Behind, ports=ports) as machine:
        hears(machine, f"ready {GATEWAY}")
        hears(machine, f"ready {CLOCK}")

        def wrong_by() -> float:
            return time.time() - float(machine.inside(CLOCK, "date +%s"))

        assert abs(wrong_by() - HOUR) < 120
        link = machine.inside(GATEWAY, "/usr/lib/modulux/link")
        with served():
            wait_for(lambda: abs(wrong_by()) < 30, "the clock is right", 600)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(f"http://127.0.0.1:{ports[6080]}{link}", timeout=120) as page:
            assert f"<title>{DESKTOP}</title>" in page.read().decode()
        missed = machine.inside(CLOCK, "/usr/lib/modulux/floor || true").splitlines()
        assert [line for line in missed if "capabilities" not in line and "TCP port" not in line] == []  # the gateway's ports
        rights = machine.inside(CLOCK, "sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status")
        assert int(rights, 16) & ~(1 << 25) == 0
        assert machine.inside(f"modulux.{DESKTOP}.openbox", "date +%Z") in ("CET", "CEST")
