"""What cannot go together, said of the shipped modules: each refusal names the line and what to choose instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from modulux.errors import FileError
from modulux.model.desktop import Desktop
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve


def refusal(path: Path, text: str, *folders: Path) -> FileError:
    path.write_text(f"name: a\n{text}\n")
    with pytest.raises(FileError) as refused:
        resolve(load(path, Desktop), Catalog([*folders, shipped("modules")]), HostFacts(), str(path))
    return refused.value


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("display: xvfb\nviewer: wayvnc\nsessions: [xfce]", "`wayvnc` requires `wayland`", "display/wayland"),
        ("sessions: [labwc]\nviewer: x11vnc\ndisplay: wayland", "`x11vnc` requires `x11-screen`", "display/xvfb"),
        ("display: xvfb\nsessions: [labwc]", "`labwc` requires `wayland`", "display/wayland"),
        ("display: wayland\nsessions: [plasma]", "`plasma` requires `x11-screen`", "display/xdummy"),
        ("display: xvfb\nsessions: [xfce, {module: sway, arrange: nested}]", "`sway` cannot be nested", "separate"),
        ("sessions: [sway, {module: xfce, arrange: shared}]", "`xfce` requires `x11-screen`", "display/xvfb"),
        (
            "display: xvfb\nsessions: [xfce, {module: gnome, arrange: shared}]\nservices: [login1]",
            "cannot be shared",
            "`gnome` first",
        ),
        ("display: xvfb\nsessions: [gnome]", "`gnome` requires `system-bus`", "service/login1"),
        ("display: xvfb\nsessions: [xfce]\naudio: [pipewire, alsa]", "takes one module", "name one"),
        ("display: xvfb\nsessions: [xfce]\nlocale: xx_YY.UTF-8", "no known locale", "de_DE.UTF-8"),
        ("display: xvfb\nsessions: [xfce]\nkeyboard: klingon", "no keyboard layout", "us"),
        ("display: xvfb\nsessions: [xfce]\nkeyboard: de(qwerty9)", "no variant", "it has"),
        ("display: xvfb\nsessions: [xfce]\ntimezone: Mars/Base", "no known time zone", "Europe/Berlin"),
        ("display: xvfb\nsessions: [xfce]\napps: [fierfox]", "unknown module `app/fierfox`", "did you mean `firefox`?"),
    ],
)
def test_a_mismatch_says_where_and_what_to_choose(tmp_path: Path, text: str, says: str, hint: str) -> None:
    error = refusal(tmp_path / "a.yaml", text)
    assert says in str(error)
    assert error.line is not None
    assert hint in (error.hint or "")


def test_a_screen_larger_than_the_display_can(tmp_path: Path) -> None:
    error = refusal(tmp_path / "a.yaml", "display: xvfb\nsessions: [xfce]\nscreen: 4000x8000")
    assert "8192x4096" in f"{error} {error.hint}"
    assert error.line == 4


def test_an_input_method_without_a_bus(tmp_path: Path) -> None:
    own = tmp_path / "own/session/bare"
    shutil.copytree(shipped("modules") / "session/openbox", own)
    contract = own / "module.yaml"
    contract.write_text(contract.read_text().replace("session-bus, ", ""))
    error = refusal(tmp_path / "a.yaml", "display: xvfb\nsessions: [bare]\ninput-method: fcitx5", tmp_path / "own")
    assert "`fcitx5` requires `session-bus`" in str(error)
    assert "session/xfce" in (error.hint or "")


def test_two_modules_for_the_same_sound(tmp_path: Path) -> None:
    own = tmp_path / "own/service/pulse"
    shutil.copytree(shipped("modules") / "audio/pipewire", own)
    contract = own / "module.yaml"
    contract.write_text(contract.read_text().replace("role: audio", "role: service"))
    text = "display: xvfb\nsessions: [xfce]\naudio: pipewire\nservices: [pulse]"
    error = refusal(tmp_path / "a.yaml", text, tmp_path / "own")
    assert "pipewire" in str(error)
    assert "pulse" in str(error)
    assert error.hint
