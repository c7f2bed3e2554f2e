"""A machine elsewhere, reached by `ssh` (`service/ssh`): an installed PC, as much as a virtual machine on this host.

All that is known of it is what it says itself. There is no serial line, no screen and no plug to pull.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from modulux.errors import EngineError, FileError, NotReadyError
from modulux.machine.address import KEEPER, Remote, parse
from modulux.machine.control import ask
from modulux.machine.journal import PLACE as JOURNAL
from modulux.machine.running import Running
from modulux.model.machine import Machine
from modulux.resolve.files import validate
from modulux.resolve.plan import container_name

ANSWER = 60.0
PAUSE = 1.0


@dataclass(frozen=True)
class Far:
    """A machine at an address; `name` is what a person wrote."""

    name: str
    control: Remote

    @property
    def keeper(self) -> Remote:
        return dataclasses.replace(self.control, what=KEEPER)

    @property
    def accelerator(self) -> str:
        """As if of a virtual machine whose processor is a real one."""
        return "kvm"

    def at(self, port: int | None) -> tuple[str, int] | None:
        """Where a port of the machine's is found from here: host, as in a URL, and port."""
        return (self.control.written, port) if port else None

    def facts(self) -> dict[str, Any]:
        """What the build notes of a virtual machine (`record`), as far as it is known of this one.

        Raises:
            EngineError, NotReadyError: as `ask`.
        """
        return read(ask(self.control, "description"), ask(self.control, "plan"), self.control.host)

    def restarted(self) -> Callable[[], bool]:
        """What tells, from now on, whether its desktop has got ready at a new start."""
        asked = time.monotonic()

        def ready() -> bool:
            try:
                _, state, uptime, *_ = ask(self.control, "status", timeout=ANSWER)[0].split("\t")
            except NotReadyError:
                return False
            return state == "ready" and time.monotonic() - float(uptime) > asked

        return ready

    def stop(self, grace: float) -> bool:
        """Have it go off; whether it did within `grace` seconds, as far as it can be seen from here."""
        ask(self.control, "poweroff")
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            time.sleep(PAUSE)
            try:
                ask(self.control, "status", timeout=ANSWER)
            except NotReadyError:
                return True
        return False


Reached = Running | Far
"""A machine that is asked for things."""


def far(word: str) -> Far:
    """The machine at an address; whether it is there shows when it is asked.

    Raises:
        UsageError: it is no address.
    """
    return Far(word, parse(word))


def read(description: Sequence[str], plan: Sequence[str], host: str) -> dict[str, Any]:
    """What is to be known, from what the machine says of itself.

    Args:
        description: the file that describes it, whole (`description.py`).
        plan: lines of its boot plan.
        host: by which it is reached.

    Raises:
        EngineError: it was described by a newer version of Modulux.
    """
    try:
        machine = validate(YAML(typ="safe", pure=True).load("\n".join(description)), Machine, "the machine's own file")
    except (FileError, YAMLError) as error:
        raise EngineError(f"the machine describes itself otherwise than this version of Modulux does: {error}") from None
    rows = [line.split("\t") for line in plan]
    journal = next((row[2] for row in rows if row[0] == "volume" and row[3:] == [JOURNAL]), None)
    return {"name": machine.name, "trial": machine.trial, "journal": journal, "gateways": _gateways(machine, host)}


def _gateways(machine: Machine, host: str) -> list[dict[str, Any]]:
    found = []
    for number, entry in enumerate(machine.desktops):
        desktop, own = entry.desktop, machine.gateway
        if isinstance(desktop, str) or desktop.gateway is None:
            continue
        ports = {"web": own.port + number, "vnc": own.vnc_port + number}
        name = container_name(desktop.name, desktop.gateway.module)
        found.append(
            {
                "name": name,
                "desktop": desktop.name,
                "ports": ports,
                "why_not": _why_not(desktop.gateway.params | own.params, own.address, host),
            }
        )
    return found


def _why_not(params: Mapping[str, object], address: str, host: str) -> str | None:
    """Why a browser elsewhere gets nothing of a gateway."""
    names = [name.strip().strip("[]") for name in str(params.get("hosts", "")).lower().split(",")]
    if ipaddress.ip_address(address).is_loopback:
        return f"its gateway listens on {address} alone; `gateway: {{module: web, address: 0.0.0.0}}` in the machine file"
    if host.lower() not in names:
        return f"its gateway answers to nobody who calls it {host}; `hosts: {host}` beside `gateway: {{module: web, …}}`"
    return None
