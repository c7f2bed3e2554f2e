"""What a machine's name means to the verbs: a virtual machine that runs on this host, or `ssh://HOST` elsewhere."""

from __future__ import annotations

from modulux.cli.common import ask
from modulux.host.packages import ensure, missing, remote_needs
from modulux.machine.address import is_address
from modulux.machine.far import Reached, far
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
