"""The host packages that Modulux needs: which are missing, the question about them, and their installation.

Only what an engine and image builds need, without recommended packages. Standard library only: the bootstrap uses it before
anything is installed. A thing counts as there when the program or file itself is found, whichever package it came from.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.errors import CancelledError, HostError

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
APT_ENV = ("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=600", "-o", "APT::Color=0")
HELPERS = ("usr/lib/podman", "usr/libexec/podman", "usr/local/libexec/podman", "usr/local/lib/podman")
"""Where Podman looks for netavark and its like, below the root."""

Say = Callable[[str], None]
Ask = Callable[[str], bool]


def find_program(name: str) -> str | None:
    """The program's path, also where only root's path leads."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


@dataclass(frozen=True)
class Need:
    """One thing that must be on the host.

    package: the Debian package that brings it.
    programs: any one of these on the path will do.
    files: or any one of these paths.
    why: what it is for, in a few words.
    """

    package: str
    why: str
    programs: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def met(self, which: Callable[[str], str | None] | None = None) -> bool:
        """Whether the host has it; `which` finds a program, on the path and where root's programs are without."""
        find = which or find_program
        return any(find(program) for program in self.programs) or any(file.exists() for file in self.files)


@dataclass(frozen=True)
class Host:
    """What of the host decides which packages fit.

    debian: the release as a number (12, 13; unstable counts as the newest), None on another distribution.
    root: whether the engine will run as root.
    """

    debian: int | None
    root: bool

    @classmethod
    def here(cls, etc: Path = Path("/etc")) -> Host:
        """This host."""
        return cls(debian_release(etc), os.geteuid() == 0)


def os_release(etc: Path = Path("/etc")) -> dict[str, str]:
    """The fields of `etc`/os-release; empty when there is none."""
    try:
        text = (etc / "os-release").read_text()
    except OSError:
        return {}
    fields = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip("\"'") for key, _, value in fields}


def debian_release(etc: Path = Path("/etc")) -> int | None:
    """Debian's release number, 99 for testing and unstable, None when this is not Debian."""
    fields = os_release(etc)
    if fields.get("ID") != "debian":
        return None
    number = fields.get("VERSION_ID", "").partition(".")[0]
    return int(number) if number.isdigit() else 99


def engine_needs(engine: str, host: Host, root: Path = Path("/")) -> list[Need]:
    """What `engine` ("podman" or "docker") and image builds need on `host`; `root` is where its file system begins."""
    needs = _docker(host, root) if engine == "docker" else _podman(host, root)
    return [*needs, Need("mmdebstrap", "builds base images from Debian's archive", ("mmdebstrap",))]


def emulator_needs(*, firmware: bool = False) -> list[Need]:
    """What booting a machine in a virtual machine needs; from a disk, that has a firmware too."""
    needs = [
        Need("qemu-system-x86", "virtual machines, to boot a machine in", ("qemu-system-x86_64",)),
    ]
    if firmware:
        places = (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_CODE.fd"), Path("/usr/share/edk2/ovmf"))
        needs.append(Need("ovmf", "the firmware of virtual machines, to boot a machine from its disk", (), places))
    return needs


def remote_needs() -> list[Need]:
    """What asking a machine elsewhere needs."""
    return [Need("openssh-client", "reaches machines at ssh:// addresses", ("ssh",))]


def _podman(host: Host, root: Path) -> list[Need]:
    needs = [
        Need("podman", "the engine", ("podman",)),
        Need("runc", "starts containers", ("runc", "crun")),
    ]
    if not any((root / place / "bridge").exists() for place in ("usr/lib/cni", "opt/cni/bin")):
        # netavark 1.4 (Debian 12) writes its rules by iptables, 1.14 (Debian 13) by nft
        firewall = ("iptables", "iptables") if (host.debian or 99) < 13 else ("nftables", "nft")
        needs += [
            Need("netavark", "networks of containers", (), tuple(root / place / "netavark" for place in HELPERS)),
            Need("aardvark-dns", "names on those networks", (), tuple(root / place / "aardvark-dns" for place in HELPERS)),
            Need(firewall[0], "publishes a port on the loopback", (firewall[1],)),
        ]
    if not host.root:
        needs += [
            Need("uidmap", "user ids of containers without root", ("newuidmap",)),
            # Podman 4 takes slirp4netns by default, 5 takes pasta
            Need("passt", "network of containers without root", ("pasta",))
            if (host.debian or 99) >= 13
            else Need("slirp4netns", "network of containers without root", ("slirp4netns",)),
        ]
    return needs


def _docker(host: Host, root: Path) -> list[Need]:
    socket = () if os.environ.get("DOCKER_HOST") is None else (root,)
    needs = [Need("docker.io", "the engine", ("dockerd",), (root / "run/docker.sock", root / "var/run/docker.sock", *socket))]
    if (host.debian or 99) >= 13:
        needs.append(Need("docker-cli", "talks to the engine", ("docker",)))
    return needs


def python_needs(executable: str = sys.executable) -> list[Need]:
    """What this Python lacks to make a virtual environment with pip in it."""
    from importlib.util import find_spec  # only here: the everyday start does without  # noqa: PLC0415

    if find_spec("venv") and find_spec("ensurepip"):
        return []
    if not os.path.realpath(executable).startswith("/usr/bin/"):
        raise HostError(
            f"the Python at {executable} has no venv and ensurepip modules",
            hint="Install them for it, or put /usr/bin first in PATH so that the host's own python3 is taken.",
        )
    return [Need("python3-venv", "Modulux's own Python environment")]


def missing(needs: Iterable[Need]) -> list[Need]:
    """Those of `needs` that the host does not have."""
    return [need for need in needs if not need.met()]


def install_command(packages: Sequence[str], *, root: bool | None = None) -> list[str]:
    """The command that installs `packages`, as a person would type it."""
    root = os.geteuid() == 0 if root is None else root
    return [*([] if root else ["sudo"]), "apt-get", "install", "--no-install-recommends", *packages]


def ensure_packages(engine: str, yes: bool, ask: Ask, say: Say | None = None) -> list[str]:
    """See to it that the host has what `engine` and builds need; returns the packages that were installed.

    Args:
        engine: "podman" or "docker".
        yes: install without asking.
        ask: asks the person a yes-or-no question; not called when nothing is missing.
        say: shows one line of progress; stderr without.

    Raises:
        HostError: something is missing and cannot be installed here, or there is nobody to ask.
        CancelledError: the answer was no.
    """
    return ensure(missing(engine_needs(engine, Host.here())), yes, ask, say)


def ensure(needs: Sequence[Need], yes: bool, ask: Ask, say: Say | None = None) -> list[str]:
    """Install what brings `needs`, after a yes. Like `ensure_packages`, for needs already found missing."""
    if not needs:
        return []
    packages = [need.package for need in needs]
    command = " ".join(install_command(packages))
    typed = f"{command.partition('apt-get')[0]}apt-get update && {command}"  # a new host has no package lists yet
    listing = "\n".join(f"  {need.package:<14} {need.why}" for need in needs)
    if not shutil.which("apt-get"):
        names = ", ".join(name for need in needs for name in (need.programs or (need.package,))[:1])
        raise HostError(
            f"this host lacks {names}, and has no apt-get to install them with",
            hint="Install them with the host's own package manager (their names on Debian: " + " ".join(packages) + ").",
        )
    if os.geteuid() != 0 and not shutil.which("sudo"):
        raise HostError(
            f"these host packages are missing, and only root may install them:\n{listing}",
            hint=f"Type as root: {typed.replace('sudo ', '')}",
        )
    if not yes:
        if not sys.stdin.isatty():
            raise HostError(
                f"these host packages are missing, and there is no terminal to ask on:\n{listing}",
                hint=f"Type: {typed}\nor run the same command again with --yes.",
            )
        if not ask(f"Modulux needs these host packages:\n{listing}\nInstall them by `{command}`?"):
            raise CancelledError("nothing was installed", hint=f"To install them yourself, type: {typed}")
    install(packages, say or to_stderr)
    return packages


def install(packages: Sequence[str], say: Say) -> None:
    """Install Debian `packages` without recommended ones, as root or by sudo, and show what happens line by line.

    Raises:
        HostError: apt-get failed; its last lines are in the message.
    """
    sudo: tuple[str, ...] = () if os.geteuid() == 0 else ("sudo", "--")
    say(f"{'by sudo: ' if sudo else ''}apt-get install --no-install-recommends {' '.join(packages)}")
    if _interrupted():
        say("completing an installation that was interrupted (dpkg --configure -a)")
        _apt((*sudo, *APT_ENV, "dpkg", "--configure", "-a"), say)
    update = _apt((*sudo, *APT_ENV, *APT, "update"), say)
    if update:  # a list may have failed that is not needed here, so go on and let the installation judge
        say("some package lists could not be fetched; trying with those there are")
    last = _apt((*sudo, *APT_ENV, *APT, "install", "--yes", "--no-install-recommends", *packages), say)
    if last:
        raise HostError(
            "apt-get could not install " + " ".join(packages) + "; it said:\n" + "\n".join(f"  {line}" for line in last),
            hint="Is the network there, and do /etc/apt/sources.list* name Debian's archive?",
        )
    say("installed")


def _interrupted(updates: Path = Path("/var/lib/dpkg/updates")) -> bool:
    """Whether dpkg was killed at work: it leaves its journal, files named by numbers."""
    try:
        return any(entry.name.isdigit() for entry in updates.iterdir())
    except OSError:
        return False


def _apt(argv: Sequence[str], say: Say, every: float = 3.0) -> list[str]:
    """Run `argv`, showing what it is at each `every` seconds; its last lines when it failed, else none."""
    told, last = time.monotonic(), list[str]()
    with run.lines(argv) as (process, output):
        for line in output:
            last = [*last[-14:], line]
            if time.monotonic() - told > every and line.strip():
                say(line.strip())
                told = time.monotonic()
        status = process.wait()
    return (last or [f"exit status {status}"]) if status else []


def to_stderr(line: str) -> None:
    """Show one line of progress."""
    sys.stderr.write(f"  {line}\n")
    sys.stderr.flush()


def ask_terminal(question: str) -> bool:
    """Ask a yes-or-no question on the terminal; anything but yes is no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
