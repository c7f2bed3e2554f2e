/* What the kernel tells of devices: drivers are loaded for them, and those that modules declare are given to their user. */
#include "init.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PATIENCE
#define PATIENCE 10.0 /* seconds, for a device that does not come */
#endif
#define LONG_LOADING (6 * PATIENCE) /* then what is missing is said though drivers are still being loaded */
#define QUIET 0.2     /* without news, then all is there that was plugged in */
#define AT_ONCE 256 /* messages, then somebody else has a turn */
#define MOST_FOLDERS 16
#define DISKS "/dev/disks" /* a folder of our own: the kernel has none for disks and partitions, which may lie beside anything */

static struct folder {
  char *path;
  const char *kind; /* how the names begin of what makes it useful; NULL: it is no folder but a device */
} folders_given[MOST_FOLDERS];
static int folder_count;
static struct wish {
  char *job;
  int folder; /* -1: only that all is settled */
  int done;
} wishes[MOST];
static int wish_count;
static char *queue[MOST_ALIASES]; /* devices without a driver yet */
static int queue_count;
enum { SEEN_FIRST, ALL_ELSE, NEW, LOADERS }; /* coldplug.c; what came later */
static pid_t loaders[LOADERS];
static double last_news, first_look, first_asked;

static void give(const char *path) {
  struct stat facts;
  if (lstat(path, &facts) || S_ISDIR(facts.st_mode) || S_ISLNK(facts.st_mode)) return;
  if (chown(path, USER, USER) || chmod(path, 0660)) say("%s cannot be given to user %d: %s", path, USER, strerror(errno));
  look_for_button(path);
}

static int usable(const struct folder *folder) {
  if (!folder->kind) return access(folder->path, F_OK) == 0;
  DIR *list = opendir(folder->path);
  int found = 0;
  for (struct dirent *entry; list && !found && (entry = readdir(list));)
    found = *entry->d_name != '.' && !strncmp(entry->d_name, folder->kind, strlen(folder->kind));
  if (list) closedir(list);
  return found;
}

static void name_disk(const char *name, unsigned of_driver, unsigned number) {
  char path[256];
  snprintf(path, sizeof path, DISKS "/%s", name);
  if (mknod(path, S_IFBLK | 0600, makedev(of_driver, number)) && errno != EEXIST) say("%s cannot be made: %s", path, strerror(errno));
}

static void name_disks(void) {
  char text[64];
  unsigned of_driver, number;
  glob_t found = {0};
  glob("/sys/class/block/*/dev", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    int known = read_text(found.gl_pathv[i], text, sizeof text) && sscanf(text, "%u:%u", &of_driver, &number) == 2;
    *strrchr(found.gl_pathv[i], '/') = 0;
    if (known) name_disk(strrchr(found.gl_pathv[i], '/') + 1, of_driver, number);
  }
  globfree(&found);
}

static void give_all(const char *folder) {
  char pattern[256];
  glob_t found = {0};
  snprintf(pattern, sizeof pattern, "%s/*", folder);
  glob(pattern, GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) give(found.gl_pathv[i]);
  globfree(&found);
}

void declare_device(const char *job, const char *path) {
  static const char *const kinds[][2] = {{"/dev/dri", "card"}, {"/dev/input", "event"}, {"/dev/snd", "controlC"}, {DISKS, ""}};
  int at = 0;
  while (at < folder_count && strcmp(folders_given[at].path, path)) at++;
  if (at == MOST_FOLDERS || wish_count == MOST) return;
  if (at == folder_count) {
    folders_given[folder_count++] = (struct folder){strdup(path), NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
      if (!strcmp(kinds[i][0], path)) folders_given[at].kind = kinds[i][1];
    if (folders_given[at].kind) folders(path, 0755); /* what comes later is seen where this has been mounted */
    else if (access(path, F_OK) == 0) give(path);
    if (!strcmp(path, DISKS)) name_disks();
    give_all(path);
  }
  wishes[wish_count++] = (struct wish){strdup(job), at, 0};
}

void want_settled(const char *job) {
  if (wish_count < MOST) wishes[wish_count++] = (struct wish){strdup(job), -1, 0};
}

/* Whether nothing more is to be expected. */
static int settled(void) {
  return first_look && !loaders[SEEN_FIRST] && !loaders[ALL_ELSE] && !loaders[NEW] && !queue_count && now() - last_news > QUIET;
}

/* Whether the screens, keyboards and pointers that were there at first are known; whoever shows and asks them takes up later ones, too. */
static int seat_known(const struct wish *wish) {
  return first_look && !loaders[SEEN_FIRST] && (wish->folder >= 0 || (!loaders[NEW] && !queue_count));
}

static int is_seen_first(const struct wish *wish) {
  const char *kind = wish->folder < 0 ? "event" : folders_given[wish->folder].kind;
  return kind && (!strcmp(kind, "card") || !strcmp(kind, "event")) && (wish->folder < 0 || usable(&folders_given[wish->folder]));
}

static void miss(const char *name, const char *path) {
  struct job *job = find_job(name);
  if (job) job->bereft = 1;
  say("NO DEVICE in %s for %s, which is started without", path, name);
}

/* Whether a container waits for devices before it is started. */
int wants_devices(const char *job) {
  for (int i = 0; i < wish_count; i++)
    if (!strcmp(wishes[i].job, job)) return 1;
  return 0;
}

/* Whether it has what it declares, or need not wait for it any longer. */
int devices_there(const char *job) {
  if (!first_asked) first_asked = now();
  for (int i = 0; i < wish_count; i++) {
    struct wish *wish = &wishes[i];
    if (wish->done || strcmp(wish->job, job)) continue;
    int there = (is_seen_first(wish) ? seat_known(wish) : settled()) && (wish->folder < 0 || usable(&folders_given[wish->folder]));
    if (!there && now() - first_asked < PATIENCE) return 0;
    wish->done = 1;
    if (there) continue;
    if (wish->folder < 0) say("%s is started though drivers are still being loaded", job);
    else if (!usable(&folders_given[wish->folder])) miss(job, folders_given[wish->folder].path);
  }
  return 1;
}

/* What was there before anybody listened. */
void coldplug(void) {
  first_look = last_news = now();
  if (loaders[SEEN_FIRST] || loaders[ALL_ELSE]) return;
  find_devices();
  loaders[SEEN_FIRST] = load_what_is_seen();
  if (!loaders[SEEN_FIRST]) loaders[ALL_ELSE] = load_all_else();
}

static const char *value(const char *text, size_t length, const char *key) {
  size_t used = strlen(key);
  for (const char *at = text; at < text + length; at += strlen(at) + 1)
    if (!strncmp(at, key, used)) return at + used;
  return NULL;
}

static void news(const char *text, size_t length) {
  const char *action = value(text, length, "ACTION="), *node = value(text, length, "DEVNAME="), *alias = value(text, length, "MODALIAS=");
  const char *kind = value(text, length, "SUBSYSTEM=");
  int disk = kind && !strcmp(kind, "block");
  char path[256];
  if (action && node && disk) stick_news(action, node);
  if (!action || (strcmp(action, "add") && strcmp(action, "bind") && strcmp(action, "change"))) return;
  if (alias && !strcmp(action, "add")) {
    last_news = now();
    if (queue_count < MOST_ALIASES) queue[queue_count++] = strdup(alias);
  }
  if (node && !strcmp(action, "add")) {
    snprintf(path, sizeof path, disk ? DISKS "/%s" : *node == '/' ? "%s" : "/dev/%s", node);
    for (int i = 0; i < folder_count; i++) {
      size_t used = strlen(folders_given[i].path);
      if (strncmp(path, folders_given[i].path, used) || (path[used] != '/' && path[used])) continue;
      last_news = now();
      if (disk) name_disks();
      give(path);
    }
    if (!strncmp(path, "/dev/input/", 11)) look_for_button(path);
  }
}

static void on_uevent(int file, void *what) {
  static char text[16384];
  struct sockaddr_nl from;
  socklen_t size = sizeof from;
  ssize_t got = 0;
  (void)what;
  for (int i = 0; i < AT_ONCE && (got = recvfrom(file, text, sizeof text - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &size)) > 0; i++) {
    text[got] = 0;
    if (from.nl_pid == 0) verity_news(text, got), news(text, got), pass_news_on(text, got); /* of the kernel alone */
    size = sizeof from;
  }
  if (got < 0 && errno == ENOBUFS) { /* some were lost */
    look_for_sticks();
    for (int i = 0; i < folder_count; i++) give_all(folders_given[i].path);
    coldplug();
  }
}

void open_devices(void) {
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = 1};
  int room = 4 << 20, end = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (end < 0 || bind(end, (struct sockaddr *)&address, sizeof address)) say("no news of devices: %s", strerror(errno));
  if (end < 0) return;
  setsockopt(end, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  watch(end, on_uevent, NULL);
}

double advance_devices(void) {
  if (queue_count && !loaders[NEW]) {
    loaders[NEW] = load_beside(queue, queue_count, 0);
    for (int i = 0; i < queue_count; i++) free(queue[i]);
    queue_count = 0;
  }
  if (first_look && (settled() || (first_asked && now() - first_asked > LONG_LOADING))) look_at_demands();
  return NEVER;
}

int loader_ended(pid_t pid) {
  for (int i = 0; i < LOADERS; i++) {
    if (loaders[i] != pid) continue;
    loaders[i] = 0;
    last_news = now();
    if (i == SEEN_FIRST) loaders[ALL_ELSE] = load_all_else();
    return 1;
  }
  return 0;
}
