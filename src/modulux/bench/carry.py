"""How fast a desktop is carried: out of the engine into a file, and from the file into an engine that has nothing of it.

Beside it what one would type without Modulux: the images by `save` and each volume by a tar, both through zstd. Rates are bytes
before compression (images once unpacked, and data) for each second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modulux import run
from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.figures import Figure, Row, Series
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import ModuluxError

NAME = "bench-carry"

DATA = """cd && mkdir -p data && head -c 128M /dev/urandom >data/random && i=0 && while [ $i -lt 2000 ]; do
head -c 48000 /usr/bin/perl /bin/bash >data/$i 2>/dev/null; i=$((i + 1)); done"""
"""What the home is filled with: half of it cannot be compressed."""

ROUNDS = 3


def measure(engine: CommandLineEngine, cli: CommandLine, folder: Path, say: Callable[[str], None]) -> Figure:
    """MB/s of `export` and `import`, and of the engine's own commands."""
    file = desktop(folder, NAME, sessions=["openbox"], apps=["terminal"])
    rates: dict[str, list[float]] = {name: [] for name in ("export", "import", "save and tar")}
    notes = []
    with cli.gone_after(NAME):
        cli.up(file)
        engine.do(engine.exec_argv(f"modulux.{NAME}.terminal", ["sh", "-c", DATA]), timeout=600)
        plan = cli.plan(file)
        for number in range(ROUNDS):
            say(f"carrying a desktop, {number + 1} of {ROUNDS}")
            archive = folder / "carry.modulux"
            seconds, said = _timed(cli, "export", NAME, "-o", str(archive))
            amount = _amount(engine, plan) + said["data_bytes"]
            rates["export"].append(amount / seconds / eng.MB)
            if shutil.which("zstd"):
                rates["save and tar"].append(amount / _plainly(engine, plan, folder) / eng.MB)
            with _elsewhere(engine) as whole:
                seconds, _ = _timed(cli, "import", str(archive), "--as", f"{NAME}-there")
                rates["import"].append((amount if whole else said["data_bytes"]) / seconds / eng.MB)
                cli.down(f"{NAME}-there")
            notes = [f"{amount / eng.MB:.0f} MB in a file of {said['bytes'] / eng.MB:.0f} MB"]
            notes += [] if whole else ["the images were there already: import is that of the data alone"]
            archive.unlink()
    rows = [Row(name, Series(tuple(values)), ours=name != "save and tar") for name, values in rates.items() if values]
    return Figure("carry", "A desktop into a file and out of it", "MB/s", tuple(rows), notes=tuple(notes))


def _timed(cli: CommandLine, *words: str) -> tuple[float, dict[str, Any]]:
    began = time.monotonic()
    answer = cli.ask(*words)
    return time.monotonic() - began, answer


def _amount(engine: CommandLineEngine, plan: dict[str, Any]) -> int:
    """Bytes of all images, what they share once."""
    sizes = {image["reference"]: eng.size(engine, image["reference"]) for image in plan["images"]}
    return sum(sizes[i["reference"]] - sizes.get(i["base"] or "", 0) for i in plan["images"])


def _plainly(engine: CommandLineEngine, plan: dict[str, Any], folder: Path) -> float:
    """Seconds that the engine's own means take, with the same compression."""
    began = time.monotonic()
    saves = [engine.save_argv([image["reference"] for image in plan["images"]])]
    points = engine.volume_paths([v["name"] for v in plan["volumes"] if v["kept"]])
    saves += [engine.near_argv(["tar", "--create", "--directory", str(point), "."]) for point in points.values()]
    for number, argv in enumerate(saves):
        packed = folder / f"plain.{number}.zst"
        for done in run.joined(argv, ["zstd", "-q", "-3", "-T2", "-f", "-o", str(packed)]):
            if not done.ok:
                raise ModuluxError(f"{run.shown(done.argv[:3])} failed: {done.stderr.strip()[-300:]}")
        packed.unlink()
    return time.monotonic() - began


@contextlib.contextmanager
def _elsewhere(engine: CommandLineEngine) -> Iterator[bool]:
    """An engine that has nothing: for root's Podman another storage. True if there is one; Docker has its one daemon."""
    folder = Path(tempfile.mkdtemp(prefix="modulux-bench-", dir="/var/tmp"))
    named = {"XDG_DATA_HOME": str(folder / "data")}
    whole = engine.name == "podman" and not engine.rootless
    if whole:
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        )
        (folder / "containers.conf").write_text(
            f'[engine]\nlock_type = "file"\ntmp_dir = "{folder}/tmp"\nstatic_dir = "{folder}/root/libpod"\n'
            f'volume_path = "{folder}/root/volumes"\n'
        )
        named |= {"CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"), "CONTAINERS_CONF": str(folder / "containers.conf")}
    before = {name: os.environ.get(name) for name in named}
    os.environ.update(named)
    try:
        yield whole
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        for point in _mounted(folder):
            run.run(["umount", "--lazy", point])
        shutil.rmtree(folder, ignore_errors=True)


def _mounted(folder: Path) -> list[str]:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in reversed(points) if Path(point).is_relative_to(folder)]
