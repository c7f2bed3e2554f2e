"""`modulux plan`: what `up` would make, without making it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common, counted, find_desktop, host_facts, read_desktop
from modulux.model import plan as p
from modulux.resolve.plan import resolve
from modulux.run import shown


def plan(
    desktop: str = "xfce",
    *,
    commands: Annotated[bool, Parameter(help="the very engine commands, to paste")] = False,
    common: Common | None = None,
) -> None:
    """Show what a desktop file comes to. Nothing is touched.

    Parameters
    ----------
    desktop
        a ready-made desktop's name, or a desktop file; `xfce` without
    """
    common = common or Common()
    path = find_desktop(desktop)
    composition = read_desktop(path)
    made = resolve(composition, common.catalog_for(composition.name), host_facts(), str(path))
    if commands:
        engine = common.driver
        argvs = [engine.volume_argv(v) for v in made.volumes] + [engine.network_argv(n) for n in made.networks]
        lines = [shown(argv) for argv in argvs + [engine.run_argv(c) for c in made.containers]]
        common.result(lines, lambda console: console.print("\n".join(lines), markup=False, soft_wrap=True))
    else:
        common.result(made.to_json(), lambda console: _show(console, made))


def _show(console: Console, plan: p.Plan) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("NAME", "MODULE", "AFTER", "NETWORK", "IPC", "MOUNTS", "LIMITS", "IMAGE"):
        table.add_column(heading, overflow="fold")
    apart = "\n" if console.is_terminal else "; "  # in a pipe each module keeps to its line
    prefix = f"modulux.{plan.desktop}."
    for c in plan.containers:
        mounts = apart.join(f"{m.source.removeprefix(prefix)} → {m.target}{' (ro)' if m.read_only else ''}" for m in c.mounts)
        limits = f"{c.memory // 1024**2} MB, {c.cpus:g} CPU, {c.pids} pids"
        networks = ", ".join(n.removeprefix(prefix) for n in c.networks) or "none"
        ports = "".join(f"{apart}{q.interface}: {q.address}:{q.host_port or 'any'}" for q in c.publish)
        after = ", ".join(n.removeprefix(prefix) for n in c.needs)
        table.add_row(
            c.short, c.module, after, networks + ports, c.ipc.removeprefix(prefix), mounts, limits, c.image.rpartition(":")[2]
        )
    things = (("container", plan.containers), ("volume", plan.volumes), ("network", plan.networks))
    counts = ", ".join(counted(len(those), thing) for thing, those in things)
    console.print(f"Desktop [bold]{plan.desktop}[/]: {counts}")
    console.print(table)
