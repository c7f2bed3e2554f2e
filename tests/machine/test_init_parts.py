"""Single files of PID 1, called by a program of the test's: what a whole machine meets too seldom to be waited for."""

from __future__ import annotations

import shutil
import subprocess
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
