"""Asking near.py and mirror.py, the scripts that work on volumes' files, where they can reach them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modulux import run
from modulux.engine.protocol import Engine
from modulux.errors import HostError

SCRIPT = (sys.executable, "-I", str(Path(__file__).with_name("near.py")))
"""How near.py is started."""

MIRROR = (sys.executable, "-I", str(Path(__file__).with_name("mirror.py")))
"""How mirror.py is started."""

HOLD = (sys.executable, "-I", str(Path(__file__).with_name("hold.py")))
"""How hold.py is started."""

PDEATHSIG = ("setpriv", "--pdeathsig", "KILL", "--")
"""In front of what must not go on alone when this process is killed."""


def near(engine: Engine, *words: str) -> Any:
    """What a command of near.py answers.

    Raises:
        HostError: it failed.
    """
    return _answer(engine.near_argv([*SCRIPT, *words]))


def mirror(engine: Engine, since: float, pairs: Mapping[Path, Path]) -> dict[str, int]:
    """Make each folder's copy exact (see mirror.py); files and bytes that were copied.

    Raises:
        HostError: it failed, or the disk is full.
    """
    words = [str(path) for pair in pairs.items() for path in pair]
    return dict(_answer([*PDEATHSIG, *engine.near_argv([*PDEATHSIG, *MIRROR, str(since), *words])]))


def _answer(argv: Sequence[str]) -> Any:
    done = run.run(argv)
    if not done.ok:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.status}"]
        raise HostError(f"the volumes' files: {last[0]}", hint="--debug shows the command")
    return json.loads(done.stdout)
