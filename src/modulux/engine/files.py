"""Asking near.py, the script that works on volumes' files, where it can reach them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from modulux import run
from modulux.engine.protocol import Engine
from modulux.errors import HostError

SCRIPT = (sys.executable, "-I", str(Path(__file__).with_name("near.py")))
"""How it is started."""


def near(engine: Engine, *words: str) -> Any:
    """What a command of near.py answers.

    Raises:
        HostError: it failed.
    """
    done = run.run(engine.near_argv([*SCRIPT, *words]))
    if not done.ok:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.status}"]
        raise HostError(f"the volumes' files: {last[0]}", hint="--debug shows the command")
    return json.loads(done.stdout)
