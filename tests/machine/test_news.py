"""News of devices as `service/udev` passes them on: the real libudev hears them, of a process without a right, by the socket that it asked for."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modulux.paths import shipped

SOURCE = shipped("modules") / "service/udev/source"

GIVES = r"""
import os, socket, subprocess, sys, time
program, listener = sys.argv[1:]
ear = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)
ear.bind((0, 4))
ear.connect((0, 2))
mouth = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)
mouth.bind((0, 0))
mouth.connect((0, 4))
door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
door.bind("/run/modulux/asks/socket")
os.chown("/run/modulux/asks/socket", 1000, 1000)
door.listen()
nobody = dict(user=1000, group=1000, extra_groups=[])
hears = subprocess.Popen([sys.executable, "-c", listener], stdout=subprocess.PIPE, text=True)
hears.stdout.readline()
tells = subprocess.Popen([program], **nobody)
who = door.accept()[0]
print("asks", who.recv(64))
socket.send_fds(who, [b"ok"], [ear.fileno()])
while not os.path.exists("/run/udev/modulux"):
    time.sleep(0.05)
for action in ("add", "remove"):
    for where, kind, name, number in (("usb/1-1", "usb", "bus/usb/1", 9), ("input/input9/event9", "input", "input/event9", 73)):
        fields = [f"ACTION={action}", f"DEVPATH=/devices/virtual/{where}", f"SUBSYSTEM={kind}", "MAJOR=13", f"MINOR={number}"]
        mouth.send("\0".join([f"{action}@/devices/virtual/{where}", *fields, f"DEVNAME={name}", "SEQNUM=77", ""]).encode())
    time.sleep(0.5)
    print(action, os.path.exists("/run/udev/data/c13:73"), os.path.exists("/run/udev/data/c13:9"))
print(hears.communicate()[0])
tells.kill()
"""

HEARS = r"""
import ctypes, os, select
os.setgroups([])
os.setgid(1000)
os.setuid(1000)
udev = ctypes.CDLL("libudev.so.1")
for name in ("udev_new", "udev_monitor_new_from_netlink", "udev_monitor_receive_device"):
    getattr(udev, name).restype = ctypes.c_void_p
for name in ("udev_device_get_action", "udev_device_get_devnode", "udev_device_get_property_value"):
    getattr(udev, name).restype = ctypes.c_char_p
monitor = ctypes.c_void_p(udev.udev_monitor_new_from_netlink(ctypes.c_void_p(udev.udev_new()), b"udev"))
udev.udev_monitor_filter_add_match_subsystem_devtype(monitor, b"input", None)
udev.udev_monitor_filter_add_match_tag(monitor, b"seat0")
udev.udev_monitor_enable_receiving(monitor)
print("listening", flush=True)
for _ in range(2):
    if select.select([udev.udev_monitor_get_fd(monitor)], [], [], 20)[0]:
        device = ctypes.c_void_p(udev.udev_monitor_receive_device(monitor))
        get = lambda key: udev.udev_device_get_property_value(device, key)
        print(udev.udev_device_get_action(device), udev.udev_device_get_devnode(device), get(b"ID_INPUT"), get(b"ID_SEAT"))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    if os.geteuid() != 0 or not shutil.which("gcc") or not ctypes.util.find_library("udev"):
        pytest.skip("needs root, gcc and libudev")
    made = tmp_path / "devices"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", str(made), *map(str, sorted(SOURCE.glob("*.c")))], check=True)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(0o755)
    return made


def test_libudev_hears_of_a_keyboard_from_a_process_without_a_right(program: Path) -> None:
    script = 'mkdir -p /run/udev && mount -t tmpfs -o mode=1777 udev /run/udev && : >/run/udev/control && mkdir -p /run/modulux && mount -t tmpfs asks /run/modulux && mkdir /run/modulux/asks && exec "$@"'
    argv = ["unshare", "--mount", "--net", "sh", "-c", script, "sh", sys.executable, "-c", GIVES, str(program), HEARS]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout.splitlines()
    assert "asks b'news'" in said, done.stderr
    assert "add True False" in said
    assert "remove False False" in said
    assert "b'add' b'/dev/input/event9' b'1' b'seat0'" in said
    assert "b'remove' b'/dev/input/event9' None b'seat0'" in said
