"""The password of a repository: from a file, from a command's output, or asked on the terminal. Never an argument."""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from pathlib import Path

from modulux import run
from modulux.errors import PasswordError

HOW = "--password-file FILE or --password-command 'COMMAND', or the same keys in the configuration"


def password(file: Path | None, command: str | None, *, twice: bool = False) -> bytes:
    """The password, without white space around it, as restic reads it.

    Args:
        file: holds it.
        command: prints it; words as in a shell, without a shell.
        twice: asked twice on the terminal, since a new repository is locked by it.

    Raises:
        PasswordError: there is none, or nobody to ask.
    """
    if file is not None:
        try:
            found = file.expanduser().read_bytes().strip()
        except OSError as error:
            raise PasswordError(f"the password file {file}: {error.strerror}", hint=HOW) from None
        return _some(found, f"the password file {file}")
    if command is not None:
        return _some(_printed(command), f"the password command `{command}`")
    return _some(_asked(twice=twice), "the answer")


def _some(found: bytes, where: str) -> bytes:
    if not found:
        raise PasswordError(f"{where} is empty", hint="a repository without a password is open to everybody")
    if b"\n" in found or b"\0" in found:
        raise PasswordError(f"{where} holds more than one line", hint="the password alone")
    return found


def _printed(command: str) -> bytes:
    try:
        words = shlex.split(command)
        done = run.run(words or [command])
    except (OSError, ValueError):
        raise PasswordError(f"the password command `{command}` cannot be run", hint=HOW) from None
    if not done.ok:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.status}"]
        raise PasswordError(f"the password command `{command}` failed: {said[0]}")
    return os.fsencode(done.stdout.strip())


def _asked(*, twice: bool) -> bytes:
    if not sys.stdin.isatty():
        raise PasswordError("the repository has a password, and nobody is there to ask", hint=HOW)
    try:
        found = getpass.getpass("Password of the repository: ", sys.stderr)
        if twice and getpass.getpass("Again: ", sys.stderr) != found:
            raise PasswordError("the two are not the same")
    except EOFError:
        raise PasswordError("no password was given", hint=HOW) from None
    return found.strip().encode()
