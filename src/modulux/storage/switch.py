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

from modulux import run
from modulux.errors import StorageError
from modulux.storage import flags, service
from modulux.storage.configured import daemon_json, set_containerd_root, set_daemon_json, text, toml, unfinished, write
from modulux.storage.copy import flush_name
from modulux.storage.journal import Journal
from modulux.storage.mounts import at

FSTAB = Path("/etc/fstab")
UNITS = Path("/etc/systemd/system")
NOTE = "moved-by-modulux"
"""The one file in the folder on which the new place is mounted."""

OURS = {NOTE, unfinished(Path(NOTE)).name}

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def inode(path: Path) -> int | None:
    """The inode of a folder, None when it is not there; what a symbolic link leads to does not count."""
    try:
        return path.lstat().st_ino
    except OSError:
        return None


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
    return inode(journal.kept) == journal.place_inode and not _is_placeholder(journal.kept)


def through_back(journal: Journal) -> bool:
    """Whether, on the way back, the old place counts again."""
    if journal.mode == "reconfigure":
        return configured_root(journal) != str(journal.target)
    return not mounted(journal) and inode(journal.place) == journal.tree_inode


# -- to the new place ------------------------------------------------------------------------------------------------


def make(journal: Journal) -> None:
    """Let the engine find its data at the target. Can be begun again at any point."""
    if journal.mode == "reconfigure":
        if not through(journal):
            _configure(journal, journal.target)
        if inode(journal.place) == journal.place_inode:
            journal.place.rename(journal.kept)
        if not journal.place.exists() and not journal.place.is_symlink():
            # containers remember their volumes by the old path
            journal.place.symlink_to(journal.target)
        flush_name(journal.place.parent)
        return
    if service.systemd():
        _write_units(journal)
    if not mounted(journal):
        _complete_exchange(journal.place, journal.kept)
        if not through(journal):
            if not _is_placeholder(journal.kept):
                _placeholder(journal, journal.kept)
            exchange(journal.place, journal.kept)
        with contextlib.suppress(OSError):  # some file systems have no such flags
            flags.carry(os.fsencode(journal.place), flags.IMMUTABLE)
    if not service.systemd():
        _fstab(journal, add=True)
    _mount(journal)


def _mount(journal: Journal) -> None:
    if service.systemd():
        done = run.run(["systemctl", "start", unit_name(journal)], timeout=120)
        run.run(["systemctl", "enable", unit_name(journal)], timeout=120)
    elif mounted(journal):
        return
    else:
        done = run.run(["mount", "--bind", str(journal.target), str(journal.place)])
    if not mounted(journal):
        raise StorageError(f"{journal.target} could not be mounted at {journal.place}: {done.stderr.strip()}")


# -- and back --------------------------------------------------------------------------------------------------------


def unmake(journal: Journal) -> None:
    """Let the engine find its data at the old place again: what lies at `journal.tree`. Can be begun again at any point."""
    place, tree = journal.place, journal.tree
    if journal.mode == "reconfigure":
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
        return
    if not service.systemd():
        _fstab(journal, add=False)
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
        _remove_units(journal)
    drop_placeholder(tree)


def ready_again(journal: Journal) -> None:
    """Put the tree that was made ready for the way back where it is copied to, if it was renamed already."""
    if journal.mode == "reconfigure" and journal.back_inode and inode(journal.place) == journal.back_inode:
        journal.place.rename(journal.back)


def forget(journal: Journal) -> None:
    """Take away what was prepared for a switch that did not come about."""
    if journal.mode == "bind":
        drop_placeholder(journal.kept)
        if service.systemd():
            _remove_units(journal)
        else:
            _fstab(journal, add=False)
    elif journal.facts.config:
        unfinished(journal.facts.config).unlink(missing_ok=True)


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
    if service.systemd() and (UNITS / unit_name(journal)).exists():
        run.run(["systemctl", "stop", unit_name(journal)], timeout=120)
    while at(journal.place) is not None:
        done = run.run(["umount", str(journal.place)])
        if not done.ok:
            raise StorageError(
                f"{journal.place} cannot be unmounted: {done.stderr.strip()}",
                hint=f"see who uses it: fuser -vm {journal.place}",
            )


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


def _placeholder(journal: Journal, folder: Path) -> None:
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


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def fstab_line(journal: Journal) -> str:
    """The line that mounts the new place at each start of the machine."""
    target, place = _escaped(journal.target), _escaped(journal.place)
    return f"{target} {place} none bind,nofail,x-systemd.requires-mounts-for={target} 0 0 # modulux storage\n"


def _fstab(journal: Journal, *, add: bool) -> None:
    line, content = fstab_line(journal), text(FSTAB)
    if add and line not in content:
        write(FSTAB, content + ("" if content.endswith("\n") or not content else "\n") + line)
    elif not add and line in content:
        write(FSTAB, content.replace(line, ""))
    if not add:
        unfinished(FSTAB).unlink(missing_ok=True)


def unit_name(journal: Journal) -> str:
    """The name that systemd demands of the unit that mounts something at the old place."""
    plain = str(journal.place).strip("/")
    escaped = "".join(
        "-"
        if c == "/"
        else c
        if c.isascii() and (c.isalnum() or c in ":_" or (c == "." and i))
        else "".join(f"\\x{b:02x}" for b in c.encode())
        for i, c in enumerate(plain)
    )
    return f"{escaped}.mount"


def unit_files(journal: Journal) -> dict[Path, str]:
    """The mount unit, and what makes the engine's units wait for it."""
    name, place = unit_name(journal), _quoted(journal.place)
    files = {
        UNITS / name: (
            "# Written by modulux storage move\n"
            f"[Unit]\nDescription=Data of {journal.facts.name}, moved by Modulux\n"
            f"RequiresMountsFor={_quoted(journal.target.parent)}\n"
            f"ConditionPathExists={_quoted(journal.place / NOTE)}\n\n"
            f"[Mount]\nWhat={_plain(journal.target)}\nWhere={_plain(journal.place)}\nType=none\nOptions=bind\n\n"
            "[Install]\nWantedBy=local-fs.target\n"
        )
    }
    if not journal.facts.user:
        for unit in [u for u in journal.facts.service.units if u.endswith(".service")]:
            files[UNITS / f"{unit}.d/modulux-storage.conf"] = (
                f"# Written by modulux storage move\n[Unit]\nRequiresMountsFor={place}\n"
            )
    return files


def _plain(path: Path) -> str:
    """As What= and Where= take it: per cent signs doubled, nothing quoted."""
    return str(path).replace("%", "%%")


def _quoted(path: Path) -> str:
    """As one word of a list."""
    word = _plain(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"' if any(c.isspace() for c in word) else word


def _write_units(journal: Journal) -> None:
    for file, content in unit_files(journal).items():
        if text(file) != content:
            write(file, content)
    run.run(["systemctl", "daemon-reload"], timeout=120)


def _remove_units(journal: Journal) -> None:
    run.run(["systemctl", "disable", unit_name(journal)], timeout=120)
    for file in unit_files(journal):
        file.unlink(missing_ok=True)
        unfinished(file).unlink(missing_ok=True)
        if file.parent != UNITS:
            with contextlib.suppress(OSError):
                file.parent.rmdir()
    run.run(["systemctl", "daemon-reload"], timeout=120)
