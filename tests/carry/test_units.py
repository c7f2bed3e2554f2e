"""Units through Podman's own generator, judged by systemd, and the commands that they come to run as systemd would run them.

What is not tried: systemd itself, which needs control groups that not every host of the tests has.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.carry.conftest import DESKTOP
from tests.carry.test_forms import drawn, plan_of, podman_environment
from tests.support.cli import Cli

pytestmark = [pytest.mark.slow, pytest.mark.fresh, pytest.mark.timeout(1800)]

GENERATOR = "/usr/libexec/podman/quadlet"
OF_SYSTEMD = ("--cgroups=", "--sdnotify=", "--cidfile=")
"""Words that mean something under systemd alone. `--ignore`, for what is there already, is unknown to Podman 4.3."""


@pytest.fixture(scope="module")
def debian_13(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root that has the generator and systemd."""
    if Path(GENERATOR).exists() and shutil.which("systemd-analyze"):
        yield Path("/")
        return
    root = Path("/var/tmp") / f"modulux-units-{os.getpid()}"
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=podman,systemd", "trixie", str(root)]
    try:
        subprocess.run(argv, check=True, capture_output=True)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def inside(root: Path, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    enter = [] if root == Path("/") else ["chroot", str(root)]
    return subprocess.run([*enter, *argv], env={**os.environ, **env}, capture_output=True, text=True, check=False)


def test_units_come_to_a_desktop(here: Cli, debian_13: Path, tmp_path: Path) -> None:
    desktop = tmp_path / "desktop.yaml"
    desktop.write_text(DESKTOP.replace("t-carry", "t-units"))
    here.run("export", str(desktop), "--quadlet", "-o", str(tmp_path / "units"))
    plan = plan_of(desktop)
    place = debian_13 / "tmp" / tmp_path.name
    shutil.copytree(tmp_path / "units", place / "units")
    (place / "made").mkdir()
    named = Path("/tmp") / tmp_path.name
    made = inside(debian_13, GENERATOR, "-no-kmsg-log", str(named / "made"), QUADLET_UNIT_DIRS=str(named / "units"))
    assert made.returncode == 0, made.stderr
    services = {path.stem: path.read_text() for path in (place / "made").glob("*.service")}
    assert len(services) == len(plan.containers) + len(plan.volumes) + len(plan.networks)
    names = [str(named / "made" / f"{name}.service") for name in services]
    judged = inside(debian_13, "systemd-analyze", "verify", *names)
    assert (judged.returncode, judged.stderr) == (0, ""), judged.stderr
    environment = podman_environment(tmp_path)
    order = [s for s in services if s.endswith(("-volume", "-network"))]
    order += [c.name.replace(".", "-") for c in plan.containers]
    try:
        for name in order:
            (line,) = [line for line in services[name].splitlines() if line.startswith("ExecStart=")]
            words = shlex.split(line.removeprefix("ExecStart=").replace("%%", "%").replace("$$", "$"))
            argv = ["podman", *(word for word in words[1:] if not word.startswith(OF_SYSTEMD) and word != "--ignore")]
            done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        viewer = next(c for c in plan.containers if "rfb" in c.sockets)
        script = 'until nc -zU "$0" 2>/dev/null; do sleep 0.05; done; exec nc -N -U "$0"'
        areas = [area for c in plan.containers for area in c.ready.drawn]
        drawn(["podman", "exec", "-i", viewer.name, "sh", "-c", script, viewer.sockets["rfb"]], areas, tmp_path / "units.png")
        assert {row["status"] for row in here.json("ps", "t-units")} == {"running"}
        assert here.json("open", "t-units")["browser"].startswith("http://127.0.0.1:")
        for c in plan.containers:
            status = here.inside("t-units", c.short, "cat /proc/self/status; ! touch /x 2>/dev/null")
            held = dict(line.split(":", 1) for line in status.splitlines())
            assert (held["Uid"].split()[0], int(held["CapBnd"], 16), held["NoNewPrivs"].strip()) == ("1000", 0, "1")
    finally:
        here.run("down", "t-units", "--volumes", "--yes", status=None)
        shutil.rmtree(place, ignore_errors=True)
    assert here.left("t-units") == []
