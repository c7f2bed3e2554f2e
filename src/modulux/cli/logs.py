"""`modulux logs`: what the modules printed."""

from __future__ import annotations

import json
import sys
import threading
from typing import Annotated

from cyclopts import Parameter

from modulux import run
from modulux.cli.common import Common, DesktopName, stdout
from modulux.desktop.state import existing
from modulux.parallel import each


def logs(
    name: DesktopName,
    module: str | None = None,
    *,
    follow: Annotated[bool, Parameter(alias="-f", help="go on as more comes")] = False,
    tail: Annotated[int | None, Parameter(help="only so many of the last lines")] = None,
    common: Common | None = None,
) -> None:
    """Show what a desktop's modules have printed, each line behind its module's name.

    Parameters
    ----------
    name
        the desktop's name
    module
        only this module
    """
    common = common or Common()
    found = existing(common.driver, name)
    chosen = [found.module(module)] if module else sorted(found.modules.values(), key=lambda m: m.state.started)
    width = max(len(m.short) for m in chosen)
    writing = threading.Lock()
    rows: list[dict[str, str]] = []

    def show(container: str) -> None:
        short = found.modules[container].short
        with run.lines(common.driver.logs_argv(container, follow=follow, tail=tail)) as (_, lines):
            for line in lines:
                if common.json and follow:
                    with writing:
                        sys.stdout.write(json.dumps({"module": short, "line": line}) + "\n")
                        sys.stdout.flush()
                elif common.json:
                    rows.append({"module": short, "line": line})
                else:
                    stdout.print(line if module else f"{short:<{width}} │ {line}", markup=False)

    if follow:
        each([m.name for m in chosen], show, workers=len(chosen))
    else:
        for m in chosen:
            show(m.name)
    if common.json and not follow:
        common.result(rows, lambda _: None)
