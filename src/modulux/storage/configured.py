"""Where an engine's folder is configured, in files; and changing it there."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from modulux.errors import StorageError
from modulux.storage.facts import Origin

UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
OLD_FILES = ("/etc/default/docker", "/etc/sysconfig/docker", "/etc/conf.d/docker")
"""Where init scripts of old keep the daemon's flags, in DOCKER_OPTS and the like."""


def text(file: Path) -> str:
    """What a file holds; nothing when it cannot be read."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def flag(argv: Sequence[str], names: Iterable[str]) -> str | None:
    """The value that one of the flags has on a command line, as `--flag value` or `--flag=value`."""
    names = tuple(names)
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else argv[index + 1] if index + 1 < len(argv) else None
    return None


def daemon_json(config: Path, keys: Iterable[str]) -> list[Origin]:
    """What Docker's daemon.json says under one of `keys`."""
    try:
        data = json.loads(text(config) or "{}")
    except ValueError:
        return []
    return [Origin(where=str(config), says=f"{key}: {data[key]}") for key in keys if isinstance(data, dict) and key in data]


def toml(file: Path) -> dict[str, Any]:
    """The keys of a TOML file; none when it cannot be read as one."""
    try:
        return tomllib.loads(text(file))
    except tomllib.TOMLDecodeError:
        return {}


def unit_origins(unit: str, names: Sequence[str], user: str | None) -> list[Origin]:
    """Unit files, drop-ins and the defaults of old init scripts in which one of the flags stands."""
    folders = [Path(folder) for folder in UNIT_FOLDERS]
    if user:
        folders = [
            Path(pwd.getpwnam(user).pw_dir) / ".config/systemd/user",
            Path("/etc/systemd/user"),
            Path("/usr/lib/systemd/user"),
        ]
    files = [next((f for folder in folders if (f := folder / unit).is_file()), None)]
    files += [file for folder in folders for file in sorted((folder / f"{unit}.d").glob("*.conf"))]
    files += [] if user else [Path(file) for file in OLD_FILES]
    found: dict[str, Origin] = {}
    for file in files:
        for line in text(file).splitlines() if file else ():
            key, _, value = line.partition("=")
            if re.fullmatch(r"\s*(ExecStart|(export )?\w*(OPTS|OPTIONS|ARGS))", key) and (told := _told(value, names)):
                found[os.path.realpath(str(file))] = Origin(where=str(file), says=told)
    return list(found.values())


def _told(value: str, names: Sequence[str]) -> str | None:
    try:
        words = [word for part in shlex.split(value) for word in part.split()]
    except ValueError:
        words = value.split()
    told = flag(words, names)
    name = next((n for n in names if any(w == n or w.startswith(f"{n}=") for w in words)), "")
    return f"{name} {told}" if told else None


def unfinished(file: Path) -> Path:
    """Where a file is written before it takes its name."""
    return file.with_name(f".{file.name}.modulux-new")


def write(file: Path, content: str, mode: int = 0o644) -> None:
    """Put `content` into the file as a whole or not at all, on the disk before this returns; its mode and owner stay.

    Args:
        mode: of a file that is not there yet.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.stat() if file.exists() else None
    new = unfinished(file)
    new.unlink(missing_ok=True)  # of one that was killed
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w") as out:
            out.write(content)
            os.fchmod(out.fileno(), before.st_mode & 0o7777 if before else mode)
            if before:
                os.fchown(out.fileno(), before.st_uid, before.st_gid)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def set_daemon_json(config: Path, root: Path | None) -> None:
    """Set Docker's data root in its daemon.json, or take the key away; everything else stays."""
    content = text(config)
    try:
        data = json.loads(content or "{}")
    except ValueError as error:
        raise StorageError(
            f"{config} is not JSON: {error}", hint="mend it first; dockerd would not start with it either"
        ) from None
    for key in ("graph", "data-root"):
        data.pop(key, None)
    if root is not None:
        data["data-root"] = str(root)
    if data or content:
        write(config, json.dumps(data, indent=2) + "\n")


def set_containerd_root(config: Path, root: Path | None) -> None:
    """Set `root` in containerd's config.toml, or take it away; every other line stays."""
    lines = text(config).splitlines() or ["version = 2"]
    table = next((i for i, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    head = [line for line in lines[:table] if not re.match(r"\s*root\s*=", line)]
    added = [f"root = {json.dumps(str(root))}"] if root is not None else []
    first = 1 if head and re.match(r"\s*version\s*=", head[0]) else 0
    new = "\n".join([*head[:first], *added, *head[first:], *lines[table:]]) + "\n"
    before, after = tomllib.loads(text(config) or "version = 2"), tomllib.loads(new)
    if {k: v for k, v in before.items() if k != "root"} != {k: v for k, v in after.items() if k != "root"}:
        raise StorageError(f"{config} could not be changed without changing more than `root`", hint="leave --reconfigure away")
    write(config, new)
