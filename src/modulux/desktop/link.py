"""The ways in: a fresh link for the browser, a fresh password for a VNC client."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.desktop.state import Found, Module
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, NotFoundError
from modulux.model.interface import Interface


@dataclass(frozen=True)
class Ways:
    """How to get in; None where the desktop has no such way. Link and password are good once and for some minutes."""

    browser: str | None
    vnc_address: str | None
    vnc_password: str | None
    websocket: str | None = None
    """For a program of a viewer's own, such as `xpra attach`, where a viewer has a page."""


def act(engine: Engine, module: Module, actions: Sequence[str]) -> list[str]:
    """What each of the module's `actions` printed, one line each; all of them by one `exec`.

    Raises:
        EngineError: one failed.
    """
    script = " && ".join(shlex.join(module.actions[action]) for action in actions)
    done = run.run(engine.exec_argv(module.name, ["sh", "-c", script]), timeout=20)
    lines = done.stdout.splitlines()
    if not done.ok or len(lines) != len(actions):
        raise EngineError(f"{module.id}: {', '.join(actions)}: {done.stderr.strip() or f'exit status {done.status}'}")
    return lines


def ways(engine: Engine, found: Found, interfaces: dict[str, Interface]) -> Ways:
    """Fresh ways into the desktop.

    Raises:
        NotFoundError: it has no gateway that runs.
    """
    module = found.able("link") or found.able("vnc-password")
    if module is None:
        raise NotFoundError(
            f"`{found.desktop}` has no gateway that runs", hint=f"modulux up, or modulux logs {found.desktop} web"
        )
    web, vnc = (_address(module, interfaces.get(name)) for name in ("web", "vnc"))
    wanted = [action for action, address in (("link", web), ("vnc-password", vnc)) if address and action in module.actions]
    page = found.having("page") if "link" in wanted else None
    said = act(engine, module, [*wanted, *(["link"] if page else [])])
    websocket = f"ws://{web}/{Path(page.sockets['page']).stem}:{said.pop().partition('=')[2]}" if page else None
    gave = dict(zip(wanted, said, strict=True))
    browser = f"http://{web}{gave['link']}" if "link" in gave else None
    return Ways(browser, vnc if "vnc-password" in gave else None, gave.get("vnc-password"), websocket)


def _address(module: Module, interface: Interface | None) -> str | None:
    bound = module.state.ports.get(interface.port) if interface and interface.port else None
    if bound is None:
        return None
    address, port = bound
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(address, address)
    return f"[{reachable}]:{port}" if reachable.count(":") > 1 and not reachable.startswith("[") else f"{reachable}:{port}"
