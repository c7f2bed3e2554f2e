"""Which disk is a machine's own, where another has partitions of the same names."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.machine.test_init_tables import NUMBER, SECTOR, small
from tests.support.pid1 import compile_part

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")

KNOWS = """
int main(int count, char **words) {
  static struct gpt disk;
  unsigned char id[BYTES];
  disk.file = count < 3 ? -1 : open(words[1], O_RDONLY);
  return disk.file < 0 || !as_bytes(words[2], id) || !read_table(&disk) ? 2 : !has_partition(&disk, id);
}
"""


def test_a_disk_is_known_by_the_number_of_the_partition_that_was_started_from(tmp_path: Path) -> None:
    program, image = compile_part(tmp_path, "own_disk.c", "", KNOWS), tmp_path / "image"
    with image.open("wb") as file:
        for at, content in small().items():
            file.seek(at * SECTOR)
            file.write(content)
    own, other = bytes(range(NUMBER, NUMBER + 16)), bytes(range(16))
    for number, found in ((own, 0), (other, 1)):
        for text in (str(uuid.UUID(bytes_le=number)), str(uuid.UUID(bytes_le=number)).upper()):
            assert subprocess.run([program, image, text], check=False).returncode == found


TWO_DISKS = """
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static char **words;
static int list(const char *pattern, int flags, void *failed, glob_t *found) {
  found->gl_pathc = strstr(pattern, "uevent") ? 2 : 0;
  found->gl_pathv = words + 1;
  return pattern && flags && failed;
}
static int is_own(const char *path) {
  return strlen(words[3]) && strstr(path, words[3]) != NULL;
}
#define glob list
#define globfree(found)
#define access(path, how) 0
#define is_on_own_disk is_own
#define own_disk_seen() (words[4][0] == 'y')
#define say(...) ((void)(printf(__VA_ARGS__), puts("")))
"""

FINDS = """
int main(int count, char **given) {
  char path[64] = "none";
  words = given;
  return count == 5 && find_disk("PARTLABEL=modulux-state", path, sizeof path, 0) && puts(path) > 0 ? 0 : 1;
}
"""


@pytest.mark.parametrize(
    ("own", "seen", "found"),
    [
        pytest.param("vda", "yes", "/dev/vda6", id="the first"),
        pytest.param("vdb", "yes", "/dev/vdb6", id="the second"),
        pytest.param("", "yes", None, id="its own has none"),
        pytest.param("", "no", "/dev/vda6", id="its own is not here"),
    ],
)
def test_of_two_disks_a_machine_has_its_own(tmp_path: Path, own: str, seen: str, found: str | None) -> None:
    program, facts = compile_part(tmp_path, "disk.c", TWO_DISKS, FINDS), []
    for name in ("vda", "vdb"):
        facts.append(tmp_path / name)
        facts[-1].write_text(f"MAJOR=254\nDEVNAME={name}6\nDEVTYPE=partition\nPARTNAME=modulux-state\n")
    done = subprocess.run([program, *facts, own, seen], check=False, capture_output=True, text=True)
    assert done.returncode == (found is None), done
    if found:
        assert done.stdout.splitlines()[-1] == found
    assert ("not on the disk from which this machine was started" in done.stdout) == (seen == "no")
