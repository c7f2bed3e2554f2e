"""What the verbs of keeping share: where snapshots are kept, and the password to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, ask
from modulux.cli.host import must_answer
from modulux.errors import UsageError
from modulux.host.packages import Need, ensure, missing

if TYPE_CHECKING:
    from modulux.keep.restic import Repository


@Parameter(name="*", group="Where snapshots are kept")
@dataclass
class Store:
    """The repository of the verbs of keeping."""

    to: Annotated[str | None, Parameter(help="a folder, or sftp:…, s3:…, rest:… as restic takes them (MODULUX_REPOSITORY)")] = (
        None
    )
    password_file: Annotated[Path | None, Parameter(help="holds the password (MODULUX_PASSWORD_FILE)")] = None
    password_command: Annotated[str | None, Parameter(help="prints the password (MODULUX_PASSWORD_COMMAND)")] = None

    def where(self, common: Common) -> str:
        """The repository's address: the flag's, or the configuration's.

        Raises:
            UsageError: neither says.
        """
        word = self.to or common.loaded.settings.repository
        if not word:
            raise UsageError("where are the snapshots kept?", hint="--to FOLDER, or `repository: FOLDER` in the configuration")
        from modulux.keep.restic import location

        return location(word)

    def secrets(self, common: Common) -> tuple[Path | None, str | None]:
        """File and command of the password; a flag of one kind goes before a setting of the other."""
        settings = common.loaded.settings
        if self.password_file and self.password_command:
            raise UsageError("--password-file and --password-command: which of them?", hint="one of the two")
        if self.password_file or self.password_command:
            return self.password_file, self.password_command
        return (None, settings.password_command) if settings.password_command else (settings.password_file, None)

    def repository(self, common: Common, *, yes: bool = False, twice: bool = False) -> Repository:
        """The repository, with its password; restic is installed first, after a yes, where it is missing.

        Raises:
            PasswordError: there is no password.
            HostError: restic is missing and cannot be installed.
        """
        from modulux.keep.password import password
        from modulux.keep.restic import Repository

        where = self.where(common)
        needs(yes)
        must_answer(common.driver)
        secret = password(*self.secrets(common), twice=twice)
        return Repository(where, secret, common.driver.near_argv, user=common.driver.rootless)


def needs(yes: bool) -> None:
    """See to it that restic is there."""
    ensure(missing([Need("restic", "keeps snapshots", ("restic",))]), yes, ask)


def rewritten(where: str) -> str:
    """The address for a person: the home as `~`."""
    home = str(Path.home())
    return "~" + where.removeprefix(home) if where.startswith(home + "/") else where
