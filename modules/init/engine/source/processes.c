/* Who runs: every process but the kernel's own threads, and the container that it is in. */
#include "init.h"
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP "/modulux/" /* where bundles put their control groups, each by its container's name */
#define PAYLOAD ".service/libpod-payload-" /* where Podman does, below their units, beside its own */
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

/* Whose unit that control group is of. */
static void container_of_unit(char *group, char *name, size_t size) {
  char unit[192], *end = strstr(group, PAYLOAD);
  if (!end) return;
  *end = 0;
  const char *own = strrchr(group, '/');
  for (int i = 0; own && i < job_count; i++) {
    unit_of(jobs[i].name, unit, sizeof unit);
    if (!strcmp(own + 1, unit)) snprintf(name, size, "%s", jobs[i].name);
  }
}

static void container_of(const char *pid, char *name, size_t size) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%.20s/cgroup", pid);
  const char *found = read_text(path, text, sizeof text) ? strstr(text, GROUP) : NULL;
  snprintf(name, size, "%.*s", found ? (int)strcspn(found + strlen(GROUP), "/\n") : 1, found ? found + strlen(GROUP) : "-");
  if (!found && under_systemd) container_of_unit(text, name, size);
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
