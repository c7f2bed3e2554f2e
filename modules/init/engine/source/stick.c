/* Memory sticks. A module without any right sees them come (as /dev/sticks, for reading alone), looks at what they hold and asks, at a socket
 * of its own, for what only PID 1 may: to mount one. It is told the kind of file system by name and never looks at a stick's bytes itself. A
 * process beside this one mounts and takes off, for a stick may be slow, or be gone meanwhile. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MOST_STICKS 64
#define NAME_SIZE 40
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#define FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NOSYMFOLLOW)
#define IN_USE 16 /* how the process beside ends: somebody has a file of it open, */
#define TAKEN 17  /* or another stick has its name */

enum state { THERE, MOUNTING, MOUNTED, LEAVING, EJECTED };
static const char *const states[] = {"there", "mounting", "mounted", "leaving", "ejected"};

static struct stick { /* a disk, or a partition of one */
  char node[32], name[NAME_SIZE], kind[8];
  int read_only, gone;
  enum state state;
  pid_t worker;
} sticks[MOST_STICKS]; /* those without a node are free */
static char *place; /* where they are mounted: shared, so that containers that run see them come and go */

static struct stick *find(const char *node) {
  for (int i = 0; i < MOST_STICKS; i++)
    if (*sticks[i].node && !sticks[i].gone && !strcmp(sticks[i].node, node)) return &sticks[i];
  return NULL;
}

static struct stick *find_named(const char *name) {
  for (int i = 0; i < MOST_STICKS; i++)
    if (*sticks[i].node && *sticks[i].name && (!strcmp(sticks[i].name, name) || !strcmp(sticks[i].node, name))) return &sticks[i];
  return NULL;
}

static void where(const struct stick *stick, char *path, size_t size) {
  snprintf(path, size, "%s/%s", place, stick->name);
}

/* Whether it came by USB, and is not what the machine itself runs from: that is held by who mounted or mapped it. */
static int is_stick(const char *name) {
  char path[300], real[1024], disk[300];
  snprintf(path, sizeof path, "/sys/class/block/%s", name);
  ssize_t length = readlink(path, real, sizeof real - 1);
  if (length < 0 || !strncmp(name, "sr", 2)) return 0;
  real[length] = 0;
  if (!strstr(real, "/usb")) return 0;
  snprintf(path, sizeof path, "/sys/class/block/%s/partition", name);
  if (access(path, F_OK) == 0) { /* its disk was looked at before */
    *strrchr(real, '/') = 0;
    return find(strrchr(real, '/') + 1) != NULL;
  }
  snprintf(disk, sizeof disk, "/dev/%s", name);
  int file = open(disk, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
  if (file >= 0) close(file);
  return file >= 0 || errno != EBUSY;
}

/* It appears as a whole: whoever sees the name may read it. */
static void show_node(const char *node, dev_t number) {
  char path[64], made[] = "/dev/.stick";
  snprintf(path, sizeof path, STICKS "/%s", node);
  unlink(made);
  if (mknod(made, S_IFBLK | 0400, number) || chown(made, USER, USER) || rename(made, path)) say("%s cannot be made: %s", path, strerror(errno));
}

static void came(const char *node) {
  char path[300], text[64];
  unsigned of_driver, number;
  int at = 0;
  if (!place || strlen(node) >= sizeof sticks->node || find(node) || !is_stick(node)) return;
  while (at < MOST_STICKS && *sticks[at].node) at++;
  snprintf(path, sizeof path, "/sys/class/block/%s/dev", node);
  if (at == MOST_STICKS || !read_text(path, text, sizeof text) || sscanf(text, "%u:%u", &of_driver, &number) != 2) return;
  sticks[at] = (struct stick){.state = THERE};
  strcpy(sticks[at].node, node);
  show_node(node, makedev(of_driver, number));
}

/* Those that are there. */
void look_for_sticks(void) {
  if (!place) return;
  glob_t found = {0};
  glob("/sys/class/block/*", 0, NULL, &found); /* sorted: a disk comes before its partitions */
  for (size_t i = 0; i < found.gl_pathc; i++) came(strrchr(found.gl_pathv[i], '/') + 1);
  globfree(&found);
}

/* What the process beside does; it is root, with nothing but its words. */
static int mount_it(const struct stick *stick) {
  static const struct {
    const char *kind, *words;
    unsigned long flags;
  } known[] = {
      {"vfat", "uid=1000,gid=1000,fmask=0133,dmask=0022,utf8=1,shortname=mixed,errors=remount-ro,flush", 0},
      {"exfat", "uid=1000,gid=1000,fmask=0133,dmask=0022,errors=remount-ro", 0},
      {"ext4", "noload,errors=remount-ro", MS_RDONLY}, /* its files have owners; what an error does the stick would say, and it may say: panic */
  };
  char device[64], path[512];
  size_t at = 0;
  while (at < sizeof known / sizeof *known && strcmp(known[at].kind, stick->kind)) at++;
  if (at == sizeof known / sizeof *known) return errno = EINVAL, -1;
  snprintf(device, sizeof device, STICKS "/%s", stick->node);
  where(stick, path, sizeof path);
  if (mkdir(path, 0755)) return -1;
  unsigned long flags = FLAGS | known[at].flags | (stick->read_only ? MS_RDONLY : 0);
  if (mount(device, path, stick->kind, flags, known[at].words) == 0) return 0;
  if ((errno == EACCES || errno == EROFS) && mount(device, path, stick->kind, flags | MS_RDONLY, known[at].words) == 0) return 0; /* it has a switch */
  int why = errno;
  rmdir(path);
  errno = why;
  return -1;
}

static int take_off(const struct stick *stick) {
  char path[512];
  where(stick, path, sizeof path);
  if (umount2(path, stick->gone ? MNT_DETACH : 0) && errno != EINVAL) return -1;
  return rmdir(path);
}

/* Beside, so that nothing waits for a stick. */
static pid_t work(struct stick *stick, int (*what)(const struct stick *), enum state meanwhile) {
  pid_t pid = branch("stick");
  if (pid == 0) _exit(what(stick) == 0 ? 0 : errno == EBUSY ? IN_USE : errno == EEXIST ? TAKEN : 1);
  if (pid < 0) return -1;
  stick->worker = pid;
  stick->state = meanwhile;
  return pid;
}

static void left(struct stick *stick) {
  char path[64];
  snprintf(path, sizeof path, STICKS "/%s", stick->node);
  if (!find(stick->node)) unlink(path); /* another may have its name by now */
  *stick->node = 0;
}

static void went(const char *node) {
  struct stick *stick = find(node);
  char path[64];
  if (!stick) return;
  stick->gone = 1;
  snprintf(path, sizeof path, STICKS "/%s", node);
  unlink(path);
  if (stick->worker) return; /* it is looked at when that has ended */
  if (stick->state != MOUNTED) return left(stick);
  say("%s (%s) was pulled out before it was ejected", stick->name, node);
  if (work(stick, take_off, LEAVING) < 0) left(stick);
}

/* The kernel says that a disk or partition has come or gone. */
void stick_news(const char *action, const char *node) {
  if (!strcmp(action, "add")) came(node);
  else if (!strcmp(action, "remove")) went(node);
}

static void arrived(struct stick *stick, int status) {
  stick->state = status ? THERE : MOUNTED;
  if (!status) say("%s (%s, %s) is mounted", stick->name, stick->node, stick->kind);
}

/* A process that was sent for a stick; others may wait for it too. */
void stick_ended(pid_t pid, int status) {
  struct stick *stick = NULL;
  for (int i = 0; i < MOST_STICKS; i++)
    if (*sticks[i].node && sticks[i].worker == pid) stick = &sticks[i];
  if (!stick || !pid) return;
  stick->worker = 0;
  if (stick->state == MOUNTING) arrived(stick, status);
  else if (stick->state == LEAVING) stick->state = status && !stick->gone ? MOUNTED : EJECTED;
  if (stick->state == EJECTED && !stick->gone) say("%s (%s) is ejected", stick->name, stick->node);
  int code = result(status);
  answer_asker(pid, !code ? NULL : code == TAKEN ? "taken" : code == IN_USE ? "in use" : "it cannot be done");
  if (stick->gone && stick->state == MOUNTED && work(stick, take_off, LEAVING) > 0) return;
  if (stick->gone) left(stick);
}

static int is_name(const char *name) {
  size_t length = strlen(name);
  for (const char *at = name; *at; at++)
    if ((unsigned char)*at < ' ' || *at == '/' || *at == 127) return 0;
  return length && length < NAME_SIZE && *name != '.';
}

/* What a module asks for, word by word; why not, or NULL and the process that does it. */
const char *mount_stick(const char *node, const char *kind, const char *how, const char *name, pid_t *pid) {
  struct stick *stick = find(node);
  if (!stick || stick->state == MOUNTED || stick->worker) return "there is no such stick to mount";
  if (stick->state == EJECTED) return "it was ejected";
  if (!is_name(name) || strlen(kind) >= sizeof stick->kind) return "not a name";
  strcpy(stick->kind, kind);
  strcpy(stick->name, name);
  stick->read_only = strcmp(how, "read-write") != 0;
  *pid = work(stick, mount_it, MOUNTING);
  return *pid < 0 ? strerror(errno) : NULL;
}

/* JOB may ask for sticks to be mounted in the folder, which is seen by others too. */
void declare_sticks(const char *job, const char *folder) {
  if (place || !open_asks(job, GRANT_STICKS)) return say("%s cannot ask for memory sticks", job);
  folders(STICKS, 0755);
  int shared = under_systemd || (!attach(folder, folder, "", MS_BIND, NULL) && !mount(NULL, folder, NULL, MS_SHARED, NULL)); /* or before systemd took over */
  if (!shared) say("what is mounted in %s is not seen: %s", folder, strerror(errno));
  place = strdup(folder);
  look_for_sticks();
}

void each_stick(void (*tell)(int file, const char *node, const char *name, const char *kind, const char *state), int file) {
  for (int i = 0; i < MOST_STICKS; i++)
    if (*sticks[i].node && *sticks[i].name && !sticks[i].gone) tell(file, sticks[i].node, sticks[i].name, sticks[i].kind, states[sticks[i].state]);
}

/* The process that takes it off, which ends with 0, or with 16 while somebody has a file of it open; 0 when there is nothing to take off. */
pid_t eject_stick(const char *name) {
  struct stick *stick = find_named(name);
  if (!stick || stick->gone || stick->state != MOUNTED) return 0;
  pid_t pid = work(stick, take_off, LEAVING);
  return pid > 0 ? pid : 0;
}

/* Before the machine goes off: what was written to them is on them. */
void let_go_of_sticks(void) {
  for (int i = 0; i < MOST_STICKS; i++)
    if (*sticks[i].node && sticks[i].state == MOUNTED) take_off(&sticks[i]);
}
