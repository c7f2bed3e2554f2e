"""A base's root file system, by mmdebstrap, from the Debian archive."""

from __future__ import annotations

import os
from pathlib import Path

from modulux import run
from modulux.errors import HostError
from modulux.images.failed import failed
from modulux.model.module import Bootstrap
from modulux.report import Line, Report


def bootstrap_argv(bootstrap: Bootstrap, context: Path, *, mirror: str | None, proxy: str | None) -> list[str]:
    """The command that makes `root.tar` in the build context, with the excludes that the base's rootfs/ sets for dpkg."""
    options = ["--variant=minbase", "--mode=root" if os.geteuid() == 0 else "--mode=unshare", "--format=tar"]
    if bootstrap.packages:
        options.append(f"--include={','.join(bootstrap.packages)}")
    for file in sorted((context / "rootfs/etc/dpkg/dpkg.cfg.d").glob("*")):
        lines = (line.strip() for line in file.read_text().splitlines())
        options += [f"--dpkgopt={line}" for line in lines if line and not line.startswith("#")]
    if proxy:
        options.append(f'--aptopt=Acquire::http::Proxy "{proxy}"')
    # what mmdebstrap writes for itself must not stay: rootfs/ holds the image's own settings
    options.append('--customize-hook=rm -f "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" "$1/etc/apt/apt.conf.d/99mmdebstrap"')
    return ["mmdebstrap", *options, bootstrap.suite, str(context / "root.tar"), *([mirror] if mirror else [])]


def bootstrap(made: Bootstrap, context: Path, *, mirror: str | None, proxy: str | None, report: Report, key: str) -> None:
    """Make `root.tar` in `context`.

    Raises:
        BuildError: mmdebstrap failed; its last lines are the hint.
        HostError: it is not installed.
    """
    # without root it works as other users of a namespace, to whom the person's home, and so our cache, may be closed
    temporary = context / "tmp" if os.geteuid() == 0 else Path("/var/tmp")
    temporary.mkdir(exist_ok=True)
    said: list[str] = []
    argv = bootstrap_argv(made, context, mirror=mirror, proxy=proxy)
    try:
        with run.lines(argv, env={"TMPDIR": str(temporary)}) as (process, lines):
            for line in lines:
                said.append(line)
                report(Line(key, line))
            status = process.wait()
    except FileNotFoundError:
        raise HostError("mmdebstrap is not installed", hint="apt-get install mmdebstrap; or `modulux doctor`") from None
    if status != 0:
        raise failed(key, f"mmdebstrap {made.suite} failed with {status}", said, context)
    if temporary.parent == context:
        temporary.rmdir()
