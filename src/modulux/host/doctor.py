"""Looks at the host for what stops or slows an engine. Starts a few processes: the engine's `info`, runc's version."""

from __future__ import annotations

from collections.abc import Sequence

from modulux.host.checks import cgroups, devices, engine, limits, ports, root, runtime, storage, users
from modulux.host.finding import Finding, Status, System


def examine(engine_name: str = "podman", ports_fixed: Sequence[int] = (), system: System | None = None) -> list[Finding]:
    """Everything there is to say about this host for `engine_name`.

    Args:
        ports_fixed: ports of the loopback that a desktop's file asks for.
        system: the host to look at; this one without.
    """
    system = system or System.here(engine_name, ports_fixed)
    info = engine.ask(system)
    return [
        *engine.check(system, info),
        *runtime.check(system, info),
        *cgroups.check(system),
        *limits.check(system),
        *users.check(system),
        *devices.check(system, info),
        *storage.check(system, info),
        *ports.check(system),
        *root.check(system),
    ]


def stops(findings: Sequence[Finding]) -> list[Finding]:
    """Those that keep desktops from running."""
    return [finding for finding in findings if finding.status is Status.FAIL]
