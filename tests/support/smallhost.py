"""A small machine of the tests' own: a system disk, a big disk, its own processes, mounts and network; with the power switched off by us.

Its /etc and /var/lib lie on the system disk, so that engines run there with nothing but their defaults, and nothing of the real
machine is seen or touched. Disks are files: what a cut of the power loses is what had not reached the file yet.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cli import Cli

PROGRAMS = ("unshare", "nsenter", "mount", "mkfs.ext4", "rsync", "chattr", "busybox")
SIZE = "1500M"
ROOM = 4 << 30

BOOT = """
mount -o loop,noatime {folder}/sys.img {folder}/sys
mkdir -p {folder}/sys/etc {folder}/sys/lib
[ -e {folder}/sys/etc/passwd ] || { cp -a /etc/. {folder}/sys/etc/ && : >{folder}/sys/etc/fstab && rm -rf {folder}/sys/etc/docker; }
mount --bind {folder}/sys/etc /etc
mount --bind {folder}/sys/lib /var/lib
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock
[ ! -e {folder}/big.img ] || mount -o loop,noatime {folder}/big.img {folder}/big
mount --all
ip link set lo up
echo ready
exec >/dev/null 3<&0
cat <&3 &
wait
"""


def why_not() -> str | None:
    """Why this host cannot have such a machine; None when it can."""
    if os.geteuid() != 0:
        return "only root can mount the disks that these tests need"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        return f"this host lacks {', '.join(lacking)}"
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"the kernel refuses namespaces here: {done.stderr.strip()}"
    return None if Path("/dev/loop-control").exists() else "there are no loop devices here"


@dataclass
class SmallHost(Cli):
    """`modulux` on that machine; `folder` holds its disks, `big` is where the big one is mounted."""

    folder: Path = Path("/")
    holder: subprocess.Popen[str] | None = None
    ids: set[str] = field(default_factory=set)

    @property
    def big(self) -> Path:
        return self.folder / "big"

    # -- power -------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start it: disks, /etc/fstab, nothing else."""
        self.holder = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation=private",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--net",
                "sh",
                "-euc",
                BOOT.replace("{folder}", str(self.folder)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.holder.stdout is not None
        if self.holder.stdout.readline() != "ready\n":
            self.holder.kill()
            self.holder.wait()
            self.holder = None
            raise AssertionError("the machine does not start")

    def off(self) -> None:
        """End everything there at once; what had been written reaches the disks."""
        if self.holder is None:
            return
        self._remember()
        first = self._first()
        os.kill(int(first), signal.SIGKILL)
        self.holder.kill()
        self.holder.wait()
        self.holder = None
        for _ in range(100):  # the disks are free when the last process there has gone
            if not any(str(self.folder) in f.read_text() for f in Path("/sys/block").glob("loop*/loop/backing_file")):
                break
            time.sleep(0.1)
        self._forget_groups()

    def cut(self) -> None:
        """Cut the power: what had not reached the disks is lost."""
        disks = [d for d in ("sys.img", "big.img") if (self.folder / d).exists()]
        for _ in range(50):
            for disk in disks:
                subprocess.run(["cp", "--sparse=always", self.folder / disk, self.folder / f"{disk}.cut"], check=True)
            # what is the same before and after was so at one moment, on both disks; torn copies are no power cut
            pairs = [(self.folder / disk, self.folder / f"{disk}.cut") for disk in disks]
            if all(subprocess.run(["cmp", "--silent", *pair], check=False).returncode == 0 for pair in pairs):
                break
        else:
            raise AssertionError("the disks are never still")
        self.off()
        for disk in disks:
            (self.folder / f"{disk}.cut").replace(self.folder / disk)

    def _first(self) -> str:
        assert self.holder is not None
        return Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()[0]

    def _remember(self) -> None:
        """The containers' ids, by which their control groups are called."""
        script = "ls /var/lib/docker/containers /var/lib/containers/storage/overlay-containers"
        found = self.do("sh", "-c", script, check=False).stdout.split()
        self.ids |= {name for name in found if len(name) == 64}

    def _forget_groups(self) -> None:
        for parent in Path("/sys/fs/cgroup").glob("*/*/"):
            if parent.name in {"docker", "libpod_parent", "machine.slice"}:
                for group in [g for g in parent.iterdir() if g.is_dir() and any(i in g.name for i in self.ids)]:
                    for inner in sorted([*group.rglob("*/"), group], reverse=True):
                        with contextlib.suppress(OSError):
                            inner.rmdir()

    # -- commands ----------------------------------------------------------------------------------------------------

    def command(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", self._first(), "--mount", "--pid", "--net", "--", *argv]

    def do(
        self, *argv: str, check: bool = True, input: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(argv),
            env=self.environment(),
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0 or not check, f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def sh(self, script: str, *words: str) -> str:
        return self.do("sh", "-euc", script, "sh", *words).stdout

    def python(self, script: str, *words: str) -> str:
        return self.do(sys.executable, "-", *words, input=script).stdout

    # -- Docker ------------------------------------------------------------------------------------------------------

    def dockerd(self, *flags: str) -> None:
        """Start Docker's daemon, as an init script would, and wait until it answers."""
        words = " ".join(flags)
        self.do("sh", "-c", f"setsid dockerd {words} </dev/null >>/run/dockerd.log 2>&1 &")
        for _ in range(300):
            if self.do("docker", "version", check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError(self.sh("tail -20 /run/dockerd.log"))


@contextlib.contextmanager
def small_host(
    *, big: str | None = "ext4", size: str = SIZE, system: str = SIZE, mkfs: Sequence[str] = ()
) -> Iterator[SmallHost]:
    """A machine that runs; all of it goes with the context.

    Args:
        big: the file system of the big disk; none without. size: of the big disk. system: size of the system disk.
        mkfs: more words for the big disk's mkfs.
    """
    roomy = (
        shutil.disk_usage("/dev/shm").free > ROOM
    )  # the disks' files in memory: quick, and no other tests' disk stands still
    folder = Path(tempfile.mkdtemp(prefix="modulux-host-", dir="/dev/shm" if roomy else "/var/tmp"))
    host = SmallHost(folder=folder)
    try:
        for name, kind, much, words in (("sys", "ext4", system, ()), ("big", big, size, mkfs)):
            (folder / name).mkdir()
            if kind:
                subprocess.run(["truncate", "-s", much, folder / f"{name}.img"], check=True)
                subprocess.run([f"mkfs.{kind}", "-q", *words, folder / f"{name}.img"], check=True, capture_output=True)
        host.boot()
        yield host
    finally:
        host.off()
        shutil.rmtree(folder)
