"""Single files of PID 1, called by a program of the test's: what a whole machine meets too seldom to be waited for."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.pid1 import compile_part

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")

TURNS = """
int main(void) {
  static const double waits[] = {0, -0.0005, -0.0021, -0.5, -1e9};
  poller = epoll_create1(EPOLL_CLOEXEC);
  alarm(30); /* the end of this program, where one of them lasts for ever */
  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) turn(waits[i]);
  return 0;
}
"""

STAND_INS = """
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
static const char *loaded;
static int given(const char *name, char *value, size_t size) {
  return snprintf(value, size, "%s", strcmp(name, "slot") ? "" : "a") > 0;
}
static int found_at(const char *what, char *path, size_t size, double patience) {
  (void)what, (void)patience;
  return snprintf(path, size, "/dev/null") > 0;
}
static int mounted(const char *what, const char *where, const char *kind, unsigned long flags, const void *words) {
  (void)what, (void)where, (void)flags, (void)words;
  if (!kind || access(loaded, F_OK) == 0) return 0;
  errno = ENODEV; /* as the kernel says it of a file system that it has no driver for yet */
  return -1;
}
static int nothing_there(const char *where) { return !*where; }
static int stays(int flags) { return flags < 0; }
#define argument given
#define find_disk found_at
#define folders(path, mode) (void)(mode)
#define mount mounted
#define umount nothing_there
#define unshare stays
#define say(...) ((void)(printf(__VA_ARGS__), puts("")))
"""

GIVES_UP = """
int main(int count, char **words) {
  char note[64];
  if (count < 2) return 2;
  loaded = words[1];
  pid_t pid = fork();
  if (pid == 0) {
    usleep(300000);
    _exit(close(open(loaded, O_CREAT | O_WRONLY, 0600)));
  }
  snprintf(note, sizeof note, "%d %d", (int)pid, open(words[2], O_PATH | O_DIRECTORY));
  setenv("MODULUX_BESIDE", note, 1);
  give_slot_up();
  return 0;
}
"""


def test_a_turn_ends_whatever_it_is_told_to_wait_for(tmp_path: Path) -> None:
    """What became due between two looks at the clock is due in less than no time; epoll takes that for no end at all."""
    program = compile_part(tmp_path, "loop.c", "", TURNS)
    assert subprocess.run([program], check=False).returncode == 0


def test_a_slot_is_given_up_once_the_drivers_that_are_loaded_beside_are_there(tmp_path: Path) -> None:
    """Among them is that of the boot partition: without it the damaged slot would be started again and again."""
    program = compile_part(tmp_path, "slot.c", STAND_INS, GIVES_UP)
    (tmp_path / "root").mkdir()
    argv = [program, tmp_path / "loaded", tmp_path / "root"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "cannot mount" not in said
    assert "the slot a cannot be used" in said


KEEPS_COUNT = """
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
static char safe[32 << 20], there[32 << 20]; /* what of the part has been flushed, and what is in it */
static int the_first(void) { return 'a'; }
static int found_at(const char *what, char *path, size_t size, double patience) {
  (void)patience;
  return !strcmp(what, "PARTLABEL=modulux-system-b") && snprintf(path, size, "/part") > 0;
}
static int sized(int file, unsigned long what, uint64_t *answer) {
  struct stat facts;
  if (what == BLKGETSIZE64 && fstat(file, &facts) == 0) *answer = facts.st_size;
  return 0;
}
static int flushed(int file) {
  struct stat facts, part;
  if (fstat(file, &facts) || stat("/part", &part) || facts.st_ino != part.st_ino) return 0;
  return pread(file, safe, sizeof safe, 0) < 0;
}
static int renamed(const char *from, const char *to) {
  char text[160] = "";
  unsigned long long noted = 0;
  int note = open(from, O_RDONLY), part = open("/part", O_RDONLY);
  if (read(note, text, sizeof text - 1) <= 0 || sscanf(text, "%*s %llu", &noted) != 1 || pread(part, there, noted, 0) != (ssize_t)noted || memcmp(there, safe, noted))
    dprintf(STDERR_FILENO, "%s is noted too early: %s", to, text);
  close(note);
  close(part);
  return rename(from, to);
}
#define own_slot the_first
#define find_disk found_at
#define ioctl sized
#define fsync flushed
#define rename renamed
"""

RECEIVES = """
int main(int count, char **words) {
  if (count < 3 || chroot(words[1]) || chdir("/")) return 2;
  int part = open("/part", O_RDONLY);
  if (pread(part, safe, sizeof safe, 0) < 0) return 2; /* what was there before is on the disk */
  return obey_slots(words + 2);
}
"""

SIZE, PIECE = 20 << 20, 8 << 20
"""Bytes of what is sent, and after how many PID 1 notes how far it has got."""


@dataclass
class Receiver:
    """The process of PID 1's that takes what is sent to the other slot, in a root of its own."""

    program: Path
    root: Path

    def take(self, sum: str, what: bytes, until: int = SIZE) -> tuple[int, str]:
        """At which byte it begins when it is sent that sum, and its last word, once it has been sent what is before `until`."""
        here, there = socket.socketpair()
        argv = [str(self.program), str(self.root), "receive", "system", str(SIZE), sum]
        with subprocess.Popen(argv, stdin=there.fileno(), stderr=subprocess.PIPE, text=True) as process:
            there.close()
            with here, here.makefile("r") as answers:
                offset = int(answers.readline().removeprefix("at\t"))
                if rest := what[offset:until]:  # who has all of it listens no longer
                    here.sendall(rest)
                here.shutdown(socket.SHUT_WR)
                last = answers.readline().strip()
            assert process.stderr
            assert process.stderr.read() == ""
        return offset, last

    def power_cut(self) -> None:
        """What lies in memory is gone."""
        shutil.rmtree(self.root / "run")
        (self.root / "run").mkdir()


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    root = tmp_path / "root"
    for name in ("run", "state"):
        (root / name).mkdir(parents=True)
    with (root / "part").open("wb") as file:
        file.truncate(SIZE + PIECE)
    return Receiver(compile_part(tmp_path, "receive.c", KEEPS_COUNT, RECEIVES), root)


def test_what_is_noted_of_a_slot_is_on_its_disk_and_is_not_sent_again(receiver: Receiver) -> None:
    what = os.urandom(1 << 20) * (SIZE >> 20)
    sum = hashlib.sha256(what).hexdigest()
    assert receiver.take(sum, what, PIECE + 1000) == (0, "")
    assert receiver.take(sum, what, 2 * PIECE + 5) == (PIECE + 1000, "")
    receiver.power_cut()
    assert receiver.take(sum, what) == (2 * PIECE + 5, "")
    assert (receiver.root / "part").read_bytes()[:SIZE] == what
    assert receiver.take(sum, what) == (SIZE, "")


def test_what_was_noted_before_a_power_cut_is_not_believed(receiver: Receiver) -> None:
    what = os.urandom(1 << 20) * (SIZE >> 20)
    sum, refused = hashlib.sha256(what).hexdigest(), "error what lies on the disk is not what was sent"
    assert receiver.take(hashlib.sha256(b"").hexdigest(), what) == (0, refused)
    assert receiver.take(sum, what) == (0, "")
    receiver.power_cut()
    with (receiver.root / "part").open("r+b") as file:
        file.write(b"of another")
    assert receiver.take(sum, what) == (SIZE, refused)
    assert receiver.take(sum, what) == (0, "")
    assert (receiver.root / "part").read_bytes()[:SIZE] == what
