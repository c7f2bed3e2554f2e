"""A tar from somewhere, passed on block by block, as far as nothing in it leads out of the folder that it is unpacked into.

The blocks stay as they are, so that sparse files, attributes and hard links come through. What reads them is GNU tar, without
any right beyond the folder; this is the fence in front of that one.
"""

from __future__ import annotations

import posixpath
import tarfile
from dataclasses import dataclass, field

from modulux.carry.layout import PIECE, Reads, Writes
from modulux.carry.tars import BLOCK, padded
from modulux.errors import DamagedError

ABOUT = {tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
"""Headers that say more about the one that follows."""

KINDS = {tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE}
WORDS = 1024**2
"""Bytes; names and attributes of one file are no longer than that."""


@dataclass
class _Seen:
    links: set[str] = field(default_factory=set)
    files: int = 0


def passed(stream: Reads, sink: Writes) -> int:
    """Pass the tar on; how many members it had.

    Raises:
        DamagedError: a member is a device, lies outside, goes through a link, or the tar cannot be read.
    """
    seen = _Seen()
    about: dict[str, str] = {}
    while True:
        block = _read(stream, BLOCK)
        if block == bytes(BLOCK):
            sink.write(block)
            _rest(stream, sink)
            return seen.files
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            raise DamagedError(f"a volume's files cannot be read: {error}") from None
        if member.type in ABOUT:
            if not 0 <= member.size <= WORDS:
                raise DamagedError("a volume holds a file whose name is longer than any")
            content = _read(stream, padded(member.size))
            about |= _words(member, content[: member.size])
            sink.write(block + content)
            continue
        size = _judge(member, about, seen)
        about = {}
        sink.write(block)
        _copy(stream, sink, padded(size))


def _judge(member: tarfile.TarInfo, about: dict[str, str], seen: _Seen) -> int:
    """Refuse what must not be; the size of the content that follows."""
    name = about.get("GNU.sparse.name") or about.get("path") or member.name
    if member.type not in KINDS:
        raise DamagedError(f"a volume holds {name!r:.200}, which is a device or nothing known", hint=UNUSED)
    path = _inside(name, name, seen)
    if member.issym():
        seen.links.add(path)
    elif member.islnk():
        _inside(about.get("linkpath") or member.linkname, name, seen)
    elif path in seen.links:
        raise DamagedError(f"a volume holds {name!r:.200} twice, once as a link", hint=UNUSED)
    seen.files += 1
    text = about.get("size", "")
    if text and not (text.isascii() and text.isdigit()):
        raise DamagedError("a volume's files cannot be read: a size is no number")
    size = int(text) if text else member.size
    if size < 0:
        raise DamagedError("a volume's files cannot be read: a size is below zero")
    return size if member.isreg() else 0


UNUSED = "nothing of the archive was used"


def _inside(path: str, name: str, seen: _Seen) -> str:
    """The path, normal, if it lies in the folder and leads through no link.

    Raises:
        DamagedError: it does not.
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise DamagedError(f"a volume holds {name!r:.200}, which leads out of it", hint=UNUSED)
    normal = posixpath.join(*parts) if parts else "."
    above = posixpath.dirname(normal)
    while above:
        if above in seen.links:
            raise DamagedError(f"a volume holds {name!r:.200}, which leads through a link", hint=UNUSED)
        above = posixpath.dirname(above)
    return normal


def _words(member: tarfile.TarInfo, content: bytes) -> dict[str, str]:
    text = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
    if member.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": text}
    if member.type == tarfile.GNUTYPE_LONGLINK:
        return {"linkpath": text}
    words: dict[str, str] = {}
    while content:
        number, _, _ = content.partition(b" ")
        if not (number.isdigit() and len(number) < 8 and len(number) + 1 < int(number) <= len(content)):
            raise DamagedError("a volume's files cannot be read: an attribute is not as it should be")
        record, content = content[len(number) + 1 : int(number) - 1], content[int(number) :]
        key, _, value = record.decode("utf-8", "surrogateescape").partition("=")
        words[key] = value
    return words


def _read(stream: Reads, size: int) -> bytes:
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    if len(data) < size:
        raise DamagedError("a volume's files end too early")
    return data


def _copy(stream: Reads, sink: Writes, size: int) -> None:
    while size:
        piece = _read(stream, min(size, PIECE))
        sink.write(piece)
        size -= len(piece)


def _rest(stream: Reads, sink: Writes) -> None:
    """What follows the end is nothing but zeros."""
    while piece := stream.read(PIECE):
        if piece.strip(b"\0"):
            raise DamagedError("a volume's files go on after their end", hint=UNUSED)
        sink.write(piece)
