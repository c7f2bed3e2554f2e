"""`modulux machine kernel test`: a kernel held against what a machine needs."""

from __future__ import annotations

from rich.console import Console

from modulux.cli.common import Common, Yes
from modulux.cli.host import prepare_host


def try_kernel(
    file: str,
    kernel: str | None = None,
    *,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Hold a kernel against what a machine's modules declare; what is missing is named with who needs it.

    Parameters
    ----------
    file
        a machine file, or a shipped one's name
    kernel
        the kernel; without, the one that the file names
    """
    from modulux.cli.machines import described
    from modulux.machine.compose import needs_of
    from modulux.machine.demands import refuse
    from modulux.machine.files import kernel_named
    from modulux.machine.slot import obtain_for
    from modulux.report import Note

    common = common or Common()
    found = described(file, common)
    path, machine = found.path, found.machine
    use = kernel_named(kernel) if kernel else machine.kernel
    machine = machine.model_copy(update={"kernel": use})
    needs = needs_of(found.plan, common.catalog)
    prepare_host(common, yes)
    driver, sources, report = common.driver, common.sources, common.report
    got = obtain_for(machine, path.parent, catalog=common.catalog, engine=driver, sources=sources, report=report)
    refuse(str(use), got.lacks(needs, machine.profile))
    bare = got.bare(needs, machine)
    for line in bare:
        report(Note(line))
    result = {"kernel": str(use), "version": got.version, "profile": machine.profile, "modules": [n.module for n in needs]}
    result |= {"firmware": bare}

    def show(console: Console) -> None:
        console.print(f"{use} ({got.version}) has all that {len(needs)} modules and the machine itself need.")

    common.result(result, show)
