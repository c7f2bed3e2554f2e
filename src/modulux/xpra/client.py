"""A client of an Xpra server that carries a whole screen (a desktop or a shadow): one window, its pixels, keys and pointer.

It has the methods of the RFB client, so that who can look and type through one can through the other. It asks for plain pixels:
on one machine that is the fastest, and nothing is lost.
"""

from __future__ import annotations

import time
from typing import Any

from modulux.errors import RfbError
from modulux.rfb import Client, Rect, RfbTimeoutError, Stream
from modulux.rfb.framebuffer import MAX_PIXELS, Framebuffer
from modulux.rfb.wire import Wire
from modulux.xpra.packets import Packets, pack

_SIGNS = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_CALLED = """
space exclam quotedbl numbersign dollar percent ampersand apostrophe parenleft parenright asterisk plus comma minus period slash
colon semicolon less equal greater question at bracketleft backslash bracketright asciicircum underscore grave
braceleft bar braceright asciitilde
"""
NAMES = dict(zip(_SIGNS, _CALLED.split(), strict=True))
"""X11's names of the keys that are not named by their letter or digit."""

KEYS = {
    0xFF0D: "Return",
    0xFF1B: "Escape",
    0xFFEB: "Super_L",
    0xFFE9: "Alt_L",
    0xFFE3: "Control_L",
    0xFFE1: "Shift_L",
    0xFFBE: "F1",
}
MODIFIERS = {"Super_L": "mod4", "Alt_L": "mod1", "Control_L": "control", "Shift_L": "shift"}
FORMATS = {b"BGRX": ("BGRX", 4), b"BGRA": ("BGRX", 4), b"RGBX": ("RGBX", 4), b"RGBA": ("RGBX", 4), b"RGB": ("RGB", 3)}


def name_of(keysym: int) -> str:
    """X11's name of a key."""
    return KEYS.get(keysym) or NAMES.get(chr(keysym), chr(keysym))


def _hello(width: int, height: int) -> dict[str, Any]:
    """What this client can do, and that it shares the screen with others and does not ask for a size."""
    printable = [chr(code) for code in range(0x20, 0x7F)]
    keysyms = [*map(ord, printable), *KEYS]
    encodings = ["rgb32", "rgb24"]
    return {
        "version": "3.1.3",
        "client_type": "Modulux",
        "username": "user",
        "uuid": f"modulux-{time.monotonic_ns()}",
        "share": True,
        "ui_client": True,
        "windows": True,
        "keyboard": True,
        "bencode": True,
        "rencode": False,
        "compression_level": 0,
        "generic-rgb-encodings": True,
        "encoding.generic": True,
        "encodings": encodings,
        "encodings.core": encodings,
        "encodings.rgb_formats": ["BGRX", "BGRA", "RGBX", "RGBA", "RGB"],
        "encoding.rgb_zlib": False,
        "encoding.rgb_lz4": False,
        "encoding.rgb_lzo": False,
        "xkbmap_layout": "us",
        "xkbmap_keycodes": [[keysym, name_of(keysym), 8 + n, 0, 0] for n, keysym in enumerate(keysyms)],
        "desktop_size": [width, height],
        "server-window-resize": True,
        "pointer.optional": True,
    }


class XpraClient(Client):
    """A connection to an Xpra server, greeted, with the screen's size known, when this is made. It owns the stream.

    Raises:
        RfbError: what came is not Xpra, there is no screen, or it did not come in time.
    """

    def __init__(self, stream: Stream, *, timeout: float = 20.0) -> None:
        self._stream = stream
        self._wire = Wire(stream)
        self._timeout = timeout
        self._broken = None
        self._window = 0
        self._buttons = 0
        self._held: list[str] = []
        self._packets = Packets(self._wire, MAX_PIXELS * 4)
        self._framebuffer = Framebuffer(1, 1)
        self.cut_text = ""
        self.name = ""
        try:
            self._send(pack(["hello", _hello(1280, 800)]))
            deadline = time.monotonic() + timeout
            while not self._window:
                self._message(deadline)
        except BaseException:
            self.close()
            raise

    def request(self, *, incremental: bool = True, area: Rect | None = None) -> None:  # noqa: ARG002
        """Ask for the whole picture anew; what changes comes without being asked for."""
        if not incremental:
            self._send(pack(["buffer-refresh", self._window, 0, 100, {"refresh-now": True, "batch": {"reset": True}}, {}]))

    def key(self, keysym: int, down: bool) -> None:
        self._take_in()
        name = name_of(keysym)
        held = [modifier for modifier in self._held if modifier != MODIFIERS.get(name)]
        text = name if keysym in KEYS else chr(keysym)
        self._send(pack(["key-action", self._window, name, down, held, keysym, text, keysym & 0xFF, 0]))
        self._held = [*held, MODIFIERS[name]] if down and name in MODIFIERS else held

    def pointer(self, x: int, y: int, buttons: int = 0) -> None:
        self._take_in()
        self._send(pack(["pointer-position", self._window, [x, y], self._held, []]))
        for button in range(8):
            bit = 1 << button
            if (buttons ^ self._buttons) & bit:
                self._send(pack(["button-action", self._window, button + 1, bool(buttons & bit), [x, y], self._held, []]))
        self._buttons = buttons

    def send_cut_text(self, text: str) -> None:  # noqa: ARG002
        raise RfbError("text for the clipboard does not go this way", hint="use a viewer that speaks RFB")

    def _take_in(self) -> None:
        """Read what has come. Xpra sends unasked, and a relay may hold ours back until that is taken."""
        while self.wait_update(time.monotonic() + 0.001) is not None:
            pass

    def _message(self, deadline: float) -> tuple[Rect, ...] | None:
        packet = self._packets.read(deadline)
        return None if packet is None else self._take(packet)

    def _take(self, packet: list[Any]) -> tuple[Rect, ...] | None:
        try:
            match packet:
                case [b"new-window", int(window), int(x), int(y), int(width), int(height), *_] if not self._window:
                    self._framebuffer.resize(width, height)
                    self._window = window
                    self._send(pack(["map-window", window, x, y, width, height, {}, {}]))
                    self._send(pack(["focus", window, []]))
                case [b"window-resized", self._window, int(width), int(height), *_]:
                    self._framebuffer.resize(width, height)
                    self.request(incremental=False)
                    return (Rect(0, 0, width, height),)
                case [
                    b"draw",
                    int(window),
                    int(x),
                    int(y),
                    int(width),
                    int(height),
                    kind,
                    pixels,
                    int(number),
                    int(line),
                    *rest,
                ]:
                    rect = Rect(x, y, width, height)
                    self._draw(rect, kind, pixels, line, rest[0] if rest else {})
                    self._send(pack(["damage-sequence", number, window, width, height, 1, ""]))
                    return (rect,)
                case [b"ping", int(sent), *rest]:
                    self._send(pack(["ping_echo", sent, 0, 0, 0, 0, rest[1] if len(rest) > 1 else b""]))
                case [b"disconnect" | b"challenge", *why]:
                    raise RfbError(f"the Xpra server refuses: {b', '.join(w for w in why if isinstance(w, bytes)).decode()}")
        except RfbTimeoutError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise RfbError(f"the Xpra server sent what has no meaning: {error}") from error
        return None

    def _draw(self, rect: Rect, kind: bytes, pixels: bytes, line: int, options: dict[bytes, Any]) -> None:
        """Put pixels on the picture, in its order of colours and without what lies between the lines."""
        order, size = FORMATS[options.get(b"rgb_format", b"RGB" if kind == b"rgb24" else b"RGBX")]
        self._framebuffer.check(rect)
        width = rect.width * size
        if min(rect.x, rect.y) < 0 or line < width or len(pixels) < line * (rect.height - 1) + width:
            raise ValueError(f"{len(pixels)} bytes for an area {tuple(rect)}")
        if line != width:
            pixels = b"".join(pixels[at : at + width] for at in range(0, line * rect.height, line))
        if order != "BGRX":
            flipped = bytearray(rect.width * rect.height * 4)
            flipped[0::4], flipped[1::4], flipped[2::4] = pixels[2::size], pixels[1::size], pixels[0::size]
            pixels = bytes(flipped)
        self._framebuffer.put(rect, pixels)
