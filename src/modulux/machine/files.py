"""Machine files: finding them, reading them, and writing another kernel into one."""

from __future__ import annotations

import io
from pathlib import Path

from ruamel.yaml import YAML

from modulux.errors import FileError, ResolveError
from modulux.model.desktop import Use
from modulux.model.kernel import KernelUse
from modulux.model.machine import Login, Machine
from modulux.model.module import lines_of
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import close_to, line_of, load, read_yaml, validate

PATHS = ("./", "../", "~/", "/")
"""How what is a path begins, where other words may stand too."""


def machine_file(word: str) -> Path:
    """A path, or the name of a shipped machine file.

    Raises:
        FileError: there is none.
    """
    path = Path(word)
    if path.suffix in {".yaml", ".yml"} or "/" in word:
        if not path.is_file():
            raise FileError("no such file", file=word)
        return path
    found = shipped("machines") / f"{word}.yaml"
    if not found.is_file():
        names = sorted(p.stem for p in shipped("machines").glob("*.yaml"))
        hint = close_to(word, names) or f"ready-made are: {', '.join(names)}; or give the path of a machine file"
        raise FileError(f"there is no machine `{word}`", hint=hint)
    return found


def read_machine(path: Path) -> Machine:
    """The machine that the file describes.

    Raises:
        FileError: it does not fit.
    """
    machine = load(path, Machine)
    if machine.login is None or machine.login.password_file is None:
        return machine
    read = {"password-hash": _hash_in(path, machine.login.password_file), "serial": machine.login.serial}
    found = validate(read, Login, str(path))
    return machine.model_copy(update={"login": found})


def with_lines(machine: Machine, catalog: Catalog, beside: Path) -> Machine:
    """The same machine, the lines of files in place of their paths where a service's parameter takes them (`files:`).

    Args:
        beside: the folder of the machine file, which relative paths are meant from.

    Raises:
        FileError: one cannot be read.
    """
    return machine.model_copy(update={"services": [_read(use, catalog, beside) for use in machine.services]})


def _read(use: Use, catalog: Catalog, beside: Path) -> Use:
    declared = catalog.module(f"service/{use.module}").contract.params
    changes = {}
    for name, value in use.params.items():
        if name in declared and declared[name].files:
            changes[name] = [line for word in lines_of(value) for line in _lines(word, beside, f"{use.module}, {name}")]
    return use.model_copy(update=changes) if changes else use


def _lines(word: object, beside: Path, where: str) -> list[object]:
    if not isinstance(word, str) or not word.startswith(PATHS):
        return [word]
    path = beside / Path(word).expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise FileError(
            f"`{where}`: {path} cannot be read: {why}", hint="a path is meant from the machine file's folder"
        ) from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _hash_in(machine: Path, named: str) -> str:
    path, keys = machine.parent / named, ("login", "password-file")
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        hint = "`openssl passwd -6 >FILE` makes one; its path is meant from the machine file's folder"
        where = line_of(machine, *keys)
        raise FileError(f"`{'.'.join(keys)}`: {path} cannot be read: {why}", file=str(machine), line=where, hint=hint) from None


def kernel_named(word: str) -> KernelUse:
    """The kernel that a person's word means."""
    return validate(word, KernelUse, "the kernel")


def with_kernel(path: Path, kernel: str) -> str:
    """The file's text with another `kernel:`, its comments where they were."""
    if path.is_relative_to(shipped("machines")):
        raise ResolveError(f"{path.name} is shipped with Modulux", hint="copy it, and change the copy")
    read_yaml(path)  # its errors name the line
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    data = yaml.load(path.read_text(encoding="utf-8"))
    data["kernel"] = kernel
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def replace(path: Path, text: str) -> None:
    """Write the file anew: all of it or nothing, whatever happens; a link stays one."""
    real = path.resolve()
    new = real.with_name(f".{real.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(real.stat().st_mode & 0o777)
    new.replace(real)
