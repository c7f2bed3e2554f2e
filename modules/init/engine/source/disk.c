/* The disks that the kernel's command line names: modulux.system=, modulux.store=, modulux.state=. */
#include "init.h"
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The value of modulux.NAME on the kernel's command line; 0 when it is not there. */
int argument(const char *name, char *value, size_t size) {
  char line[4096], key[64], *rest;
  snprintf(key, sizeof key, "modulux.%s=", name);
  if (!read_text("/proc/cmdline", line, sizeof line)) return 0;
  for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
    if (strncmp(word, key, strlen(key))) continue;
    snprintf(value, size, "%s", word + strlen(key));
    return *value != 0;
  }
  return 0;
}

/* The kernel names a partition's label in its uevent file: tables are read only of disks that have one by that name. */
static int by_label(const char *label, int anywhere, char *path, size_t size) {
  char wanted[128], text[1024];
  glob_t found = {0};
  int there = 0;
  snprintf(wanted, sizeof wanted, "\nPARTNAME=%s\n", label);
  glob("/sys/class/block/*/uevent", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc && !there; i++) {
    if (!read_text(found.gl_pathv[i], text, sizeof text - 1)) continue;
    strcat(text, "\n");
    const char *name = strstr(text, "DEVNAME=");
    if (!name || !strstr(text, wanted)) continue;
    name += strlen("DEVNAME=");
    snprintf(path, size, "/dev/%.*s", (int)strcspn(name, "\n"), name);
    there = access(path, F_OK) == 0 && (anywhere || is_on_own_disk(path));
  }
  globfree(&found);
  return there;
}

static const char *names_of_disks(void) {
  static char names[512];
  glob_t found = {0};
  size_t used = 0;
  *names = 0;
  glob("/sys/class/block/*", 0, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc && used < sizeof names; i++)
    used += snprintf(names + used, sizeof names - used, " %s", strrchr(found.gl_pathv[i], '/') + 1);
  globfree(&found);
  return *names ? names : " none";
}

/* None is on the machine's own disk. That is no disk that is here, if it was told wrongly: then any may be meant. */
static int by_label_elsewhere(const char *label, char *path, size_t size) {
  if (own_disk_seen() || !by_label(label, 1, path, size)) return 0;
  say("%s is taken for %s, though it is not on the disk from which this machine was started", path, label);
  return 1;
}

/* Where `what` (/dev/NAME, PARTLABEL=NAME or a piece of a medium, MEDIUM=LABEL:AT:BYTES) lies, waiting at most `patience` seconds for it; 0 when it does not come. */
int find_disk(const char *what, char *path, size_t size, double patience) {
  for (double end = now() + patience;; usleep(20000)) {
    if (!strncmp(what, "PARTLABEL=", 10)) {
      if (by_label(what + 10, 0, path, size)) return 1;
    } else if (!strncmp(what, "MEDIUM=", 7)) {
      if (map_medium(what + 7, path, size)) return 1;
    } else {
      snprintf(path, size, "%s", what);
      if (access(path, F_OK) == 0) return 1;
    }
    if (now() > end) break;
  }
  if (!strncmp(what, "PARTLABEL=", 10) && by_label_elsewhere(what + 10, path, size)) return 1;
  say("the disk %s is not there; there are:%s", what, names_of_disks());
  return 0;
}
