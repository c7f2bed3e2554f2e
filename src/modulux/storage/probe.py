"""An image made on the spot, of one file that ends well: what shows that an engine can still load, start and remove."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import struct
import tarfile

NAME = "localhost/modulux-storage-probe:1"

MACHINES: dict[str, tuple[int, str, bytes]] = {
    # exit(0): mov edi, 0; mov eax, 60; syscall
    "x86_64": (62, "amd64", bytes.fromhex("bf00000000 b83c000000 0f05")),
    # mov x0, 0; mov x8, 93; svc 0
    "aarch64": (183, "arm64", bytes.fromhex("000080d2 a80b80d2 010000d4")),
    # li a0, 0; li a7, 93; ecall
    "riscv64": (243, "riscv64", bytes.fromhex("13050000 9308d005 73000000")),
}
"""For each machine: its number in ELF, its name in images, and the instructions."""


def known(machine: str | None = None) -> bool:
    """Whether a probe can be made for this machine."""
    return (machine or platform.machine()) in MACHINES


def archive(machine: str | None = None) -> bytes:
    """The image as `load` of Docker and Podman and `ctr images import` take it."""
    number, architecture, code = MACHINES[machine or platform.machine()]
    layer = _tar({"probe": _program(number, code)})
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/probe"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    name = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": f"{name}.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]).encode()
    return _tar({f"{name}.json": config, "layer.tar": layer, "manifest.json": manifest})


def _program(machine: int, code: bytes) -> bytes:
    """A static ELF program of 64 bits: header, one segment, the code."""
    address, headers = 0x400000, 64 + 56
    size = headers + len(code)
    ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, machine, 1, address + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, size, size, 0x1000)
    return header + segment + code


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()
