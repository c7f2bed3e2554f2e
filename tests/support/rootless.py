"""An ordinary user on this host, for engines without root: a mount and process namespace of our own, gone with the context.

Inside it the user has a line in /etc/passwd and ids in /etc/subuid and /etc/subgid, and /dev/net/tun and /dev/fuse are open, as on
most systems. Outside nothing of the host is changed: those files are copies, and the devices are nodes on a tmpfs.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import ROOT, Cli

UID = 61000
IDS = 6_100_000, 65_536
"""The first of the ids that the user may give to containers, and how many."""

DEVICES = {"/dev/net/tun": (10, 200), "/dev/fuse": (10, 229)}
PROGRAMS = ("podman", "newuidmap", "unshare", "nsenter", "setpriv", "mmdebstrap")


def why_not() -> str | None:
    """Why this host cannot have such a user; None when it can."""
    if os.geteuid() != 0:
        return "only root can make the user that these tests need"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if not any(shutil.which(name) for name in ("slirp4netns", "pasta")):
        lacking.append("slirp4netns or pasta")
    lacking += [path for path in DEVICES if not Path(path).exists()]
    if lacking:
        return f"this host lacks {', '.join(lacking)}"
    unshare = [
        "setpriv",
        f"--reuid={UID}",
        f"--regid={UID}",
        "--clear-groups",
        "--",
        "unshare",
        "--user",
        "--map-root-user",
        "true",
    ]
    done = subprocess.run(unshare, cwd="/", capture_output=True, text=True, check=False)
    return f"the kernel refuses user namespaces here: {done.stderr.strip()}" if done.returncode else None


@dataclass
class Rootless(Cli):
    """`modulux` with Podman as that user; `home` is the user's, and can be written from here too."""

    home: Path = Path("/")
    enter: tuple[str, ...] = ()

    def command(self, argv: Sequence[str]) -> list[str]:
        return [*self.enter, *argv]


@contextlib.contextmanager
def rootless() -> Iterator[Rootless]:
    """Give the command line of an ordinary user with an empty home below /var/tmp; both go with the context."""
    folder = Path(tempfile.mkdtemp(prefix="modulux-rootless-", dir="/var/tmp"))
    folder.chmod(0o755)
    home, run = folder / "home", folder / "run"
    for made in (home, run):
        made.mkdir(mode=0o700)
        os.chown(made, UID, UID)
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--mount-proc", "sh", "-euc", _script(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        first = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        enter = ["nsenter", "--target", first, "--mount", "--pid", "--"]
        enter += ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
        names = {"HOME": str(home), "USER": "modulux-test", "LOGNAME": "modulux-test", "XDG_RUNTIME_DIR": str(run)}
        names |= dict.fromkeys(("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS"), "")
        yield Rootless("podman", names, home=home, enter=tuple(enter))
    finally:
        holder.communicate()  # the end of its stdin ends the namespace's first process, and with it all others there
        shutil.rmtree(folder)


def _script(folder: Path) -> str:
    """What makes the namespace, and then stays until its stdin ends; `wait` reaps what becomes an orphan meanwhile."""
    first, count = IDS
    lines = []
    for file, line in {
        "passwd": f"modulux-test:x:{UID}:{UID}::{folder}/home:/bin/sh",
        "group": f"modulux-test:x:{UID}:",
        "subuid": f"modulux-test:{first}:{count}",
        "subgid": f"modulux-test:{first}:{count}",
    }.items():
        lines += [f"cat /etc/{file} - >{folder}/{file} <<E\n{line}\nE", f"mount --bind {folder}/{file} /etc/{file}"]
    lines += [f"mkdir {folder}/dev", f"mount -t tmpfs -o mode=755,size=64k none {folder}/dev"]
    for path, (major, minor) in DEVICES.items():
        node = folder / "dev" / Path(path).name
        lines += [f"mknod {node} c {major} {minor}", f"chmod 666 {node}", f"mount --bind {node} {path}"]
    lines += _opened(folder / "held", [ROOT, Path(sys.base_prefix)])
    return "\n".join([*lines, "mount --make-rshared /", "echo ready", "exec >/dev/null 3<&0", "cat <&3 &", "wait"])


def _opened(held: Path, needed: Sequence[Path]) -> list[str]:
    """Commands that make `needed` reachable where a folder above (root's home, say) is closed to others."""
    closed: dict[Path, list[Path]] = {}
    for path in needed:
        above = [p for p in reversed(path.parents) if not p.stat().st_mode & 0o001]
        if above:
            closed.setdefault(above[0], []).append(path)
    lines = []
    for number, (top, paths) in enumerate(closed.items()):
        kept = {path: held / f"{number}.{n}" for n, path in enumerate(paths)}
        for path, at in kept.items():
            lines += [f"mkdir -p {at}", f"mount --bind {shlex.quote(str(path))} {at}"]
        lines.append(f"mount -t tmpfs -o mode=755,size=1m none {shlex.quote(str(top))}")
        for path, at in kept.items():
            lines += [f"mkdir -p {shlex.quote(str(path))}", f"mount --move {at} {shlex.quote(str(path))}"]
    return lines
