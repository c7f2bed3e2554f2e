/* For the container that keeps the machine's data (`custody` in the plan): others stand still while it reads, and what it has laid beside the
 * volumes takes their place. It asks by a socket of its own (control.c); the folder in which it lays things is all of /state that it may write.
 */
#include "init.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef GROUPS
#define GROUPS "/sys/fs/cgroup/modulux" /* where bundles put their control groups, each by its container's name */
#endif
#define SYSTEM_SLICE "/sys/fs/cgroup/system.slice"
#ifndef STILL_TIME
#define STILL_TIME 120.0 /* seconds after which they go on, whatever becomes of who asked */
#endif
#define STOP_TIME 5 /* seconds that the kernel has to stop all of their processes */
#define VOLUMES "/state/volumes"
#define STAGING VOLUMES "/.keeping"
#define LAID STAGING "/laid"     /* folders with volumes' names: decided once it is called so */
#define BEFORE STAGING "/before" /* what they took the place of */

static const struct job *still[MOST + 1]; /* who stands still */
static const void *asker;                 /* for whom */
static double until = NEVER;

/* Under systemd it is its unit's, with Podman's own in it. */
static void group_file(char *path, size_t size, const struct job *job, const char *file) {
  char unit[192];
  unit_of(job->name, unit, sizeof unit);
  if (under_systemd) snprintf(path, size, SYSTEM_SLICE "/%s.service/%s", unit, file);
  else snprintf(path, size, GROUPS "/%s/%s", job->name, file);
}

void begin_custody(void) {
  folders(VOLUMES, 0755);
  if ((mkdir(STAGING, 0700) && errno != EEXIST) || lchown(STAGING, USER, USER)) say("nothing can be laid in " STAGING ": %s", strerror(errno));
}

/* The kernel renews the change time of a file that is mapped to write only now and then; who compares times would keep an old content of it.
 * So the mode of each such file on /state is set to what it is. */
static void touch_mapped(const char *pid, dev_t kept) {
  char path[512], line[512], range[64], mode[8];
  struct stat facts;
  snprintf(path, sizeof path, "/proc/%.20s/maps", pid);
  FILE *maps = fopen(path, "re");
  while (maps && fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%63s %7s", range, mode) != 2 || mode[1] != 'w' || mode[3] != 's') continue;
    snprintf(path, sizeof path, "/proc/%.20s/map_files/%s", pid, range);
    if (stat(path, &facts) == 0 && facts.st_dev == kept && S_ISREG(facts.st_mode)) chmod(path, facts.st_mode & 07777);
  }
  if (maps) fclose(maps);
}

static void touch_in(const char *group, dev_t kept) {
  char pid[32];
  FILE *all = fopen(group, "re");
  while (all && fgets(pid, sizeof pid, all)) {
    pid[strcspn(pid, "\n")] = 0;
    touch_mapped(pid, kept);
  }
  if (all) fclose(all);
}

static void touch_of(const struct job *job, dev_t kept) {
  char path[256];
  glob_t groups = {0};
  group_file(path, sizeof path, job, "cgroup.procs");
  glob(path, GLOB_NOSORT, NULL, &groups);
  group_file(path, sizeof path, job, "*/cgroup.procs");
  glob(path, GLOB_NOSORT | GLOB_APPEND, NULL, &groups);
  for (size_t i = 0; i < groups.gl_pathc; i++) touch_in(groups.gl_pathv[i], kept);
  globfree(&groups);
}

/* A process of its own waits until they stand: PID 1 does not. */
static int all_stand(void) {
  char path[256], text[256];
  struct stat state;
  for (int i = 0, tries = 0; still[i]; i++) {
    group_file(path, sizeof path, still[i], "cgroup.events");
    while (read_text(path, text, sizeof text) && !strstr(text, "frozen 1")) {
      if (tries++ > STOP_TIME * 500) return 0;
      usleep(2000);
    }
  }
  if (stat("/state", &state) == 0)
    for (int i = 0; still[i]; i++) touch_of(still[i], state.st_dev);
  return 1;
}

/* Those that run stand still for `whom`. The process whose end says that they do (0: success); -1 when it cannot be. */
pid_t stand_still(const void *whom, struct job *const *wanted) {
  char path[256];
  int count = 0, failed = 0;
  if (asker) return errno = EBUSY, -1;
  asker = whom;
  until = now() + STILL_TIME;
  for (int i = 0; wanted[i] && count < MOST; i++) {
    if (wanted[i]->phase != RUNNING) continue;
    group_file(path, sizeof path, wanted[i], "cgroup.freeze");
    if (write_text(path, "1")) {
      failed |= errno != ENOENT && errno != ENODEV; /* it has ended just now */
      continue;
    }
    still[count++] = wanted[i];
    still[count] = NULL;
  }
  pid_t pid = failed ? -1 : branch("still");
  if (pid == 0) _exit(!all_stand());
  if (pid < 0) go_on(whom, NULL);
  return pid;
}

/* What stands still for `whom` (NULL: for anybody) goes on. */
void go_on(const void *whom, const char *why) {
  char path[256];
  if (!asker || (whom && whom != asker)) return;
  for (int i = 0; still[i]; i++) {
    group_file(path, sizeof path, still[i], "cgroup.freeze");
    write_text(path, "0");
  }
  if (why && still[0]) say("what stood still goes on: %s", why);
  still[0] = NULL;
  asker = NULL;
  until = NEVER;
}

double advance_still(void) {
  if (asker && ending) go_on(NULL, "the machine ends"); /* they could not end */
  if (asker && now() >= until) go_on(NULL, "it was too long");
  return asker ? until - now() : NEVER;
}

/* Each by two renames. Whoever is interrupted goes on where it was: what is in LAID has still to take its place. */
static int take(int volumes, int laid, int before, const char *name) {
  struct stat facts;
  if (fstatat(laid, name, &facts, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(facts.st_mode)) return errno = ENOTDIR, -1;
  if (faccessat(before, name, F_OK, AT_SYMLINK_NOFOLLOW) && renameat(volumes, name, before, name) && errno != ENOENT) return -1;
  return renameat(laid, name, volumes, name);
}

static int folder(const char *path) {
  return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* What was laid beside the volumes takes their place, if anything was; whether it failed (errno). Also at the start of the machine: what was
 * decided before the power went. Nothing that stands on them may run. */
int take_laid(void) {
  struct dirent *one;
  int failed = 0, why = 0, laid = folder(LAID);
  if (laid < 0) return errno != ENOENT && errno != ENOTDIR;
  int volumes = folder(VOLUMES);
  if (mkdir(BEFORE, 0700) == 0) lchown(BEFORE, USER, USER);
  int before = folder(BEFORE);
  DIR *all = fdopendir(laid);
  while (all && before >= 0 && (one = readdir(all))) {
    if (*one->d_name == '.') continue;
    if (take(volumes, laid, before, one->d_name)) failed = 1, why = errno, say("%s cannot be replaced: %s", one->d_name, strerror(errno));
  }
  if (!all || before < 0) failed = 1, why = errno;
  if (all) closedir(all);
  close(before);
  if (!failed && rmdir(LAID)) failed = 1, why = errno;
  fsync(volumes);
  close(volumes);
  if (!failed) say("what was laid beside the volumes has taken their place");
  errno = why;
  return failed;
}
