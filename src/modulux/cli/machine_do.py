"""`modulux machine do`: `modulux` inside of a machine that runs."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from modulux.errors import UsageError


def do(name: str, /, *command: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> None:
    """Have a machine keep or carry what its desktops hold: `modulux machine do office backup xfce --to sftp:me@server:/kept`.

    The command runs in the machine, if its file has `services: [keeper]`: folders and repositories are those that it reaches.
    What it reads and prints goes through, so `export xfce -o - > FILE` and `import - --yes < FILE` carry data to and fro. Ends
    with the command's exit status.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    command
        backup, snapshots, restore, forget, export, import, storage, ps, password or key, and what belongs to it; `--help`
        explains each
    """
    from modulux.cli.reach import reached
    from modulux.machine.inside import begin

    if not command:
        raise UsageError("no command was given", hint=f"modulux machine do {name} -- --help")
    keeper = reached(name).keeper
    words = command[1:] if command[0] == "--" else command
    sys.exit(begin(keeper, words).carry(sys.stdin.fileno(), sys.stdout.buffer, sys.stderr.buffer))
