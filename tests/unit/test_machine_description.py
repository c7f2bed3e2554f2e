"""The file that describes a machine, as the machine has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.machine.description import differs, exported, text, whole
from modulux.machine.files import read_machine
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine, MadeOf

DESKTOP = Desktop.model_validate(
    {"name": "office", "sessions": ["xfce"], "gateway": None, "apps": [{"module": "firefox", "tabs": 3}]}
)
MACHINE = {
    "name": "pc",
    "desktops": ["./office.yaml", {"desktop": "xfce", "display": "own"}],
    "screen": "1920x1080",
    "state": "8g",
    "login": {"password-hash": "$6$abcdefgh$" + "x" * 60},
}
IMAGES = ["modulux/init/engine:1", "modulux/session/xfce:2"]


def read(name: str) -> Desktop:
    return (
        DESKTOP if name == "./office.yaml" else Desktop.model_validate({"name": "other", "sessions": [name], "display": "xvfb"})
    )


def described(machine: Machine) -> str:
    return text(whole(machine, read), "6.12", IMAGES)


def test_it_is_whole_and_says_of_itself_the_same(tmp_path: Path) -> None:
    file = tmp_path / "pc.yaml"
    file.write_text(exported("pc", "0123456789abcdef", described(Machine.model_validate(MACHINE))))
    (tmp_path / "pc.hash").write_text("$6$other$" + "y" * 60)
    again = read_machine(file)
    assert [entry.desktop for entry in again.desktops] == [DESKTOP, read("xfce")]
    assert again.desktops[0].desktop.model_dump(exclude_unset=True) == DESKTOP.model_dump(exclude_unset=True)  # type: ignore[union-attr]
    assert again.made_of == MadeOf(version="0123456789abcdef", kernel="6.12", images=IMAGES)
    assert (again.screen, again.state) == (Machine.model_validate(MACHINE).screen, 8 * 1024**3)
    assert described(again) == described(Machine.model_validate(MACHINE)), (
        "what a machine built from it keeps is the same bytes"
    )


def test_the_hash_of_a_password_stays_out_of_it() -> None:
    made = exported("pc", "1", described(Machine.model_validate(MACHINE)))
    assert "$6$" not in made
    assert "password-file: pc.hash" in made
    assert "Nor does the hash" in made
    assert "password: none" in described(Machine.model_validate({**MACHINE, "login": {"password": "none"}}))


@pytest.mark.parametrize(
    ("version", "kernel", "images", "said"),
    [
        ("1", "6.12", IMAGES, []),
        ("2", "6.12", IMAGES, ["packages of the archive that images were built from: their layers are others"]),
        ("2", "6.13", IMAGES, ["kernel 6.13 instead of 6.12"]),
        ("2", "6.12", [IMAGES[0], "modulux/session/xfce:3"], ["modulux/session/xfce:3 instead of modulux/session/xfce:2"]),
        ("2", "6.12", [*IMAGES, "modulux/app/x:1"], ["modulux/app/x:1, which it had not"]),
    ],
)
def test_a_build_says_in_what_it_is_another_one(version: str, kernel: str, images: list[str], said: list[str]) -> None:
    assert differs(MadeOf(version="1", kernel="6.12", images=IMAGES), version, kernel, images) == said
