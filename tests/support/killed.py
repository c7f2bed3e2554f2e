"""Modulux, killed by SIGKILL at a place that the environment names: KILL_AT=move:final+3, the third effect after that step began.

An effect is what others can see: a program started, a file renamed, made or removed, an ioctl. It is killed before the effect.
Nothing of Modulux itself knows of this: the interpreter tells of such calls (its audit hooks).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

EFFECTS = {
    "subprocess.Popen",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.remove",
    "os.chmod",
    "os.chown",
    "ctypes.dlsym",
    "fcntl.ioctl",
}
FOLDER = "/var/lib/modulux/storage"

place, _, more = os.environ["KILL_AT"].partition("+")
task, _, step = place.partition(":")
left = [int(more or 0)]


def reached(file: str | Path) -> bool:
    journal = json.loads(Path(file).read_text())
    return (journal["task"], journal["step"]) == (task, step)


armed = [place == "any" or any(reached(file) for file in Path(FOLDER).glob("*.json"))]


def watch(event: str, args: tuple[Any, ...]) -> None:
    if event not in EFFECTS:
        return
    if armed[0]:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
    elif event == "os.rename" and str(args[1]).startswith(f"{FOLDER}/") and str(args[1]).endswith(".json"):
        armed[0] = reached(args[0])


sys.addaudithook(watch)

from modulux.__main__ import main  # noqa: E402

main()
