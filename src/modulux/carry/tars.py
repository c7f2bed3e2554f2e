"""Writing a tar, plainly and always alike: names, sizes and contents, without owners and times."""

from __future__ import annotations

import tarfile
from typing import Literal

from modulux.carry.layout import Reads, Writes, pieces

BLOCK = 512


def put(sink: Writes, name: str, size: int, content: Reads | bytes) -> None:
    """One file of the archive; `content` holds exactly `size` bytes."""
    member = tarfile.TarInfo(name)
    member.size = size
    put_member(sink, member, content, tarfile.GNU_FORMAT)


def put_member(
    sink: Writes, member: tarfile.TarInfo, content: Reads | bytes | None, form: Literal[0, 1, 2] = tarfile.PAX_FORMAT
) -> None:
    """A member as it is, and its content."""
    sink.write(member.tobuf(form))
    if content is None:
        return
    if isinstance(content, bytes):
        sink.write(content)
    else:
        for piece in pieces(content):
            sink.write(piece)
    sink.write(bytes(-member.size % BLOCK))


def padded(size: int) -> int:
    """How much room a content of `size` bytes takes."""
    return size + -size % BLOCK


def end(sink: Writes) -> None:
    """What ends an archive."""
    sink.write(bytes(2 * BLOCK))
