"""Keeping without an engine: volumes are folders, the repository is real."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .folders import World, fill


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A desktop with files in it, and an empty repository."""
    if os.geteuid() != 0 or shutil.which("restic") is None:
        pytest.skip("needs root, whose the volumes are, and restic")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = World(tmp_path)
    fill(made.home, made.documents)
    made.repository.do("init")
    return made
