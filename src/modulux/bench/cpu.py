"""Processor time of containers, by the kernel's own account of their cgroups: what ended meanwhile counts too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from modulux.engine.commandline import CommandLineEngine
from modulux.engine.memory import inspect
from modulux.errors import EngineError

ROOT = Path("/sys/fs/cgroup")


def seconds(engine: CommandLineEngine, containers: Sequence[str]) -> Callable[[], float]:
    """A clock of the processor seconds that the containers have used together.

    Raises:
        EngineError: this host keeps no account of a container.
    """
    accounts = [_account(int(inspect(engine, "container", name)["State"]["Pid"]), name) for name in containers]
    return lambda: sum(_read(account) for account in accounts)


def _account(pid: int, container: str) -> Path:
    lines = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    for _, controllers, path in lines:
        if "cpuacct" in controllers.split(","):
            for folder in (controllers, "cpuacct"):
                if (file := ROOT / folder / path.lstrip("/") / "cpuacct.usage").exists():
                    return file
        if not controllers and (file := ROOT / path.lstrip("/") / "cpu.stat").exists():
            return file
    raise EngineError(f"this host keeps no account of {container}'s processor time", hint="mount cgroups at /sys/fs/cgroup")


def _read(account: Path) -> float:
    text = account.read_text()
    if account.name == "cpuacct.usage":
        return int(text) / 1e9
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("usage_usec ")) / 1e6
