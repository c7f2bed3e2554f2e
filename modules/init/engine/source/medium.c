/* A medium that a machine is started from without being installed, a CD or a memory stick: found by the label of its file system (ISO 9660),
 * which the firmware's program on it knows. A CD has no partitions, and needs none: a piece of it is mapped. What that holds is checked as on
 * any disk. The device mapper keeps the medium for itself, so that nobody writes to it meanwhile. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VOLUME 0x8000 /* the first volume descriptor */
#define LABEL_AT 40
#define LABEL_SIZE 32
#define SECTOR 512

static int is_called(const char *disk, const char *label) {
  char head[LABEL_AT + LABEL_SIZE], wanted[LABEL_SIZE + 1];
  int file = open(disk, O_RDONLY | O_CLOEXEC), got = file >= 0 && pread(file, head, sizeof head, VOLUME) == sizeof head;
  if (file >= 0) close(file);
  snprintf(wanted, sizeof wanted, "%-*s", LABEL_SIZE, label);
  return got && !memcmp(head + 1, "CD001", 5) && !memcmp(head + LABEL_AT, wanted, LABEL_SIZE);
}

/* Whole disks that are there for themselves: what is mapped or looped is on one of them. */
static int find_medium(const char *label, char *disk, size_t size) {
  char path[256];
  glob_t found = {0};
  int there = 0;
  glob("/sys/class/block/*/device", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc && !there; i++) {
    snprintf(path, sizeof path, "%s", found.gl_pathv[i]);
    *strrchr(path, '/') = 0;
    snprintf(disk, size, "/dev/%s", strrchr(path, '/') + 1);
    there = is_called(disk, label);
  }
  globfree(&found);
  return there;
}

/* The device of LABEL:AT:BYTES, both numbers in bytes; 0 when the medium is not there (yet). */
int map_medium(const char *piece, char *path, size_t size) {
  char label[LABEL_SIZE + 1], disk[128], name[64], words[192];
  unsigned long long at, bytes;
  if (sscanf(piece, "%32[^:]:%llu:%llu", label, &at, &bytes) != 3 || at % SECTOR || bytes % SECTOR) return 0;
  if (!find_medium(label, disk, sizeof disk)) return 0;
  snprintf(name, sizeof name, "medium-%llu", at);
  snprintf(words, sizeof words, "%s %llu", disk, at / SECTOR);
  int number = map_device(name, "linear", words, bytes / SECTOR);
  if (number < 0) {
    say("the medium %s cannot be used: %s", disk, strerror(errno));
    return 0;
  }
  snprintf(path, size, "/dev/dm-%d", number);
  return 1;
}
