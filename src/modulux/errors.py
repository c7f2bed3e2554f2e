"""One tree of errors. Each class has an exit code of its own, and each error a hint that says what to do next.

    ModuluxError                1
    ├── UsageError              2   the command line does not fit
    ├── FileError               3   a desktop file, contract or configuration is wrong (file, line, hint)
    │   └── ResolveError        4   the parts do not go together: missing or doubled interface, cycle, unknown module
    ├── HostError               5   the host lacks something: package, engine, space, right, port
    ├── EngineError             6   the engine refused a command
    ├── BuildError              7   an image could not be built
    ├── NotReadyError           8   a module died or did not get ready in time
    ├── NotFoundError           9   no such desktop, module or container
    ├── NameTakenError         10   a name is in use by something that is not ours
    ├── RfbError               11   the picture could not be had
    ├── CancelledError         12   the answer to a question was no
    ├── RepositoryError        13   where backups are kept cannot be used: gone, locked, full, not one
    ├── PasswordError          14   the password does not open it
    ├── DamagedError           15   a backup or archive is cut short, changed or hostile; nothing of it was used
    ├── NewerError             16   made by a newer version of Modulux than this one
    ├── StorageError           17   an engine's data cannot be moved so, or what was moved is not all there
    └── RegistryError          18   a registry refused, or does not hold what was asked for

130 is Ctrl-C. A traceback is shown only with --debug. This module imports the standard library only.
"""

from __future__ import annotations


class ModuluxError(Exception):
    """Base of all expected failures.

    Args:
        message: one sentence, what is wrong.
        hint: what the person can do about it; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(ModuluxError):
    exit_code = 2


class FileError(ModuluxError):
    """A file that a person wrote is wrong; `file` and `line` (from 1) say where, when known."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str | None = None, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        if self.file is None:
            return self.message
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


class ResolveError(FileError):
    exit_code = 4


class HostError(ModuluxError):
    exit_code = 5


class EngineError(ModuluxError):
    exit_code = 6


class BuildError(ModuluxError):
    exit_code = 7


class NotReadyError(ModuluxError):
    exit_code = 8


class NotFoundError(ModuluxError):
    exit_code = 9


class NameTakenError(ModuluxError):
    exit_code = 10


class RfbError(ModuluxError):
    exit_code = 11


class CancelledError(ModuluxError):
    exit_code = 12


class RepositoryError(ModuluxError):
    exit_code = 13


class PasswordError(ModuluxError):
    exit_code = 14


class DamagedError(ModuluxError):
    exit_code = 15


class NewerError(ModuluxError):
    exit_code = 16


class StorageError(ModuluxError):
    exit_code = 17


class RegistryError(ModuluxError):
    exit_code = 18
