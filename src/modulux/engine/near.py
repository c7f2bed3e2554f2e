"""Work on the files of volumes, where they can be reached: a script of its own, since without root that is in `podman unshare`.

Standard library only. Each command is a function; what it prints is one JSON value.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

WRITES_OF_OTHERS = ("s", "w")
"""What a line of /proc/PID/maps says of a mapping that is shared and may be written."""


def rename(source: bytes, target: bytes, flags: int) -> None:
    """renameat2(2).

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, source, AT_FDCWD, target, flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(target))


def exchange(one: Path, other: Path) -> None:
    """Let two folders of one file system change places, at once.

    Raises:
        OSError: the file system cannot.
    """
    rename(os.fsencode(one), os.fsencode(other), RENAME_EXCHANGE)


def inodes(paths: Iterable[str]) -> dict[str, int]:
    """The inode number of each path that is there."""
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found[path] = Path(path).lstat().st_ino
    return found


def owners(paths: Iterable[str]) -> dict[str, int]:
    """Who owns each of the paths."""
    return {path: Path(path).lstat().st_uid for path in paths}


def files(root: bytes) -> Iterator[os.DirEntry[bytes]]:
    """Everything below `root`; folders that go meanwhile are passed over. Links are not followed."""
    waiting = [root]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue


def changed(roots: Iterable[str], since: float) -> dict[str, int]:
    """Bytes and number of files that were changed at `since` (seconds since 1970) or later, and the number of all."""
    amount = count = total = 0
    for root in roots:
        for entry in files(os.fsencode(root)):
            total += 1
            with contextlib.suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if found.st_ctime >= since and stat.S_ISREG(found.st_mode):
                    amount += found.st_size
                    count += 1
    return {"bytes": amount, "files": count, "all": total}


def hold(firsts: Sequence[int]) -> None:
    """Obey `begin`, `freeze` and `thaw` on stdin, for all processes in the process namespaces of `firsts`; the end is a thaw.

    SIGSTOP reaches parents before their children, and SIGCONT children before parents: a shell that saw its child stop would
    say so, and think it had been put into the background.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    spaces = {_space(pid) for pid in firsts} - {""}
    stopped: list[int] = []
    try:
        for line in sys.stdin.buffer:
            if line == b"freeze\n":
                while fresh := [pid for pid in _processes(spaces) if pid not in stopped]:
                    for pid in fresh:
                        stopped.append(pid)
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGSTOP)
            elif line == b"thaw\n":
                _go_on(stopped)
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    finally:
        _go_on(stopped)


def _go_on(stopped: list[int]) -> None:
    while stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped.pop(), signal.SIGCONT)


def _space(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _processes(spaces: set[str]) -> list[int]:
    """All processes of those process namespaces, in the order in which they were started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _space(int(entry.name)) in spaces:
            with contextlib.suppress(OSError):
                started = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
                found.append((started, int(entry.name)))
    return [pid for _, pid in sorted(found)]


def touch_mapped(firsts: Iterable[int], targets: Sequence[str]) -> int:
    """Renew the change time of files below `targets` that a process has mapped to write: the kernel does so only now and then.

    Args:
        firsts: each the first process of a container.
        targets: folders as the processes see them.
    """
    touched: set[tuple[int, int]] = set()
    for pid in _processes({_space(pid) for pid in firsts} - {""}):
        for path in _mapped(Path("/proc") / str(pid), targets):
            with contextlib.suppress(OSError):
                found = path.stat()
                if (found.st_dev, found.st_ino) not in touched:
                    path.chmod(stat.S_IMODE(found.st_mode))
                    touched.add((found.st_dev, found.st_ino))
    return len(touched)


def _mapped(process: Path, targets: Sequence[str]) -> Iterator[Path]:
    try:
        lines = (process / "maps").read_text(errors="surrogateescape").split("\n")
    except OSError:  # it has ended
        return
    for line in lines:
        words = line.split(maxsplit=5)
        if len(words) == 6 and all(letter in words[1] for letter in WRITES_OF_OTHERS):
            name = words[5].replace("\\012", "\n")
            if any(name.startswith(f"{target}/") for target in targets):
                yield process / "root" / name.lstrip("/")


def own(roots: Iterable[str], owner: int) -> int:
    """Give everything that is root's below `roots`, and the folders themselves, to `owner`; how much that was."""
    count = 0
    for root in roots:
        entries: list[bytes] = [os.fsencode(root), *(entry.path for entry in files(os.fsencode(root)))]
        for path in entries:
            if os.lstat(path).st_uid == 0:
                os.chown(path, owner, owner, follow_symlinks=False)
                count += 1
    return count


def place(source: str, target: str) -> bool:
    """Put `source`, a file or folder, at `target` in one step; True if something lay there, which is at `source` now.

    Folders above it are made as they are above `source`, as far as the two paths agree from the end.
    """
    one, other = Path(source), Path(target)
    missing = [folder for folder in other.parents if not folder.exists()]
    for folder in reversed(missing):
        pattern = one.parents[other.parents.index(folder)] if other.parents.index(folder) < len(one.parents) else one.parent
        folder.mkdir()
        found = pattern.stat()
        os.chown(folder, found.st_uid, found.st_gid)
        shutil.copystat(pattern, folder)
    try:
        rename(os.fsencode(one), os.fsencode(other), RENAME_NOREPLACE)
    except FileExistsError:
        exchange(one, other)
        return True
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        one.rename(other)
    return False


def there(paths: Iterable[str]) -> list[str]:
    """Those of the paths at which something lies."""
    return [path for path in paths if os.path.lexists(path)]


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The words two by two."""
    return zip(words[::2], words[1::2], strict=True)


def exchange_all(words: Sequence[str]) -> None:
    """Exchange each pair of folders."""
    for one, other in pairs(words):
        exchange(Path(one), Path(other))


def touch_words(words: Sequence[str]) -> int:
    """`PID… -- TARGET…`."""
    split = words.index("--")
    return touch_mapped(map(int, words[:split]), words[split + 1 :])


COMMANDS: dict[str, Callable[[Sequence[str]], object]] = {
    "exchange": exchange_all,
    "inodes": inodes,
    "owners": owners,
    "changed": lambda words: changed(words[1:], float(words[0])),
    "touch-mapped": touch_words,
    "hold": lambda words: hold([int(word) for word in words]),
    "own": lambda words: own(words[1:], int(words[0])),
    "place": lambda words: [place(source, target) for source, target in pairs(words)],
    "there": there,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(COMMANDS[sys.argv[1]](sys.argv[2:])) + "\n")
