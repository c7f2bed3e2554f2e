"""Some of a snapshot's files, put back into a desktop that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modulux.desktop import switch
from modulux.engine.files import near
from modulux.errors import NotFoundError, UsageError
from modulux.keep.manifest import Manifest
from modulux.keep.restore import Confirm, Target, restore_volumes
from modulux.keep.shop import Source, Workshop
from modulux.keep.workspace import VOLUMES
from modulux.paths import lock
from modulux.resolve.plan import HOME


@dataclass(frozen=True)
class Place:
    """A path as a person writes it, the volume that it lies in, and where in there."""

    written: str
    volume: str
    inside: PurePosixPath

    @property
    def stored(self) -> str:
        """Its path in a snapshot."""
        return f"/{VOLUMES}/{self.volume}/{self.inside}"


def place(word: str, manifest: Manifest) -> Place:
    """What `~/Documents/letter.odt`, a path below /home/user, or `SESSION:~/…` means in this snapshot.

    Raises:
        UsageError: nothing that is kept can lie there.
    """
    session, colon, rest = word.partition(":")
    named = bool(colon) and any(v.name == f"{session}.home" for v in manifest.volumes)
    text = rest if named else word
    path = PurePosixPath(HOME + text[1:] if text.startswith("~") else text)
    first = session if named else manifest.model().sessions[0].module
    if not path.is_absolute() or ".." in path.parts:
        raise UsageError(f"`{word}` is no path in a home", hint="such as ~/Documents/letter.odt, or plasma:~/.config")
    candidates = [v for v in manifest.volumes if path != PurePosixPath(v.at) and path.is_relative_to(v.at)]
    candidates = [v for v in candidates if v.at != HOME or v.name == f"{first}.home"]
    if not candidates:
        raise UsageError(f"`{word}` lies in nothing that is kept", hint=f"homes and shares are: {_volumes(manifest)}")
    volume = max(candidates, key=lambda v: len(v.at))
    return Place(word, volume.name, path.relative_to(volume.at))


def _volumes(manifest: Manifest) -> str:
    return ", ".join(f"{v.at} ({v.name})" for v in manifest.volumes)


def restore_paths(shop: Workshop, source: Source, target: Target, words: Sequence[str], confirm: Confirm) -> list[str]:
    """Put the paths back into the desktop, which may run; each appears whole, at once. Those that took the place of something.

    Raises:
        NotFoundError: the snapshot does not have one, or the desktop has no such volume; nothing was changed.
        CancelledError: what is there was not to be replaced.
    """
    engine = shop.engine
    places = [place(word, source.manifest) for word in words]
    if lacking := [p for p in places if p.volume not in target.volumes]:
        raise NotFoundError(
            f"`{target.name}` has no volume for `{lacking[0].written}`", hint="without --path the whole desktop is restored"
        )
    try:
        restore_volumes(shop, source, target, only=[p.stored for p in places])
        laid = engine.volume_paths([switch.laid_name(target.name, p.volume) for p in places])
        finals = engine.volume_paths(list(target.volumes.values()))
        sources = {p: laid[switch.laid_name(target.name, p.volume)] / p.inside for p in places}
        goals = {p: finals[target.volumes[p.volume]] / p.inside for p in places}
        found = near(engine, "there", *map(str, sources.values()), *map(str, goals.values()))
        _all_there(places, sources, found)
        replaced = [p.written for p in places if str(goals[p]) in found]
        if replaced:
            confirm(f"{', '.join(replaced)}: there now, and replaced by what it was. Go on?")
        with lock(f"{engine.name}.{target.name}"):
            near(engine, "place", *(str(path) for p in places for path in (sources[p], goals[p])))
        return replaced
    finally:
        switch.discard(engine, target.name)


def _all_there(places: Sequence[Place], sources: dict[Place, Path], found: list[str]) -> None:
    for one in places:
        if str(sources[one]) not in found:
            raise NotFoundError(f"`{one.written}` is not in the snapshot", hint="nothing was changed")
