"""`modulux machine open`: fresh ways into a machine that runs in QEMU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console

from modulux.cli.common import Common

if TYPE_CHECKING:
    from modulux.machine.running import Running
    from modulux.report import Report

LINK = "/usr/lib/modulux/link"
PASSWORD = "/usr/lib/modulux/vnc-password"  # noqa: S105  a program


def ways(running: Running, facts: dict[str, Any], report: Report) -> dict[str, str]:
    """Fresh ways in through the machine's gateways, by kind; none where it has no gateway.

    Raises:
        EngineError: it has gateways, and none of them answers; of some, it is noted.
    """
    from modulux.errors import EngineError
    from modulux.report import Note

    found: dict[str, str] = {}
    refused = None
    for gateway in facts["gateways"]:
        several = f" {gateway['desktop']}" if len(facts["gateways"]) > 1 else ""
        try:
            found |= {f"{kind}{several}": way for kind, way in _through(running, gateway)}
        except EngineError as error:
            refused = error
            report(Note(f"no way into {gateway['desktop']}: {error}"))
    if refused and not found:
        raise refused
    return found


def _through(running: Running, gateway: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from modulux.machine.control import ask

    web, vnc = (running.machine.ports.get(gateway["ports"].get(kind)) for kind in ("web", "vnc"))
    if web:
        link = ask(running.machine.control, "act", gateway["name"], LINK)[-1]
        yield "browser", f"http://127.0.0.1:{web}{link}"
    if vnc:
        password = ask(running.machine.control, "act", gateway["name"], PASSWORD)[-1]
        yield "VNC client", f"127.0.0.1::{vnc}   password {password}"


def open_machine(name: str, *, common: Common | None = None) -> None:
    """Fresh one-time links and VNC passwords of a machine that runs.

    Parameters
    ----------
    name
        the machine's name
    """
    from modulux.machine.running import named, record

    common = common or Common()
    running = named(name)
    found = ways(running, record(running.machine.built), common.report)

    def show(console: Console) -> None:
        for kind, way in found.items():
            console.print(f"  {kind:<13} {way}")

    common.result({"name": name, **found}, show)
