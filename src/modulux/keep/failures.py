"""What restic says when it cannot go on, as errors of ours: by its exit status where it has one, else by its words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from modulux.errors import DamagedError, ModuluxError, PasswordError, RepositoryError

STATUS = {10: "Is there a repository", 11: "already locked", 12: "wrong password"}
"""restic 0.17 and later; Debian 12 has 0.14, which ends with 1 whatever it is."""

NO_KEY = r"wrong password|no key found"
LOCKED = r"already locked"
ABSENT = r"Is there a repository|repository does not exist|unable to open config file|Stat: The specified key does not exist"
REFUSED = (
    r"\b40[13] (?:Unauthorized|Forbidden)|SignatureDoesNotMatch|InvalidAccessKeyId|Access ?Denied|Permission denied \(publickey"
    r"|Host key verification failed"
)
FULL = r"no space left on device|[Dd]isk quota exceeded|XMinioStorageFull|QuotaExceeded"
UNREACHABLE = (
    r"connection refused|no such host|network is unreachable|i/o timeout|connection reset|No route to host|broken pipe"
    r"|server response unexpected|unable to start the sftp|subprocess ssh|connection lost|input/output error|stale NFS"
    r"|TLS handshake|certificate"
)
DAMAGED = (
    r"ciphertext verification failed|hash does not match|[Ii]nvalid data|[Dd]amaged|not found in index|[Uu]nexpected EOF"
    r"|data corruption|does not exist|no such file or directory|is not in index|errors? (?:were|was) found|cannot unmarshal"
    r"|invalid character|[Ii]nvalid header|There (?:were|was) \d+ error|[Ll]oad(?:Blob|Tree)|ErrNoIDPrefixFound|zstd"
    r"|size mismatch"
    r"|config cannot be loaded|invalid key|invalid length|unexpected.*length"
)
SSH = "subprocess ssh: "
UNREADABLE = r"permission denied|operation not permitted|read-only file system"


class LockedError(RepositoryError):
    """Another restic works on it, or left its lock when it died."""


class FullError(RepositoryError):
    """There is no room, where it is or where files are restored to."""


class AbsentError(RepositoryError):
    """There is no repository at that place."""


@dataclass(frozen=True)
class Kind:
    """What the words mean: an error of this class; `{where}` is the repository, `{last}` what restic said last."""

    words: str
    error: type[ModuluxError]
    message: str
    hint: str


KINDS = (
    Kind(NO_KEY, PasswordError, "the password does not open the repository at {where}", "each repository has its own"),
    Kind(LOCKED, LockedError, "the repository at {where} is locked: {last}", "wait until the other is done"),
    Kind(
        FULL,
        FullError,
        "there is no room for more at {where}",
        "nothing that was kept before is lost; make room, or `modulux forget` what is not needed, and run it again",
    ),
    # both may be followed by restic's question whether there is a repository
    Kind(
        REFUSED,
        RepositoryError,
        "the server at {where} does not let us in: {last}",
        "rest: has user and password in its address, s3: its keys in the environment, sftp: what ssh uses",
    ),
    Kind(UNREACHABLE, RepositoryError, "the repository at {where} cannot be reached: {last}", "run it again once it can"),
    Kind(
        ABSENT,
        AbsentError,
        "there is no repository at {where}",
        "is the disk mounted, the address right? `modulux backup` makes one where there is none",
    ),
    Kind(
        DAMAGED,
        DamagedError,
        "the repository at {where} is damaged: {last}",
        "nothing was restored from it; `restic check` tells what is amiss, and restic's manual how to mend it",
    ),
    Kind(UNREADABLE, RepositoryError, "the repository at {where}: {last}", "may this user read and write it?"),
    Kind("", RepositoryError, "restic, at {where}: {last}", "--debug shows the command"),
)
"""The first whose words are found counts."""


def failure(said: str, status: int, where: str) -> ModuluxError:
    """The error for a restic that ended with `status`, having `said` that, about the repository at `where`."""
    text = STATUS.get(status, "") + "\n" + said
    kind = next(kind for kind in KINDS if re.search(kind.words, text))
    return kind.error(kind.message.format(where=where, last=_last(said) or f"it ended with {status}"), hint=kind.hint)


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("{")]
    if words := [line for line in lines if line.startswith(SSH)]:  # it knows better than restic, which lost it
        return words[-1].removeprefix(SSH)
    fatal = [line for line in lines if line.startswith(("Fatal:", "panic:"))]
    return (fatal or lines or [""])[-1].removeprefix("Fatal: ")
