"""Moving an engine's data: all copying and comparing that a move does, beside one plain rsync of the same tree."""

from __future__ import annotations

import os
import random
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modulux import run
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.errors import HostError
from modulux.storage.copy import copy, flush
from modulux.storage.tree import Comparison

FILES = 20_000
BYTES = 1_000_000_000
LIMIT = 1.15
PLAIN = ("rsync", "-aHAXS")


def possible() -> bool:
    """Whether this host and this user can have the figure: owners and whiteouts are root's to make."""
    return os.geteuid() == 0 and shutil.which("rsync") is not None


def measure(rounds: int, say: Callable[[str], None]) -> Figure:
    """Copy a tree like an engine's (small files, some large, hard links, whiteouts, attributes) both ways, alternating.

    The engine itself is not touched: stopping and starting it takes the same time whoever copies.

    Raises:
        HostError: this is not root, or rsync is not there.
    """
    if not possible():
        raise HostError("the figure `storage` needs root and rsync", hint="sudo modulux bench storage; apt-get install rsync")
    ours, still, plain = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="modulux-bench.", dir="/var/tmp") as name:
        folder = Path(name)
        say(f"making a tree of {FILES} files, {BYTES / 1e9:.1f} GB")
        make(folder / "tree", FILES, BYTES)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            if number % 2 == 0:
                plain.append(_plain(folder))
            ours.append(_move(folder, still))
            if number % 2:  # whoever comes second finds the disk busier
                plain.append(_plain(folder))
    mine, other = Series(tuple(ours)), Series(tuple(plain))
    return Figure(
        "storage",
        f"Moving {BYTES / 1e9:.0f} GB in {FILES} files to another folder of this disk",
        "s",
        (
            Row("storage move: copy, copy the rest, compare", mine),
            Row("storage move: of that, while the engine stands still", Series(tuple(still))),
            Row("rsync -aHAXS, once", other, ours=False),
        ),
        (Goal("storage move against rsync", mine.over(other).median, LIMIT, " times"),),
        ("stopping and starting the engine is not in it",),
    )


def _plain(folder: Path) -> float:
    """Seconds of one rsync."""
    with _quiet(folder / "plain") as target:
        began = time.monotonic()
        done = run.run([*PLAIN, f"{folder}/tree/", f"{target}/"])
        flush(target)
        assert done.ok, done.stderr
        return time.monotonic() - began


def _move(folder: Path, still: list[float]) -> float:
    """Seconds of all that a move copies and compares; to `still` those are added in which the engine would stand still."""
    source = folder / "tree"
    with _quiet(folder / "ours") as target:
        began = time.monotonic()
        copy(source, target, lambda *_: None)
        flush(target)
        stopped = time.monotonic()
        copy(source, target, lambda *_: None)
        flush(target)
        found = Comparison(os.fsencode(source), os.fsencode(target), every=False).run()
        assert found.same, found.differences
        still.append(time.monotonic() - stopped)
        return time.monotonic() - began


@contextmanager
def _quiet(target: Path) -> Iterator[Path]:
    """A new folder, removed again; nothing is waiting to be written when it begins."""
    target.mkdir()
    flush(target)
    try:
        yield target
    finally:
        shutil.rmtree(target)


def make(folder: Path, files: int, size: int) -> None:
    """A tree like that of layers and volumes; the same one each time."""
    chance = random.Random(4)  # noqa: S311  not for secrets
    weights = [chance.lognormvariate(0, 2) for _ in range(files)]
    scale = size / sum(weights)
    noise = os.urandom(1 << 20)
    for number, weight in enumerate(weights):
        parent = folder / f"{number % 40}" / f"{number // 400}"
        parent.mkdir(parents=True, exist_ok=True)
        path = parent / f"file-{number}"
        left = int(weight * scale)
        with path.open("wb") as out:
            while left > 0:
                left -= out.write(noise[: min(left, len(noise))])
        if number % 20 == 0:
            os.link(path, parent / f"link-{number}")
            os.setxattr(parent, "trusted.overlay.opaque", b"y")
        if number % 100 == 0:
            os.mknod(parent / f"gone-{number}", stat.S_IFCHR, 0)
            (parent / f"symlink-{number}").symlink_to(path.name)
