"""Moving once more what was moved before: the old place stays the empty folder that it is, and another tree is mounted there.

The one step that counts is the rename of the tree that was mounted there until then. While nothing is mounted, or a start of
the machine finds a path that is not there any more, engines fail at the empty folder, as they do when a disk is missing.
"""

from __future__ import annotations

import contextlib
import os

from modulux import run
from modulux.errors import StorageError
from modulux.storage import boot, flags, service
from modulux.storage.configured import text
from modulux.storage.copy import flush_name
from modulux.storage.journal import Journal
from modulux.storage.mounts import at
from modulux.storage.shown import inode, mount, mounted, placeholder


def earlier(journal: Journal) -> Journal:
    """The same place, with what was mounted there before this move."""
    assert journal.before is not None
    return journal.model_copy(update={"target": journal.before, "before": None})


def through(journal: Journal) -> bool:
    """Whether the new place is what counts; the disk with the old tree may be gone by now."""
    return inode(journal.kept) == journal.place_inode or _set_up(journal)


def make(journal: Journal) -> None:
    """Mount the target where the earlier one was. Can be begun again at any point."""
    assert journal.before is not None
    if not mounted(journal):
        _uncover(journal)
        if not through(journal):
            journal.before.rename(journal.kept)
            flush_name(journal.kept.parent)
        _say(journal)
    _set(journal, earlier(journal))
    mount(journal)


def unmake(journal: Journal) -> None:
    """Mount `journal.tree` again, under its name of before. Can be begun again at any point."""
    before, old = journal.before, earlier(journal)
    assert before is not None
    _set(old, journal)
    if not mounted(old):
        _uncover(journal)
        if inode(before) != journal.tree_inode:
            if before.exists():
                raise StorageError(
                    f"{before} is not what was left there",
                    hint=f"look at it, move it aside, and run this again; the data lie in {journal.tree}",
                )
            journal.tree.rename(before)
            flush_name(before.parent)
        _say(old)
    mount(old)


def show_before(journal: Journal) -> None:
    """The switch did not come about: what was mounted before is mounted, if it was taken away already."""
    if journal.before and not mounted(earlier(journal)):
        mount(earlier(journal))


def _uncover(journal: Journal) -> None:
    """Unmount what is at the place, whoever may still look at it; new ones see the empty folder."""
    while at(journal.place) is not None:
        done = run.run(["umount", "--lazy", str(journal.place)])
        if not done.ok:
            raise StorageError(f"{journal.place} cannot be unmounted: {done.stderr.strip()}")


def _say(journal: Journal) -> None:
    """Let the note in the empty folder name what should be mounted on it."""
    with contextlib.suppress(OSError):
        flags.unlock(os.fsencode(journal.place))
    placeholder(journal, journal.place)
    with contextlib.suppress(OSError):  # some file systems have no such flags
        flags.carry(os.fsencode(journal.place), flags.IMMUTABLE)


def _set_up(journal: Journal) -> bool:
    """Whether a start of the machine mounts the target."""
    if service.systemd():
        return all(text(file) == content for file, content in boot.unit_files(journal).items())
    return boot.fstab_line(journal) in text(boot.FSTAB)


def _set(journal: Journal, instead: Journal) -> None:
    """Have a start of the machine mount the target, and not the other's; one write, so that it is never both."""
    if service.systemd():
        boot.write_units(journal)
    else:
        boot.fstab(journal, add=True, instead=instead)
