"""A Docker daemon that an ordinary user runs without root, as Debian's docker.io can with what RootlessKit does for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.support.rootless import Rootless, rootless

SCRIPTS = Path("/usr/share/docker.io/contrib")


def why_not() -> str | None:
    """Why this host cannot have one, beside what `rootless` needs."""
    lacking = [name for name in ("dockerd", "slirp4netns") if shutil.which(name) is None]
    lacking += [] if (SCRIPTS / "dockerd-rootless.sh").exists() else ["dockerd-rootless.sh"]
    return f"this host lacks {', '.join(lacking)}" if lacking else None


@contextlib.contextmanager
def rootless_docker() -> Iterator[Rootless]:
    """Give the command line of a user whose engine it is; the daemon ends with the user's namespace."""
    with rootless() as user:
        path = f"{_kit(user.home / 'kit')}:{SCRIPTS}:{os.environ['PATH']}"
        there = replace(
            user, engine="docker", env={**user.env, "PATH": path, "DOCKER_HOST": f"unix://{_run(user)}/docker.sock"}
        )
        log = user.home / "dockerd.log"
        start = there.command(["sh", "-c", f"exec dockerd-rootless.sh >{log} 2>&1"])
        daemon = subprocess.Popen(start, env=there.environment(), stdin=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 120
            asking = there.command(["docker", "version"])
            while subprocess.run(asking, env=there.environment(), capture_output=True, check=False).returncode:
                assert daemon.poll() is None, log.read_text(errors="replace")[-2000:]
                assert time.monotonic() < deadline
                time.sleep(0.3)
            yield there
        finally:
            daemon.terminate()  # RootlessKit passes it on
            daemon.wait(60)


def _run(user: Rootless) -> str:
    return str(user.env["XDG_RUNTIME_DIR"])


def _kit(folder: Path) -> Path:
    """The folder of RootlessKit's programs, unpacked if it is not installed."""
    if installed := shutil.which("rootlesskit"):
        return Path(installed).parent
    folder.mkdir()
    subprocess.run(["apt-get", "download", "rootlesskit"], cwd=folder, capture_output=True, check=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    subprocess.run(["chmod", "--recursive", "a+rX", str(folder)], check=True)
    return folder / "usr/bin"
