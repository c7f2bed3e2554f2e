/* Who runs: every process but the kernel's own threads, and the container that it is in. */
#include "init.h"
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP "/modulux/" /* where bundles put their control groups, each by its container's name */
#define PF_KTHREAD 0x00200000

/* Of /proc/PID/stat: name in brackets, then state, parent, group, session, terminal, its group, and flags. */
static int is_kernels(const char *pid) {
  char path[64], text[512];
  unsigned flags = 0;
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  if (!read_text(path, text, sizeof text)) return 1; /* gone meanwhile */
  const char *rest = strrchr(text, ')');
  if (rest) sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %u", &flags);
  return (flags & PF_KTHREAD) != 0;
}

static void container_of(const char *pid, char *name, size_t size) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%.20s/cgroup", pid);
  const char *found = read_text(path, text, sizeof text) ? strstr(text, GROUP) : NULL;
  snprintf(name, size, "%.*s", found ? (int)strcspn(found + strlen(GROUP), "/\n") : 1, found ? found + strlen(GROUP) : "-");
}

/* Calls `tell` with each: its number, its container (`-`: none), its name. */
void each_process(void (*tell)(int file, const char *pid, const char *container, const char *program), int file) {
  char path[64], name[128], program[64];
  struct dirent *one;
  DIR *all = opendir("/proc");
  while (all && (one = readdir(all))) {
    if (!isdigit((unsigned char)one->d_name[0]) || is_kernels(one->d_name)) continue;
    container_of(one->d_name, name, sizeof name);
    snprintf(path, sizeof path, "/proc/%.20s/comm", one->d_name);
    if (read_text(path, program, sizeof program)) tell(file, one->d_name, name, program);
  }
  if (all) closedir(all);
}
