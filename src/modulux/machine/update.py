"""One module of a machine that runs → the module of today, without a new start, kept only if it gets ready.

What is sent lies on the machine's state partition: the layers that its store has not, each with the tree of hashes by which
the kernel checks every block of it, the container's configuration, and a record that says which these are. PID 1 judges
(`trial.c`); from here it is only watched. Nothing is changed before all has arrived, and until it is judged the former one
is what counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.errors import EngineError, HostError, NotFoundError, NotReadyError, ResolveError
from modulux.machine.address import Remote
from modulux.machine.control import Door, ask
from modulux.machine.sealed import Sealed
from modulux.machine.starts import Start
from modulux.machine.upgrade import send_to
from modulux.report import Report, step

WHILE_IT_RUNS = ("layers", "run", "ready", "ask", "look")
"""Words of the boot plan whose lines an update may change."""

AT_THE_START = ("ipc", "device", "terminal", "news", "sticks", "settled", "control", "later", "after")
"""Those of what was made, and given to it, when the machine was started."""

GRACE = 180.0
"""Seconds beyond the module's own time, in which what depends on it has ended and the machine has answered."""

EMULATED = 4
"""So much longer a module may take on an emulated processor."""

SHORTEST = 60.0
"""Seconds that a module has at least to get ready on a machine, where others are busy too."""


@dataclass(frozen=True)
class State:
    """A container of a machine that runs: `update` is shipped, kept, trial, failed or back; `config` a SHA-256."""

    name: str
    update: str
    ready: bool
    config: str
    module: str | None
    image: str | None

    def to_json(self) -> dict[str, Any]:
        return {"container": self.name, "update": self.update, "ready": self.ready, "module": self.module, "image": self.image}


@dataclass(frozen=True)
class There:
    """What a machine says: its system's version and init, whether it keeps what is written, room in bytes, files of updates."""

    version: str
    keeps: bool
    init: str
    room: int
    files: frozenset[str]
    containers: Mapping[str, State]
    lines: tuple[tuple[str, ...], ...] = ()

    @property
    def layers(self) -> frozenset[str]:
        """Ids of the layers in its store."""
        return frozenset(id for line in self.lines if line[0] == "layers" for id in line[2].split(":"))


@dataclass(frozen=True)
class Update:
    """What is to be sent for a container, and who is started again with it. `within` in seconds; `files` as `Start.files`."""

    container: str
    record: str
    files: tuple[bytes, ...]
    layers: tuple[Sealed, ...]
    again: tuple[str, ...]
    within: float

    def missing(self, there: There) -> list[tuple[str, int]]:
        """Files that the machine has not got: their sums, and sizes in bytes."""
        files = [(layer.sum, layer.path.stat().st_size) for layer in self.layers]
        files += [(_sum(data), len(data)) for data in (*self.files, self.record.encode())]
        return [(sum, size) for sum, size in files if sum not in there.files]


def read(answer: Sequence[str], plan: Sequence[str] = ()) -> There:
    """What PID 1 answers to `updates` and `plan`.

    Raises:
        EngineError: that is something else.
    """
    rows = [line.split("\t") for line in answer]
    try:
        _, version, keeps, init = next(row for row in rows if row[0] == "system")
        room = next(int(row[1]) for row in rows if row[0] == "room")
        found = [_state(row[1:]) for row in rows if row[0] == "container"]
    except (StopIteration, ValueError):
        raise EngineError(
            "the machine does not say what of it is updated", hint="it was built by another version of Modulux"
        ) from None
    files = frozenset(row[1] for row in rows if row[0] == "file")
    lines = tuple(tuple(line.split("\t")) for line in plan if line)
    return There(version, keeps == "kept", init, room, files, {state.name: state for state in found}, lines)


def _state(row: Sequence[str]) -> State:
    name, update, ready, config, module, image = row
    return State(name, update, ready == "ready", config, _known(module), _known(image))


def _known(word: str) -> str | None:
    return None if word == "-" else word


def look(control: Door) -> There:
    """What the machine says of itself.

    Raises:
        EngineError: its PID 1 knows nothing of updates.
    """
    return read(ask(control, "updates"), ask(control, "plan"))


def same(there: There, name: str, lines: Sequence[Sequence[str]], config: bytes) -> bool:
    """Whether the container is as these lines and this configuration say. Of an updated one too little is known."""
    state = there.containers[name]
    if state.update != "shipped" or state.config != _sum(config):
        return False
    own = {line for line in there.lines if line[1:2] == (name,) and line[0] in WHILE_IT_RUNS}
    return own == {tuple(line) for line in lines if line[0] in WHILE_IT_RUNS}


def kept_already(there: There, name: str, image: str, config: bytes, layers: Sequence[Sealed]) -> bool:
    """Whether the container is updated already to this image, with this configuration and these layers."""
    state = there.containers[name]
    mine = (state.update, state.image, state.config) == ("kept", image, _sum(config))
    return mine and all(layer.sum in there.files for layer in layers)


def refuse_more(there: There, name: str, lines: Sequence[Sequence[str]], sources: Collection[str]) -> None:
    """Whether the change is one of the module alone.

    Args:
        sources: where, on the machine, its volumes lie.

    Raises:
        ResolveError: it is not; the hint says how it is made then.
    """
    hint = "modulux machine upgrade changes all of a machine"
    if name not in there.containers:
        raise ResolveError(f"the machine has no container `{name}`", hint=hint)
    before = {line for line in there.lines if line[1:2] == (name,) and line[0] in AT_THE_START}
    after = {tuple(line) for line in lines if line[0] in AT_THE_START}
    if before != after:
        words = sorted({" ".join((line[0], *line[2:])) for line in before ^ after})
        raise ResolveError(f"`{name}` of today is not only another module: {'; '.join(words)}", hint=hint)
    volumes = {line[1] for line in there.lines if line[0] == "volume"}
    if new := sorted(set(sources) - volumes):
        raise ResolveError(f"`{name}` of today has a volume that the machine has not: {new[0].rpartition('/')[2]}", hint=hint)


def refuse_other_init(there: There, init: str) -> None:
    """Whether the machine starts its containers as its file says.

    Raises:
        ResolveError: by something else.
    """
    if there.init != init:
        raise ResolveError(
            f"the machine runs with `init: {there.init}`, and its file says `{init}`", hint="modulux machine upgrade"
        )


def again(there: There, name: str) -> tuple[str, ...]:
    """Those that are started again with a container, since they depend on it."""
    needs = {line[1]: set(line[2:]) for line in there.lines if line[0] == "after"}
    found = [name]
    for one in found:
        found += [other for other, needed in needs.items() if one in needed and other not in found]
    return tuple(found[1:])


def record(name: str, version: str, lines: Sequence[Sequence[str]], start: Start, layers: Sequence[Sealed]) -> str:
    """The text that PID 1 obeys (`update.h`); of the lines those of the boot plan that may change, and the record's own."""
    rows: list[tuple[str, ...]] = [("update", name, version), *start.rows()]
    rows += [("layer", layer.id, layer.sum, layer.told) for layer in layers]
    rows += [tuple(line) for line in lines if line[0] in ("module", "within", *WHILE_IT_RUNS)]
    text = "".join("\t".join(row) + "\n" for row in rows)
    return f"{text}sum\t{_sum(text.encode())}\n"


def patience(timeout: float, accelerator: str) -> float:
    """Seconds in which a module must be ready, from the time that its contract gives it."""
    return max(SHORTEST, timeout * (1 if accelerator == "kvm" else EMULATED))


def check_room(update: Update, there: There) -> None:
    """Whether the state partition can take it.

    Raises:
        HostError: it cannot.
    """
    needed = sum(size for _, size in update.missing(there))
    if needed > there.room:
        raise HostError(
            f"the update has {needed / 1e6:.1f} MB, and the machine's state has room for {there.room / 1e6:.1f} MB",
            hint="remove something from its homes, or modulux machine upgrade",
        )


def bring(control: Door, update: Update, work: Path, report: Report) -> None:
    """Send all that the machine has not got; what came before an interruption is not sent again.

    Args:
        work: a folder for what is sent beside layers.

    Raises:
        EngineError: it refused, or has no room.
        NotReadyError: the line broke; beginning anew goes on from there.
    """
    files = [layer.path for layer in update.layers]
    for data in (*update.files, update.record.encode()):
        files.append(work / _sum(data))
        files[-1].write_bytes(data)
    size = sum(path.stat().st_size for path in files)
    with step(report, update.container, f"sending {size / 1e6:.1f} MB"):
        for path in files:
            send_to(control, path, lambda digest, size: ("bring", digest, str(size)))
        ask(control, "propose", update.container, _sum(update.record.encode()))


def trial(control: Door, update: Update, report: Report, pause: Callable[[float], None] = time.sleep) -> None:
    """Have the machine try it; it is kept when this returns.

    Raises:
        NotReadyError: it did not get ready, and the machine has gone back to the former one.
    """
    with step(report, "trial", f"starting {update.container} anew"):
        _begin(control, "try", update.container)
        if settled(control, update.container, update.within, pause).update == "kept":
            return
    raise NotReadyError(
        f"`{update.container}` did not get ready within {update.within:.0f} s, and runs as before",
        hint="modulux machine log NAME tells what it said",
    )


def settled(control: Door, name: str, within: float, pause: Callable[[float], None] = time.sleep) -> State:
    """The container once it is ready and nothing is on trial any more.

    Raises:
        NotReadyError: it is not, in good time.
    """
    deadline = time.monotonic() + 2 * within + GRACE
    while time.monotonic() < deadline:
        state = _state_of(control, name)
        if state and state.update != "trial" and state.ready:
            return state
        pause(0.5)
    raise NotReadyError(f"`{name}` is not ready, neither as before", hint="modulux machine log NAME")


def _begin(control: Door, verb: str, name: str) -> None:
    """By an address the answer may be lost: it may come through the very module that is started anew. The outcome shows."""
    with contextlib.suppress(*([NotReadyError] if isinstance(control, Remote) else [])):
        ask(control, verb, name)


def _state_of(control: Door, name: str) -> State | None:
    """None while that module cannot be asked through."""
    with contextlib.suppress(*([NotReadyError] if isinstance(control, Remote) else [])):
        return read(ask(control, "updates")).containers[name]
    return None


def take_back(control: Door, name: str, report: Report) -> None:
    """From its update back to the module that the system came with.

    Raises:
        EngineError: it has no update, or another one is under way.
    """
    with step(report, "rollback", f"starting {name} as the system came with it"):
        _begin(control, "undo", name)
        settled(control, name, SHORTEST)


def chosen(word: str, names: Collection[tuple[str, str]]) -> str:
    """The container that a person means, by its name, the last part of it, or its module's id.

    Args:
        names: containers' names, each with its module's id.

    Raises:
        NotFoundError: none, or several.
    """
    for kind in (lambda n, _: n, lambda n, _: n.rpartition(".")[2], lambda _, m: m, lambda _, m: m.rpartition("/")[2]):
        found = sorted({name for name, module in names if kind(name, module) == word})
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFoundError(f"several containers are `{word}`", hint=f"one of {', '.join(found)}")
    raise NotFoundError(f"the machine has no module `{word}`", hint=f"it has {', '.join(sorted(n for n, _ in names))}")


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
