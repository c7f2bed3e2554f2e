"""`modulux machine open`: fresh ways into a machine that runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from modulux.cli.common import Common

if TYPE_CHECKING:
    from modulux.machine.far import Reached
    from modulux.report import Report

LINK = "/usr/lib/modulux/link"
PASSWORD = "/usr/lib/modulux/vnc-password"  # noqa: S105  a program


def ways(running: Reached, facts: dict[str, Any], report: Report) -> dict[str, str]:
    """Fresh ways in through the machine's gateways, by kind; none where it has no gateway.

    Raises:
        EngineError: it has gateways, and none of them answers; of some, it is noted.
    """
    from modulux.errors import EngineError
    from modulux.report import Note

    found: dict[str, str] = {}
    refused = None
    for gateway in facts["gateways"]:
        several = f" {gateway['desktop']}" if len([g for g in facts["gateways"] if "web" in g["ports"]]) > 1 else ""
        if why := gateway.get("why_not"):
            report(Note(f"no way into {gateway['desktop']}: {why}"))
            continue
        try:
            found |= {f"{kind}{several}": way for kind, way in _through(running, gateway)}
        except EngineError as error:
            refused = error
            report(Note(f"no way into {gateway['desktop']}: {error}"))
    if refused and not found:
        raise refused
    return found


def _through(running: Reached, gateway: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from modulux.machine.control import ask

    web, vnc, ssh = (running.at(gateway["ports"].get(kind)) for kind in ("web", "vnc", "ssh"))
    if web:
        link = ask(running.control, "act", gateway["name"], LINK)[-1]
        yield "browser", f"http://{web[0]}:{web[1]}{link}"
    if vnc:
        password = ask(running.control, "act", gateway["name"], PASSWORD)[-1]
        yield "VNC client", f"{vnc[0]}::{vnc[1]}   password {password}"
    if ssh:
        yield "modulux", f"ssh://{ssh[0]}:{ssh[1]}"


def open_machine(name: str, *, common: Common | None = None) -> None:
    """Fresh one-time links and VNC passwords of a machine that runs.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    """
    from modulux.cli.reach import reached

    common = common or Common()
    running = reached(name)
    found = ways(running, running.facts(), common.report)

    def show(console: Console) -> None:
        for kind, way in found.items():
            console.print(f"  {kind:<13} {way}")

    common.result({"name": name, **found}, show)
