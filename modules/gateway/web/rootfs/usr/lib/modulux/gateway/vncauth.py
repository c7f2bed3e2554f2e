"""VncAuth's arithmetic (RFC 6143, 7.2.2): the challenge, encrypted by DES with the password as the key.

DES is libnettle's, which every Debian system has: a cryptography package would add 5 MB to the image. It is loaded when
the first VNC client comes, since most desktops never see one.
"""

from __future__ import annotations

import ctypes
import functools

_CONTEXT_SIZE = 128  # struct des_ctx: 32 words of 32 bits


@functools.cache
def _nettle() -> ctypes.CDLL:
    return ctypes.CDLL("libnettle.so.8")


def _mirrored(byte: int) -> int:
    return int(f"{byte:08b}"[::-1], 2)


def response(password: str, challenge: bytes) -> bytes:
    """The right answer, 16 bytes, to a challenge of 16 bytes. Only 8 characters of `password` count.

    Raises:
        OSError: libnettle is missing.
    """
    # VNC takes the bits of each byte of the key in the opposite order.
    key = bytes(map(_mirrored, password.encode("latin-1")[:8].ljust(8, b"\0")))
    context = ctypes.create_string_buffer(_CONTEXT_SIZE)
    answer = ctypes.create_string_buffer(len(challenge))
    _nettle().nettle_des_set_key(context, key)
    _nettle().nettle_des_encrypt(context, ctypes.c_size_t(len(challenge)), answer, challenge)
    return answer.raw
