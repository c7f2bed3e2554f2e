/* The disks, and which of them has the state: verbs of command.c, each in a process of its own.
 *
 *   disks                    the state: DEVICE, bytes of its file system, used, free; each disk: NAME BYTES ID MODEL HOLDS USE; what is wanted, why
 *                            the last move was refused, and the disk on which an old state lies
 *   move NAME ID BYTES HOW   at the next start the state is taken to that disk (move.c). HOW is blank or erase
 *   back                     at the next start it is what it was before it was moved, on the disk that it was moved from
 *   stay                     neither is any longer wanted
 *   forget                   what the state was before it was moved is removed, but for the word that it was moved */
#include "init.h"
#include "move.h"
#include "transfer.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define OLD RUN "/old"
#define FORGOTTEN OLD "/move/forgotten" /* "begun", or "done": the old state is no more than the word that it was moved */
#define GOES_BACK OLD "/move/left"
#define OTHERS 5.0 /* seconds that another who looks at it may take */

/* The disk or partition that is mounted at /state; "" when it lies in memory. */
static void state_device(char *name, size_t size) {
  char device[128], where[256], kind[64];
  FILE *mounts = fopen("/proc/self/mounts", "re");
  *name = 0;
  while (mounts && fscanf(mounts, "%127s %255s %63s%*[^\n]", device, where, kind) == 3)
    if (!strcmp(where, "/state")) snprintf(name, size, "%s", !strcmp(kind, "ext4") && strrchr(device, '/') ? strrchr(device, '/') + 1 : "");
  if (mounts) fclose(mounts);
}

static int has_partitions(const char *name) {
  char pattern[256];
  glob_t found = {0};
  snprintf(pattern, sizeof pattern, "/sys/class/block/%s/%s*/partition", name, name);
  int yes = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
  globfree(&found);
  return yes;
}

static const char *held(const char *name, int file, uint64_t bytes) {
  unsigned char uuid[16], sign[8];
  uint64_t size;
  if (has_partitions(name) || (pread(file, sign, 8, 512) == 8 && !memcmp(sign, "EFI PART", 8))) return "partitions";
  if (ext4_facts(file, &size, uuid)) return "ext4";
  return is_blank(file, bytes) ? "nothing" : "something";
}

static int of_disk(const char *part, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/sys/class/block/%s/%s", name, part);
  return *part && (!strcmp(part, name) || access(path, F_OK) == 0);
}

static int is_told(const char *name, const char *what) {
  char path[256], text[16];
  snprintf(path, sizeof path, "/sys/class/block/%s/%s", name, what);
  return read_text(path, text, sizeof text) && atoi(text);
}

/* Drivers for what comes by USB are there only after the state has been. */
static int comes_late(const char *name) {
  char path[256], link[512];
  snprintf(path, sizeof path, "/sys/class/block/%s", name);
  ssize_t length = readlink(path, link, sizeof link - 1);
  link[length > 0 ? length : 0] = 0;
  return is_told(name, "removable") || strstr(link, "/usb");
}

static const char *used_as(const char *name, const char *state) {
  char path[128];
  if (of_disk(state, name)) return "state";
  if (is_told(name, "ro")) return "read-only";
  if (comes_late(name)) return "removable";
  snprintf(path, sizeof path, "/dev/%s", name);
  int file = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
  if (file < 0) return "busy";
  close(file);
  return "free";
}

static void show_disk(const char *name, const char *state) {
  static const char *const passed_over[] = {"loop", "dm", NULL};
  char path[256], id[128], model[128] = "-";
  for (int i = 0; passed_over[i]; i++) {
    snprintf(path, sizeof path, "/sys/class/block/%s/%s", name, passed_over[i]);
    if (access(path, F_OK) == 0) return;
  }
  snprintf(path, sizeof path, "/dev/%s", name);
  int file = is_whole(name) ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
  uint64_t bytes = file < 0 ? 0 : bytes_of(file);
  if (bytes) {
    disk_id(name, id, sizeof id);
    snprintf(path, sizeof path, "/sys/class/block/%s/device/model", name);
    if (!read_text(path, model, sizeof model)) strcpy(model, "-");
    for (char *at = model; *at; at++)
      if ((unsigned char)*at < ' ' || *at == 127) *at = ' ';
    tell("disk\t%s\t%llu\t%s\t%s\t%s\t%s\n", name, (unsigned long long)bytes, id, model, held(name, file, bytes), used_as(name, state));
  }
  if (file >= 0) close(file);
}

/* Where the state is looked for at a start, if it lies elsewhere now. */
static int old_device(const char *state, char *path, size_t size) {
  char wanted[128] = "/dev/vdc";
  argument("state", wanted, sizeof wanted);
  return *state && strcmp(wanted, "none") && find_disk(wanted, path, size, 0) && strcmp(strrchr(path, '/') + 1, state);
}

/* In a mount namespace of this process, which is to end. */
static int mount_old(const char *path, unsigned long flags) {
  folders(OLD, 0700);
  if (unshare(CLONE_NEWNS)) return -1;
  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL); /* where systemd shares it */
  for (double end = now() + OTHERS;; usleep(50000)) {
    if (mount(path, OLD, "ext4", flags | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0) return 0;
    if (errno != EBUSY || now() > end) return -1;
  }
}

static int is_forgotten(void) {
  char text[16];
  return read_text(FORGOTTEN, text, sizeof text) && !strcmp(text, "done");
}

static int show_disks(void) {
  char state[64], text[512], path[128];
  struct statvfs facts;
  struct move move;
  unsigned char uuid[16];
  uint64_t spans = 0;
  glob_t all = {0};
  state_device(state, sizeof state);
  if (statvfs("/state", &facts)) return refuse("the state cannot be looked at");
  snprintf(path, sizeof path, "/dev/%s", state);
  int file = *state ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0 || !ext4_facts(file, &spans, uuid)) spans = (uint64_t)facts.f_blocks * facts.f_frsize;
  if (file >= 0) close(file);
  unsigned long long block = facts.f_frsize;
  tell("state\t%s\t%llu\t%llu\t%llu\n", *state ? state : "-", (unsigned long long)spans, (facts.f_blocks - facts.f_bfree) * block, facts.f_bavail * block);
  glob("/sys/class/block/*", 0, NULL, &all);
  for (size_t i = 0; i < all.gl_pathc; i++) show_disk(strrchr(all.gl_pathv[i], '/') + 1, state);
  globfree(&all);
  if (read_move(WANTED, &move)) tell("wanted\t%s\t%s\n", move.name, move.how);
  if (read_text(REFUSED, text, sizeof text)) tell("refused\t%s\n", text);
  if (!old_device(state, path, sizeof path) || mount_old(path, MS_RDONLY) || is_forgotten()) return 0;
  tell("old\t%s\n", strrchr(path, '/') + 1);
  if (access(GOES_BACK, F_OK) == 0) tell("wanted\t%s\tback\n", strrchr(path, '/') + 1);
  return 0;
}

static void make_sure(const char *path) {
  int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return;
  syncfs(top);
  close(top);
}

/* Whole, or not at all. */
static int want(char **words) {
  char text[512], state[64], path[128];
  struct move move;
  state_device(state, sizeof state);
  if (old_device(state, path, sizeof path) && !mount_old(path, MS_RDONLY) && access(GOES_BACK, F_OK) == 0)
    return tell("error it goes back to what it was at the next start; stay takes that back\n");
  if (!*state) return tell("error the state lies in memory: there is nothing to move\n");
  for (int i = 1; i < 5; i++)
    if (!words[i]) return tell("error move NAME ID BYTES HOW\n");
  if (strcmp(words[4], "blank") && strcmp(words[4], "erase")) return tell("error HOW is blank or erase\n");
  snprintf(text, sizeof text, "%s %s %s %s %u\n", words[1], words[2], words[3], words[4], generation_at(GENERATION));
  folders(MOVE, 0700);
  if (write_text(WANTED ".new", text) || !read_move(WANTED ".new", &move)) return refuse("it cannot be noted");
  make_sure("/state");
  if (rename(WANTED ".new", WANTED)) return refuse("it cannot be noted");
  unlink(REFUSED);
  make_sure("/state");
  return 0;
}

/* Mounted at OLD, to be written; 0 when it has been said why not. */
static int open_old(void) {
  char state[64], path[128];
  state_device(state, sizeof state);
  if (!old_device(state, path, sizeof path)) return tell("error there is no old state\n"), 0;
  if (mount_old(path, 0)) return refuse("the old state cannot be looked at"), 0;
  return !is_forgotten() || (tell("error the old state was forgotten\n"), 0);
}

/* What the old state says of itself is changed by one rename. */
static int rename_old(const char *from, const char *to) {
  if (rename(from, to)) return refuse("the old state cannot be written");
  make_sure(OLD);
  return umount(OLD) ? refuse("not all is written") : 0;
}

static int back(void) {
  struct move move;
  char text[32];
  if (!open_old()) return 1;
  if (access(FORGOTTEN, F_OK) == 0) return tell("error the old state was forgotten in part\n");
  if (!read_move(OLD "/move/moved", &move)) return tell("error it goes back already, or was never moved\n");
  snprintf(text, sizeof text, "%u\n", generation_at(GENERATION) + 1);
  if (write_text(OLD "/move/generation", text)) return refuse("the old state cannot be written"); /* what `moved` says is still of the one before */
  make_sure(OLD);
  unlink(WANTED);
  make_sure("/state");
  return rename_old(OLD "/move/moved", GOES_BACK);
}

static int stay(void) {
  char state[64], path[128];
  if (unlink(WANTED) && errno != ENOENT) return refuse("it cannot be taken back");
  unlink(REFUSED);
  make_sure("/state");
  state_device(state, sizeof state);
  if (!old_device(state, path, sizeof path)) return 0;
  if (mount_old(path, 0)) return refuse("the old state cannot be looked at");
  return access(GOES_BACK, F_OK) ? 0 : rename_old(GOES_BACK, OLD "/move/moved");
}

static int forget(void) {
  char inside[400];
  if (!open_old()) return 1;
  if (access(OLD "/move/moved", F_OK)) return tell("error the state goes back there at the next start, or was never moved from there\n");
  if (write_text(FORGOTTEN, "begun\n")) return refuse("the old state cannot be written");
  make_sure(OLD); /* what is half removed is nothing to go back to */
  DIR *list = opendir(OLD);
  for (struct dirent *entry; list && (entry = readdir(list));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || !strcmp(entry->d_name, "move") || !strcmp(entry->d_name, ".modulux")) continue;
    snprintf(inside, sizeof inside, OLD "/%s", entry->d_name);
    remove_tree(inside);
  }
  if (list) closedir(list);
  make_sure(OLD);
  write_text(FORGOTTEN, "done\n");
  return umount(OLD) ? refuse("not all is written") : 0;
}

int obey_disks(char **words) {
  if (!strcmp(words[0], "disks")) return show_disks();
  if (!strcmp(words[0], "move")) return want(words);
  if (!strcmp(words[0], "back")) return back();
  return !strcmp(words[0], "stay") ? stay() : forget();
}
