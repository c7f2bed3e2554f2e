"""Bytes that are not what was built: where a program of a machine lies in its images, and how one of them is flipped."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from modulux.machine.build import STORE, SYSTEM
from modulux.machine.layers import store

EXTENT = re.compile(r"^\s*\d+:.*:\s*(\d+)\.\.\s*\d+ \|", re.MULTILINE)
HEAD = 8192


def in_system(built: Path, program: str) -> int:
    """The byte of the system at which that program begins."""
    found = _begins(built / SYSTEM, program)
    assert found is not None, f"the system has no {program}"
    return found


def in_store(built: Path, program: str) -> int:
    """The byte of the store at which a program of one of its layers begins."""
    whole = (built / STORE).read_bytes()
    for layer in sorted(store().iterdir()):
        begins = _begins(layer, program)
        if begins is None:
            continue
        with layer.open("rb") as file:
            at = whole.find(file.read(HEAD))
        if at >= 0:
            return at + begins
    raise AssertionError(f"no layer of the store has {program}")


def _begins(image: Path, program: str) -> int | None:
    if not shutil.which("dump.erofs"):
        pytest.fail("erofs-utils is needed")
    words = ["dump.erofs", "-e", f"--path={program}", str(image)]
    found = EXTENT.search(subprocess.run(words, check=False, capture_output=True, text=True).stdout)
    return int(found[1]) if found else None


def flip(file: Path, at: int) -> None:
    """One bit of that byte is another one."""
    with file.open("r+b") as image:
        image.seek(at)
        byte = image.read(1)
        image.seek(at)
        image.write(bytes([byte[0] ^ 1]))
