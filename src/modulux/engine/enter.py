"""Into a running container without its engine's `exec`: by its first process's namespaces and root. Needs root."""

from __future__ import annotations

from collections.abc import Sequence


def enter_argv(pid: int, environment: Sequence[str], command: Sequence[str]) -> list[str]:
    """The command that runs `command` in the container whose first process is `pid`, as its user and with no more rights.

    The one thing that `exec` would add is the seccomp filter: this is for where `exec` cannot be had (see host/chroot.py).
    """
    namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
    rights = ["--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    return [
        *("nsenter", "--target", str(pid), *namespaces, "--root", "--"),
        *("setpriv", *rights, "--"),
        *("env", "--ignore-environment", "--chdir=/home/user", *environment, *command),
    ]
