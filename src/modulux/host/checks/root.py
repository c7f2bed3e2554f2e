"""Where this process's root is: in a chroot, an engine's `exec` does not end up inside the container."""

from __future__ import annotations

from modulux.host.chroot import chrooted
from modulux.host.finding import Finding, Status, System


def check(system: System) -> list[Finding]:
    """A finding when this is a chroot; nothing is said of the usual case."""
    if system.execute is None or not chrooted(system.root / "proc", system.execute):
        return []
    found = "a chroot, in which the engine's `exec` ends up at the real host's root"
    mend = "start from a root that was pivoted to (a container, a virtual machine)"
    return [Finding("root", Status.WARN, found, mend, "modules are entered by their namespaces, without their seccomp filter")]
