"""What a desktop was last made from, on record with the engine: `up` writes it, `down` leaves it as long as there is data."""

from __future__ import annotations

from modulux.desktop.state import Found, look
from modulux.engine.protocol import Engine
from modulux.model.desktop import Desktop
from modulux.model.plan import FILE, Volume
from modulux.resolve.plan import record


def note(engine: Engine, desktop: Desktop) -> None:
    """Write down that the desktop is made from this file from now on; for who holds its lock."""
    _put(engine, look(engine, desktop.name), record(desktop))


def note_again(engine: Engine, before: Found) -> None:
    """Write down what was on record before; for who holds the lock."""
    now = look(engine, before.desktop)
    if before.record is not None:
        _put(engine, now, Volume(before.record.name, False, before.record.labels))
    elif now.record is not None:
        engine.remove("volume", [now.record.name])


def _put(engine: Engine, now: Found, wanted: Volume) -> None:
    there = now.volumes.get(wanted.name)
    if there is not None and there.labels.get(FILE) == wanted.labels[FILE]:
        return
    if there is not None:  # labels cannot be changed
        engine.remove("volume", [there.name])
    engine.make(engine.filled_volume_argv(wanted))
