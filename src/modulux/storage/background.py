"""Going on without the terminal: by systemd where it runs (it ends what a log-out leaves), else in a session of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from modulux import run
from modulux.errors import HostError
from modulux.storage import journal as record
from modulux.storage import service


def start(key: str, argv: Sequence[str]) -> Path:
    """Start `argv` to outlive this process and its terminal; the file into which it writes.

    Raises:
        HostError: systemd did not start it.
    """
    record.FOLDER.mkdir(parents=True, exist_ok=True)
    log = record.FOLDER / f"{key}.log"
    log.write_text("")
    names = ("PATH", "PYTHONPATH", "HOME", "DOCKER_HOST")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    if not service.systemd():
        run.detached(argv, printed=log, env=environment)
        return log
    words = ["systemd-run", f"--unit=modulux-storage-{key}", "--collect", f"--property=StandardError=append:{log}"]
    words += [f"--property=StandardOutput=append:{log}", *(f"--setenv={name}={value}" for name, value in environment.items())]
    done = run.run([*words, "--", *argv], timeout=60)
    if not done.ok:
        raise HostError(f"systemd does not start it: {done.stderr.strip()}", hint="leave --background away")
    return log
