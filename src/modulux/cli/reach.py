"""What a machine's name means to the verbs: a virtual machine that runs on this host, or `ssh://HOST` elsewhere."""

from __future__ import annotations

from modulux.cli.common import ask
from modulux.host.packages import ensure, missing, remote_needs
from modulux.machine.address import is_address
from modulux.machine.far import Far, Reached, far
from modulux.machine.running import named


def reached(word: str, yes: bool = False) -> Reached:
    """The machine.

    Args:
        yes: install what is needed to reach it without asking.

    Raises:
        NotFoundError: no virtual machine of that name runs.
        UsageError: it is no address.
        HostError, CancelledError: there is no `ssh` here.
    """
    if not is_address(word):
        return named(word)
    found = far(word)
    ensure(missing(remote_needs()), yes, ask)
    return found


def file_of(running: Reached, file: str | None) -> str:
    """The machine file that a person named, or the ready-made one of the machine's name, which one elsewhere is asked for."""
    return file or (str(running.facts()["name"]) if isinstance(running, Far) else running.name)
