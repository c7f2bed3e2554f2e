"""Another size for a running screen, where its display can."""

from __future__ import annotations

from modulux import run
from modulux.desktop.state import existing
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, NotFoundError
from modulux.model.units import Screen

RESIZE = "resize"
"""The interface by which a display is asked."""


def resize(engine: Engine, name: str, size: Screen, screen: str | None) -> str:
    """Ask the display; the name of the screen that changed.

    Args:
        screen: the first session of the screen, where there are several.

    Raises:
        NotFoundError: no such desktop or screen, or its display cannot change its size.
        EngineError: the display refused, and says why.
    """
    found = existing(engine, name)
    display = found.having(RESIZE, screen)
    if display is None:
        shown = ", ".join(sorted({m.screen for m in found.modules.values() if RESIZE in m.sockets}))
        hint = f"screens that can: {shown}" if shown else f"`modulux swap {name} screen={size}` starts it anew in that size"
        raise NotFoundError(f"`{name}` has no screen{f' `{screen}`' if screen else ''} that changes its size", hint=hint)
    ask = 'printf "%s\\n" "$1" | nc -N -U "$0"'
    done = run.run(engine.exec_argv(display.name, ["sh", "-c", ask, display.sockets[RESIZE], str(size)]), timeout=20)
    answer = done.stdout.strip()
    if not done.ok or answer != "ok":
        raise EngineError(f"{display.id} did not change its size: {answer or done.stderr.strip() or 'no answer'}")
    return display.screen
