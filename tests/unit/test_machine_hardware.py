"""What is plugged into a machine: sticks, screens, and news of devices, from its file to what PID 1, containers and QEMU are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from modulux.engine.protocol import ImageFacts
from modulux.errors import EngineError, HostError, NotFoundError
from modulux.machine import sticks
from modulux.machine.bootplan import boot_lines
from modulux.machine.bundle import runtime_config
from modulux.machine.compose import plan_machine
from modulux.machine.emulator import Machine as Virtual
from modulux.machine.emulator import there
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.model.plan import Container, Plan
from modulux.model.units import Screen
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load

CATALOG = Catalog([shipped("modules")])
IMAGE = ImageFacts(("/usr/bin/tini", "--", "/usr/lib/modulux/enter"), ("HOME=/home/user",), "/home/user")
SHARED = "/run/machine/volumes/modulux.m.media.media"


def plan(**keys: object) -> Plan:
    def desktop(word: str) -> Desktop:
        return load(shipped("desktops") / f"{word}.yaml", Desktop)

    return plan_machine(Machine.model_validate({"name": "m", "desktops": ["openbox"], **keys}), CATALOG, desktop)


def one(made: Plan, name: str) -> Container:
    return next(c for c in made.containers if c.name == name)


def config(c: Container) -> dict[str, Any]:
    return runtime_config(c, IMAGE, {"syscalls": []}, frozenset())


def lines(made: Plan) -> list[str]:
    return boot_lines(made, {c.image: ["layer"] for c in made.containers})


def test_who_shows_sticks_may_read_them_and_ask_for_them_and_others_see_what_comes() -> None:
    made = plan()
    service = config(one(made, "modulux.m.media"))
    found = {m["destination"]: m for m in service["mounts"]}
    assert found["/run/modulux/asks"]["source"] == "/run/machine/asks/modulux.m.media"
    assert {"allow": True, "type": "b", "access": "r"} in service["linux"]["resources"]["devices"]
    assert all(held == [] for held in service["process"]["capabilities"].values())
    app = config(one(made, "modulux.openbox.terminal"))
    seen = next(m for m in app["mounts"] if m["destination"] == "/media")
    assert seen["source"] == SHARED
    assert {"rbind", "rslave", "ro", "nosuid", "nodev"} <= set(seen["options"])
    assert app["linux"]["rootfsPropagation"] == "rslave"
    assert not any(m["destination"] in ("/run/modulux/asks", "/dev/sticks") for m in app["mounts"])
    assert f"sticks\tmodulux.m.media\t{SHARED}" in lines(made)
    assert not any(line.startswith("device\tmodulux.m.media") for line in lines(made)), "there need be no stick"


def test_a_machine_can_be_without() -> None:
    assert not any(c.short == "media" for c in plan(sticks="none").containers)
    assert any(c.short == "media" for c in plan(init="systemd").containers)


def test_displays_and_who_tells_them_of_devices_share_a_network_namespace_of_nothing_else() -> None:
    made = plan(sticks="none")
    told = {"type": "network", "path": "/run/machine/net/modulux.m.udev.udev"}
    joined = [c.short for c in made.containers if told in config(c)["linux"]["namespaces"]]
    assert sorted(joined) == ["udev", "xorg"]
    assert [line for line in lines(made) if line.startswith("news")] == ["news\tmodulux.m.udev\tmodulux.m.udev.udev"]


def test_several_screens_are_the_first_ones_size_and_what_stands_beside_it() -> None:
    display = one(plan(screens=["1280x800", "1024x768", "800x600"]), "modulux.openbox.xorg")
    assert display.env["MODULUX_SCREEN"] == "1280x800"
    assert display.env["MODULUX_BESIDE"] == "1024x768,800x600"
    with pytest.raises(ValidationError, match="one size"):
        plan(screen="800x600", screens=["800x600"])


def test_qemu_has_a_stick_and_an_iso_on_one(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps({"verity": dict.fromkeys(("system", "store"), f"10:{'a' * 64}")}))
    argv = Virtual(tmp_path, tmp_path / "s", None, 2**29, usb=[tmp_path / "a.img", tmp_path / "b.img"]).argv()
    assert argv.count("qemu-xhci,id=usb") == 1
    assert sum(word.startswith("usb-storage,bus=usb.0,drive=usb") for word in argv) == 2
    argv = Virtual(tmp_path, tmp_path / "s", None, 2**29, iso=tmp_path / "m.iso", stick=True, usb=[tmp_path / "a.img"]).argv()
    assert argv.count("qemu-xhci,id=usb") == 1
    assert "usb-storage,bus=usb.0,drive=medium,removable=on,bootindex=0" in argv
    assert not any("media=cdrom" in word for word in argv)
    assert "qemu-xhci,id=usb" not in Virtual(tmp_path, tmp_path / "s", None, 2**29).argv()
    with pytest.raises(NotFoundError):
        there(tmp_path / "a.img")


def test_qemu_has_a_socket_for_each_further_screen(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps({"verity": dict.fromkeys(("system", "store"), f"10:{'a' * 64}")}))
    machine = Virtual(tmp_path, tmp_path / "s", None, 2**29, beside=[Screen(width=800, height=600)] * 2)
    assert "virtio-vga,id=card,max_outputs=3" in machine.argv()
    assert f"unix:{machine.screen_door(2)},display=card,head=2" in machine.argv()


def test_a_stick_is_ejected_by_its_name_or_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, ...]] = []

    def ask(_: Path, *words: str) -> list[str]:
        asked.append(words)
        if words[0] == "eject" and words[1] == "BUSY":
            raise EngineError("the machine: it ended with 16")
        return ["MY STICK\tsda1\tvfat\tmounted", "BUSY\tsdb\tvfat\tmounted"] if words == ("sticks",) else []

    monkeypatch.setattr(sticks, "ask", ask)
    found = sticks.sticks(tmp_path)
    sticks.eject(tmp_path, sticks.chosen("sda1", found))
    assert asked[-1] == ("eject", "MY STICK")
    with pytest.raises(HostError, match="in use"):
        sticks.eject(tmp_path, sticks.chosen("BUSY", found))
    with pytest.raises(NotFoundError):
        sticks.chosen("other", found)
