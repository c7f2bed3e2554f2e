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

/* The kernel names a partition's label in its uevent file, so that nothing needs to read partition tables. */
static int by_label(const char *label, char *path, size_t size) {
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
    there = 1;
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

/* Where `what` (/dev/NAME, PARTLABEL=NAME or a piece of a medium, MEDIUM=LABEL:AT:BYTES) lies, waiting at most `patience` seconds for it; 0 when it does not come. */
int find_disk(const char *what, char *path, size_t size, double patience) {
  for (double end = now() + patience;; usleep(20000)) {
    if (!strncmp(what, "PARTLABEL=", 10)) {
      if (by_label(what + 10, path, size) && access(path, F_OK) == 0) return 1;
    } else if (!strncmp(what, "MEDIUM=", 7)) {
      if (map_medium(what + 7, path, size)) return 1;
    } else {
      snprintf(path, size, "%s", what);
      if (access(path, F_OK) == 0) return 1;
    }
    if (now() > end) break;
  }
  say("the disk %s is not there; there are:%s", what, names_of_disks());
  return 0;
}
