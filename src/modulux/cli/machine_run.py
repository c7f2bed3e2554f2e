"""`modulux machine run`: a machine, booted in QEMU."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes, ask
from modulux.cli.host import prepare_host

EMPTY_DISK = 16 * 1024**3
"""Size in bytes of a disk to install on, which takes no more room than what is written to it."""

DISK = "boot this disk image by its firmware (UEFI) instead; made when it is not there"
ISO = "boot this ISO image as its CD; made when it is not there. --disk then is the disk beside it"

SECOND = "1024x768"
"""The size of a screen that no file gives one."""

if TYPE_CHECKING:
    from modulux.machine.running import Running
    from modulux.model.units import Screen


def run_machine(
    file: Annotated[str, Parameter(help="a machine file, or a ready-made one's name")] = "xfce",
    *,
    built: Annotated[Path | None, Parameter(help="a folder of `machine build -o`, instead of building")] = None,
    disk: Annotated[Path | None, Parameter(help=DISK)] = None,
    iso: Annotated[Path | None, Parameter(help=ISO)] = None,
    stick: Annotated[bool, Parameter(help="the ISO image is on a memory stick rather than a CD")] = False,
    usb: Annotated[list[Path] | None, Parameter(help="plug this file in as a memory stick; may be given several times")] = None,
    more: Annotated[
        list[Path] | None, Parameter(help="a disk more, in this file, also at its next starts; several times")
    ] = None,
    no_more: Annotated[bool, Parameter(help="without the disks that it was given by --more")] = False,
    screens: Annotated[int | None, Parameter(help="how many screens its card has; without, what its file says")] = None,
    name: Annotated[str | None, Parameter(help="of the virtual machine and its disk; without, the machine's")] = None,
    memory: Annotated[str | None, Parameter(help="of the virtual machine, such as 512m; without, what its file says")] = None,
    processors: Annotated[int, Parameter(help="how many the virtual machine has")] = 2,
    background: Annotated[bool, Parameter(help="return when the desktop is ready; `machine stop` ends it")] = False,
    fresh: Annotated[bool, Parameter(help="no disk: what it writes is gone when it ends")] = False,
    sound: Annotated[Path | None, Parameter(help="record what its sound card plays into this WAV file")] = None,
    window: Annotated[bool, Parameter(help="show its screen in a window of this desktop (QEMU's GTK)")] = False,
    timeout: Annotated[float, Parameter(help="seconds in which its desktop must be ready")] = 300.0,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Boot a machine in a virtual machine, with screen, sound, network and a disk; KVM where it works."""
    from modulux.machine import emulator, further, places
    from modulux.machine import running as r

    common = common or Common()
    disk, iso = (path.resolve() if path else None for path in (disk, iso))
    _emulator(firmware=bool(disk or iso), window=window, yes=yes)
    built = _with_iso(file, iso, disk, yes, common) if iso else _prepared(file, built, disk, yes, common)
    facts = r.record(built)
    name = name or str(facts["name"])
    machine = emulator.Machine(
        built=built.resolve(),
        sockets=places.sockets_folder(name),
        state=None if fresh or disk or iso else r.state_disk(name, int(facts["state"])),
        memory=_memory(facts, memory),
        processors=processors,
        accelerator=emulator.accelerator(built / "kernel"),
        ports={int(inside): r.free_port() for inside in facts["ports"]},
        sound=sound.resolve() if sound else None,
        speakers="none" if sound else _speakers(common),
        window=window,
        disk=disk,
        variables=_variables(name) if disk or iso else None,
        fresh=fresh,
        iso=iso,
        stick=stick,
        usb=[emulator.there(path) for path in usb or ()],
        more=further.further_disks(name, more, common.report, none=no_more),
        beside=_beside(facts, screens),
    )
    _attend(r.start(name, machine), facts, timeout, common, background=background, installs=bool(iso and disk))


def _emulator(*, firmware: bool, window: bool, yes: bool) -> None:
    """See to it that the host has a QEMU, and what else this start takes of it."""
    from modulux.host.packages import ensure
    from modulux.machine.offers import lacking, refuse_window

    ensure(lacking(firmware=firmware, window=window), yes, ask)
    if window:
        refuse_window()


def _speakers(common: Common) -> str:
    from modulux.machine.offers import speakers
    from modulux.report import Note

    driver, told = speakers()
    if told:
        common.report(Note(told))
    return driver


def _memory(facts: dict[str, Any], wanted: str | None) -> int:
    from modulux.errors import UsageError
    from modulux.model.machine import enough_memory
    from modulux.model.units import parse_size

    if wanted is None:
        return int(facts["memory"])
    try:
        return enough_memory(parse_size(wanted))
    except ValueError as error:
        raise UsageError(f"--memory {wanted}: {error.args[0]}", hint=(*error.args, "such as 512m")[1]) from None


def _variables(name: str) -> Path:
    """What its firmware remembers."""
    from modulux.machine.firmware import variables
    from modulux.machine.places import disks_folder

    return variables(disks_folder(name) / "firmware.fd")


def _beside(facts: dict[str, Any], count: int | None) -> tuple[Screen, ...]:
    """Its screens but the first, those of its file before others; as many as are asked for.

    Raises:
        UsageError: none, or more than a machine file may name.
    """
    from modulux.errors import UsageError
    from modulux.model.machine import MOST_SCREENS
    from modulux.model.units import Screen

    if count is not None and not 1 <= count <= MOST_SCREENS:
        raise UsageError(f"--screens {count}: from 1 to {MOST_SCREENS}", hint="without it, as many as the machine file says")
    own = [Screen.model_validate(size) for size in facts.get("beside", ())]
    more = [Screen.model_validate(SECOND)] * ((count or 0) - 1 - len(own))
    return tuple([*own, *more][: None if count is None else count - 1])


def _prepared(file: str, built: Path | None, disk: Path | None, yes: bool, common: Common) -> Path:
    """The folder of what is booted, and the disk too, each built if it is not there."""
    from modulux.cli.machines import disk_of, ensure_built
    from modulux.machine.disk import taken

    if disk and disk.exists():
        return taken(disk)
    if built is None:
        prepare_host(common, yes)
        built = ensure_built(file, common)
    if disk:
        disk_of(built, disk, common)
        return taken(disk)
    return built


def _with_iso(file: str, iso: Path, disk: Path | None, yes: bool, common: Common) -> Path:
    """The folder of what is known of an ISO image, which is made if it is not there, as is an empty disk beside it."""
    from modulux.cli.machines import described, ensure_built, iso_of
    from modulux.machine.disk import note_beside, taken
    from modulux.machine.in_use import refuse_used

    if disk:
        refuse_used(disk)
    if not iso.exists():
        prepare_host(common, yes)
        iso_of(described(file, common), ensure_built(file, common), iso, common)
    built = taken(iso)
    if disk:
        if not disk.exists():
            with disk.open("wb") as empty:
                empty.truncate(EMPTY_DISK)
        note_beside(disk, built)  # of what will be on it
    return built


def _attend(
    running: Running, facts: dict[str, object], timeout: float, common: Common, *, background: bool, installs: bool
) -> None:
    """Until it goes off; in the background until its desktop is ready. Then, too, Ctrl-C is its power button."""
    try:
        seconds = _boot(running, timeout, common)
        _tell(running, seconds, facts, common, background=background, installs=installs)
        while not background and running.alive():
            time.sleep(0.3)
    except KeyboardInterrupt:
        if background or not running.alive():
            raise
        _switch_off(running, common)


def _boot(running: Running, timeout: float, common: Common) -> float:
    """Wait until the desktop is ready, which is told as it happens; seconds from power-on. What does not get there is ended."""
    from modulux.machine.running import stop, wait_ready
    from modulux.report import Note, step

    try:
        with step(common.report, "boot", f"booting `{running.name}` ({running.machine.accelerator})"):
            return wait_ready(running, timeout, lambda at, words: common.report(Note(f"{at:6.1f} s  {words}")))
    except BaseException:
        stop(running, grace=10)
        raise


def _tell(
    running: Running, seconds: float, facts: dict[str, object], common: Common, *, background: bool, installs: bool
) -> None:
    from modulux.cli.machine_open import ways

    found = ways(running, facts, common.report)
    result = {"name": running.name, "pid": running.pid, "seconds": seconds, "screen": running.screen, **found}

    def show(console: Console) -> None:
        console.print(f"{running.name} runs; its desktop was ready {seconds:.1f} s after power-on.")
        if running.screen:
            console.print(f"  its screen    {running.screen}   password {running.password}   (any VNC client)")
        for kind, way in found.items():
            console.print(f"  {kind:<13} {way}")
        if installs:
            console.print(f"  install it    Ctrl-Alt-F3 on its screen, or modulux machine console {running.name}")
        console.print(f"  stop it       {f'modulux machine stop {running.name}' if background else 'Ctrl-C'}")

    common.result(result, show)


def _switch_off(running: Running, common: Common) -> None:
    """By its power button; it is told when that does not do."""
    from modulux.machine.running import Ended, stop
    from modulux.report import Note

    if (ended := stop(running)) is not Ended.BY_ITSELF:
        common.report(Note(f"{running.name} did not go off by itself; it was {ended}"))
