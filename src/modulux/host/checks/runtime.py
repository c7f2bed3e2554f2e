"""runc: known holes through which a container can break out, closed upstream or by Debian."""

from __future__ import annotations

import gzip

from modulux.host.checks.engine import numbers
from modulux.host.finding import EngineInfo, Finding, Status, System
from modulux.host.limits import engine_workarounds

HOLES = ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881")
MENDED = ((1, 2, 8), (1, 3, 3), (1, 4, 0))
"""The first version without the holes in each line that upstream keeps; earlier lines got no mend."""

CHANGELOG = "usr/share/doc/runc/changelog.Debian.gz"


def check(system: System, info: EngineInfo) -> list[Finding]:
    """Whether the runc that starts containers still has the holes; nothing when another runtime does."""
    runc = system.which("runc")
    if runc is None or system.execute is None or not _used(system, info):
        return []
    version = numbers(system.execute([runc, "--version"]).stdout)
    shown = ".".join(map(str, version)) or "of an unknown version"
    if mended(version):
        return [Finding("runc", Status.OK, f"version {shown}")]
    if backported(system):
        return [Finding("runc", Status.OK, f"version {shown}, with Debian's mends of {', '.join(HOLES)}")]
    found = f"version {shown}: a hostile image or Containerfile can break out of its container ({', '.join(HOLES)})"
    mend = (
        "install runc 1.2.8 or later (from its makers, where the release has none) before you run modules that you did not read"
    )
    return [
        Finding("runc", Status.WARN, found, mend, "modules run without root and capabilities, and come from files you can read")
    ]


def _used(system: System, info: EngineInfo) -> bool:
    if system.engine == "docker":
        return (info.runtime or "runc") == "runc"
    asked = engine_workarounds("podman", proc=system.root / "proc", sys=system.root / "sys", which=system.which).runtime
    return (asked or info.runtime or "").endswith("runc")


def mended(version: tuple[int, ...]) -> bool:
    """Whether upstream's runc of this version has the holes closed."""
    return any(version[:2] == first[:2] and version >= first for first in MENDED) or version[:2] > MENDED[-1][:2]


def backported(system: System) -> bool:
    """Whether the Debian package says in its changelog that it closed all the holes."""
    try:
        with gzip.open(system.root / CHANGELOG, "rt", errors="replace") as log:
            text = log.read()
    except OSError:
        return False
    return all(hole in text for hole in HOLES)
