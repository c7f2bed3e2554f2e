"""How the modules fare: what the supervisor in each of them has written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modulux import run
from modulux.desktop.state import Module
from modulux.engine.protocol import Engine
from modulux.parallel import each


@dataclass(frozen=True)
class Health:
    """`phase`: waiting, running, backoff, ended, or unknown; how often the command was started again; its last exit status."""

    phase: str = "unknown"
    restarts: int = 0
    last_exit: int | None = None


def health(engine: Engine, modules: Sequence[Module]) -> dict[str, Health]:
    """Of each module, by container name; those that do not run have no health."""
    running = [m.name for m in modules if m.state.running]
    found = each(running, lambda name: _one(engine, name)) if running else {}
    return {m.name: found.get(m.name, Health("ended", 0, m.state.exit_code)) for m in modules}


def _one(engine: Engine, name: str) -> Health:
    done = run.run(engine.exec_argv(name, ["cat", "/run/modulux.state"]), timeout=20)
    words = done.stdout.split()
    if not done.ok or len(words) != 3:
        return Health()
    phase, starts, last = words
    return Health(phase, max(0, int(starts) - 1), None if last == "-" else int(last))
