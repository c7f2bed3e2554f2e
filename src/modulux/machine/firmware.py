"""A PC's firmware (UEFI) for virtual machines: Debian's OVMF, and what it remembers from one start to the next."""

from __future__ import annotations

import shutil
from pathlib import Path

from modulux.errors import HostError

FILES = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
)
"""The firmware's code and its first variables, where distributions have them. None of these asks for signatures."""


def found() -> tuple[Path, Path]:
    """The code and the first variables on this host.

    Raises:
        HostError: there are none.
    """
    for code, variables in FILES:
        if Path(code).is_file() and Path(variables).is_file():
            return Path(code), Path(variables)
    raise HostError("there is no UEFI firmware for virtual machines", hint="apt install ovmf")


def variables(kept: Path) -> Path:
    """A virtual machine's own copy of the variables, made when it is not there."""
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found()[1], kept)
        kept.chmod(0o600)
    return kept


def words(kept: Path) -> list[str]:
    """QEMU's, for the code read-only and these variables."""
    return [
        "-drive",
        f"if=pflash,unit=0,format=raw,readonly=on,file={found()[0]}",
        "-drive",
        f"if=pflash,unit=1,format=raw,file={kept}",
    ]
