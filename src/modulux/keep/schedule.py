"""Having a desktop kept regularly: by a systemd timer, or by cron where there is no systemd. Pure, but for the last two."""

from __future__ import annotations

import contextlib
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


NEVER = "never"
"""The word that ends it."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Schedule:
    """Files to write, and commands to run after that; `line` is one of the user's own crontab instead."""

    files: dict[Path, str]
    commands: tuple[tuple[str, ...], ...]
    line: str = ""


def schedule(name: str, often: str, command: Sequence[str], *, root: bool, systemd: bool, home: Path) -> Schedule:
    """What keeps the desktop `name` so often by `command`.

    Args:
        root: for the whole machine; else for the user whose `home` it is.

    Raises:
        UsageError: there is no such word for how often.
    """
    if often not in CALENDAR:
        raise UsageError(f"`{often}` is not how often", hint=f"one of: {', '.join([*CALENDAR, NEVER])}")
    if systemd:
        return _timer(name, often, command, root=root, home=home)
    words = _percent(shlex.join(command))
    if not root:
        return Schedule({}, (), f"{CRON[often]} {words} {_mark(name)}")
    line = f"{CRON[often]} root {words}"
    text = f"# Made by `modulux backup {name} --schedule {often}`.\nPATH={PATH}\n{line}\n"
    return Schedule({_cron(name): text}, ())


def _cron(name: str) -> Path:
    return Path("/etc/cron.d") / f"modulux-{name}"


def _mark(name: str) -> str:
    """Ends our line in a crontab; the shell takes it for a comment."""
    return f"# modulux backup {name}"


def _units(name: str, *, root: bool, home: Path) -> list[Path]:
    folder = Path("/etc/systemd/system") if root else home / ".config/systemd/user"
    return [folder / f"modulux-backup-{name}.{kind}" for kind in ("service", "timer")]


def _percent(line: str) -> str:
    """Cron takes a bare % for the end of a line."""
    return line.replace("%", r"\%")


def _timer(name: str, often: str, command: Sequence[str], *, root: bool, home: Path) -> Schedule:
    units = _units(name, root=root, home=home)
    start = " ".join(_quoted(word) for word in command)
    service = (
        f"[Unit]\nDescription=Keep the desktop {name}\n\n"
        # root's own units have no HOME by themselves, and keys of S3 are looked for in it
        f"[Service]\nType=oneshot\nEnvironment=HOME=%h\nExecStart={start}\nNice=10\nIOSchedulingClass=idle\n"
    )
    timer = (
        f"[Unit]\nDescription=Keep the desktop {name} {often}\n\n"
        f"[Timer]\nOnCalendar={CALENDAR[often]}\nRandomizedDelaySec=15min\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )
    who = () if root else ("--user",)
    commands = (("systemctl", *who, "daemon-reload"), ("systemctl", *who, "enable", "--now", units[1].name))
    return Schedule(dict(zip(units, (service, timer), strict=True)), commands)


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
    if made.line:
        mark = made.line[made.line.rindex("# modulux") :]
        _set_crontab([*(line for line in _crontab() if not line.endswith(mark)), made.line])
        return
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


def end(name: str, *, root: bool, systemd: bool, home: Path) -> list[str]:
    """Take away whatever keeps the desktop regularly, for this user; what was taken away, none if nothing was there.

    Raises:
        HostError: a file cannot be removed.
    """
    gone: list[str] = []
    units = [path for path in _units(name, root=root, home=home) if path.is_file()]
    who = () if root else ("--user",)
    if units and systemd:
        run.run(["systemctl", *who, "disable", "--now", units[-1].name])
    for path in [*units, *([_cron(name)] if root else [])]:
        with contextlib.suppress(FileNotFoundError):
            try:
                path.unlink()
            except PermissionError as error:
                raise HostError(f"{path}: {error.strerror}") from None
            gone.append(str(path))
    if units and systemd:
        run.run(["systemctl", *who, "daemon-reload"])
    lines = [] if root else _crontab(absent=True)
    if left := [line for line in lines if line.endswith(_mark(name))]:
        _set_crontab([line for line in lines if line not in left])
        gone += left
    return gone


def _crontab(*, absent: bool = False) -> list[str]:
    """The lines of the user's crontab; none without one.

    Args:
        absent: nor where there is no cron.

    Raises:
        HostError: there is no cron.
    """
    try:
        done = run.run(["crontab", "-l"])
    except FileNotFoundError:
        if absent:
            return []
        raise HostError("there is neither systemd nor cron here", hint="apt-get install cron") from None
    if not (done.ok or absent or "no crontab" in done.stderr):
        raise HostError(f"crontab: {done.stderr.strip() or f'exit status {done.status}'}")
    return done.stdout.splitlines() if done.ok else []


def _set_crontab(lines: Sequence[str]) -> None:
    done = run.run(["crontab", "-"], input="".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
    if not done.ok:
        raise HostError(f"crontab: {done.stderr.strip() or f'exit status {done.status}'}")
