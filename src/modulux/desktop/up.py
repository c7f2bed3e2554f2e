"""Bringing a desktop up: make what differs from the plan, wait until it can be used, undo it if that fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from modulux import run
from modulux.desktop.change import Change, change
from modulux.desktop.down import remove
from modulux.desktop.noted import note_again
from modulux.desktop.ready import UNDISTURBED, ModuleNotReadyError, Watch, unproven, wait_all_ready
from modulux.desktop.start import start
from modulux.desktop.state import Found, look
from modulux.desktop.switch import finish
from modulux.engine.protocol import Engine
from modulux.errors import HostError, ModuluxError, NotReadyError
from modulux.model.module import Role
from modulux.model.plan import Plan
from modulux.paths import lock
from modulux.ports import taken
from modulux.report import Note, Report, step
from modulux.resolve.plan import container_name

LOG_LINES = 12

UNDO_PAUSE = 1.0
"""Seconds before the undo is tried once more."""


@dataclass(frozen=True)
class Came:
    """What `up` did: the containers it started and removed; none when all was there."""

    started: tuple[str, ...]
    removed: tuple[str, ...]
    found: Found


def up(engine: Engine, plan: Plan, report: Report, images: Callable[[], object], *, keep: bool = False) -> Came:
    """Make the plan true.

    Args:
        images: sees to it that the plan's images are there; called while the engine is asked what runs.
        keep: leave what was started as it is if it does not get ready.

    Raises:
        NameTakenError, EngineError, BuildError.
        HostError: a port of the desktop file is taken.
        NotReadyError: a module died or did not get ready in time; the hint holds the end of its log.
    """
    with lock(f"{engine.name}.{plan.desktop}"):
        before = look(engine, plan.desktop)
        if finish(engine, before):  # a restore that was killed between two of the desktop's volumes
            before = look(engine, plan.desktop)
        todo = change(plan, before)
        if not todo:
            with step(report, "ready", "looking whether it can be used"):
                wait_all_ready(engine, plan.containers)
            return Came((), (), before)
        _check_ports(todo, before)
        if todo.start:
            engine.tidy(container_name(plan.desktop, ""))
            images()
        watch = Watch(engine, plan, begins=len(todo.start) == len(plan.containers))
        with run.one_interrupt() as ignore_interrupts:
            try:
                now = _apply(engine, plan, todo, watch, report)
            except BaseException as error:  # noqa: BLE001  an interrupt too: nothing half-made stays
                ignore_interrupts()
                watch.abandon()
                told = explained(error, engine)  # before the undo: the log goes with the container
                if not keep:
                    _try_undo(engine, plan, before, report)
                raise told from None
        return Came(tuple(c.name for c in todo.start), tuple(n for wave in todo.remove for n in wave), now)


def _check_ports(todo: Change, before: Found) -> None:
    """Refuse, before anything is touched, when a port that the desktop file asks for is taken by somebody else."""
    ours = {port for module in before.modules.values() for _, port in module.state.ports.values()}
    for publish in (p for c in todo.start for p in c.publish if p.host_port and p.host_port not in ours):
        if why := taken(publish.address, publish.host_port):
            raise HostError(
                f"port {publish.host_port} at {publish.address} cannot be had: {why.strerror}",
                hint="leave the port out of the desktop file and one that is free is found; or: modulux doctor --desktop FILE",
            )


def _apply(engine: Engine, plan: Plan, todo: Change, watch: Watch, report: Report) -> Found:
    if todo.remove:
        with step(report, "replace", "taking away what differs"):
            for wave in todo.remove:
                engine.remove("container", wave)
    engine.remove("volume", todo.outdated)
    draws = any(c.ready.drawn or c.role in (Role.DISPLAY, Role.VIEWER) for c in todo.start)
    if todo.start and len(todo.start) == len(plan.containers):
        engine.adopt([v.name for v in plan.volumes if v not in todo.volumes], plan.containers[0].host_files)
    if todo.start or todo.volumes:
        what = ", ".join(c.short for c in todo.start)
        with step(report, "start", f"starting {what}" if what else "noting down what changed"):
            start(engine, todo, lambda c: watch.begin(c) if draws else None)
    if draws:
        watch.begin_all()
        if not watch.viewers:
            report(Note("this desktop has no viewer that speaks RFB, so its picture was not looked at"))
    with step(report, "ready", "waiting until it can be used"):
        watch.drawn(UNDISTURBED)
        checked = unproven(plan) if todo.start else list(plan.containers)
        with ThreadPoolExecutor(1) as pool:
            now = pool.submit(look, engine, plan.desktop)
            wait_all_ready(engine, checked)
            watch.end()
            return now.result()


def _try_undo(engine: Engine, plan: Plan, before: Found, report: Report) -> None:
    """Undo; if that fails, say so, since the error to be raised is the first one.

    A command of the engine that was ended half-way may be in the way of the first attempt.
    """
    for last in (False, True):
        try:
            _undo(engine, plan, before, report)
            break
        except (ModuluxError, OSError) as error:
            if last:
                report(Note(f"could not clean up: {error}; `modulux down {plan.desktop}` does"))
            else:
                time.sleep(UNDO_PAUSE)


def _undo(engine: Engine, plan: Plan, before: Found, report: Report) -> None:
    """Remove what this `up` made: all of the desktop if nothing of it ran before, else only what is new."""
    now = look(engine, plan.desktop)
    if not any(m.state.running for m in before.modules.values()):
        remove(engine, now, report, volumes=True, spare=frozenset(before.volumes) | frozenset(before.networks))
        note_again(engine, before)
        return
    same = {n for n, m in before.modules.items() if n in now.modules and now.modules[n].state.id == m.state.id}
    rest = replace(now, modules={n: m for n, m in now.modules.items() if n not in same})
    keep = frozenset(now.volumes) & frozenset(before.volumes) | frozenset(before.networks)
    remove(engine, rest, report, volumes=True, spare=keep)
    note_again(engine, before)


def explained(error: BaseException, engine: Engine) -> BaseException:
    """The error; if it is one module's, with the end of that module's log."""
    if not isinstance(error, ModuleNotReadyError):
        return error
    tail = log_tail(engine, error.container)
    return NotReadyError(
        error.message, hint=f"the end of its log:\n{tail}" if tail else "it has printed nothing; `--keep` leaves it to look at"
    )


def log_tail(engine: Engine, container: str, lines: int = LOG_LINES) -> str:
    """The last lines that the module printed."""
    done = run.run(engine.logs_argv(container, tail=lines))
    return "\n".join(line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("time="))
