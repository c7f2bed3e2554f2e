"""`modulux exec`: a command inside a running module."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from modulux import run
from modulux.cli.common import Common, DesktopName
from modulux.desktop.state import existing
from modulux.errors import UsageError


def execute(
    name: DesktopName,
    module: str,
    /,
    *command: Annotated[str, Parameter(allow_leading_hyphen=True)],
    common: Common | None = None,
) -> None:
    """Run a command in a module.

    After `--`, so that its flags are its own: `modulux exec xfce terminal -- ls -l`. Ends with the command's exit status.

    Parameters
    ----------
    name
        the desktop's name
    module
        the module's name
    command
        the command and its arguments, after `--`
    """
    common = common or Common()
    if not command:
        raise UsageError("no command was given", hint=f"modulux exec {name} {module} -- bash")
    found = existing(common.driver, name).module(module)
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    sys.exit(run.interactive(common.driver.exec_argv(found.name, command, stdin=True, tty=tty)))
