"""`modulux machine describe`: the file that describes a machine that runs, asked of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common


def describe(
    name: str,
    *,
    output: Annotated[Path | None, Parameter(alias="-o", help="a file; without, it is printed")] = None,
    common: Common | None = None,
) -> None:
    """Write the file that describes a machine that runs, as the machine itself has it; `machine build` of it builds the same.

    Its desktops stand in it in full. A password's hash does not.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    """
    from modulux.cli.reach import reached
    from modulux.errors import HostError
    from modulux.machine.control import ask
    from modulux.machine.description import exported
    from modulux.machine.update import look

    common = common or Common()
    control = reached(name).control
    version = look(control).version
    text = exported(name, version, "\n".join(ask(control, "description")))
    if output is None:
        common.result(
            {"name": name, "version": version, "text": text}, lambda console: console.print(text, end="", markup=False)
        )
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{output}: {error.strerror}", hint="another place: -o FILE") from None
    result = {"name": name, "version": version, "file": str(output)}
    common.result(result, lambda console: console.print(f"{output}: build it again with modulux machine build {output}"))
