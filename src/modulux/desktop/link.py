"""The ways in: a fresh link for the browser, a fresh password for a VNC client."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

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


def act(engine: Engine, module: Module, actions: Sequence[str]) -> dict[str, str]:
    """What each of the module's `actions` printed, one line each; all of them by one `exec`.

    Raises:
        EngineError: one failed.
    """
    script = " && ".join(shlex.join(module.actions[action]) for action in actions)
    done = run.run(engine.exec_argv(module.name, ["sh", "-c", script]), timeout=20)
    lines = done.stdout.splitlines()
    if not done.ok or len(lines) != len(actions):
        raise EngineError(f"{module.id}: {', '.join(actions)}: {done.stderr.strip() or f'exit status {done.status}'}")
    return dict(zip(actions, lines, strict=True))


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
    said = act(engine, module, wanted)
    browser = f"http://{web}{said['link']}" if "link" in said else None
    return Ways(browser, vnc if "vnc-password" in said else None, said.get("vnc-password"))


def _address(module: Module, interface: Interface | None) -> str | None:
    bound = module.state.ports.get(interface.port) if interface and interface.port else None
    if bound is None:
        return None
    address, port = bound
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(address, address)
    return f"[{reachable}]:{port}" if reachable.count(":") > 1 and not reachable.startswith("[") else f"{reachable}:{port}"
