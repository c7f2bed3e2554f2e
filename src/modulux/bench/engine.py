"""What bench asks of an engine and of the kernel beyond what `up` needs: sizes, processes, sockets reached from outside."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modulux import rfb, run
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.memory import inspect
from modulux.errors import BuildError, EngineError, RfbError

MB = 1_000_000


def build(engine: CommandLineEngine, context: Path, reference: str, arguments: Mapping[str, str]) -> None:
    """Build an image.

    Raises:
        BuildError: with the end of what the build printed.
    """
    done = run.run(engine.build_argv(context, reference, arguments), env=engine.build_env())
    if not done.ok:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise BuildError(f"the image {reference} could not be built", hint=tail)


def start(engine: CommandLineEngine, name: str, image: str) -> None:
    """Run a container as people run today's images: the engine's own defaults, and no more than this host makes necessary."""
    limits = [word for limit, value in engine.ulimits.items() for word in ("--ulimit", f"{limit}={value}:{value}")]
    shm = ["--shm-size", "256m"]
    options = [*engine.run_options, *engine.log_options, *limits, *shm]
    engine.do(engine.argv(*engine.runtime_words(), "run", "--detach", "--name", name, *options, image))


def remove(engine: CommandLineEngine, *names: str) -> None:
    """Remove containers; those that are not there are no error."""
    run.run(engine.argv("rm", "--force", *names))


def client(engine: CommandLineEngine, container: str, socket: str) -> rfb.Client:
    """An RFB client at a unix socket inside a container, as soon as there is one; by one `exec`, on every engine."""
    return rfb.Client(_relayed(engine, container, socket), timeout=60)


def _relayed(engine: CommandLineEngine, container: str, socket: str) -> rfb.Stream:
    script = 'until [ -S "$1" ]; do sleep 0.02; done; exec nc -N -U "$1"'
    return rfb.open_pipe(engine.exec_argv(container, ["sh", "-c", script, "sh", socket], stdin=True))


def stream(engine: CommandLineEngine, container: str, volume: str, socket: str) -> tuple[rfb.Stream, bool]:
    """A connection to a socket in a volume, and whether it is direct: it is if the volume can be reached from here."""
    try:
        with _near(place(engine, volume, socket)) as path:
            return rfb.open_unix(path), True
    except (OSError, RfbError, EngineError, KeyError):
        return _relayed(engine, container, socket), False


@contextlib.contextmanager
def _near(path: Path) -> Any:
    """A path to the same file that is short enough for a socket's address."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def place(engine: CommandLineEngine, volume: str, socket: str) -> Path:
    """Where a socket in a volume lies on the host."""
    return Path(inspect(engine, "volume", volume)["Mountpoint"], Path(socket).name)


def soon(socket: Path, seconds: float = 60.0) -> rfb.Client:
    """An RFB client at a socket of the host's, as soon as there is one that answers.

    Raises:
        EngineError: there was none in time, or it cannot be reached (a rootless engine's volumes belong to other users).
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, RfbError), _near(socket) as path:
            return rfb.Client(rfb.open_unix(path), timeout=seconds)
        time.sleep(0.01)
    raise EngineError(f"the socket {socket} cannot be reached from here", hint="run bench as root, with a rootful engine")


def direct(engine: CommandLineEngine, container: str, volume: str, socket: str) -> tuple[rfb.Client, bool]:
    """An RFB client at a socket in a volume, without anything between if the volume can be reached from here.

    Returns:
        the client, and whether it is direct; if not, it goes through the engine's `exec`, which costs time of its own.
    """
    try:
        place = Path(inspect(engine, "volume", volume)["Mountpoint"], Path(socket).name)
        with _near(place) as path:
            return rfb.Client(rfb.open_unix(path)), True
    except (OSError, rfb.RfbTimeoutError, EngineError, KeyError):
        return client(engine, container, socket), False


def size(engine: CommandLineEngine, image: str) -> int:
    """An image's bytes, all layers unpacked."""
    return int(inspect(engine, "image", image)["Size"])
