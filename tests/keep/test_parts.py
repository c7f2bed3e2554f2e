"""What needs no repository: passwords, schedules, likeness of pictures, what restic's words mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from tests.support.cli import ROOT, Cli

from modulux.desktop.state import Found, Module
from modulux.engine.hold import apart
from modulux.engine.protocol import Detail, State
from modulux.errors import PasswordError, UsageError
from modulux.keep.failures import AbsentError, FullError, LockedError, failure
from modulux.keep.inventory import Inventory
from modulux.keep.likeness import likeness
from modulux.keep.password import password
from modulux.keep.recipes import left_behind
from modulux.keep.restic import Repository, location
from modulux.keep.schedule import schedule
from modulux.model.desktop import Desktop

from .folders import FolderEngine

PICTURES = ROOT / "docs/pictures"


def test_passwords(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("  open sesame \n")
    assert password(file, None) == b"open sesame"
    assert password(None, f"{sys.executable} -c 'print(\"a b\")'") == b"a b"
    file.write_text("\n")
    wrong: list[tuple[Path | None, str | None]] = [
        (file, None),
        (tmp_path / "none", None),
        (None, "false"),
        (None, "no-such-program"),
        (None, "'"),
        (None, ""),
        (None, None),
    ]
    for where in wrong:
        with pytest.raises(PasswordError):
            password(*where)


def test_passwords_stand_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restic that tells how it was called."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/restic"
    program.write_text(
        '#!/bin/sh\ntr "\\0" "\\n" </proc/$$/cmdline\ntr "\\0" "\\n" </proc/$$/environ\ncat "$RESTIC_PASSWORD_FILE"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RESTIC_PASSWORD", "of somebody else")
    said = Repository("rest:https://host/a", b"open sesame").do("snapshots").splitlines()
    assert said[-1] == "open sesame"
    assert not [line for line in said[:-1] if "sesame" in line or "somebody" in line]
    assert "rest:https://host/a" not in said[: said.index("snapshots")]
    assert list((tmp_path / "modulux/keep").iterdir()) == []


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert location("there") == str(tmp_path / "there")
    assert location("~/there") == str(Path.home() / "there")
    assert location("local:/there") == "/there"
    for remote in ("sftp:user@host:/there", "s3:https://host/bucket", "rest:http://u:p@host:8000/"):
        assert location(remote) == remote
    assert Repository("rest:http://u:p@host:8000/", b"").shown == "rest:http://u:…@host:8000/"


@pytest.mark.parametrize("root", [True, False])
def test_a_timer(tmp_path: Path, root: bool) -> None:
    made = schedule("office", "daily", ["/opt/a b/modulux", "backup", "100%", "$x"], root=root, systemd=True, home=tmp_path)
    service, timer = made.files.values()
    assert 'ExecStart="/opt/a b/modulux" backup 100%% $$x\n' in service
    assert "\nEnvironment=HOME=%h\n" in service
    assert "OnCalendar=daily\n" in timer
    assert all(path.is_relative_to("/etc/systemd/system" if root else tmp_path) for path in made.files)
    assert ("--user" in made.commands[0]) is not root


def test_cron(tmp_path: Path) -> None:
    made = schedule("office", "weekly", ["modulux", "backup", "100%"], root=True, systemd=False, home=tmp_path)
    ((path, text),) = made.files.items()
    assert str(path) == "/etc/cron.d/modulux-office"
    assert text.splitlines()[-1] == r"17 3 * * 1 root modulux backup 100\%"
    with pytest.raises(UsageError):
        schedule("office", "sometimes", ["modulux"], root=True, systemd=True, home=tmp_path)


def test_a_schedule_is_shown_and_asked_about(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    where = ["--to", str(tmp_path / "repository")]
    cli = Cli()
    done = cli.run("backup", "office", "--schedule", "daily", *where, "--password-file", str(tmp_path / "password"), status=12)
    assert "--password-file" in done.stderr
    assert "Write this?" in done.stderr
    done = cli.run("backup", "office", "--schedule", "daily", *where, status=14)
    assert "at night" in done.stderr
    assert not Path("/etc/cron.d/modulux-office").exists()


def test_the_same_desktop_with_another_clock_and_window() -> None:
    one = Image.open(PICTURES / "xfce.png").convert("RGB")
    other = one.copy()
    draw = ImageDraw.Draw(other)
    draw.rectangle((1130, 4, 1275, 26), fill=(27, 31, 42))  # the clock
    draw.rectangle((200, 240, 900, 620), fill=(250, 250, 250))  # another window
    draw.rectangle((110, 0, 312, 31), fill=(70, 90, 160))  # and its button
    assert likeness(one, other).alike


def test_other_desktops_look_otherwise() -> None:
    names = ["xfce", "mosaic", "two-worlds"]
    pictures = {name: Image.open(PICTURES / f"{name}.png").convert("RGB") for name in names}
    for one in names:
        for other in names:
            assert likeness(pictures[one], pictures[other]).alike == (one == other), (one, other)
    black = Image.new("RGB", pictures["xfce"].size)
    assert not likeness(pictures["xfce"], black).alike
    assert not likeness(pictures["xfce"], pictures["xfce"].crop((0, 0, 640, 400))).alike


@pytest.mark.parametrize(
    ("said", "status", "error"),
    [
        ("Fatal: wrong password or no key found", 1, PasswordError),
        ("", 12, PasswordError),
        (
            "Fatal: unable to open config file: stat /r/config: no such file or directory\nIs there a repository at",
            1,
            AbsentError,
        ),
        ("Fatal: unable to create lock in backend: repository is already locked by PID 1 on vm", 1, LockedError),
        ("write /r/data/00/x: no space left on device", 1, FullError),
    ],
)
def test_what_restic_says(said: str, status: int, error: type[Exception]) -> None:
    found = failure(said, status, "/r")
    assert type(found) is error
    assert found.hint


def test_what_a_restore_brought_is_told_from_what_was_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    place = tmp_path / "modulux/desktops/office"
    assert left_behind("office") is None
    (place / "modules/app/badge").mkdir(parents=True)
    assert left_behind("office") == place
    (place / "desktop.yaml").write_text("name: office\n")
    assert left_behind("office") is None


class Two(FolderEngine):
    """An engine with containers that can be started anew, and says of each which start it looked at."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.starts = {"modulux.a.openbox": 1000.0, "modulux.a.xvfb": 1000.0}

    def containers(self, prefix: str) -> list[State]:
        return [State(name, name, "running", {}, "image", at, 0) for name, at in self.starts.items()]

    def details(self, containers: Sequence[str]) -> list[Detail]:
        return [Detail(name, int(self.starts[name]), "image", {"modulux.a.home": "/home/user"}) for name in containers]


@pytest.mark.parametrize("anew", [1000.0, 1001.0, 2000.0])
def test_who_was_started_anew_is_looked_at_again(tmp_path: Path, anew: float) -> None:
    engine = Two(tmp_path)
    modules = {state.name: Module(state) for state in engine.containers("modulux.a.")}
    desktop = Desktop.model_validate({"name": "a", "display": "xvfb", "sessions": ["openbox"]})
    stock = Inventory(Found("a", modules), desktop, {"home": "modulux.a.home"}, engine.details(sorted(modules)), {}, at=1500.0)
    assert stock.writers_now(engine) == stock.writers
    engine.starts["modulux.a.openbox"] = anew
    assert {w.name: w.pid for w in stock.writers_now(engine)} == {"modulux.a.openbox": int(anew), "modulux.a.xvfb": 1000}
    del engine.starts["modulux.a.xvfb"]
    assert [w.name for w in stock.writers_now(engine)] == ["modulux.a.openbox"]


def test_two_starts_within_a_second_are_not_told_apart(tmp_path: Path) -> None:
    engine = Two(tmp_path)
    modules = {state.name: Module(state) for state in engine.containers("modulux.a.")}
    desktop = Desktop.model_validate({"name": "a", "display": "xvfb", "sessions": ["openbox"]})
    old = [Detail(name, 7, "image", {"modulux.a.home": "/home/user"}) for name in modules]
    stock = Inventory(Found("a", modules), desktop, {"home": "modulux.a.home"}, old, {}, at=1000.5)
    assert {w.pid for w in stock.writers_now(engine)} == {1000}


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        ({"": "/a/container"}, {"": "/a/shell"}, True),
        ({"": "/a"}, {"": "/a"}, False),
        ({"": "/a"}, {"": "/a/shell"}, False),
        ({"": "/a/b"}, {"": "/a/bc"}, True),
        ({"": "/"}, {"": "/a"}, False),
        ({}, {"": "/a"}, False),
    ],
)
def test_a_control_group_that_is_ours_is_not_frozen(theirs: dict[str, str], ours: dict[str, str], expected: bool) -> None:
    """An engine that makes none leaves containers in the one that it was started from."""
    assert apart("", theirs, ours) is expected
