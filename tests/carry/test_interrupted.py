"""Through a pipe; killed at work and run again."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.carry.conftest import NAME, Carried
from tests.support.cli import Cli
from tests.support.machine import machine

from modulux.carry import archive


def elsewhere(folder: Path) -> Cli:
    """The same engine for somebody whose own desktops lie elsewhere."""
    return Cli("podman", {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")})


def test_through_a_pipe(running: Cli, tmp_path: Path) -> None:
    other = elsewhere(tmp_path)
    words = ["export", NAME, "-o", "-", "--without-images"]
    with subprocess.Popen(running.argv(*words), env=running.environment(), stdout=subprocess.PIPE) as export:
        taken = subprocess.run(
            other.argv("import", "-", "--as", "t-piped"),
            env=other.environment(),
            stdin=export.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
        assert export.wait() == 0
    try:
        assert taken.returncode == 0, taken.stderr
        assert other.left("t-piped") == ["modulux.t-piped.openbox.home", "modulux.t-piped.share.Documents"]
        point = other.native("volume", "inspect", "modulux.t-piped.share.Documents", "--format", "{{.Mountpoint}}").strip()
        assert (Path(point) / "letter.txt").read_text() == "a letter\n"
        assert not list((tmp_path / "cache/modulux/carry").rglob("blobs"))
    finally:
        other.run("down", "t-piped", "--volumes", "--yes", status=None)
    assert other.left("t-piped") == []


def killed_when(process: subprocess.Popen[str], there: Path, seconds: float = 120) -> None:
    """SIGKILL as soon as the path is there."""
    deadline = time.monotonic() + seconds
    while not list(there.parent.glob(there.name)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
def test_a_killed_export_goes_on(running: Cli, tmp_path: Path) -> None:
    file = tmp_path / "killed.modulux"
    part = tmp_path / "killed.modulux.part"
    killed_when(running.start("export", NAME, "-o", str(file), "--without-data"), part / "made" / ("?" * 64))
    assert not file.exists()
    made = {path.name for path in (part / "made").iterdir() if len(path.name) == 64}
    said = running.json("export", NAME, "-o", str(file), "--without-data")
    assert made
    assert not part.exists()
    again = running.json("export", NAME, "-o", str(tmp_path / "again.modulux"), "--without-data")
    assert said["digest"] == again["digest"]
    assert file.read_bytes() == (tmp_path / "again.modulux").read_bytes()
    source = archive.look(file)
    for blob in archive.blobs(source):
        source.check(blob)


@pytest.mark.slow
def test_a_killed_import_goes_on(carried: Carried) -> None:
    with machine("podman") as there:
        origin = there.folder / f"data/modulux/desktops/.{NAME}.importing/origin"
        killed_when(there.start("import", str(carried.file)), origin)
        time.sleep(2)  # a load that was under way comes to its end, or not
        said = there.json("import", str(carried.file))
        assert said["digest"] == carried.digest
        assert sorted(said["volumes"]) == ["modulux.t-carry.openbox.home", "modulux.t-carry.share.Documents"]
        assert not origin.parent.exists()
        there.run("down", NAME, "--volumes", "--yes")
