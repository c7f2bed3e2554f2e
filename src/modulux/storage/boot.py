"""What mounts the new place at each start of the machine: a unit of systemd, or a line in fstab where there is none."""

from __future__ import annotations

import contextlib
from pathlib import Path

from modulux import run
from modulux.storage.configured import text, unfinished, write
from modulux.storage.journal import Journal

FSTAB = Path("/etc/fstab")
UNITS = Path("/etc/systemd/system")
NOTE = "moved-by-modulux"
"""The one file in the folder on which the new place is mounted."""


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")


def fstab_line(journal: Journal) -> str:
    """The line that mounts the new place at each start of the machine."""
    target, place = _escaped(journal.target), _escaped(journal.place)
    return f"{target} {place} none bind,nofail,x-systemd.requires-mounts-for={target} 0 0 # modulux storage\n"


def fstab(journal: Journal, *, add: bool, instead: Journal | None = None) -> None:
    """Add the line, or take it away.

    Args:
        instead: whose line it takes the place of.
    """
    line, content = fstab_line(journal), text(FSTAB)
    if instead is not None and fstab_line(instead) in content:
        write(FSTAB, content.replace(fstab_line(instead), "" if line in content else line))
        return
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


def write_units(journal: Journal) -> None:
    """Write the units, where they are not as they should be."""
    for file, content in unit_files(journal).items():
        if text(file) != content:
            write(file, content)
    run.run(["systemctl", "daemon-reload"], timeout=120)


def remove_units(journal: Journal) -> None:
    """Take the units away."""
    run.run(["systemctl", "disable", unit_name(journal)], timeout=120)
    for file in unit_files(journal):
        file.unlink(missing_ok=True)
        unfinished(file).unlink(missing_ok=True)
        if file.parent != UNITS:
            with contextlib.suppress(OSError):
                file.parent.rmdir()
    run.run(["systemctl", "daemon-reload"], timeout=120)
