/* The kernel's modules, found by what devices call themselves and loaded with what they depend on, as depmod wrote it down.
 * By itself, since a program for each device would read the same lists hundreds of times. Also what the kernel calls as /sbin/modprobe. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MOST_LINES 65536
#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE */

struct list {
  char *text, **lines;
  int count;
};

static char folder[128];
static struct list aliases, depends, softly;
static int read_already;

static void read_list(struct list *list, const char *name) {
  char path[256];
  struct stat facts;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  if (fstat(file, &facts) == 0 && (list->text = malloc(facts.st_size + 1)) && (list->lines = calloc(MOST_LINES, sizeof *list->lines))) {
    ssize_t got = read(file, list->text, facts.st_size);
    list->text[got > 0 ? got : 0] = 0;
    char *rest;
    for (char *line = strtok_r(list->text, "\n", &rest); line && list->count < MOST_LINES; line = strtok_r(NULL, "\n", &rest))
      list->lines[list->count++] = line;
  }
  close(file);
}

/* Names are written with - and with _ for the same; within brackets - has a meaning. */
static void plain(char *name) {
  for (int inside = 0; *name; name++) {
    if (*name == '[') inside = 1;
    if (*name == ']') inside = 0;
    if (*name == '-' && !inside) *name = '_';
  }
}

int know_drivers(void) {
  struct utsname facts;
  if (read_already) return depends.count;
  read_already = 1;
  uname(&facts);
  snprintf(folder, sizeof folder, "/lib/modules/%s", facts.release);
  read_list(&depends, "modules.dep");
  read_list(&aliases, "modules.alias");
  read_list(&softly, "modules.softdep");
  for (int i = 0; i < aliases.count; i++) plain(aliases.lines[i]);
  return depends.count;
}

static int load(const char *name, int depth);

/* "a/b-c.ko.xz: d.ko" is called b_c */
static int is_called(const char *line, const char *name) {
  size_t whole = strcspn(line, ":"), from = whole;
  while (from && line[from - 1] != '/') from--;
  for (; *name && from < whole; name++, from++)
    if (*name != (line[from] == '-' ? '_' : line[from])) return 0;
  return !*name && !strncmp(line + from, ".ko", 3);
}

/* To load it once more would have the kernel unpack all of it only to find that it is there. */
static int is_live(const char *path, size_t length) {
  char state[512] = "/sys/module/", text[16];
  size_t from = length, used = strlen(state);
  while (from && path[from - 1] != '/') from--;
  for (; from < length && path[from] != '.' && used < sizeof state - 16; from++) state[used++] = path[from] == '-' ? '_' : path[from];
  strcpy(state + used, "/initstate");
  return read_text(state, text, sizeof text) && !strcmp(text, "live");
}

static int insert(const char *path, size_t length) {
  char whole[512];
  if (is_live(path, length)) return 0;
  snprintf(whole, sizeof whole, "%s/%.*s", folder, (int)length, path);
  const char *end = strrchr(whole, '.');
  int flags = end && strcmp(end, ".ko") ? COMPRESSED : 0, file = open(whole, O_RDONLY | O_CLOEXEC), failed = -1;
  if (file >= 0) failed = syscall(SYS_finit_module, file, "", flags);
  if (failed && errno == EEXIST) failed = 0;
  if (failed && errno != ENODEV) say("the driver %s cannot be loaded: %s", whole, strerror(errno));
  if (file >= 0) close(file);
  return failed ? -1 : 0;
}

static void load_softly(const char *name, int depth) {
  char line[1024], *rest;
  for (int i = 0; i < softly.count; i++) {
    snprintf(line, sizeof line, "%s", softly.lines[i]);
    plain(line);
    if (strncmp(line, "softdep ", 8)) continue;
    char *word = strtok_r(line + 8, " ", &rest);
    if (!word || strcmp(word, name)) continue;
    for (int before = 0; (word = strtok_r(NULL, " ", &rest));) {
      if (!strcmp(word, "pre:")) before = 1;
      else if (!strcmp(word, "post:")) before = 0;
      else if (before) load(word, depth + 1);
    }
  }
}

/* A module by its own name: what it needs first, the last of its line at first. */
static int load(const char *name, int depth) {
  for (int i = 0; i < depends.count && depth < 8; i++) {
    char *line = depends.lines[i];
    if (*line == '!') {
      if (is_called(line + 1, name)) return 0;
      continue;
    }
    if (!is_called(line, name)) continue;
    load_softly(name, depth);
    size_t own = strcspn(line, ":");
    const char *rest = line + own, *at = line + strlen(line);
    while (at > rest) {
      const char *end = at;
      while (at > rest && at[-1] != ' ') at--;
      if (end > at && *at != ':') insert(at, end - at);
      if (at > rest) at--;
    }
    int failed = insert(line, own);
    *line = '!'; /* not again; its path is not needed any more */
    return failed;
  }
  return -1;
}

/* Every module that an alias fits. */
static int load_alias(const char *name) {
  int found = -1;
  for (int i = 0; i < aliases.count; i++) {
    char pattern[1024];
    if (strncmp(aliases.lines[i], "alias ", 6)) continue;
    const char *from = aliases.lines[i] + 6, *space = strrchr(from, ' ');
    size_t fixed = strcspn(from, "*?[ ");
    if (!space || strncmp(from, name, fixed) || space - from >= (long)sizeof pattern) continue;
    snprintf(pattern, sizeof pattern, "%.*s", (int)(space - from), from);
    if (fnmatch(pattern, name, 0) == 0 && load(space + 1, 0) == 0) found = 0;
  }
  return found;
}

static int by_text(const void *one, const void *other) {
  return strcmp(*(char *const *)one, *(char *const *)other);
}

/* For devices, by what they call themselves; many call themselves the same. */
void load_for(char **names, int count) {
  if (!know_drivers()) return;
  qsort(names, count, sizeof *names, by_text);
  for (int i = 0; i < count; i++) {
    if (i && !strcmp(names[i], names[i - 1])) continue;
    char *name = strdup(names[i]);
    plain(name);
    load_alias(name);
    free(name);
  }
}

int modprobe(const char *asked) {
  char name[256];
  snprintf(name, sizeof name, "%s", asked);
  plain(name);
  if (!know_drivers()) return 1;
  return load(name, 0) && load_alias(name);
}
