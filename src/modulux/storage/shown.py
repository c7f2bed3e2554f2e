"""What one sees at the old place: whether the new one is mounted there, mounting it, and the empty folder below."""

from __future__ import annotations

import os
from pathlib import Path

from modulux import run
from modulux.errors import StorageError
from modulux.storage import boot, service
from modulux.storage.boot import NOTE
from modulux.storage.configured import write
from modulux.storage.journal import Journal
from modulux.storage.mounts import at


def inode(path: Path) -> int | None:
    """The inode of a folder, None when it is not there; what a symbolic link leads to does not count."""
    try:
        return path.lstat().st_ino
    except OSError:
        return None


def mount(journal: Journal) -> None:
    """Mount the target at the old place, now and at each start of the machine.

    Raises:
        StorageError: it cannot be.
    """
    if service.systemd():
        done = run.run(["systemctl", "start", boot.unit_name(journal)], timeout=120)
        run.run(["systemctl", "enable", boot.unit_name(journal)], timeout=120)
    elif mounted(journal):
        return
    else:
        done = run.run(["mount", "--bind", str(journal.target), str(journal.place)])
    if not mounted(journal):
        raise StorageError(f"{journal.target} could not be mounted at {journal.place}: {done.stderr.strip()}")


def mounted(journal: Journal) -> bool:
    """Whether the target is what one sees at the old place."""
    if at(journal.place) is None:
        return False
    try:
        return os.path.samestat(journal.place.stat(), journal.target.stat())
    except OSError:
        return False


def unmount(journal: Journal) -> None:
    """Unmount whatever is mounted at the old place.

    Raises:
        StorageError: something holds on to it.
    """
    if service.systemd() and (boot.UNITS / boot.unit_name(journal)).exists():
        run.run(["systemctl", "stop", boot.unit_name(journal)], timeout=120)
    while at(journal.place) is not None:
        done = run.run(["umount", str(journal.place)])
        if not done.ok:
            raise StorageError(
                f"{journal.place} cannot be unmounted: {done.stderr.strip()}",
                hint=f"see who uses it: fuser -vm {journal.place}",
            )


def placeholder(journal: Journal, folder: Path) -> None:
    """An empty folder like the old place, with a note for whoever finds it without what should be mounted there."""
    like = journal.place.stat() if journal.place.exists() else journal.target.stat()
    folder.mkdir(exist_ok=True)
    os.chown(folder, like.st_uid, like.st_gid)
    folder.chmod(like.st_mode & 0o7777)
    write(
        folder / NOTE,
        f"The data of {journal.facts.name} lie in {journal.target}, which is mounted here. "
        "If you read this, it is not mounted.\n"
        f"`modulux storage show` tells more; `mount --bind {journal.target} {journal.place}` mounts it.\n",
    )
