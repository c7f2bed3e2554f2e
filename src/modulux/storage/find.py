"""Every engine of this machine, and which of them share a folder."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from modulux.errors import NotFoundError, UsageError
from modulux.storage.engines import containerd, docker, podman
from modulux.storage.engines.driver import Driver
from modulux.storage.facts import Facts

FINDERS = {"docker": docker.find, "containerd": containerd.find, "podman": podman.find}
DRIVERS: dict[str, type[Driver]] = {"docker": docker.Docker, "containerd": containerd.Containerd, "podman": podman.Podman}
ROOTLESS = {
    "docker": (".local/share/docker", ".config/docker/daemon.json"),
    "podman": (".local/share/containers/storage", ".config/containers/storage.conf"),
}
"""What in a home says that its user has an engine without root."""


def driver(facts: Facts) -> Driver:
    """The engine that the facts describe, to be asked and told."""
    return DRIVERS[facts.engine](facts)


def find(engine: str, user: str | None) -> Facts:
    """One engine.

    Raises:
        UsageError: there is no such engine, or no such user.
        NotFoundError: this machine does not have it.
    """
    if engine not in FINDERS:
        raise UsageError(f"unknown engine `{engine}`", hint=f"there are: {', '.join(FINDERS)}")
    if user:
        try:
            pwd.getpwnam(user)
        except KeyError:
            raise UsageError(f"no user `{user}` on this machine") from None
    facts = FINDERS[engine](user)
    if facts is None:
        whose = f" of {user}" if user else ""
        raise NotFoundError(f"no {engine}{whose} on this machine", hint="modulux storage show")
    return _judged([facts, *(other for other in everything() if other.key != facts.key)])[0]


def everything() -> list[Facts]:
    """All engines: the machine's (for root), and those of users; another user's are looked for by root alone."""
    found: list[Facts] = []
    root = os.geteuid() == 0
    if root:
        found += [facts for finder in FINDERS.values() if (facts := finder(None))]
    elif facts := docker.find(None):
        found.append(facts)
    for user in users() if root else [pwd.getpwuid(os.geteuid()).pw_name]:
        found += [facts for engine in ROOTLESS if (facts := FINDERS[engine](user))]
    return _judged(found)


def users() -> list[str]:
    """Users whose home holds an engine's data or settings."""
    found = []
    for entry in pwd.getpwall():
        home = Path(entry.pw_dir)
        if (
            entry.pw_uid
            and home != Path("/")
            and any((home / place).exists() for places in ROOTLESS.values() for place in places)
        ):
            found.append(entry.pw_name)
    return sorted(set(found))


def _judged(found: list[Facts]) -> list[Facts]:
    """Add to each what stands against moving it since another lies in the same folder."""
    judged = []
    for facts in found:
        shared = [
            f"its storage is shared with {other.name} ({other.root})"
            for other in found
            if other is not facts and (other.root.is_relative_to(facts.root) or facts.root.is_relative_to(other.root))
        ]
        judged.append(facts.model_copy(update={"refused": [*facts.refused, *shared]}) if shared else facts)
    return judged
