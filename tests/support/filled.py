"""An engine filled with all that is easily lost: hard links, whiteouts, ACLs, attributes, holes, devices, odd names, locked files."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.native import run_words
from tests.support.smallhost import SmallHost

IMAGE = "localhost/filled:1"

FILL = r"""
import fcntl, os, socket, struct, sys
os.chdir(sys.argv[1])
def put(name, data=b"x" * 1000):
    with open(name, "wb") as out:
        out.write(data)
put("plain", os.urandom(3_000_000))
for name in (b"two\nlines", b" spaces \t ", b"\xff\xfe not text", b"-rf", b"*", "文件".encode(), b"a" * 255):
    put(name, name)
os.mkdir("deep")
os.link("plain", "deep/hard"); os.link("plain", "deep/hard two\n")
with open("sparse", "wb") as out:
    out.seek(80_000_000); out.write(b"the end")
os.symlink("nowhere\n", "dangling")
os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("socket")
os.mknod("null", 0o20666, os.makedev(1, 3))
os.mknod("disk", 0o60660, os.makedev(7, 99))
put("owned"); os.chown("owned", 12345, 54321); os.chmod("owned", 0o4751)
put("user attributes"); os.setxattr("user attributes", "user.colour", b"blue\0"); os.setxattr("user attributes", "trusted.secret", b"s")
put("capable"); os.setxattr("capable", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
put("acl")
acl = bytes.fromhex("02000000 01000600 ffffffff 02000400 d2040000 04000000 ffffffff 10000400 ffffffff 20000000 ffffffff")
os.setxattr("acl", "system.posix_acl_access", acl)
os.mkdir("acl folder"); os.setxattr("acl folder", "system.posix_acl_default", acl)
os.utime("owned", ns=(1_111_111_111_111_111_111, 1_222_222_222_222_222_222))
def lock(name, flag):
    fd = os.open(name, os.O_RDONLY)
    now = struct.unpack("i", fcntl.ioctl(fd, 0x80086601, b"\0" * 4))[0]
    fcntl.ioctl(fd, 0x40086602, struct.pack("i", now | flag)); os.close(fd)
put("immutable"); lock("immutable", 0x10)
put("append only"); lock("append only", 0x20)
os.mkdir("locked"); put("locked/inside"); lock("locked", 0x10)
for number in range(300):
    put(f"deep/{number}", b"%d" % number)
"""

SEEN = r"""
import fcntl, hashlib, json, os, stat, struct, sys
top = os.fsencode(sys.argv[1]); seen = {}; inodes = {}
def look(path, name):
    s = os.lstat(path)
    row = [oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns, s.st_rdev]
    row.append(sorted((n, os.getxattr(path, n, follow_symlinks=False).hex()) for n in os.listxattr(path, follow_symlinks=False) if "SGI_ACL" not in n))
    if not stat.S_ISDIR(s.st_mode): row.append(inodes.setdefault(s.st_ino, os.fsdecode(name)))
    if stat.S_ISREG(s.st_mode):
        row += [s.st_size, hashlib.sha256(open(path, "rb").read()).hexdigest(), s.st_size - s.st_blocks * 512 > 1_000_000]
    if stat.S_ISLNK(s.st_mode): row.append(os.fsdecode(os.readlink(path)))
    if stat.S_ISREG(s.st_mode) or stat.S_ISDIR(s.st_mode):
        fd = os.open(path, os.O_RDONLY)
        row.append(struct.unpack("i", fcntl.ioctl(fd, 0x80086601, b"\0" * 4))[0] & 0xf0)
        os.close(fd)
    seen[ascii(os.fsdecode(name))] = row
    if stat.S_ISDIR(s.st_mode):
        for child in sorted(os.listdir(path)): look(path + b"/" + child, name + b"/" + child)
look(top, b".")
print(json.dumps(seen))
"""


def image() -> bytes:
    """One layer: busybox, and files for containers to remove."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(str(shutil.which("busybox")), "bin/busybox")
        for name in ("bin/sh", "bin/sleep", "bin/echo", "bin/rm", "bin/mkdir", "bin/cat", "bin/true"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname, link.mode = tarfile.LNKTYPE, "bin/busybox", 0o755
            tar.addfile(link)
        for name in ("data/gone", "data/stays", "data/folder/one", "data/folder/two"):
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    return out.getvalue()


@dataclass
class Filled:
    """What an engine of a small machine was filled with, and whether all of it is there."""

    host: SmallHost
    engine: str

    def do(self, *words: str, check: bool = True) -> str:
        return self.host.do(self.engine, *words, check=check).stdout

    @property
    def limits(self) -> list[str]:
        return run_words(self.engine)

    def fill(self) -> None:
        host = self.host
        archive = host.folder / "image.tar"
        archive.write_bytes(image())
        self.do("import", str(archive), IMAGE)
        self.do("volume", "create", "odd")
        self.do("volume", "create", "log")
        host.python(FILL, str(self.volume("odd")))
        run = ["run", "--detach", "--network", "none", *self.limits]
        script = "rm /data/gone; rm -r /data/folder; mkdir /data/folder; echo new >/data/folder/three; "
        script += "trap 'exit 0' TERM; while true; do echo tick >>/log/ticks; sleep 0.1; done"
        self.do(*run, "--name", "ticks", "--volume", "log:/log", "--volume", "odd:/odd", IMAGE, "/bin/sh", "-c", script)
        self.do(*run, "--name", "ended", IMAGE, "/bin/sh", "-c", "echo kept >/data/kept; rm /data/stays")
        self.do("wait", "ended")
        self.do("create", "--name", "never-started", *self.limits, IMAGE, "/bin/true")
        self.odd = self.look("odd")

    def volume(self, name: str) -> Path:
        return Path(self.do("volume", "inspect", "--format", "{{.Mountpoint}}", name).strip())

    def look(self, volume: str) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self.host.python(SEEN, str(self.volume(volume))))
        return seen

    def ticks(self) -> int:
        return int(self.host.sh('wc -l <"$1"/ticks', str(self.volume("log"))))

    def all_there(self) -> None:
        """Nothing is lost, what ran runs, and a new container sees what it should."""
        names = self.do("ps", "--all", "--format", "{{.Names}}").split()
        assert {"ticks", "ended", "never-started"} <= set(names)
        assert self.do("ps", "--format", "{{.Names}}").split() == ["ticks"]
        assert self.do("volume", "ls", "--format", "{{.Name}}").split() == ["log", "odd"]
        assert IMAGE in self.do("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        now = self.look("odd")
        assert {k: (self.odd.get(k), now.get(k)) for k in self.odd | now if self.odd.get(k) != now.get(k)} == {}
        inside = self.do("exec", "ticks", "/bin/sh", "-c", "cd /data && echo * folder/*").split()
        assert inside == ["folder", "stays", "folder/three"]
        assert self.do("start", "--attach", "ended", check=False) == ""
        archive = self.host.do("sh", "-c", f"{self.engine} export ended | tar t").stdout.split()
        assert "data/kept" in archive
        assert "data/stays" not in archive
        assert self.do("run", "--rm", "--network", "none", *self.limits, IMAGE, "/bin/cat", "/data/gone") == "data/gone"
