"""Having a desktop kept regularly: by a systemd timer, or by cron where there is no systemd. Pure, but for `write`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.errors import HostError, UsageError

CALENDAR = {"hourly": "hourly", "daily": "daily", "weekly": "weekly", "monthly": "monthly"}
"""How often → systemd's word for it."""

CRON = {"hourly": "17 * * * *", "daily": "17 3 * * *", "weekly": "17 3 * * 1", "monthly": "17 3 1 * *"}
"""The same for cron, at a minute at which not everybody else wakes up."""


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Schedule:
    """Files to write, commands to run after that, and what would take it back."""

    files: dict[Path, str]
    commands: tuple[tuple[str, ...], ...]
    undo: tuple[tuple[str, ...], ...]


def schedule(name: str, often: str, command: Sequence[str], *, root: bool, systemd: bool, home: Path) -> Schedule:
    """What keeps the desktop `name` so often by `command`.

    Args:
        root: for the whole machine; else for the user whose `home` it is.

    Raises:
        UsageError: there is no such word for how often.
        HostError: an ordinary user without systemd.
    """
    if often not in CALENDAR:
        raise UsageError(f"`{often}` is not how often", hint=f"one of: {', '.join(CALENDAR)}")
    if systemd:
        return _timer(name, often, command, root=root, home=home)
    if not root:
        line = f"{CRON[often]} {shlex.join(command)}"
        raise HostError(
            "there is no systemd here, and a crontab of yours is yours to change", hint=f"crontab -e, and add:\n{line}"
        )
    file = Path("/etc/cron.d") / f"modulux-{name}"
    line = f"{CRON[often]} root {_percent(shlex.join(command))}"
    text = f"# Made by `modulux backup {name} --schedule {often}`.\nPATH={PATH}\n{line}\n"
    return Schedule({file: text}, (), (("rm", str(file)),))


def _percent(line: str) -> str:
    """Cron takes a bare % for the end of a line."""
    return line.replace("%", r"\%")


def _timer(name: str, often: str, command: Sequence[str], *, root: bool, home: Path) -> Schedule:
    folder = Path("/etc/systemd/system") if root else home / ".config/systemd/user"
    unit = f"modulux-backup-{name}"
    start = " ".join(_quoted(word) for word in command)
    service = (
        f"[Unit]\nDescription=Keep the desktop {name}\n\n"
        f"[Service]\nType=oneshot\nExecStart={start}\nNice=10\nIOSchedulingClass=idle\n"
    )
    timer = (
        f"[Unit]\nDescription=Keep the desktop {name} {often}\n\n"
        f"[Timer]\nOnCalendar={CALENDAR[often]}\nRandomizedDelaySec=15min\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    who = () if root else ("--user",)
    files = {folder / f"{unit}.service": service, folder / f"{unit}.timer": timer}
    commands = (("systemctl", *who, "daemon-reload"), ("systemctl", *who, "enable", "--now", f"{unit}.timer"))
    undo = (("systemctl", *who, "disable", "--now", f"{unit}.timer"), ("rm", *map(str, files)))
    return Schedule(files, commands, undo)


def _quoted(word: str) -> str:
    """A word of ExecStart: % and $ mean something to systemd."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if not word or set(word) & set(" \t'\"") else word


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def write(made: Schedule) -> None:
    """Write the files, each whole or not at all, and run the commands.

    Raises:
        HostError: a file cannot be written, or a command failed; what was written is taken back.
    """
    written: list[Path] = []
    try:
        for path, text in made.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(text)
            os.replace(beside, path)  # noqa: PTH105
            written.append(path)
        for command in made.commands:
            done = run.run(command)
            if not done.ok:
                raise HostError(f"{shlex.join(command)}: {done.stderr.strip() or f'exit status {done.status}'}")
    except OSError as error:
        _take_back(written)
        raise HostError(f"{error.filename}: {error.strerror}", hint="a timer of the whole machine is root's to make") from None
    except HostError:
        _take_back(written)
        raise


def _take_back(written: Sequence[Path]) -> None:
    for path in written:
        path.unlink(missing_ok=True)
