"""Judging a started desktop by what a person sees and does: over RFB alone, and by what lands in a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image, ImageChops

from modulux import run
from modulux.engine.commandline import CommandLineEngine
from modulux.model.module import Probe
from modulux.rfb import Client
from modulux.rfb.picture import pixels

T = TypeVar("T")
Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""

KEYSYMS = {"Return": 0xFF0D, "Escape": 0xFF1B, "Super_L": 0xFFEB, "Alt_L": 0xFFE9, "Control_L": 0xFFE3, "F1": 0xFFBE}
KEYSYMS |= {"Shift_L": 0xFFE1, "Left": 0xFF51}
"""X keysyms of the keys that a contract may name; letters are their own."""

MARK = (255, 0, 170)
"""The second terminal's background: a colour that nothing else has."""

MENU = 0.003
"""The share of a screen that a small menu covers; a clock that goes on is a tenth of it."""

SHIFTED = set('~!@#$%^&*()_+{}|:"<>?')
"""What a person types with Shift on the layout `us`."""

FINGER = 0.01
"""Seconds from one key's way to the next's."""

DRAG = (60, 50)
"""Pixels to the right and down that a window is dragged."""

ASIDE = 100
"""Pixels that a tile goes to the left at least."""

PATIENCE = 20.0
"""Seconds until a person would give up on one step."""


@dataclass(frozen=True)
class Step:
    """One thing that was tried; `found` says what was seen instead."""

    what: str
    passed: bool
    found: str = ""


class Judge:
    """Holds a client at the viewer, and the container of the terminal."""

    def __init__(self, client: Client, engine: CommandLineEngine, terminal: str) -> None:
        self.client = client
        self.engine = engine
        self.terminal = terminal

    def picture(self) -> Image.Image:
        """What is on the screen now: what it sends within a moment is taken in first."""
        deadline = time.monotonic() + 1.0
        for _ in self.client.updates(0.1):
            if time.monotonic() > deadline:
                break
        return self.client.picture().image()

    def click(self, x: int, y: int, button: int = 1) -> None:
        self.client.pointer(x, y)
        self.client.pointer(x, y, 1 << (button - 1))
        time.sleep(0.05)
        self.client.pointer(x, y)

    def press(self, *names: str) -> None:
        """Press the keys together, as fingers do: one after the other."""
        codes = [KEYSYMS.get(name) or ord(name) for name in names]
        for down, code in [*((True, c) for c in codes), *((False, c) for c in reversed(codes))]:
            self.client.key(code, down)
            time.sleep(FINGER)

    def settled(self, seconds: float = 1.0) -> Image.Image:
        """The picture once nothing large has changed for a while."""
        before, deadline = self.picture(), time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            time.sleep(seconds)
            after = self.picture()
            if changed(before, after) < 0.002:
                return after
            before = after
        return before

    def menu(self, probe: Probe) -> Step:
        """The session's menu opens where its contract says."""
        if probe.menu is None and not probe.keys:
            return Step("menu opens", False, "the contract's `probe:` does not say where")
        before = self.settled()
        if probe.menu is not None:
            x, y, *_ = pixels((probe.menu[0], probe.menu[1], 1, 1), self.client.width, self.client.height)
            self.click(x, y, probe.button)
        else:
            self.press(*probe.keys)
        share = self._wait(lambda: changed(before, self.picture()), lambda share: share > MENU)
        self.press("Escape")
        self.settled(0.5)
        return Step("menu opens", share > MENU, f"{share:.1%} of the picture changed")

    def types(self) -> Step:
        """The terminal takes the keyboard, and what is typed arrives in a file."""
        word = f"arrived{time.time_ns()}"
        self.click(self.client.width // 2, self.client.height // 2)
        time.sleep(0.3)
        for letter in f"echo {word} > ~/Documents/matrix":
            self.press(*(["Shift_L"] if letter in SHIFTED else []), letter)
        self.press("Return")
        read = self.engine.exec_argv(self.terminal, ["cat", "/home/user/Documents/matrix"])

        def arrived() -> str:
            self.picture()  # viewers that send unasked are held up by what nobody takes
            return run.run(read, timeout=20).stdout.strip()

        found = self._wait(arrived, lambda text: text == word)
        return Step("typed text arrives", found == word, f"the file holds {found!r:.60}")

    def moves(self, probe: Probe) -> Step:
        """A second window comes up, and its title bar drags it; of a session that tiles, its keys move it."""
        colour = "#{:02x}{:02x}{:02x}".format(*MARK)
        script = 'exec setsid xfce4-terminal --disable-server --geometry=50x8+200+300 --color-bg="$0" >/dev/null 2>&1 &'
        run.run(self.engine.exec_argv(self.terminal, ["sh", "-c", script, colour]), timeout=20)
        where = self._wait(self._marked, lambda box: box is not None)
        if where is None:
            return Step("second window moves", False, "it did not come up")
        self.settled(0.5)
        where = self._marked() or where
        if probe.move:
            self.press(*probe.move)
        else:
            self._drag((where[0] + where[2]) // 2, max(4, where[1] - 14))

        def there(box: Box | None) -> bool:
            if probe.move:
                return box is not None and where[0] - box[0] > ASIDE
            return box is not None and abs(box[0] - where[0] - DRAG[0]) <= 12 and abs(box[1] - where[1] - DRAG[1]) <= 12

        came = self._wait(self._marked, there)  # it may be seen on its way
        moved = there(came)
        return Step("second window moves", moved, f"from {where[:2]} to {came[:2] if came else None}")

    def _drag(self, x: int, y: int) -> None:
        self.client.pointer(x, y)
        for step in range(11):
            self.client.pointer(x + DRAG[0] * step // 10, y + DRAG[1] * step // 10, 1)
            time.sleep(0.03)
        self.client.pointer(x + DRAG[0], y + DRAG[1])

    def _marked(self) -> Box | None:
        """Where the second terminal's background is."""
        flat = Image.new("RGB", (self.client.width, self.client.height), MARK)
        same = (
            ImageChops.difference(self.picture().convert("RGB"), flat).convert("L").point(lambda value: 255 if value < 3 else 0)
        )
        return same.getbbox()

    @staticmethod
    def _wait(look: Callable[[], T], holds: Callable[[T], bool]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not holds(seen := look()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return seen


def changed(before: Image.Image, after: Image.Image) -> float:
    """The share of pixels that differ; 1 where the size does."""
    if before.size != after.size:
        return 1.0
    difference = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).convert("L")
    histogram = difference.point(lambda value: 255 if value > 8 else 0).histogram()
    return histogram[255] / (before.width * before.height)
