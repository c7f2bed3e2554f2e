"""`modulux module new`: a module to begin with, that builds and passes its own test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common
from modulux.errors import NameTakenError, UsageError
from modulux.model.module import Role
from modulux.model.units import MAX_NAME, NAME_PATTERN
from modulux.modules.skeleton import skeleton


def new(
    module: str,
    *,
    folder: Annotated[Path, Parameter(name="--in", help="the folder of modules to write it into")] = Path("modules"),
    common: Common | None = None,
) -> None:
    """Write a new module that builds and passes its own test.

    Parameters
    ----------
    module
        `role/name`, such as app/mousepad
    """
    common = common or Common()
    role, _, name = module.partition("/")
    if role not in list(Role) or not name:
        raise UsageError(f"`{module}` is not `role/name`", hint=f"roles: {', '.join(Role)}")
    if not re.fullmatch(NAME_PATTERN, name) or name.endswith("\n") or len(name) > MAX_NAME:
        raise UsageError(
            f"{name!r:.80} cannot be a module's name",
            hint=f"lower-case words of letters and digits, joined by single hyphens, at most {MAX_NAME} characters",
        )
    target = folder / role / name
    if target.exists():
        raise NameTakenError(f"{target} exists already", hint="nothing was written; take another name")
    files = skeleton(Role(role), name)
    for relative, (text, executable) in files.items():
        path = target / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if executable else 0o644)
    data = {"module": module, "folder": str(target), "files": sorted(files)}
    common.result(
        data,
        lambda console: console.print(
            f"{target}: {', '.join(sorted(files))}\nnext: modulux module check {target}", markup=False
        ),
    )
