"""A machine that keeps and carries what its desktop holds: to a repository and back, and to Podman on another computer."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import sshd
from tests.support.cli import Cli
from tests.support.virtual import Virtual, booted, colours
from tests.support.waiting import wait_for

from modulux.machine.qmp import Monitor
from modulux.machine.running import free_port

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME = "t-keep"
FILE = f"""name: {NAME}
init: engine
desktops: [openbox]
services: [{{module: keeper, to: "@", schedule: monthly, keep-last: 5}}]
login: {{password: none}}
gateway: {{module: web, address: 0.0.0.0, port: 6080, vnc-port: 5900}}
"""
SESSION, LOGIN, KEEPER = "modulux.openbox.openbox", f"modulux.{NAME}.login", f"modulux.{NAME}.keeper"
HOST = "10.0.2.2"
"""What the virtual machine calls its host's loopback."""

PATIENCE = 1200.0
PASSWORD = b"secret\n"


def do(cli: Cli, *words: str, given: bytes = b"", status: int = 0) -> bytes:
    """What a command in the machine prints; on a line of its own it is given a password or an archive."""
    argv = cli.argv("machine", "do", NAME, *words)
    done = subprocess.run(argv, input=given, capture_output=True, env=cli.environment(), timeout=PATIENCE, check=False)
    assert done.returncode == status, (words, done.stdout[-2000:], done.stderr.decode(errors="replace"))
    return done.stdout


@contextlib.contextmanager
def reached_by_ssh(folder: Path) -> Iterator[tuple[list[str], str]]:
    """An SSH server of this host's, whose user has `home` in the folder: flags that name a repository there, and its name for a machine."""
    found = sshd.program(folder / "unpacked")
    if found is None:
        pytest.skip("openssh-server can neither be found nor downloaded")
    (folder / "home/.ssh").mkdir(parents=True, mode=0o700)
    port = free_port()
    process = subprocess.Popen(sshd.command(folder, port, found), stderr=subprocess.DEVNULL)
    try:
        yield ["--to", f"sftp://root@{HOST}:{port}/{folder}/data"], f"root@{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


def know_each_other(cli: Cli, server: str, authorized: Path) -> None:
    """The machine's key goes to the server, the server's to the machine."""
    do(cli, "key", f"root@{HOST}:1", "--yes", status=13)
    do(cli, "key", "-", "--yes", status=2)
    do(cli, "key", server, status=12)
    said = json.loads(do(cli, "key", server, "--yes", "--json"))
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(authorized.parents[2] / "hostkey.pub")], capture_output=True, text=True, check=True
    ).stdout
    assert [one.split()[0] for one in said["fingerprints"]] == [shown.split()[1]]
    assert do(cli, "key").decode().strip() == said["key"]
    authorized.write_text(said["key"] + "\n")


def ready(machine: Virtual) -> bool:
    rows = [line.split("\t") for line in machine.ask("status")]
    return all(row[2] == "ready" for row in rows if row[0].startswith("modulux."))


def letter(machine: Virtual) -> str:
    return machine.inside(SESSION, "cat ~/letter").strip()


@pytest.mark.parametrize("init", ["engine", "systemd"])
def test_what_a_desktop_holds_comes_back_and_goes_elsewhere(init: str, tmp_path: Path) -> None:
    cli = Cli("podman", env={"XDG_DATA_HOME": str(tmp_path / "data")})
    (tmp_path / "server").mkdir()
    with contextlib.ExitStack() as stack:
        store, server = stack.enter_context(reached_by_ssh(tmp_path / "server"))
        (tmp_path / "machine.yaml").write_text(FILE.replace("@", store[1]).replace("init: engine", f"init: {init}"))
        machine = stack.enter_context(booted(cli, tmp_path / "machine.yaml", NAME, "--fresh"))
        wait_for(lambda: ready(machine), "all containers", PATIENCE)
        know_each_other(cli, server, tmp_path / "server/home/.ssh/authorized_keys")
        machine.inside(SESSION, "echo old > ~/letter; head -c 3000000 /dev/urandom > ~/large")
        kept: dict[str, Any] = json.loads(do(cli, "backup", "openbox", *store, "--yes", "--json", given=PASSWORD))
        assert kept["frozen"] < 100
        machine.inside(SESSION, "echo new > ~/letter")
        do(cli, "restore", "openbox", *store, "--yes", given=PASSWORD)
        wait_for(lambda: ready(machine), "the desktop, again", PATIENCE)
        assert letter(machine) == "old"
        picture = machine.picture(tmp_path / "again.png")
        assert colours(picture, (0, 0, *picture.size)) > 20, "the desktop is drawn again"

        second = one_file_comes_back(cli, machine, store)
        machine.inside(SESSION, "echo carried > ~/letter")
        (tmp_path / "openbox.modulux").write_bytes(do(cli, "export", "openbox", "-o", "-"))
        machine.inside(SESSION, "echo newer > ~/letter")
        do(cli, "import", "-", "--yes", given=(tmp_path / "openbox.modulux").read_bytes())
        assert letter(machine) == "carried"
        do(cli, "ps")  # answered once what keeps the data has been started anew, as after every restore
        wait_for(lambda: ready(machine), "the desktop, once more", PATIENCE)

        rights_are_where_they_belong(machine)
        at_the_console(machine)
        kept_by_itself(cli, machine)
        said = json.loads(do(cli, "storage", "show", "--json"))
        assert said["desktops"]["openbox"]["openbox.home"] > 3_000_000
    elsewhere(cli, "t-kept-away", "carried", "import", str(tmp_path / "openbox.modulux"), "--trust")
    (tmp_path / "password").write_bytes(PASSWORD)
    repository = ["--to", str(tmp_path / "server/data"), "--password-file", str(tmp_path / "password")]
    elsewhere(cli, "t-kept-back", "old", "restore", second, *repository)


def processes(machine: Virtual) -> dict[str, str]:
    """Of the desktop's own containers."""
    rows = [line.split("\t") for line in machine.ask("status")]
    return {row[0]: row[-1] for row in rows if row[0].startswith("modulux.openbox.")}


def one_file_comes_back(cli: Cli, machine: Virtual, store: list[str]) -> str:
    """While the desktop runs; and of two snapshots one goes. The other."""
    running = processes(machine)
    machine.inside(SESSION, "echo wrong > ~/letter; echo later > ~/later")
    do(cli, "restore", "openbox", "--path", "~/letter", *store, "--yes", given=PASSWORD)
    assert machine.inside(SESSION, "cat ~/letter ~/later").split() == ["old", "later"]
    assert processes(machine) == running
    do(cli, "restore", "openbox", "--path", "~/nowhere", *store, "--yes", given=PASSWORD, status=9)
    second = json.loads(do(cli, "backup", "openbox", *store, "--yes", "--json", given=PASSWORD))
    gone = json.loads(do(cli, "forget", "--keep-last", "1", *store, "--yes", "--json", given=PASSWORD))
    assert [len(gone["forgotten"]), gone["kept"]] == [1, [second["snapshot"]]]
    return str(second["snapshot"])


def kept_by_itself(cli: Cli, machine: Virtual) -> None:
    """As the machine file says it, once the time has come."""
    do(cli, "password", given=PASSWORD)
    record = "~/.local/share/modulux/schedule.json"  # as if the machine had been off ever since
    machine.inside(KEEPER, f"""mkdir -p ${{HOME}}/.local/share/modulux; echo '{{"openbox": {{"since": 0}}}}' > {record}""")
    wait_for(lambda: json.loads(do(cli, "ps", "--json"))[0]["kept"]["kept"], "a backup by itself", PATIENCE)
    assert b"kept monthly, last 20" in do(cli, "ps")
    assert len(json.loads(do(cli, "snapshots", "--json"))) == 2
    assert "schedule: openbox is kept" in cli.run("machine", "log", NAME, KEEPER).stdout


def rights_are_where_they_belong(machine: Virtual) -> None:
    """Nobody else comes to what the keeper asks PID 1 by, nor to what it lays beside."""
    assert machine.inside(SESSION, "ls /keep /run/modulux/keeper 2>/dev/null || true").strip() == ""
    missed = machine.inside(KEEPER, "/usr/lib/modulux/floor || true")
    assert missed == "floor: listens on a TCP port of X or RFB"  # the gateway does, and both have the machine's network
    script = "touch /keep/desktops/openbox/volumes/openbox.home/touched /keep/made/touched /keep/machine/touched 2>/dev/null"
    assert machine.inside(KEEPER, f"{script}; ls /keep/staging").split() == ["lock"]
    found = machine.inside(KEEPER, "find /keep -name touched -o -name large 2>/dev/null || true").split()
    assert {Path(file).name for file in found} == {"large"}, "it sees what is there, and has put nothing beside it"


def at_the_console(machine: Virtual) -> None:
    """Who has logged in there reaches the same program."""
    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.press("ctrl", "alt", "f2", seconds=0.2)
    wait_for(lambda: any("login" in t and t.endswith("seen") for t in machine.ask("terminals")), "the console")
    machine.type("\n")
    wait_for(lambda: "bash" in machine.inside(LOGIN, "cat /proc/[0-9]*/comm 2>/dev/null || true"), "a shell")
    machine.type("modulux ps > said\n")
    wait_for(lambda: "openbox" in machine.inside(LOGIN, "cat ~/said 2>/dev/null || true"), "what it says", PATIENCE)
    assert "containers run, ready" in machine.inside(LOGIN, "cat ~/said")


def elsewhere(cli: Cli, name: str, letter: str, *words: str) -> None:
    """The same desktop under Podman, by this host's own Modulux."""
    try:
        cli.run(*words, "--as", name, "--yes", timeout=PATIENCE)
        cli.run("up", name, "--yes", timeout=PATIENCE)
        assert cli.inside(name, "openbox", "cat ~/letter; wc -c < ~/large").split() == [letter, "3000000"]
    finally:
        cli.run("down", name, "--volumes", "--yes", status=None)
