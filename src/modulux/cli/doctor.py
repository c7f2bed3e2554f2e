"""`modulux doctor`: what stops or slows the engines here, and the mend."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, find_desktop, read_desktop
from modulux.engine.choose import engine_name
from modulux.host.doctor import examine, stops
from modulux.host.finding import Finding, Status

COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


def doctor(
    *,
    desktop: Annotated[str | None, Parameter(help="a desktop file whose ports are to be looked at too")] = None,
    common: Common | None = None,
) -> None:
    """Find what stops or slows the engine on this machine, with the mend for each.

    Ends with 5 if desktops cannot run.
    """
    common = common or Common()
    gateway = read_desktop(find_desktop(desktop)).gateway if desktop else None
    ports = [port for port in (gateway.port, gateway.vnc_port) if port] if gateway else []
    findings = examine(engine_name(common.loaded.settings.engine), ports)
    common.result([dataclasses.asdict(f) for f in findings], lambda console: _show(console, findings))
    sys.exit(5 if stops(findings) else 0)


def _show(console: Console, findings: Sequence[Finding]) -> None:
    width = max(len(f.name) for f in findings)
    for f in findings:
        console.print(f"[{COLOURS[f.status]}]{f.status:<5}[/] {f.name:<{width}}  ", end="")
        console.print(f.found, markup=False)
        for word, text in (("worked around", f.workaround), ("mend", f.mend)):
            if text:
                console.print(f"      {'':<{width}}  [dim]{word}:[/] ", end="")
                console.print(text, markup=False)
    failed = len(stops(findings))
    console.print(f"\n{'Desktops can run here.' if not failed else f'{failed} to mend before desktops can run.'}")
