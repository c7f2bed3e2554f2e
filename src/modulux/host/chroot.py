"""Whether this process lives in a chroot.

An engine's `exec` joins a container's mount namespace, which puts a process at that namespace's own root. In a chroot that is
the root of the real host, not of the container: runtimes pivot only the chroot's mount away. Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from modulux import run
from modulux.run import Completed


def chrooted(proc: Path = Path("/proc"), execute: Callable[[Sequence[str]], Completed] = run.run) -> bool:
    """Whether `/` is another directory than the root of this process's mount namespace.

    Costs one small file to read; a process is started only when what is mounted at `/` is not the root of its file system.
    """
    try:
        lines = (proc / "self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    roots = [fields[3] for line in lines if (fields := line.split())[4] == "/"]
    if roots == ["/"] or os.geteuid() != 0:
        return False
    here = Path("/").stat()
    try:  # joining the namespace that one is in already puts one at its root
        done = execute(["nsenter", f"--mount={proc}/self/ns/mnt", "--", "stat", "--format", "%d:%i", "/"])
    except FileNotFoundError:
        return False
    return done.ok and done.stdout.strip() != f"{here.st_dev}:{here.st_ino}"
