"""Telling a chroot from a root."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from modulux.engine.enter import enter_argv
from modulux.host.chroot import chrooted
from modulux.run import Completed

LINE = "129 84 254:0 {root} / rw,relatime - ext4 /dev/vda rw\n130 129 0:50 / /proc rw - proc proc rw\n"


def proc(tmp_path: Path, root: str) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountinfo").write_text(LINE.format(root=root))
    return tmp_path


def answer(text: str) -> object:
    def execute(argv: Sequence[str]) -> Completed:
        return Completed(tuple(argv), 0, text, "")

    return execute


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be in a chroot that matters")
@pytest.mark.parametrize(("root", "said", "expected"), [("/", "1:2", False), ("/srv/root", "1:2", True), ("/@", "here", False)])
def test_by_what_is_mounted_and_where_the_namespace_begins(tmp_path: Path, root: str, said: str, expected: bool) -> None:
    here = Path("/").stat()
    text = f"{here.st_dev}:{here.st_ino}" if said == "here" else said
    assert chrooted(proc(tmp_path, root), answer(text)) is expected  # type: ignore[arg-type]


def test_entering_takes_no_rights_along() -> None:
    argv = enter_argv(42, ["A=b c"], ["sh", "-c", "true"])
    assert argv[:3] == ["nsenter", "--target", "42"]
    assert {"--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--reuid=1000", "--clear-groups"} <= set(argv)
    assert argv[-4:] == ["A=b c", "sh", "-c", "true"]
