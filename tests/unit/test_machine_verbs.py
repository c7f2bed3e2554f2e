"""What the verbs of machines refuse, and where they look for what a machine file names."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.cli.common import Common
from modulux.cli.machine_run import _beside, _memory
from modulux.cli.machines import described
from modulux.errors import FileError, UsageError

DESK = "name: {name}\ndisplay: xvfb\nsessions: [openbox]\n"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where the machine file lies, and where the person is."""
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    return there, here


@pytest.mark.parametrize("word", ["d.yaml", "./d.yaml", "deeper/../d.yaml"])
def test_a_path_in_a_machine_file_is_meant_from_its_folder(folders: tuple[Path, Path], word: str) -> None:
    there, here = folders
    (there / "deeper").mkdir()
    (here / "deeper").mkdir()
    (there / "m.yaml").write_text(f"name: m\ndesktops:\n- openbox\n- {word}\n")
    (here / "d.yaml").write_text(DESK.format(name="wrong"))
    with pytest.raises(FileError) as raised:
        described(str(there / "m.yaml"), Common())
    assert str(there / word) in str(raised.value)
    assert (raised.value.file, raised.value.line) == (str(there / "m.yaml"), 4)
    assert raised.value.hint
    (there / "d.yaml").write_text(DESK.format(name="right"))
    names = [
        d.desktop.name for d in described(str(there / "m.yaml"), Common()).machine.desktops if not isinstance(d.desktop, str)
    ]
    assert names == ["openbox", "right"]


def test_a_name_in_a_machine_file_is_no_file_of_the_current_folder(folders: tuple[Path, Path]) -> None:
    there, here = folders
    (there / "m.yaml").write_text("name: m\ndesktops: [openbox]\n")
    (here / "openbox").write_text(DESK.format(name="wrong"))
    (desktop,) = described(str(there / "m.yaml"), Common()).machine.desktops
    assert not isinstance(desktop.desktop, str)
    assert desktop.desktop.name == "openbox"


@pytest.mark.parametrize("number", [0, -1, 5])
def test_so_many_screens_there_are_not(number: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 4") as raised:
        _beside({"beside": ["800x600"]}, number)
    assert raised.value.hint


def test_screens_are_those_of_the_file_and_then_more() -> None:
    found = [[str(size) for size in _beside({"beside": ["800x600"]}, count)] for count in (None, 1, 3)]
    assert tuple(found) == (["800x600"], [], ["800x600", "1024x768"])


@pytest.mark.parametrize("word", ["16m", "much", "255m", "2t"])
def test_memory_in_which_nothing_boots_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=f"--memory {word}") as raised:
        _memory({"memory": 2**30}, word)
    assert raised.value.hint
    assert _memory({"memory": 2**30}, "256m") == 256 * 1024**2
    assert _memory({"memory": 2**30}, None) == 2**30
