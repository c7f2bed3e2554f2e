"""Whole desktops on real engines: destroyed and brought back, carried from one engine to the other, cloned, rolled back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

from modulux.keep.likeness import likeness

from .folders import tree

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic"),
    pytest.mark.skipif(os.geteuid() != 0, reason="looks into volumes as root"),
]

NAME = "t-keep"
USERS_FILES = r"""
cd && mkdir -p Documents/letters .config/app empty && echo 'Dear you' >Documents/letters/one.txt && echo a=1 >.config/app/settings
chmod 600 .config/app/settings && ln Documents/letters/one.txt Documents/letters/two.txt && ln -s letters/one.txt Documents/first
perl -e 'open F, ">caf\xe9"; print F "x"; open F, ">two\nlines"; print F "y"' && touch -d '2001-02-03 04:05:06.789' .config/app
"""


@dataclass
class Keeper:
    """The command line with a repository."""

    cli: Cli
    folder: Path

    @property
    def flags(self) -> list[str]:
        return ["--to", str(self.folder / "repository"), "--password-file", str(self.folder / "password")]

    def run(self, verb: str, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.cli.run(verb, *words, *self.flags, status=status)

    def json(self, verb: str, *words: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.run(verb, *words, "--yes", "--json").stdout)
        return found

    def data(self, name: str) -> dict[str, dict[str, object]]:
        """All that the desktop's homes and shares hold, but for what its programs write whenever they run."""
        found = {}
        for part in ("openbox.home", "share.Documents"):
            place = self.cli.native("volume", "inspect", "--format", "{{.Mountpoint}}", f"modulux.{name}.{part}").strip()
            found[part] = {n: f for n, f in tree(Path(place)).items() if not n.startswith(("/.cache", "/.local"))}
        return found

    def picture(self, name: str) -> Image.Image:
        file = self.folder / "shot.png"
        self.cli.run("screenshot", name, "-o", str(file))
        with Image.open(file) as picture:
            return picture.convert("RGB")


@pytest.fixture(scope="module")
def keeper(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    """A running openbox desktop with files in it, kept once."""
    folder = tmp_path_factory.mktemp("keep")
    (folder / "password").write_text("open sesame\n")
    (folder / "desktop.yaml").write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\n")
    made = Keeper(cli, folder)
    cli.run("up", str(folder / "desktop.yaml"), "--yes")
    cli.inside(NAME, "openbox", USERS_FILES)
    made.run("backup", NAME, "--tag", "first", "--yes")
    yield made
    cli.run("down", NAME, "--volumes", "--yes", status=None)
    assert cli.left(NAME) == []


def test_destroyed_and_brought_back(keeper: Keeper) -> None:
    before, seen = keeper.data(NAME), keeper.picture(NAME)
    done = keeper.json("backup", NAME)
    assert 0 < float(str(done["frozen"])) < 10
    keeper.cli.run("down", NAME, "--volumes", "--yes")
    assert keeper.cli.left(NAME) == []
    keeper.run("restore", NAME, "--yes")
    assert keeper.data(NAME) == before
    assert likeness(seen, keeper.picture(NAME)).alike
    assert {m["status"] for m in keeper.cli.json("ps", NAME)} == {"running"}
    assert [w for w in keeper.cli.left(NAME) if "_" in w] == []


def test_down_and_yet_known(keeper: Keeper, tmp_path: Path) -> None:
    """What is down is kept, copied, carried and started by its name: what it was last made from stays with its data."""
    keeper.cli.run("down", NAME)
    try:
        before = keeper.data(NAME)
        kept = keeper.json("backup", NAME)
        assert kept["frozen"] == 0
        keeper.cli.run("clone", NAME, "t-down", "--no-start")
        keeper.run("restore", str(kept["snapshot"]), "--as", "t-down2", "--no-start")
        assert keeper.data("t-down") == keeper.data("t-down2") == before
        for name in ("t-down", "t-down2"):
            copy = keeper.json("backup", name)
            shown = keeper.run("restore", str(copy["snapshot"]), "--no-start", "--yes", "--json")
            assert json.loads(shown.stdout)["desktop"] == name
        keeper.cli.run("export", "t-down", "-o", str(tmp_path / "file"), "--without-images", "--yes")
        keeper.run("rollback", NAME, str(kept["snapshot"]), "--yes")
        assert keeper.data(NAME) == before
        keeper.cli.run("down", NAME)
    finally:
        for name in ("t-down", "t-down2"):
            keeper.cli.run("down", name, "--volumes", "--yes", status=None)
        keeper.cli.run("up", NAME, "--yes")
    assert keeper.cli.left("t-down") == keeper.cli.left("t-down2") == []
    assert "no desktop" in keeper.cli.run("up", "t-down", status=3).stderr


def test_a_snapshot_starts_and_looks_as_it_did(keeper: Keeper) -> None:
    snapshot = str(keeper.json("backup", NAME)["snapshot"])[:8]
    checks = keeper.json("verify", snapshot, "--boot")["checks"]
    assert isinstance(checks, list)
    assert {c["what"]: c["passed"] for c in checks} == {"structure": True, "contents": True, "picture of openbox": True}
    assert keeper.cli.left(f"verify-{snapshot}") == []


def test_what_is_listed(keeper: Keeper) -> None:
    rows = json.loads(keeper.run("snapshots", NAME, "--json").stdout)
    assert rows[0]["tags"] == ["first"]
    assert {row["desktop"] for row in rows} == {NAME}
    assert "first" in keeper.run("snapshots").stdout
    assert json.loads(keeper.run("snapshots", "another", "--json").stdout) == []


def test_a_clone(keeper: Keeper) -> None:
    try:
        keeper.cli.run("clone", NAME, "t-clone", "--yes")
        assert keeper.data("t-clone") == keeper.data(NAME)
        keeper.cli.inside("t-clone", "openbox", "echo mine >~/Documents/mine")
        assert "/mine" not in keeper.data(NAME)["share.Documents"]
        assert "already" in keeper.cli.run("clone", NAME, "t-clone", "--yes", status=10).stderr
        assert "already" in keeper.run("restore", NAME, "--as", "t-clone", "--yes", status=10).stderr
    finally:
        keeper.cli.run("down", "t-clone", "--volumes", "--yes", status=None)
    assert keeper.cli.left("t-clone") == []


def test_rolled_back_and_some_files_put_back(keeper: Keeper) -> None:
    before = keeper.data(NAME)
    snapshot = str(keeper.json("backup", NAME)["snapshot"])
    ruin = "cd && echo ruined >Documents/letters/one.txt && rm -r .config/app"
    keeper.cli.inside(NAME, "openbox", ruin)
    assert "Nobody is there to ask" in keeper.run("rollback", NAME, snapshot, status=12).stderr
    assert "Nobody is there to ask" in keeper.run("restore", snapshot, "--path", "~/Documents/letters", status=12).stderr
    keeper.run("restore", snapshot, "--path", "~/.config/app")
    assert keeper.cli.inside(NAME, "openbox", "cat ~/.config/app/settings ~/Documents/first") == "a=1\nruined\n"
    keeper.run("rollback", NAME, snapshot, "--yes")
    assert keeper.data(NAME) == before


def test_what_is_wrong_is_said(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "guess").write_text("guess")
    where = ["--to", str(keeper.folder / "repository")]
    done = keeper.cli.run("snapshots", *where, "--password-file", str(tmp_path / "guess"), status=14)
    assert "does not open" in done.stderr
    assert "nobody is there to ask" in keeper.cli.run("snapshots", *where, status=14).stderr
    assert "--to" in keeper.cli.run("snapshots", status=2).stderr
    nowhere = ["--to", str(tmp_path / "nowhere"), "--password-file", str(tmp_path / "guess")]
    assert "no repository" in keeper.cli.run("snapshots", *nowhere, status=13).stderr
    assert "Make one?" in keeper.cli.run("backup", NAME, *nowhere, status=12).stderr
    assert "no desktop" in keeper.run("backup", "t-none", status=9).stderr
    assert "no snapshot" in keeper.run("restore", "t-none", status=9).stderr


def test_killed_while_it_stands_still(keeper: Keeper) -> None:
    """Whenever a backup is killed, the desktop goes on and is as it was; the next one works."""
    for delay in (0.6, 1.0, 1.4, 1.8, 2.2):
        process = keeper.cli.start("backup", NAME, *keeper.flags)
        time.sleep(delay)
        process.kill()
        process.communicate()
        began = time.monotonic()
        assert keeper.cli.inside(NAME, "openbox", "echo alive") == "alive\n"
        assert time.monotonic() - began < 20
    keeper.run("backup", NAME)


def test_from_one_engine_to_the_other(keeper: Keeper) -> None:
    if keeper.cli.engine == "podman":
        pytest.skip("from Podman to Docker: runs with Docker")
    podman = Keeper(Cli("podman"), keeper.folder)
    (keeper.folder / "other.yaml").write_text("name: t-moves\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\n")
    try:
        podman.cli.run("up", str(keeper.folder / "other.yaml"), "--yes")
        podman.cli.inside("t-moves", "openbox", USERS_FILES)
        before, seen = podman.data("t-moves"), podman.picture("t-moves")
        podman.run("backup", "t-moves")
    finally:
        podman.cli.run("down", "t-moves", "--volumes", "--yes", status=None)
    try:
        keeper.run("restore", "t-moves", "--yes")
        assert keeper.data("t-moves") == before
        assert likeness(seen, keeper.picture("t-moves")).alike
    finally:
        keeper.cli.run("down", "t-moves", "--volumes", "--yes", status=None)
    assert podman.cli.left("t-moves") == keeper.cli.left("t-moves") == []


WRITER = """
mkdir -p ~/db; cd ~/db
{ echo 'PRAGMA journal_mode=wal; CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, a TEXT, b TEXT);'
  while :; do
    echo "BEGIN; INSERT INTO t(a, b) VALUES (hex(randomblob(400)), ''); UPDATE t SET b = a WHERE n = last_insert_rowid(); COMMIT;"
    sleep 0.01
  done; } | sqlite3 live.sqlite
"""


@pytest.mark.slow
def test_a_database_that_is_being_written(cli: Cli, own_modules: Callable[[str, str, str], Path], tmp_path: Path) -> None:
    modules = own_modules(
        "writer",
        f"uses: [home]\nrequires: [x11]\ncommand: [sh, -c, {json.dumps(WRITER)}]\n",
        "USER 0\nRUN /usr/lib/modulux/install sqlite3\nUSER 1000",
    )
    (tmp_path / "password").write_text("open sesame\n")
    file = tmp_path / "desktop.yaml"
    file.write_text("name: t-sqlite\ndisplay: xvfb\nsessions: [openbox]\napps: [writer]\n")
    keeper = Keeper(Cli(cli.engine, {**cli.env, "MODULUX_MODULES": str(modules)}), tmp_path)
    image = ""
    try:
        keeper.cli.run("up", str(file), "--yes")
        image = next(r["image"] for r in keeper.cli.json("ps", "t-sqlite") if r["module"] == "app/writer")
        for number in range(4):
            time.sleep(1)
            keeper.run("backup", "t-sqlite", "--yes")
            keeper.run("restore", "t-sqlite", "--as", f"t-sqlite{number}", "--no-start")
            place = keeper.cli.native(
                "volume", "inspect", "--format", "{{.Mountpoint}}", f"modulux.t-sqlite{number}.openbox.home"
            ).strip()
            with sqlite3.connect(f"{place}/db/live.sqlite") as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                rows, whole = database.execute("SELECT count(*), sum(a = b) FROM t").fetchone()
            assert rows == whole > 10 * number
    finally:
        for name in ("t-sqlite", *(f"t-sqlite{number}" for number in range(4))):
            keeper.cli.run("down", name, "--volumes", "--yes", status=None)
        if image:
            cli.native("rmi", image, check=False)
