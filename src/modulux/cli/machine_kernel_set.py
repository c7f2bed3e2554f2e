"""`modulux machine kernel set`: another kernel for a machine."""

from __future__ import annotations

from modulux.cli.common import Common, Yes
from modulux.cli.host import prepare_host


def set_kernel(
    file: str,
    kernel: str,
    *,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Write another kernel into a machine file, unless it lacks what the machine's modules need; comments stay.

    Parameters
    ----------
    file
        your machine file
    kernel
        a kernel's name, a package (linux-image-…), a folder (./…) or an image
    """
    from modulux.cli.machines import described
    from modulux.machine.compose import needs_of
    from modulux.machine.demands import refuse
    from modulux.machine.files import kernel_named, replace, with_kernel
    from modulux.machine.slot import obtain_for
    from modulux.report import Note

    common = common or Common()
    found = described(file, common)
    path, use = found.path, kernel_named(kernel)
    machine = found.machine.model_copy(update={"kernel": use})
    text = with_kernel(path, kernel)
    needs = needs_of(found.plan, common.catalog)
    prepare_host(common, yes)
    driver, sources, report = common.driver, common.sources, common.report
    got = obtain_for(machine, path.parent, catalog=common.catalog, engine=driver, sources=sources, report=report)
    refuse(str(use), got.lacks(needs, machine.profile))
    bare = got.bare(needs, machine)
    for line in bare:
        report(Note(line))
    replace(path, text)
    result = {"file": str(path), "kernel": str(use), "version": got.version}
    common.result(result, lambda console: console.print(f"{path}: kernel {use} ({got.version}); build the machine anew."))
