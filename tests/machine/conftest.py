"""PID 1 of a machine, compiled once, and a world for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.pid1 import World, compile_pid1, world


@pytest.fixture(scope="session")
def pid1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0 or not shutil.which("gcc") or not shutil.which("unshare"):
        pytest.skip("needs root, gcc and unshare")
    return compile_pid1(tmp_path_factory.mktemp("pid1"))


@pytest.fixture
def here(tmp_path: Path, pid1: Path) -> Iterator[World]:
    with world(tmp_path, pid1) as made:
        yield made


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A block device on a file of 64 MB of zeros, `disk.img`."""
    if not all(shutil.which(p) for p in ("losetup", "mke2fs", "debugfs")):
        pytest.skip("needs losetup and e2fsprogs")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    attach = ["losetup", "--find", "--show", str(image)]
    attached = subprocess.run(attach, check=False, capture_output=True, text=True)
    if attached.returncode:
        pytest.skip("no loop devices")
    node = attached.stdout.strip()
    yield Path(node)
    subprocess.run(["losetup", "--detach", node], check=False)
