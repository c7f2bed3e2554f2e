"""Pipes that tell a secret, and processes that do not outlive who started them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from modulux import run
from modulux.keep import fifo
from modulux.keep.restic import ending_with_us


def test_pipes_of_killed_runs_are_swept(tmp_path: Path) -> None:
    old, fresh, file = tmp_path / "password.1", tmp_path / "password.2", tmp_path / "password.txt"
    fifo.make(old)
    fifo.make(fresh)
    file.write_text("somebody's")
    long_ago = time.time() - 2 * fifo.FORGOTTEN
    for path in (old, file):
        os.utime(path, (long_ago, long_ago))
    fifo.sweep(tmp_path, "password.*")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["password.2", "password.txt"]


def test_a_child_begins(tmp_path: Path) -> None:
    assert run.run(ending_with_us(["touch", str(tmp_path / "begun")])).ok
    assert (tmp_path / "begun").exists()


def test_who_was_orphaned_before_it_began_does_not_begin(tmp_path: Path) -> None:
    """The kernel tells a process only of the ends that come after it has asked to be told."""
    between = (
        f"import subprocess, sys; sys.exit(subprocess.run({ending_with_us(['touch', str(tmp_path / 'begun')])!r}).returncode)"
    )
    assert not run.run([sys.executable, "-c", between]).ok
    assert not (tmp_path / "begun").exists()
