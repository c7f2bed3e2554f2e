"""`modulux machine open`: fresh ways into a machine that runs in QEMU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from modulux.cli.common import Common

if TYPE_CHECKING:
    from modulux.machine.running import Running

LINK = "/usr/lib/modulux/link"
PASSWORD = "/usr/lib/modulux/vnc-password"  # noqa: S105  a program


def ways(running: Running, facts: dict[str, Any]) -> dict[str, str]:
    """Fresh ways in through the machine's gateways, by kind; none where it has no gateway."""
    from modulux.machine.control import ask

    found = {}
    for gateway in facts["gateways"]:
        web, vnc = (running.machine.ports.get(gateway["ports"].get(kind)) for kind in ("web", "vnc"))
        several = f" {gateway['desktop']}" if len(facts["gateways"]) > 1 else ""
        if web:
            link = ask(running.machine.control, "act", gateway["name"], LINK)[-1]
            found[f"browser{several}"] = f"http://127.0.0.1:{web}{link}"
        if vnc:
            password = ask(running.machine.control, "act", gateway["name"], PASSWORD)[-1]
            found[f"VNC client{several}"] = f"127.0.0.1::{vnc}   password {password}"
    return found


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
    found = ways(running, record(running.machine.built))

    def show(console: Console) -> None:
        for kind, way in found.items():
            console.print(f"  {kind:<13} {way}")

    common.result({"name": name, **found}, show)
