/* The system and the store, checked as they are read: the kernel's dm-verity holds each block against a tree of hashes behind the image,
 * the tree's root being on the kernel's command line (modulux.system.verity=BLOCKS:ROOT). */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 4096
#define ROOT 64 /* hexadecimal digits of a SHA-256 */

/* A device that reads `disk` and checks it as `told`, BLOCKS:ROOT: N of /dev/dm-N; -1 with errno set. */
int map_checked(const char *name, const char *disk, const char *told) {
  char words[512], *root;
  unsigned long long blocks = strtoull(told, &root, 10);
  errno = EINVAL;
  if (!blocks || *root != ':' || strspn(root + 1, "0123456789abcdef") != ROOT || root[1 + ROOT]) return -1;
  snprintf(words, sizeof words, "1 %s %s %d %d %llu %llu sha256 %s -", disk, disk, BLOCK, BLOCK, blocks, blocks, root + 1);
  return map_device(name, "verity", words, blocks * (BLOCK / 512));
}

/* Put the checked device in the place of the disk that holds `part`. Whether it may be read: one whose root is told is never read unchecked. */
int check_disk(const char *part, char *disk, size_t size) {
  char key[64], told[160];
  snprintf(key, sizeof key, "%s.verity", part);
  if (!argument(key, told, sizeof told)) return 1;
  int number = map_checked(part, disk, told);
  if (number < 0) {
    say("the %s on %s cannot be checked (modulux.%s=%s): %s", part, disk, key, told, strerror(errno));
    return 0;
  }
  snprintf(disk, size, "/dev/dm-%d", number);
  return 1;
}

/* PID 1 must go on whatever comes of the disk that it was read from. */
int into_memory(const char *program, const char *copy) {
  static char bytes[65536];
  int in = open(program, O_RDONLY | O_CLOEXEC), out = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  ssize_t got = -1;
  while (in >= 0 && out >= 0 && (got = read(in, bytes, sizeof bytes)) > 0)
    if (write(out, bytes, got) != got) got = -1;
  if (got < 0) say("%s cannot be read: %s", program, strerror(errno));
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return got == 0 ? 0 : -1;
}

static void tell_damage(const char *device, const char *block) {
  char path[128], part[128] = "system";
  snprintf(path, sizeof path, "/sys/class/block/%.64s/dm/name", device);
  read_text(path, part, sizeof part);
  if (strncmp(part, "layer-", 6)) slot_damaged(part, block);
  else layer_damaged(strrchr(part, '-') + 1, block);
}

/* What the kernel tells when a block is not what was built. */
void verity_news(const char *text, size_t length) {
  const char *block = NULL, *device = NULL;
  for (const char *at = text; at < text + length; at += strlen(at) + 1) {
    if (!strncmp(at, "DM_VERITY_ERR_BLOCK_NR=", 23)) block = at + 23;
    if (!strncmp(at, "DEVNAME=", 8)) device = at + 8;
  }
  if (!block) return;
  if (strchr(block, ',')) block = strchr(block, ',') + 1; /* before it: 0 of the image, 1 of the tree */
  tell_damage(device ? device : "", block);
}

/* What was read before anybody heard the kernel: a verity device that has found something says so (C) as long as it is there. */
void look_for_damage(void) {
  char name[128], text[64];
  glob_t found = {0};
  glob("/sys/class/block/dm-*/dm/name", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    if (!read_text(found.gl_pathv[i], name, sizeof name) || !device_status(name, text, sizeof text) || *text != 'C') continue;
    found.gl_pathv[i][strlen(found.gl_pathv[i]) - strlen("/dm/name")] = 0;
    tell_damage(strrchr(found.gl_pathv[i], '/') + 1, "not known");
  }
  globfree(&found);
}
