"""A machine that keeps and carries what its desktop holds: to a repository and back, and to Podman on another computer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.cli import Cli
from tests.support.virtual import Virtual, booted, colours, wait_for

from modulux.machine.qmp import Monitor

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME = "t-keep"
FILE = f"""name: {NAME}
desktops: [openbox]
services: [keeper]
login: {{password: none}}
gateway: {{module: web, address: 0.0.0.0, port: 6080, vnc-port: 5900}}
"""
SESSION, LOGIN = "modulux.openbox.openbox", f"modulux.{NAME}.login"
STORE = ["--to", "/home/user/kept"]
PATIENCE = 1200.0
PASSWORD = b"secret\n"


def do(cli: Cli, *words: str, given: bytes = b"", status: int = 0) -> bytes:
    """What a command in the machine prints; on a line of its own it is given a password or an archive."""
    argv = cli.argv("machine", "do", NAME, *words)
    done = subprocess.run(argv, input=given, capture_output=True, env=cli.environment(), timeout=PATIENCE, check=False)
    assert done.returncode == status, (words, done.stdout[-2000:], done.stderr.decode(errors="replace"))
    return done.stdout


def ready(machine: Virtual) -> bool:
    rows = [line.split("\t") for line in machine.ask("status")]
    return all(row[2] == "ready" for row in rows if row[0].startswith("modulux."))


def letter(machine: Virtual) -> str:
    return machine.inside(SESSION, "cat ~/letter").strip()


def test_what_a_desktop_holds_comes_back_and_goes_elsewhere(tmp_path: Path) -> None:
    cli = Cli("podman", env={"XDG_DATA_HOME": str(tmp_path / "data")})
    (tmp_path / "machine.yaml").write_text(FILE)
    with booted(cli, tmp_path / "machine.yaml", NAME, "--fresh") as machine:
        wait_for(lambda: ready(machine), "all containers", PATIENCE)
        machine.inside(SESSION, "echo old > ~/letter; head -c 3000000 /dev/urandom > ~/large")
        kept: dict[str, Any] = json.loads(do(cli, "backup", "openbox", *STORE, "--yes", "--json", given=PASSWORD))
        assert kept["frozen"] < 100
        machine.inside(SESSION, "echo new > ~/letter")
        do(cli, "restore", "openbox", *STORE, "--yes", given=PASSWORD)
        wait_for(lambda: ready(machine), "the desktop, again", PATIENCE)
        assert letter(machine) == "old"
        picture = machine.picture(tmp_path / "again.png")
        assert colours(picture, (0, 0, *picture.size)) > 20, "the desktop is drawn again"

        machine.inside(SESSION, "echo carried > ~/letter")
        (tmp_path / "openbox.modulux").write_bytes(do(cli, "export", "openbox", "-o", "-"))
        machine.inside(SESSION, "echo newer > ~/letter")
        do(cli, "import", "-", "--yes", given=(tmp_path / "openbox.modulux").read_bytes())
        assert letter(machine) == "carried"

        rights_are_where_they_belong(machine)
        at_the_console(machine)
        said = json.loads(do(cli, "storage", "show", "--json"))
        assert said["desktops"]["openbox"]["openbox.home"] > 3_000_000
    elsewhere(cli, tmp_path / "openbox.modulux")


def rights_are_where_they_belong(machine: Virtual) -> None:
    """Nobody else comes to what the keeper asks PID 1 by, nor to what it lays beside."""
    assert machine.inside(SESSION, "ls /keep /run/modulux/keeper 2>/dev/null || true").strip() == ""
    keeper = f"modulux.{NAME}.keeper"
    assert machine.inside(keeper, "/usr/lib/modulux/floor && echo held").splitlines()[-1] == "held"
    script = "touch /keep/desktops/openbox/volumes/openbox.home/x /keep/made/x /keep/machine/x 2>/dev/null; ls /keep/staging"
    assert machine.inside(keeper, f"{script} || true").split() == ["lock"]
    assert machine.inside(keeper, "ls /keep/desktops/openbox/volumes/openbox.home").count("x\n") == 0


def at_the_console(machine: Virtual) -> None:
    """Who has logged in there reaches the same program."""
    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.press("ctrl", "alt", "f2", seconds=0.2)
    wait_for(lambda: any("login" in t and t.endswith("seen") for t in machine.ask("terminals")), "the console")
    machine.type("\n")
    wait_for(lambda: "bash" in machine.inside(LOGIN, "cat /proc/[0-9]*/comm"), "a shell")
    machine.type("modulux ps > said\n")
    wait_for(lambda: "openbox" in machine.inside(LOGIN, "cat ~/said 2>/dev/null || true"), "what it says", PATIENCE)
    assert "containers run, ready" in machine.inside(LOGIN, "cat ~/said")


def elsewhere(cli: Cli, file: Path) -> None:
    """The same desktop under Podman, by this host's own Modulux."""
    name = "t-kept-away"
    try:
        cli.run("import", str(file), "--as", name, "--yes", "--trust", timeout=PATIENCE)
        cli.run("up", name, "--yes", timeout=PATIENCE)
        assert cli.inside(name, "openbox", "cat ~/letter; wc -c < ~/large").split() == ["carried", "3000000"]
    finally:
        cli.run("down", name, "--volumes", "--yes", status=None)
