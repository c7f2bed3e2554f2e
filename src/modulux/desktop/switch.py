"""New content for a desktop's volumes: laid beside them first, whole, then switched to in a step that cannot be left half-done.

Engines cannot rename volumes, so the folders of two volumes change places instead, each pair at once. For several pairs there
is a note, a volume whose label says what changes places with what: from when it is there the switch is decided, and whoever
comes next completes it. Which pairs have been done is told by their inode numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from modulux.desktop.state import Found, look
from modulux.engine.files import near
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, NameTakenError
from modulux.model import plan as p
from modulux.parallel import each
from modulux.resolve.plan import container_name

INCOMING = "_incoming"
"""Part of the name of what is laid beside; no module is called so."""

NOTE = "_switch"


def labels(desktop: str, *, kept: bool, **more: str) -> dict[str, str]:
    """A volume's labels, as `up` gives them."""
    own = {p.OWNER: "modulux", p.DESKTOP: desktop, p.SCHEMA: p.SCHEMA_VERSION, p.KEPT: "true" if kept else "false"}
    return {**own, **more}


def lay(engine: Engine, desktop: str, parts: Iterable[str]) -> dict[str, str]:
    """Fresh, empty volumes beside the desktop's: the engine's names, by the volumes' names without the desktop's.

    Raises:
        NameTakenError: a name that is needed is taken by something that is not ours.
    """
    parts = list(parts)
    found = look(engine, desktop)
    wanted = {container_name(desktop, part) for part in parts} | {_incoming(desktop, part) for part in parts}
    if taken := set(found.foreign) & wanted:
        raise NameTakenError(
            f"the name {min(taken)} is taken by something that is not Modulux's",
            hint="another name for the desktop, or rename it",
        )
    finish(engine, found)
    discard(engine, desktop)
    names = {part: _incoming(desktop, part) for part in parts}
    staged = {p.STAGED: "true"}
    each(list(names.values()), lambda name: engine.make(_volume(engine, desktop, name, kept=False, more=staged)))
    return names


def switch(engine: Engine, desktop: str, parts: Iterable[str]) -> None:
    """Let what was laid beside and the desktop's volumes change places. No container may be using them.

    Raises:
        EngineError: something uses them; nothing was changed.
    """
    parts = list(parts)
    found = look(engine, desktop)
    if running := [m.name for m in found.modules.values() if m.state.status not in ("created", "exited")]:
        raise EngineError(f"{running[0]} uses the volumes that are to be replaced", hint=f"modulux down {desktop}")
    paths = engine.volume_paths([_incoming(desktop, part) for part in parts])
    numbers = near(engine, "inodes", *map(str, paths.values()))
    pairs = {part: numbers[str(paths[_incoming(desktop, part)])] for part in parts}
    note = {p.SWITCH: quote(json.dumps(pairs), safe=":{}[]")}
    engine.make(_volume(engine, desktop, container_name(desktop, NOTE), kept=False, more=note))
    finish(engine, look(engine, desktop))


def finish(engine: Engine, found: Found) -> bool:
    """Complete a switch that was decided; whether there was one."""
    note = found.volumes.get(container_name(found.desktop, NOTE))
    if note is None or p.SWITCH not in note.labels:
        return False
    pairs: dict[str, int] = json.loads(unquote(note.labels[p.SWITCH]))
    finals = {part: container_name(found.desktop, part) for part in pairs}
    missing = [name for name in finals.values() if name not in found.volumes]
    each(missing, lambda name: engine.make(_volume(engine, found.desktop, name, kept=True)))
    paths = engine.volume_paths([*finals.values(), *(_incoming(found.desktop, part) for part in pairs)])
    numbers = near(engine, "inodes", *map(str, paths.values()))
    words: list[str] = []
    for part, number in pairs.items():
        final, incoming = paths[finals[part]], paths.get(_incoming(found.desktop, part))
        if numbers[str(final)] != number:
            if incoming is None or numbers[str(incoming)] != number:
                raise EngineError(f"{finals[part]} was to get other content, which is not there", hint="restore it once more")
            words += [str(incoming), str(final)]
    near(engine, "exchange", *words)
    engine.remove("volume", [note.name])
    return True


def laid_name(desktop: str, part: str) -> str:
    """The engine's name of what is laid beside a volume."""
    return _incoming(desktop, part)


def discard(engine: Engine, desktop: str) -> None:
    """Remove what lies beside the desktop's volumes: what was never switched to, or what was before."""
    prefix = _incoming(desktop, "")
    engine.remove("volume", [v.name for v in engine.volumes(prefix) if p.STAGED in v.labels])


def _incoming(desktop: str, part: str) -> str:
    return container_name(desktop, f"{INCOMING}.{part}")


def _volume(engine: Engine, desktop: str, name: str, *, kept: bool, more: Mapping[str, str] | None = None) -> list[str]:
    return engine.filled_volume_argv(p.Volume(name, kept, labels(desktop, kept=kept, **(more or {}))))
