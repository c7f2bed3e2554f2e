"""PID 1 of a machine, compiled once, and a world for each test."""

from __future__ import annotations

import os
import shutil
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
