/* The state is taken to another disk at a start, before it is used: what was asked for is noted on it (disks.c).
 *
 * Whatever happens, exactly one disk has the state. Until `begun` is renamed to `moved` on the old one, which is the one step that decides, that is
 * the old one; the new one is nothing that anybody knows until all but its first bytes has been copied and compared. Who starts from a disk
 * that says `moved` looks for the other one by the file system's own number, which both have. A state that went back to a disk is of another
 * generation, so that one which was left is not taken for it. */
#include "init.h"
#include "move.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define BEGUN MOVE "/begun"     /* what was wanted, once the disk has been written to */
#define MOVED MOVE "/moved"     /* the same, once the other disk has the state */
#define LEFT MOVE "/left"       /* that was `moved`, and is no longer wanted: this disk has the state again, as it was (disks.c) */
#define BESIDE RUN "/beside"    /* where another disk is mounted */
#define FLAGS (MS_NOSUID | MS_NODEV | MS_NOATIME)
#define EDGE (1 << 20)          /* bytes at both ends of a disk, where what it holds is told */

enum rank { NONE, ARRIVED, STATE }; /* ARRIVED: it is the state if no other disk is */

int read_move(const char *path, struct move *move) {
  char text[512];
  unsigned long long bytes;
  move->generation = 0;
  if (!read_text(path, text, sizeof text)) return 0;
  if (sscanf(text, "%63s %127s %llu %15s %u", move->name, move->id, &bytes, move->how, &move->generation) < 4) return 0;
  move->bytes = bytes;
  return !strchr(move->name, '/');
}

unsigned generation_at(const char *path) {
  char text[32];
  return read_text(path, text, sizeof text) ? strtoul(text, NULL, 10) : 0;
}

/* What a disk calls itself, wherever it is plugged in: a word, "-" if nothing. */
void disk_id(const char *name, char *id, size_t size) {
  static const char *const told[] = {"serial", "wwid", "device/wwid", "device/serial", NULL};
  char path[256], text[128];
  snprintf(id, size, "-");
  for (int i = 0; told[i]; i++) {
    snprintf(path, sizeof path, "/sys/class/block/%s/%s", name, told[i]);
    if (!read_text(path, text, sizeof text)) continue;
    size_t length = strlen(text);
    while (length && (unsigned char)text[length - 1] <= ' ') text[--length] = 0;
    for (char *at = text; *at; at++)
      if ((unsigned char)*at <= ' ' || (unsigned char)*at > '~') *at = '_';
    if (*text) return (void)snprintf(id, size, "%s", text);
  }
}

int is_whole(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/sys/class/block/%s/partition", name);
  return access(path, F_OK) != 0;
}

uint64_t bytes_of(int file) {
  uint64_t bytes = 0;
  return ioctl(file, BLKGETSIZE64, &bytes) ? 0 : bytes;
}

static int is_zero(int file, uint64_t at, uint64_t length) {
  static unsigned char bytes[EDGE];
  if (pread(file, bytes, length, at) != (ssize_t)length) return 0;
  return !length || (!bytes[0] && !memcmp(bytes, bytes + 1, length - 1));
}

/* Whether it holds nothing that anybody could know: file systems, tables and their copies lie at its ends. */
int is_blank(int file, uint64_t bytes) {
  return bytes >= 2 * EDGE && is_zero(file, 0, EDGE) && is_zero(file, bytes - EDGE, EDGE);
}

static int open_named(const char *name, int flags) {
  char path[128];
  snprintf(path, sizeof path, "/dev/%s", name);
  return open(path, flags | O_CLOEXEC);
}

static int is_meant(const struct move *move, const char *name) {
  char id[128];
  disk_id(name, id, sizeof id);
  int named = strcmp(move->id, "-") ? !strcmp(move->id, id) : !strcmp(move->name, name);
  int file = named && is_whole(name) ? open_named(name, O_RDONLY) : -1;
  int found = file >= 0 && bytes_of(file) == move->bytes;
  if (file >= 0) close(file);
  return found;
}

/* Calls it with the name of each disk until it says that this is the one; waits for disks that come late. */
static int find(int (*is_it)(const char *name, const void *what), const void *what, char *name, size_t size) {
  for (double end = now() + DISK_TIME;; usleep(100000)) {
    glob_t all = {0};
    int found = 0;
    glob("/sys/class/block/*", 0, NULL, &all);
    for (size_t i = 0; i < all.gl_pathc && !found; i++) {
      snprintf(name, size, "%s", strrchr(all.gl_pathv[i], '/') + 1);
      found = is_it(name, what);
    }
    globfree(&all);
    if (found || now() > end) return found;
  }
}

static int is_target(const char *name, const void *what) {
  return is_meant(what, name);
}

static void sync_at(const char *path) {
  int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return;
  syncfs(top);
  close(top);
}

/* NULL, or why the disk cannot take what lies on `file`. */
static const char *judge(int file, int to, const struct move *move, int begun) {
  unsigned char uuid[16];
  uint64_t needed;
  if (to < 0) return errno == EBUSY ? "it is in use" : "it cannot be written";
  if (!ext4_facts(file, &needed, uuid)) return "the state is not as it should be";
  if (bytes_of(to) < needed) return "it is too small";
  if (begun || !strcmp(move->how, "erase") || is_blank(to, bytes_of(to))) return NULL;
  return "it holds something, which is left alone";
}

/* What tells of a file system or of partitions is gone before anything else is written. */
static int forget_what_it_held(int to) {
  static unsigned char nothing[EDGE];
  uint64_t bytes = bytes_of(to);
  int failed = pwrite(to, nothing, EDGE, 0) != EDGE || pwrite(to, nothing, EDGE, bytes - EDGE) != EDGE || fsync(to);
  ioctl(to, BLKRRPART, 0);
  return failed;
}

static int copy_head(int from, int to) {
  unsigned char head[HEAD];
  return pread(from, head, HEAD, 0) != HEAD || pwrite(to, head, HEAD, 0) != HEAD || fsync(to);
}

static const char *copy_all(int from, int to) {
  const char *why = forget_what_it_held(to) ? "it cannot be written" : copy_blocks(from, to);
  if (!why) why = compare_blocks(from, to);
  return why || !copy_head(from, to) ? why : "it cannot be written";
}

/* That the copy is whole, and what it says of itself. */
static const char *prove(const char *target) {
  char *argv[] = {"/usr/sbin/e2fsck", "-fn", (char *)target, NULL};
  int found = finish(argv);
  if (found) say("state: e2fsck -fn %s: %d", target, found);
  return found ? "the copy is not right" : NULL;
}

static int refused(const char *name, const char *why) {
  say("state: it STAYS WHERE IT IS, and is not moved to %s: %s", name, why);
  write_text(REFUSED, why);
  unlink(BEGUN);
  unlink(WANTED);
  sync_at("/state");
  return 0;
}

/* The state is mounted, before and after. 1: `target` has it now. */
static int carry_out(const char *disk, char *target, size_t size) {
  struct move move;
  char name[64];
  int begun = access(BEGUN, F_OK) == 0;
  if (!read_move(begun ? BEGUN : WANTED, &move)) return refused("another disk", "what was asked for cannot be read");
  if (begun) say("state: the power went while it was moved to %s; it is begun again", move.name);
  if (!find(is_target, &move, name, sizeof name)) return refused(move.name, "the disk is not there");
  snprintf(target, size, "/dev/%s", name);
  int from = open(disk, O_RDONLY | O_CLOEXEC), to = open(target, O_RDWR | O_EXCL | O_CLOEXEC);
  const char *why = judge(from, to, &move, begun);
  if (!why && !begun && rename(WANTED, BEGUN)) why = "it cannot be noted";
  sync_at("/state");
  if (!why && umount("/state")) why = "the state is in use";
  else if (!why) {
    say("state: it is moved from %s to %s", disk, target);
    ioctl(from, BLKFLSBUF, 0);
    why = copy_all(from, to);
    close(to);
    to = -1;
    if (!why) why = prove(target);
    if (attach(disk, "/state", "ext4", FLAGS, "errors=remount-ro")) why = "the former one cannot be mounted";
  }
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  if (why) return refused(name, why);
  if (rename(BEGUN, MOVED)) return refused(name, strerror(errno));
  sync_at("/state");
  say("state: it lies on %s now; what was on %s stays there, and is not used", target, disk);
  return 1;
}

struct sought {
  const char *disk; /* the one that it is not */
  unsigned char uuid[16];
  unsigned generation;
  enum rank rank;
};

/* Journals are replayed: what a disk says of itself may lie there. But not where a newer system wrote it. */
static int mount_beside(const char *path) {
  folders(BESIDE, 0700);
  if (mount(path, BESIDE, "ext4", FLAGS | MS_RDONLY, "noload") == 0) {
    if (is_newer_state(BESIDE "/.modulux")) return 0;
    umount(BESIDE);
  }
  return mount(path, BESIDE, "ext4", FLAGS | MS_RDONLY, NULL);
}

static enum rank rank_of(const char *name, unsigned generation) {
  struct move move;
  char path[128];
  snprintf(path, sizeof path, "/dev/%s", name);
  if (mount_beside(path)) return NONE;
  enum rank rank = STATE;
  if (access(BESIDE "/move/moved", F_OK) == 0 || generation_at(BESIDE "/move/generation") < generation) rank = NONE;
  else if (read_move(BESIDE "/move/begun", &move) && is_meant(&move, name)) rank = ARRIVED; /* a copy: it has what was noted on the old one */
  umount(BESIDE);
  return rank;
}

static int is_sought(const char *name, const void *what) {
  const struct sought *sought = what;
  unsigned char uuid[16];
  uint64_t bytes;
  if (!is_whole(name) || !strcmp(strrchr(sought->disk, '/') + 1, name)) return 0;
  int file = open_named(name, O_RDONLY | O_EXCL);
  int same = file >= 0 && ext4_facts(file, &bytes, uuid) && !memcmp(uuid, sought->uuid, sizeof uuid);
  if (file >= 0) close(file);
  return same && rank_of(name, sought->generation) >= sought->rank;
}

static void forget_moves(void) {
  static const char *const files[] = {BEGUN, WANTED, REFUSED, LEFT, NULL};
  for (int i = 0; files[i]; i++) unlink(files[i]);
  sync_at("/state");
}

/* The state that is mounted is of `disk`. Not 0: it lies on `other` now, which is empty if that is not there. */
int moved_elsewhere(const char *disk, char *other, size_t size) {
  struct sought sought = {.disk = disk, .rank = STATE};
  char name[64];
  uint64_t bytes;
  struct move move;
  const char *called = strrchr(disk, '/') + 1;
  if (read_move(BEGUN, &move) && is_meant(&move, called)) forget_moves(); /* it is the copy, and was taken */
  if (access(LEFT, F_OK) == 0 && access(MOVED, F_OK)) say("state: it is what it was on %s before it was moved", disk), forget_moves();
  if ((access(BEGUN, F_OK) == 0 || access(WANTED, F_OK) == 0) && carry_out(disk, other, size)) return 1;
  *other = 0;
  if (access(MOVED, F_OK)) return 0;
  if (read_move(MOVED, &move)) sought.generation = move.generation;
  int file = open(disk, O_RDONLY | O_CLOEXEC);
  int known = file >= 0 && ext4_facts(file, &bytes, sought.uuid);
  if (file >= 0) close(file);
  int found = known && find(is_sought, &sought, name, sizeof name);
  sought.rank = ARRIVED;
  if (known && !found) found = find(is_sought, &sought, name, sizeof name);
  if (found) snprintf(other, size, "/dev/%s", name);
  return 1;
}
