"""Debian with Xfce as it is installed on a computer, as a disk for QEMU: what a machine of containers is compared with."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.bench import engine as eng
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import EngineError
from modulux.machine.build import KERNEL, START
from modulux.machine.emulator import Machine
from modulux.machine.slots import CONSOLES, PANIC, QUIET, TIMER
from modulux.paths import cache

HERE = Path(__file__).parent / "debian"
REPOSITORY = "localhost/modulux-bench-machine"
DISK = "disk.img"


@dataclass(frozen=True)
class Installed(Machine):
    """A computer with one disk, on which everything is; what is written to it is forgotten."""

    def kernel_line(self) -> str:
        return " ".join([CONSOLES, QUIET, PANIC, TIMER, "root=/dev/vda ro"])

    def drives(self) -> list[str]:
        return ["-drive", f"file={self.built / DISK},format=raw,if=virtio,snapshot=on"]


def make(engine: CommandLineEngine, base: str, kernel: Path, version: str) -> Path:
    """The folder with its disk, start-up archive and kernel, made if it is not there.

    Args:
        base: the image that modules are built on.
        kernel: the machine's, which must be this one's too.
        version: of that kernel, as its modules' folder is called.

    Raises:
        BuildError: its packages could not be installed.
        EngineError: its disk could not be made, or it came with another kernel.
    """
    recipe = "".join(path.read_text() for path in sorted(HERE.iterdir()))
    known = hashlib.sha256(f"{recipe}{base}{version}".encode()).hexdigest()[:12]
    folder = cache() / "machine" / f"debian.{known}"
    if not (folder / DISK).exists():
        image = f"{REPOSITORY}/xfce:{known}"
        if image not in engine.ours(REPOSITORY):
            with tempfile.TemporaryDirectory(prefix="modulux-bench.") as context:
                _lay_out(Path(context))
                eng.build(engine, Path(context), image, {"BASE": base, "KERNEL": version})
        _fill(engine, image, version, folder)
    if (folder / KERNEL).read_bytes() != kernel.read_bytes():
        raise EngineError("Debian came with another kernel than the machine's", hint="modulux machine build")
    return folder


def _lay_out(folder: Path) -> None:
    for path in HERE.iterdir():
        shutil.copy(path, folder / ("Dockerfile" if path.name == "Containerfile" else path.name))


def _fill(engine: CommandLineEngine, image: str, version: str, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="half-made.") as name:
        work = Path(name)
        container = engine.do(engine.argv("create", *engine.run_options, image, "true")).strip()
        try:
            engine.do(engine.argv("export", "--output", str(work / "files.tar"), container))
        finally:
            run.run(engine.argv("rm", container))
        engine.do(engine.once_argv(image, ["sh", "/usr/local/bin/make-disk", version], work=work))
        folder.mkdir(exist_ok=True)
        (work / "initramfs.zst").rename(folder / START)
        (work / "kernel").rename(folder / KERNEL)
        (work / DISK).rename(folder / DISK)  # last: with it, all is there
