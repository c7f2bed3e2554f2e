"""Updates of single modules, as `machine update` sends them to a PID 1, and layers made for it on this host."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from tests.support.pid1 import World

from modulux.machine.sealed import Sealed
from modulux.machine.starts import Start
from modulux.machine.update import Update, again, look, record


def layer(work: Path, file: Path, **files: str) -> Path:
    """A layer with files of these contents."""
    source = work / f"files.{file.stem}"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    file.parent.mkdir(parents=True, exist_ok=True)
    made = work / f"{file.stem}.made"
    subprocess.run(["mkfs.erofs", "--quiet", made, source], check=True, capture_output=True)
    shutil.copyfile(made, file)
    return file


def control(here: World) -> Path:
    """Where PID 1 takes commands, as this host sees it."""
    return here.inside / "run/machine/control"


def update(here: World, name: str, layers: list[str], *new: Path, lines: tuple[str, ...] = (), within: float = 20) -> Update:
    """What would be sent for a container that is to stand on these layers, of which `new` are to be sent."""
    there = look(control(here))
    sealed = [Sealed(p.stem, p, hashlib.sha256(p.read_bytes()).hexdigest(), f"1:{'0' * 64}") for p in new]
    start = Start(json.dumps({"for": name, "layers": layers}).encode())
    own = [" ".join(line) for line in there.lines if line[1] == name and line[0] in ("run", "ready", "ask", "look")]
    rows = [
        ["module", f"session/{name}", f"modulux/{name}:new"],
        ["within", f"{within:.0f}"],
        ["layers", name, ":".join(layers)],
    ]
    rows += [line.split(" ") for line in lines or own]
    text = record(name, there.version, rows, start, sealed)
    return Update(name, text, start.files, tuple(sealed), again(there, name), within)


def config(here: World, name: str) -> dict[str, object]:
    """What the runtime is told of a container."""
    link = (here.inside / f"run/machine/bundles/{name}/config.json").readlink()
    return dict(json.loads((here.inside / str(link).lstrip("/")).read_text()))
