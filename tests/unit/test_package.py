"""The installed package: what a person gets who never cloned the repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked(*folders: str) -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]


def test_modules_hold_no_links() -> None:
    """A wheel cannot carry one: make it in the Containerfile."""
    assert [path for path in tracked("modules", "desktops") if path.is_symlink()] == []


def test_the_wheel_ships_modules_and_desktops(tmp_path: Path) -> None:
    if not (ROOT / "README.md").exists():
        pytest.fail("README.md is what the package describes itself by")
    script = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = {info.filename: info.external_attr >> 16 for info in wheel.infolist()}
    for path in tracked("modules", "desktops"):
        name = f"modulux/data/{path.relative_to(ROOT)}"
        assert name in inside
        assert bool(inside[name] & 0o100) == bool(path.stat().st_mode & 0o100), f"{name} is executable in one only"
    assert "modulux/__main__.py" in inside
    assert not [name for name in inside if "__pycache__" in name]
