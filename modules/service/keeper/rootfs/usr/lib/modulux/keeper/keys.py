"""Who this machine is to a server's SSH, and who the server is to it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from said import HOST, REPOSITORY, USAGE, RefusedError, confirm

FOLDER = Path.home() / ".ssh"
KEY, KNOWN = FOLDER / "id_ed25519", FOLDER / "known_hosts"
PATIENCE = "10"
"""Seconds that a server has to answer."""


def public_key() -> str:
    """The line for a server's `authorized_keys`. Its other half is made the first time, and never leaves this container's home.

    Raises:
        RefusedError: it cannot be made.
    """
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    if not KEY.exists():
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"modulux@{os.uname().nodename}", "-f", str(KEY))
    return _run("ssh-keygen", "-y", "-f", str(KEY)).strip()


def know(server: str, *, yes: bool) -> list[str]:
    """Take a server's keys for its own from now on, after a yes; their fingerprints.

    Args:
        server: `me@server`, `server` or `me@server:2222`.

    Raises:
        RefusedError: it is none, nobody answers there, or it was a no.
    """
    found = re.fullmatch(r"(?:[^@/\s]+@)?([A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?", server)
    if found is None:
        raise RefusedError(f"`{server}` is no server", USAGE, "such as me@server, or me@server:2222")
    scan = ["ssh-keyscan", "-T", PATIENCE, "-p", found[2] or "22", found[1].strip("[]")]
    shown = subprocess.run(scan, capture_output=True, text=True, errors="replace", check=False).stdout
    if not shown.strip():  # its exit status says little
        raise RefusedError(f"nobody answers by SSH at {server}", REPOSITORY)
    lines = _run("ssh-keygen", "-l", "-f", "-", given=shown).splitlines()
    prints = [" ".join((line.split()[1], line.split()[-1])) for line in lines]
    confirm(f"{server} has the keys\n  " + "\n  ".join(prints) + "\nIs that the one that is meant?", yes)
    before = KNOWN.read_text() if KNOWN.exists() else ""
    KNOWN.write_text(before + "".join(f"{line}\n" for line in shown.splitlines() if line not in before.splitlines()))
    return prints


def _run(*words: str, given: str = "") -> str:
    done = subprocess.run(words, input=given, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise RefusedError(f"{words[0]}: {(done.stderr.strip().splitlines() or ['?'])[-1]}", HOST)
    return done.stdout
