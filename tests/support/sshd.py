"""OpenSSH's own server, unpacked and not installed: Debian's package would start one for everybody on the network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PACKAGES = ("openssh-server", "libwrap0")
USER = "sshd:x:{uid}:65534::/run/sshd:/usr/sbin/nologin"
"""Whom the server becomes before somebody has logged in."""

CONFIGURATION = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/hostkey
PidFile none
AuthorizedKeysFile {folder}/home/.ssh/authorized_keys
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
LogLevel ERROR
Subsystem sftp {subsystem}
"""


def program(folder: Path) -> tuple[Path, Path] | None:
    """The server and the folder of libraries that it needs beside this machine's; None if it cannot be had.

    Args:
        folder: where it is unpacked, if it is not installed.
    """
    if installed := shutil.which("sshd", path="/usr/sbin:/usr/local/sbin"):
        return Path(installed), folder
    folder.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, check=False).returncode:
        return None
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    (library,) = folder.glob("usr/lib/*/libwrap.so.0")
    return folder / "usr/sbin/sshd", library.parent


def command(folder: Path, port: int, server: tuple[Path, Path], subsystem: str = "internal-sftp") -> list[str]:
    """How it is started: on the loopback alone, with a key of its own, in a view of the file system in which its user exists.

    Args:
        folder: holds `home/.ssh/authorized_keys`; gets the rest.
    """
    binary, libraries = server
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "hostkey")], check=True)
    (folder / "config").write_text(CONFIGURATION.format(port=port, folder=folder, subsystem=subsystem))
    users = Path("/etc/passwd").read_text()
    if "\nsshd:" not in users:
        users += USER.format(uid=989) + "\n"
    (folder / "passwd").write_text(users)
    serve = [f"mount --bind {folder}/passwd /etc/passwd", "mount -t tmpfs none /run", "mkdir -m 755 /run/sshd"]
    serve += [f"LD_LIBRARY_PATH={libraries} exec {binary} -D -e -f {folder}/config"]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", " && ".join(serve)]
