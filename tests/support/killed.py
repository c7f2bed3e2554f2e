"""Modulux, killed by SIGKILL at a place that the environment names: KILL_AT=move:final+3, the third effect after that step began.

An effect is what others can see: a program started, a file renamed, made or removed, an ioctl. It is killed before the effect.
Nothing of Modulux itself knows of this: the interpreter tells of such calls (sys.addaudithook).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

EFFECTS = {"subprocess.Popen", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.chmod", "os.chown", "ctypes.dlsym", "fcntl.ioctl"}

place, _, more = os.environ["KILL_AT"].partition("+")
task, _, step = place.partition(":")
left = [int(more or 0)]
armed = [place == "any"]


def watch(event: str, args: tuple[Any, ...]) -> None:
    if event not in EFFECTS:
        return
    if armed[0]:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
    elif event == "os.rename" and str(args[1]).startswith("/var/lib/modulux/storage/"):
        with open(args[0]) as file:
            journal = json.load(file)
        armed[0] = (journal["task"], journal["step"]) == (task, step)


sys.addaudithook(watch)

from modulux.__main__ import main  # noqa: E402

main()
