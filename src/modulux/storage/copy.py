"""Copying a tree by rsync: hard links, ACLs, extended attributes, holes, devices and numeric owners stay what they are."""

from __future__ import annotations

import collections
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.errors import StorageError
from modulux.host.packages import Need

RSYNC = Need("rsync", "copies trees with hard links, ACLs, xattrs and holes", ("rsync",))

OPTIONS = (
    "-aHAXS",
    "--numeric-ids",
    "--one-file-system",
    "--delete",
    # to the nanosecond: without it a change within the same second that leaves the size as it is goes unseen
    "--modify-window=-1",
    # XFS shows ACLs a second time as attributes of its own; a second pass would take them for superfluous and remove them
    "--filter=-x trusted.SGI_ACL_*",
    # the kernel makes these anew; and a filter for attributes has to name what rsync leaves out by itself, too
    "--filter=-x security.evm",
    "--filter=-x security.ima",
    "--filter=-x system.*",
    "--info=progress2",
    "--no-inc-recursive",
)
"""What every copy is made with. Not --inplace: it would write through a hard link that the source does not have any more."""

VANISHED = 24
"""Exit status of rsync when files went while it copied."""

PROGRESS = re.compile(r"^\s*([\d,]+)\s+(\d+)%\s+(\S+/s)")

Progress = Callable[[int, int, str], None]
"""Told of bytes copied, per cent, and the rate as rsync writes it."""


@dataclass(frozen=True)
class Copied:
    """How a pass ended: whether files vanished under it, and the last that rsync said."""

    vanished: bool
    said: tuple[str, ...] = ()


def argv(source: Path, target: Path, link: Path | None = None, *, whole: bool = False) -> list[str]:
    """The command line.

    Args:
        link: files that lie there unchanged are hard-linked and not copied.
        whole: judge by the bytes and not by size and time.
    """
    more = [*([f"--link-dest={link}"] if link else []), *(["--checksum"] if whole else [])]
    return ["rsync", *OPTIONS, *more, "--", f"{source}/", f"{target}/"]


def copy(source: Path, target: Path, progress: Progress, *, link: Path | None = None, whole: bool = False) -> Copied:
    """Make `target` what `source` is. What vanishes from the source meanwhile is no error here.

    Raises:
        StorageError: rsync failed; what it said last is in the message. Another pass goes on where this one ended.
    """
    last: collections.deque[str] = collections.deque(maxlen=6)
    with run.lines(argv(source, target, link, whole=whole)) as (process, output):
        for line in output:
            if found := PROGRESS.match(line):
                progress(int(found[1].replace(",", "")), int(found[2]), found[3])
            elif line.strip():
                last.append(line.strip())
        status = process.wait()
    if status not in (0, VANISHED):
        raise StorageError(
            f"copying {source} to {target} failed (rsync ended with {status}):\n" + "\n".join(f"  {line}" for line in last)
        )
    return Copied(status == VANISHED, tuple(last))


def flush(folder: Path) -> None:
    """Have everything on the file system of `folder` on its disk.

    Raises:
        StorageError: the disk did not take it.
    """
    done = run.run(["sync", "--file-system", str(folder)])
    if not done.ok:
        raise StorageError(f"{folder}: what was copied did not reach the disk: {done.stderr.strip()}")


def flush_name(folder: Path) -> None:
    """Have the names in `folder` on its disk: a rename counts only then."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
