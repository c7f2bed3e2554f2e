"""From the old place to the new one and back again, each time by one step that is either done or not, power or no power.

`bind`: the old place becomes an empty, locked folder on which the new one is mounted, now and at each start of the machine.
If the new disk is missing one day, the engine finds a folder that it cannot write to, and begins no new one on the system disk.
`reconfigure`: the engine's own configuration names the new place.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path

from modulux.errors import StorageError
from modulux.storage import again, boot, flags, service
from modulux.storage.boot import NOTE
from modulux.storage.configured import daemon_json, set_containerd_root, set_daemon_json, toml, unfinished
from modulux.storage.copy import flush_name
from modulux.storage.journal import Journal
from modulux.storage.mounts import at
from modulux.storage.shown import inode, mount, mounted, placeholder, unmount

OURS = {NOTE, unfinished(Path(NOTE)).name}

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def configured_root(journal: Journal) -> str | None:
    """The root that the engine's configuration file names now."""
    config = journal.facts.config
    assert config is not None
    if journal.facts.engine == "containerd":
        return toml(config).get("root")
    found = daemon_json(config, ("data-root", "graph"))
    return found[0].says.partition(": ")[2] if found else None


def through(journal: Journal) -> bool:
    """Whether the new place is what counts."""
    if journal.mode == "reconfigure":
        return configured_root(journal) == str(journal.target)
    if journal.before:
        return again.through(journal)
    return inode(journal.kept) == journal.place_inode and not _is_placeholder(journal.kept)


def through_back(journal: Journal) -> bool:
    """Whether, on the way back, the old place counts again."""
    if journal.mode == "reconfigure":
        return configured_root(journal) != str(journal.target)
    return not mounted(journal) and inode(journal.origin) == journal.tree_inode


# -- to the new place ------------------------------------------------------------------------------------------------


def make(journal: Journal) -> None:
    """Let the engine find its data at the target. Can be begun again at any point."""
    if journal.mode == "reconfigure":
        _make_configured(journal)
    elif journal.before:
        again.make(journal)
    else:
        _make_mounted(journal)


def _make_configured(journal: Journal) -> None:
    if not through(journal):
        _configure(journal, journal.target)
    if inode(journal.place) == journal.place_inode:
        journal.place.rename(journal.kept)
    if not journal.place.exists() and not journal.place.is_symlink():
        # containers remember their volumes by the old path
        journal.place.symlink_to(journal.target)
    flush_name(journal.place.parent)


def _make_mounted(journal: Journal) -> None:
    if service.systemd():
        boot.write_units(journal)
    if not mounted(journal):
        _complete_exchange(journal.place, journal.kept)
        if not through(journal):
            if not _is_placeholder(journal.kept):
                placeholder(journal, journal.kept)
            exchange(journal.place, journal.kept)
        with contextlib.suppress(OSError):  # some file systems have no such flags
            flags.carry(os.fsencode(journal.place), flags.IMMUTABLE)
    if not service.systemd():
        boot.fstab(journal, add=True)
    mount(journal)


# -- and back --------------------------------------------------------------------------------------------------------


def unmake(journal: Journal) -> None:
    """Let the engine find its data at the old place again: what lies at `journal.tree`. Can be begun again at any point."""
    if journal.mode == "reconfigure":
        _unmake_configured(journal)
    elif journal.before:
        again.unmake(journal)
    else:
        _unmake_mounted(journal)


def _unmake_configured(journal: Journal) -> None:
    place, tree = journal.place, journal.tree
    if place.is_symlink():
        place.unlink()
    if inode(place) != journal.tree_inode:
        if place.exists():
            raise StorageError(
                f"{place} is not what was left there",
                hint=f"look at it, move it aside, and run this again; the data lie in {tree}",
            )
        tree.rename(place)
        flush_name(place.parent)
    if through(journal):
        _configure(journal, Path(journal.was) if journal.was else None)


def _unmake_mounted(journal: Journal) -> None:
    place, tree = journal.place, journal.tree
    if not service.systemd():
        boot.fstab(journal, add=False)
    unmount(journal)
    _complete_exchange(place, tree)
    if inode(place) != journal.tree_inode:
        with contextlib.suppress(OSError):
            flags.unlock(os.fsencode(place))
        if place.exists():
            exchange(place, tree)
        else:
            tree.rename(place)
        flush_name(place.parent)
    if service.systemd():
        boot.remove_units(journal)
    drop_placeholder(tree)


def ready_again(journal: Journal) -> None:
    """Put the tree that was made ready for the way back where it is copied to, if it was renamed already."""
    if journal.mode == "reconfigure" and journal.back_inode and inode(journal.place) == journal.back_inode:
        journal.place.rename(journal.back)


def forget(journal: Journal) -> None:
    """Take away what was prepared for a switch that did not come about."""
    if journal.before:
        again.show_before(journal)
    elif journal.mode == "bind":
        drop_placeholder(journal.kept)
        if service.systemd():
            boot.remove_units(journal)
        else:
            boot.fstab(journal, add=False)
    elif journal.facts.config:
        unfinished(journal.facts.config).unlink(missing_ok=True)


# -- pieces ----------------------------------------------------------------------------------------------------------


def exchange(one: Path, other: Path) -> None:
    """Let two folders have each other's names, in one step where the file system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(number, os.strerror(number), str(one))
        other.rename(_aside(one))
        _complete_exchange(one, other)
    flush_name(one.parent)


def _aside(one: Path) -> Path:
    return one.with_name(f"{one.name}.modulux-aside")


def _complete_exchange(one: Path, other: Path) -> None:
    """The rest of an exchange in three renames, if one was begun."""
    if _aside(one).exists():
        if one.exists() and not other.exists():
            one.rename(other)
        _aside(one).rename(one)
        flush_name(one.parent)


def _is_placeholder(folder: Path) -> bool:
    return (folder / NOTE).is_file()


def drop_placeholder(folder: Path) -> None:
    """Remove an empty folder of ours; anything else stays."""
    if folder.is_dir() and not folder.is_symlink() and {p.name for p in folder.iterdir()} <= OURS and at(folder) is None:
        with contextlib.suppress(OSError):
            flags.unlock(os.fsencode(folder))
        for name in OURS:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _configure(journal: Journal, root: Path | None) -> None:
    assert journal.facts.config is not None
    (set_containerd_root if journal.facts.engine == "containerd" else set_daemon_json)(journal.facts.config, root)
