/* What a container stands on: its root file system, its IPC namespace and /dev/shm, its volumes. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_VOLUMES 512
#define PART ".part"

static char *filled[MOST_VOLUMES]; /* on the disk, but not yet by their names */
static int filled_count;

static void link_file(const char *from, const char *to) {
  unlink(to);
  if (symlink(from, to)) say("cannot make %s: %s", to, strerror(errno));
}

/* What it is started by: the runtime's configuration, or under systemd its unit. */
void config_of(const char *name, char *path, size_t size) {
  char unit[192];
  unit_of(name, unit, sizeof unit);
  if (!systemd_wanted()) snprintf(path, size, RUN "/bundles/%s/config.json", name);
  else snprintf(path, size, UNITS "/%s.container", unit);
}

/* That of an update, or the system's own, or a medium's. */
void link_config(const char *name, const char *updated) {
  char from[256], to[256], unit[192], file[220];
  unit_of(name, unit, sizeof unit);
  if (systemd_wanted()) snprintf(file, sizeof file, "%s.container", unit);
  else snprintf(file, sizeof file, "%.200s.json", name);
  snprintf(from, sizeof from, LIVE "/machine/bundles/%s", file);
  if (access(from, F_OK)) snprintf(from, sizeof from, PLAN "/bundles/%s", file);
  config_of(name, to, sizeof to);
  link_file(*updated ? updated : from, to);
}

/* Its unit; and the filter of what it may ask the kernel for, which that does not hold. */
void link_unit(const char *name, const char *updated, const char *filter) {
  char from[256], to[256];
  snprintf(from, sizeof from, PLAN "/bundles/%s.seccomp.json", name);
  snprintf(to, sizeof to, RUN "/bundles/%s/seccomp.json", name);
  if (*filter || access(from, F_OK) == 0) link_file(*filter ? filter : from, to);
  folders(UNITS, 0755);
  link_config(name, updated);
}

/* The root of NAME, from the ids of its layers (parted by colons, the topmost first); 0 when it cannot be. */
int make_root(const char *name, const char *layers) {
  char root[256], upper[256], work[256], options[4096], ids[4096];
  snprintf(root, sizeof root, RUN "/bundles/%s/rootfs", name);
  snprintf(work, sizeof work, RUN "/upper/%s/work", name); /* mount points that the image has not, nothing else */
  snprintf(upper, sizeof upper, RUN "/upper/%s/files", name);
  folders(root, 0755);
  folders(work, 0755);
  folders(upper, 0755);
  snprintf(ids, sizeof ids, "%s", layers);
  size_t used = snprintf(options, sizeof options, "upperdir=%s,workdir=%s,lowerdir=", upper, work);
  for (char *rest, *id = strtok_r(ids, ":", &rest), *colon = ""; id; id = strtok_r(NULL, ":", &rest), colon = ":") {
    if (!mount_layer(id)) {
      say("%s: its layer %s is missing", name, id);
      return 0;
    }
    used += snprintf(options + used, sizeof options - used, "%s" RUN "/layers/%s", colon, id);
    if (used >= sizeof options) {
      say("%s has too many layers", name);
      return 0;
    }
  }
  return attach("overlay", root, "overlay", MS_NODEV | MS_NOSUID, options) == 0;
}

void drop_root(const char *name) {
  char path[256];
  snprintf(path, sizeof path, RUN "/bundles/%s/rootfs", name);
  umount2(path, MNT_DETACH);
  snprintf(path, sizeof path, RUN "/upper/%s", name);
  remove_tree(path);
}

/* Held here, so that a container that is started again finds the namespace that others have joined. */
void make_ipc(const char *name, const char *bytes) {
  char path[256], options[64];
  snprintf(path, sizeof path, RUN "/shm/%s", name);
  folders(path, 0755);
  snprintf(options, sizeof options, "mode=1777,size=%s", bytes);
  attach("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
  folders(RUN "/ipc", 0755);
  snprintf(path, sizeof path, RUN "/ipc/%s", name);
  close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
  int mine = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
  if (mine < 0 || unshare(CLONE_NEWIPC)) {
    say("no IPC namespace for %s: %s", name, strerror(errno));
  } else {
    attach("/proc/self/ns/ipc", path, "", MS_BIND, NULL);
    if (setns(mine, CLONE_NEWIPC)) say("PID 1 stays in the IPC namespace of %s", name);
  }
  if (mine >= 0) close(mine);
}

static int fill(const char *part, const char *name, const char *target) {
  char model[512];
  struct stat facts;
  snprintf(model, sizeof model, RUN "/bundles/%s/rootfs%s", name, target);
  if (stat(model, &facts) == 0 && S_ISDIR(facts.st_mode)) return copy_tree(model, part);
  return mkdir(part, 0755) || chown(part, USER, USER);
}

/* The folder SOURCE, at first filled and owned as TARGET in NAME's image. Under its own name it is whole, whenever the power goes. */
void make_volume(const char *source, const char *name, const char *target) {
  char part[512];
  if (access(source, F_OK) == 0) return;
  snprintf(part, sizeof part, "%s", source);
  char *slash = strrchr(part, '/');
  if (!slash || strlen(source) + sizeof PART > sizeof part) return;
  *slash = 0;
  folders(part, 0755);
  snprintf(part, sizeof part, "%s" PART, source);
  if (access(part, F_OK) == 0) {
    say("the power went while %s was filled; it is filled anew", source);
    remove_tree(part);
  }
  if (fill(part, name, target)) say("%s could not be filled: %s", source, strerror(errno)); /* an incomplete one is better than none */
  if (!strncmp(source, "/state/", 7) && filled_count < MOST_VOLUMES) filled[filled_count++] = strdup(source);
  else if (rename(part, source)) say("%s cannot be made: %s", source, strerror(errno));
}

/* All at once: a disk is slow at being sure. */
void keep_volumes(void) {
  char part[512];
  if (!filled_count) return;
  int top = open("/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  syncfs(top);
  for (int i = 0; i < filled_count; i++) {
    snprintf(part, sizeof part, "%s" PART, filled[i]);
    if (rename(part, filled[i])) say("%s cannot be made: %s", filled[i], strerror(errno));
    free(filled[i]);
  }
  syncfs(top);
  close(top);
  filled_count = 0;
}
