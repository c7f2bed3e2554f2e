"""Timers and lines for cron, really written and really taken away again: in an /etc of the test's own, by stand-ins of their programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.errors import HostError
from modulux.keep.schedule import end, schedule, write

CRONTAB = """#!/bin/sh
table={0}/table
case $1 in
-l) if [ -e $table ]; then cat $table; else echo "no crontab for user" >&2; exit 1; fi;;
-) cat >$table.new && mv $table.new $table;;
esac
"""
SYSTEMCTL = """#!/bin/sh
echo "$*" >>{0}/said
case $* in *enable*) [ ! -e {0}/refuses ] || {{ echo "no bus" >&2; exit 1; }};; esac
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins of `systemctl`, which notes what it was told, and of `crontab`, whose table is a file; their folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"crontab": CRONTAB, "systemctl": SYSTEMCTL}.items():
        (folder / name).write_text(text.format(folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_a_users_timer(tmp_path: Path, programs: Path) -> None:
    made = schedule("office", "daily", ["/bin/true", "backup", "office"], root=False, systemd=True, home=tmp_path)
    write(made)
    units = tmp_path / ".config/systemd/user"
    assert sorted(p.name for p in units.iterdir()) == ["modulux-backup-office.service", "modulux-backup-office.timer"]
    assert (programs / "said").read_text() == "--user daemon-reload\n--user enable --now modulux-backup-office.timer\n"
    if shutil.which("systemd-analyze"):
        said = subprocess.run(
            ["systemd-analyze", "verify", "--user", *map(str, units.iterdir())], capture_output=True, text=True, check=False
        )
        assert "modulux-backup" not in said.stderr
    assert end("off", root=False, systemd=True, home=tmp_path) == []
    assert len(end("office", root=False, systemd=True, home=tmp_path)) == 2
    assert list(units.iterdir()) == []
    assert "--user disable --now modulux-backup-office.timer" in (programs / "said").read_text()
    (programs / "refuses").touch()
    with pytest.raises(HostError, match="no bus"):
        write(made)
    assert list(units.iterdir()) == []


def test_a_users_crontab(tmp_path: Path, programs: Path) -> None:
    table = programs / "table"
    table.write_text("# mine\n0 1 * * * my-own thing\n")

    def planned(name: str, often: str) -> None:
        write(schedule(name, often, ["modulux", "backup", name, "100%"], root=False, systemd=False, home=tmp_path))

    planned("office", "daily")
    planned("my-office", "daily")
    planned("office", "weekly")  # in place of the first
    assert table.read_text().splitlines() == [
        "# mine",
        "0 1 * * * my-own thing",
        r"17 3 * * * modulux backup my-office 100\% # modulux backup my-office",
        r"17 3 * * 1 modulux backup office 100\% # modulux backup office",
    ]
    assert len(end("office", root=False, systemd=False, home=tmp_path)) == 1
    assert end("office", root=False, systemd=False, home=tmp_path) == []
    assert len(end("my-office", root=False, systemd=False, home=tmp_path)) == 1
    assert table.read_text() == "# mine\n0 1 * * * my-own thing\n"
    (programs / "crontab").write_text("#!/bin/sh\necho 'you are not allowed' >&2; exit 1\n")
    with pytest.raises(HostError, match="not allowed"):
        planned("office", "daily")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts another /etc")
@pytest.mark.parametrize("systemd", [True, False])
def test_the_command_line_writes_it_for_the_machine(tmp_path: Path, programs: Path, systemd: bool) -> None:
    for name in ("upper", "work", "run"):
        (tmp_path / name).mkdir()
    if systemd:
        (tmp_path / "run/systemd/system").mkdir(parents=True)
    config = tmp_path / "config.yaml"
    (tmp_path / "password").write_text("x")
    config.write_text(f"repository: rest:https://me:s3cret@host/\npassword-file: {tmp_path}/password\n")
    mounts = (
        'mount -t overlay -o "lowerdir=/etc,upperdir=$0/upper,workdir=$0/work" none /etc'
        ' && mount --bind "$0/run" /run && mkdir -p /etc/systemd/system /etc/cron.d && exec "$@"'
    )

    class Own(Cli):
        def command(self, argv: list[str]) -> list[str]:  # type: ignore[override]
            return ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, str(tmp_path), *argv]

    cli = Own("podman", {"MODULUX_CONFIG": str(config)})

    def written() -> dict[str, str]:
        folder = tmp_path / "upper"
        files = [p for p in folder.rglob("*") if p.is_file() and "modulux" in p.name]
        return {str(p.relative_to(folder)): p.read_text() for p in files}

    done = cli.run("backup", "office", "--schedule", "daily", "--yes")
    wanted = (
        {f"systemd/system/modulux-backup-office.{kind}" for kind in ("service", "timer")}
        if systemd
        else {"cron.d/modulux-office"}
    )
    assert set(written()) == wanted
    assert all(line in done.stderr for text in written().values() for line in text.splitlines())  # it was shown
    everything = "".join(written().values())
    assert "backup office --password-file" in everything
    assert "s3cret" not in everything + done.stderr
    assert "--schedule never" in done.stdout
    said = (programs / "said").read_text() if systemd else "enable"
    assert "enable" in said
    gone = json.loads(cli.run("backup", "office", "--schedule", "never", "--json").stdout)
    assert {path.removeprefix("/etc/") for path in gone["removed"]} == wanted
    assert written() == {}
    cli.run("backup", "office", "--schedule", "never", status=9)
    address = ["--to", "rest:https://me:s3cret@host/"]
    assert "command line" in cli.run("backup", "office", "--schedule", "daily", "--yes", *address, status=2).stderr
    assert written() == {}
