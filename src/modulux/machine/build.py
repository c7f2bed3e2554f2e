"""A machine file → what is booted: a kernel, a start-up archive, the read-only system, the store of layers."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux import __version__
from modulux.engine.protocol import Engine, ImageFacts
from modulux.errors import HostError
from modulux.images.build import Sources
from modulux.images.build import build as build_images
from modulux.machine import device_firmware, layers, profiles
from modulux.machine.bootplan import boot_lines
from modulux.machine.compose import needs_of, outside
from modulux.machine.custody import note_desktops
from modulux.machine.demands import boot_lines as looked_at_boot
from modulux.machine.demands import refuse, shipped
from modulux.machine.description import FILE
from modulux.machine.description import text as description
from modulux.machine.journal import PLACE as JOURNAL
from modulux.machine.slot import LICENCES, Whole, firmware_module, obtain_for
from modulux.machine.starts import write_starts
from modulux.machine.tools import MODULE, Tools
from modulux.model.machine import Machine
from modulux.model.plan import Container, Plan, fingerprint
from modulux.paths import cache
from modulux.report import Note, Report, step
from modulux.resolve.catalog import Catalog

KERNEL, START, SYSTEM, STORE, RECORD = "kernel", "initramfs", "system.erofs", "store.erofs", "machine.json"
"""The files of a built machine."""

SETTINGS = "system/etc/machine"
"""What PID 1 and the containers are told, in the folder in which a machine is put together."""


@dataclass(frozen=True)
class Parts:
    """What a machine is built with."""

    catalog: Catalog
    engine: Engine
    sources: Sources
    report: Report


@dataclass(frozen=True)
class Built:
    """A machine on this host's disk. Sizes in bytes; those of firmware are parts of the files' own."""

    folder: Path
    name: str
    version: str
    kernel: str
    sizes: dict[str, int]
    firmware: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "name": self.name,
            "version": self.version,
            "kernel": self.kernel,
            "sizes": self.sizes,
            "firmware": self.firmware,
        }


def build(machine: Machine, plan: Plan, beside: Path, out: Path, parts: Parts) -> Built:
    """Build the machine into the folder `out`; a file of an earlier build is replaced when the new one is whole.

    Args:
        plan: what it runs, as `plan_machine` gives it.
        beside: the folder that relative paths of the machine file are meant from.

    Raises:
        ResolveError: the kernel lacks what a module needs.
    """
    catalog, engine, report = parts.catalog, parts.engine, parts.report
    init = f"init/{machine.init}"
    kernel = obtain_for(machine, beside, catalog=catalog, engine=engine, sources=parts.sources, report=report)
    needs = needs_of(plan, catalog)
    refuse(str(machine.kernel), kernel.lacks(needs, machine.profile))
    for line in kernel.bare(needs, machine):
        report(Note(line))
    demands = looked_at_boot(shipped(), needs)
    wanted = {i.reference: i for i in (*plan.images, *catalog.images([init, MODULE]))}
    build_images(list(wanted.values()), catalog, engine, parts.sources, report)
    made = made_of(machine, plan, parts)
    tools = Tools(engine, catalog.reference(MODULE))
    facts = layers.image_facts(engine, sorted({c.image for c in plan.containers}))
    kept = layers.keep(facts, tools, report)
    out.mkdir(parents=True, exist_ok=True)
    (cache() / "machine").mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=cache() / "machine", prefix="assembling."))
    try:
        work.chmod(0o755)
        with step(report, "machine", f"putting the machine `{machine.name}` together"):
            note_desktops(machine, plan, catalog, engine, work / SETTINGS / "desktops")
            _Assembly(machine, plan, kernel, carried(machine, catalog), facts, kept, tools, work, made, demands).run()
            return _finish(machine, kernel, work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@dataclass(frozen=True)
class _Assembly:
    """What goes into a machine, and the folder in which it is put together; `carried` is as the function of that name says."""

    machine: Machine
    plan: Plan
    kernel: Whole
    carried: Sequence[str]
    facts: Mapping[str, ImageFacts]
    layers: Mapping[str, Sequence[Path]]
    tools: Tools
    work: Path
    made_of: str
    demands: Sequence[str]

    def run(self) -> None:
        init = self.carried[0]
        self.tools.run(
            init, self.work, "cp", "-R", "--preserve=mode,links", "--no-dereference", "/system", "/initramfs", "/job/"
        )
        self._modules()
        firmware = self._firmware()
        self._settings(self.work / SETTINGS, device_firmware.lines(self.work / "system", firmware["files"]))
        into = self.work / "store/layers"
        into.mkdir(parents=True)
        for path in sorted({path for paths in self.layers.values() for path in paths}):
            link(path, into / path.name)
        self.tools.do("assemble", self.work)
        self._record({key: value for key, value in firmware.items() if key != "files"})

    def _modules(self) -> None:
        """Those of the kernel that the machine carries; the start-up archive has those it begins with, in their order."""
        chosen, start = profiles.profile(self.machine.profile), self.work / "initramfs"
        kernel = self.kernel.kernel
        profiles.write_subset(kernel, profiles.subset(kernel, chosen), self.work / "system")
        orders = {"order": profiles.start(kernel, chosen), "order.beside": profiles.beside(kernel, chosen)}
        profiles.start_archive(kernel, orders, start)

    def _firmware(self) -> dict[str, Any]:
        """Put it where the kernel looks: all in the system, and in the start-up archive for who is at work before that."""
        chosen, kernel = profiles.profile(self.machine.profile), self.kernel.kernel
        found = self.kernel.carries(profiles.asked_firmware(kernel, chosen))
        sizes = device_firmware.write(found, self.work / "system", self.kernel.config)
        early = self.kernel.carries(profiles.early_firmware(kernel, chosen))
        at_start = device_firmware.write(early, self.work / "initramfs", self.kernel.config)
        for folder in self.kernel.licences if sizes else ():
            if folder.is_dir():
                shutil.copytree(folder, self.work / "system" / LICENCES, dirs_exist_ok=True)
        drivers = [name for name in found.named if name not in found.bare]
        bytes = {SYSTEM: sum(sizes.values()), START: sum(at_start.values())}
        return {"files": sizes, "bytes": bytes, "drivers": drivers, "without": sorted(found.bare)}

    def _settings(self, folder: Path, firmware: Sequence[str]) -> None:
        names = {reference: [path.stem for path in paths] for reference, paths in self.layers.items()}
        write_starts(self.machine.init, self.plan, self.facts, self.tools, folder / "bundles")
        (folder / FILE).write_text(description(self.machine, self.kernel.version, [*self.carried, *sorted(names)]))
        (folder / "hostname").write_text(f"{self.machine.host}\n")
        version = version_of(folder, self.kernel, [*boot_lines(self.plan, names), *self.demands, *firmware])
        (folder / "boot").write_text(plan_lines(self.machine, self.plan, names, self.demands, version))
        (folder / "init").write_text(f"{self.machine.init}\n")
        (folder / "version").write_text(f"{version}\n")

    def _record(self, firmware: Mapping[str, Any]) -> None:
        record = {
            "name": self.machine.name,
            "version": (self.work / SETTINGS / "version").read_text().strip(),
            "kernel": self.kernel.version,
            "init": self.machine.init,
            "profile": self.machine.profile,
            "memory": self.machine.memory,
            "state": self.machine.state,
            "trial": self.machine.trial,
            "beside": [str(size) for size in self.machine.beside],
            "verity": {part: (self.work / f"{part}.verity").read_text().strip() for part in ("system", "store")},
            "containers": [c.name for c in self.plan.containers],
            "ports": [outside(p) for c in self.plan.containers for p in c.publish],
            "gateways": [_gateway(c) for c in self.plan.containers if c.publish],
            "journal": next((c.name for c in self.plan.containers if _keeps_journal(c)), None),
            "firmware": firmware,
            "made_of": self.made_of,
        }
        (self.work / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        shutil.copyfile(self.kernel.image, self.work / KERNEL)
        (self.work / "initramfs.zst").rename(self.work / f"{START}.done")


def plan_lines(machine: Machine, plan: Plan, names: Mapping[str, Sequence[str]], demands: Sequence[str], version: str) -> str:
    """The boot plan's text; `names` are the ids of each image's layers, `version` that of the system it is for."""
    lines = boot_lines(plan, names, version=version, host=machine.host)
    return "".join(f"{line}\n" for line in (*lines, *demands))


def _keeps_journal(c: Container) -> bool:
    return any(m.target == JOURNAL and not m.read_only for m in c.mounts)


def _gateway(c: Container) -> dict[str, Any]:
    return {"name": c.name, "desktop": c.hostname, "ports": {p.interface: outside(p) for p in c.publish}}


def made_of(machine: Machine, plan: Plan, parts: Parts) -> str:
    """A fingerprint of all that a machine is built from, images by their ids: it tells whether a built one is of today."""
    catalog = parts.catalog
    kernel = [f"kernel/{machine.kernel.module}"] if machine.kernel.module in _kernels(catalog) else []
    own = [*carried(machine, catalog), *(catalog.reference(id) for id in (MODULE, *kernel))]
    ids = parts.engine.image_ids([*own, *sorted({c.image for c in plan.containers})])
    return fingerprint([machine.model_dump(mode="json"), plan.to_json(), own, ids, __version__])


def carried(machine: Machine, catalog: Catalog) -> list[str]:
    """References of images whose files a machine carries, but which no container has: PID 1's, then that of its firmware."""
    firmware = firmware_module(machine, catalog)
    return [catalog.reference(f"init/{machine.init}"), *([firmware[0].reference(firmware[1])] if firmware else [])]


def _kernels(catalog: Catalog) -> set[str]:
    return {id.partition("/")[2] for id in catalog.ids if id.startswith("kernel/")}


def is_current(machine: Machine, plan: Plan, out: Path, parts: Parts) -> bool:
    """Whether the folder holds the machine as it would be built now. Kernels that are no modules of ours are looked at anew."""
    try:
        noted = json.loads((out / RECORD).read_text())["made_of"]
    except (OSError, ValueError, KeyError):
        return False
    return machine.kernel.module is not None and bool(noted == made_of(machine, plan, parts))


def noted(folder: Path) -> dict[str, Any]:
    """What was noted about the machine in that folder; nothing where none was built."""
    try:
        return dict(json.loads((folder / RECORD).read_text()))
    except (OSError, ValueError):
        return {}


def version_of(settings: Path, kernel: Whole, lines: Sequence[str]) -> str:
    """Sixteen hexadecimal digits that change with what is booted: the kernel, the boot plan, every container and layer."""
    digest = hashlib.sha256("\n".join([kernel.version, kernel.digest(), *lines]).encode())
    for path in sorted(p for p in settings.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(settings)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def link(path: Path, target: Path) -> None:
    """The same file under another name; a copy where that cannot be."""
    try:
        target.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, target)


def _finish(machine: Machine, kernel: Whole, work: Path, out: Path) -> Built:
    sizes = {}
    for name, source in ((KERNEL, KERNEL), (START, f"{START}.done"), (SYSTEM, SYSTEM), (STORE, STORE), (RECORD, RECORD)):
        new = out / f".{name}.new"
        try:
            shutil.copyfile(work / source, new)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise HostError(f"{new}: {error.strerror}", hint="another folder: modulux machine build -o DIR") from None
        sizes[name] = new.stat().st_size
    for name in sizes:
        (out / f".{name}.new").replace(out / name)
    record = noted(out)
    return Built(out, machine.name, record["version"], kernel.version, sizes, record["firmware"])
