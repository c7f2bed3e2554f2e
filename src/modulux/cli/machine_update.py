"""`modulux machine update`: one module of a machine that runs, to the one of today."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes, confirm, counted
from modulux.cli.host import prepare_host

if TYPE_CHECKING:
    from modulux.machine.update import There, Update


def update(
    name: str,
    module: str,
    file: str | None = None,
    *,
    dry_run: Annotated[bool, Parameter(help="say what would be sent and started again, and leave it at that")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Replace one module of a machine that runs by that of today, without a new start of the machine. Asks first.

    It and what depends on it are started again. If it does not get ready in its time, the machine goes back to the former one,
    by itself. What is sent lies on the machine's state partition; `machine rollback NAME MODULE` takes it back.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    module
        the module's id (session/openbox), or a container's name
    file
        its machine file; without, the ready-made one of that name
    """
    from modulux.cli.machines import described
    from modulux.cli.reach import file_of, reached
    from modulux.machine import update as u
    from modulux.machine.build import Parts
    from modulux.machine.single import made
    from modulux.paths import lock

    common = common or Common()
    running = reached(name, yes)
    found = described(file_of(running, file), common)
    plan = found.plan
    container = u.chosen(module, [(c.name, c.module) for c in plan.containers])
    prepare_host(common, yes)
    control = running.control
    with lock(f"machine-update-{name.replace('/', '_')}"), tempfile.TemporaryDirectory() as folder:
        there = u.look(control)
        u.refuse_other_init(there, found.machine.init)
        parts = Parts(common.catalog, common.driver, common.sources, common.report)
        new = made(container, plan, there, parts, init=found.machine.init, accelerator=running.accelerator)
        if new is None:
            text = f"`{container}` of {name} is that of today."
            common.result({**_facts(name, container, None, there), "kept": True}, lambda console: console.print(text))
            return
        u.check_room(new, there)
        if dry_run:
            common.result(
                {**_facts(name, container, new, there), "kept": False}, lambda console: _show(console, name, new, there)
            )
            return
        if not common.json:
            _show(Console(stderr=True, highlight=False, soft_wrap=True), name, new, there)
        confirm("Go on?", yes)
        u.bring(control, new, Path(folder), common.report)
        u.trial(control, new, common.report)
    lasts = "" if there.keeps else " It is gone at the next start: the machine keeps nothing."
    show = f"{container} of {name} is updated.{lasts} Back: modulux machine rollback {name} {container}"
    common.result({**_facts(name, container, new, there), "kept": True}, lambda console: console.print(show))


def _facts(name: str, container: str, new: Update | None, there: There) -> dict[str, Any]:
    sent = new.missing(there) if new else []
    return {
        "name": name,
        "container": container,
        "sent": sum(size for _, size in sent),
        "again": list(new.again) if new else [],
        "within": new.within if new else 0,
    }


def _show(console: Console, name: str, new: Update, there: There) -> None:
    sent = sum(size for _, size in new.missing(there))
    console.print(
        f"{new.container} of {name}: {counted(len(new.layers), 'layer')} that its store has not, {sent / 1e6:.1f} MB to send;"
    )
    console.print(f"  the machine's state has room for {there.room / 1e6:.0f} MB")
    console.print(f"  started again: {', '.join([new.container, *new.again])}")
    console.print(f"  kept if it is ready within {new.within:.0f} s, else the machine goes back by itself")
