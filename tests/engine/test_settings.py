"""Neither of two sessions changes the other's settings: each alone, then both at once, then each alone again; the files are compared."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine, pytest.mark.timeout(1200)]

WORKING = ("-shm", "-wal", ".xml.new")
"""How the names of files end that SQLite works with beside a database, and Xfconf until a file is whole."""

PASSING = (".cache", ".Xauthority", ".ICEauthority", "Documents")
"""What is no setting."""

Files = dict[str, bytes]


def content(path: Path) -> bytes:
    """A file's bytes; of a database what it holds, for when SQLite moves that from the file beside it into it tells nothing."""
    found = path.read_bytes()
    if not found.startswith(b"SQLite format 3\0"):
        return found
    with tempfile.TemporaryDirectory() as folder:
        for part in path.parent.glob(f"{path.name}*"):
            shutil.copy(part, folder)
        with closing(sqlite3.connect(Path(folder, path.name))) as database:
            return "\n".join(database.iterdump()).encode()


def settings(cli: Cli, desktop: str, session: str) -> Files:
    """The session's home as it lies in its volume."""
    words = ["volume", "inspect", "--format", "{{.Mountpoint}}", f"modulux.{desktop}.{session}.home"]
    home = Path(cli.native(*words).strip())
    found = {path.relative_to(home): path for path in home.rglob("*") if path.is_file() and not path.is_symlink()}
    return {
        str(name): content(path)
        for name, path in found.items()
        if name.parts[0] not in PASSING and not name.name.endswith(WORKING)
    }


def changed(before: Files, after: Files) -> set[str]:
    """Files that are not as they were, new ones left out."""
    return {name for name, content in before.items() if after.get(name) != content}


@pytest.mark.parametrize(
    ("first", "second", "arrange"),
    [
        ("xfce", "openbox", "shared"),
        pytest.param("xfce", "plasma", "shared", marks=pytest.mark.slow),
        pytest.param("gnome", "plasma", "shared", marks=pytest.mark.slow),
        pytest.param("plasma", "xfce", "shared", marks=pytest.mark.slow),
        pytest.param("plasma", "gnome", "nested", marks=pytest.mark.slow),
    ],
)
def test_neither_changes_the_others(cli: Cli, desktop_file: Callable[..., Path], first: str, second: str, arrange: str) -> None:
    name = "t-settings"

    def run(sessions: str) -> None:
        services = "[login1]" if "gnome" in sessions else "[]"
        cli.run(
            "up", str(desktop_file(name, sessions=f"[{sessions}]", services=services, gateway="null")), "--yes", timeout=1800
        )
        cli.run("down", name)

    alone: dict[str, Files] = {}
    own: dict[str, set[str]] = {}
    for session in (first, second):
        for _ in range(2):  # what a session writes anew each time, it does of its own accord
            run(session)
            was, alone[session] = alone.get(session, {}), settings(cli, name, session)
            own[session] = changed(was, alone[session])
        assert alone[session], f"{session} keeps no settings at all, so nothing is compared"
    run(f"{first}, {{module: {second}, arrange: {arrange}}}")
    both = {session: settings(cli, name, session) for session in (first, second)}
    for session in (first, second):
        run(session)
        again = settings(cli, name, session)
        assert changed(alone[session], both[session]) <= own[session], f"both at once changed what {session} had"
        assert changed(alone[session], again) <= own[session], f"{session} alone is not what it was"
        made = {n for n in both[session].keys() - alone[session].keys() if n in again and again[n] != both[session][n]}
        assert made <= own[session], f"{session} alone changes what it has as another's guest"
