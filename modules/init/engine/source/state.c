/* /state: all that is kept. Whatever the disk is like, there is a /state afterwards, and the console says when it keeps nothing. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define OURS 1 /* version of how /state is laid out */
#define MARK "/state/.modulux"
#define BEING_MADE "modulux-making" /* the label until it is whole: a power cut before that loses nothing */
#define MADE "modulux-state"
#define FLAGS (MS_NOSUID | MS_NODEV | MS_NOATIME)
#define BLOCK 4096
#define GROW _IOW('f', 16, uint64_t) /* EXT4_IOC_RESIZE_FS */
#define NEWER "it belongs to a newer system, and is left alone"

enum look { BLANK, HALF_MADE, CLEAN, UNCLEAN, FOREIGN, UNREADABLE };

int state_kept;
static pid_t grower;

static void in_memory(const char *why, const char *disk) {
  say("state: %s%s%s; NOTHING WILL BE KEPT, it lies in memory", disk, *disk ? ": " : "", why);
  attach("state", "/state", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=50%");
}

static uint32_t number(const unsigned char *at) {
  return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The version of the state that has this mark; 0 when it has none. */
static int version(const char *mark) {
  char text[64];
  return read_text(mark, text, sizeof text) ? atoi(text + strcspn(text, "0123456789")) : 0;
}

int is_newer_state(const char *mark) {
  return version(mark) > OURS;
}

/* The version of the state on a disk that nobody has mounted. With "noload" nothing of that disk is changed, and not all may be seen. */
static int version_on(const char *disk, const char *how) {
  if (mount(disk, "/state", "ext4", FLAGS | MS_RDONLY, how)) return 0; /* said later, when it matters */
  int found = version(MARK);
  umount("/state");
  return found;
}

static int is_labelled(const unsigned char *super, const char *label) {
  return !strncmp((const char *)super + 0x78, label, 16);
}

/* What lies on a disk, by its first bytes. Only one that holds nothing anybody knows is called blank, and an ext4 is ours by its label or
 * its mark. */
static enum look look_at(const char *disk, uint64_t *blocks, uint64_t *block) {
  static unsigned char head[128 * 1024];
  const unsigned char *super = head + 1024;
  int file = open(disk, O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? -1 : pread(file, head, sizeof head, 0);
  if (file >= 0) close(file);
  if (got < (ssize_t)sizeof head) return UNREADABLE;
  if (super[0x38] == 0x53 && super[0x39] == 0xef) {
    *blocks = number(super + 4) | (uint64_t)number(super + 0x150) << 32;
    *block = 1024ull << (number(super + 0x18) & 7);
    if (is_labelled(super, BEING_MADE)) return version_on(disk, NULL) ? UNCLEAN : HALF_MADE; /* the other label may lie in the journal as yet */
    if (!is_labelled(super, MADE) && !version_on(disk, "noload")) return FOREIGN;
    int recover = number(super + 0x60) & 4, state = super[0x3a];
    return recover || !(state & 1) || state & 2 ? UNCLEAN : CLEAN;
  }
  for (int i = 0; i < BLOCK; i++)
    if (head[i]) return FOREIGN;
  /* these leave the first bytes alone: RAID, bcache, btrfs, reiserfs, a CD's file system */
  if (!memcmp(head + 0x1000, "\xfc\x4e\x2b\xa9", 4) || !memcmp(head + 0x1018, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", 8)) return FOREIGN;
  if (!memcmp(head + 0x10040, "_BHRfS_M", 8) || !memcmp(head + 0x10034, "ReIsEr", 6) || !memcmp(head + 0x8001, "CD001", 5)) return FOREIGN;
  return BLANK;
}

/* It writes its superblock, with the label, after all else has reached the disk. Until then nothing may lie in the first bytes, by which a disk
 * is called blank: so the table of groups, which lies in the second block, lies behind them. */
static int make(const char *disk) {
  char *argv[] = {"/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "2", "-L", BEING_MADE, (char *)disk, NULL};
  double began = now();
  int failed = finish(argv); /* 2 % are left to root, so that a full disk does not stop the next start */
  if (failed) say("state: no file system could be made on %s (mke2fs: %d)", disk, failed);
  else say("state: a file system was made on %s in %.1f s", disk, now() - began);
  return failed;
}

static void check(const char *disk, const char *how) {
  char *argv[] = {"/usr/sbin/e2fsck", (char *)how, (char *)disk, NULL};
  int found = finish(argv);
  if (found & ~1) say("state: e2fsck %s %s: %d", how, disk, found);
  else if (found) say("state: e2fsck mended %s", disk);
}

/* The label comes last: by it this disk is known for ours, or for one on which nothing lies yet. */
static void mark(void) {
  char text[32], label[256] = "";
  if (version(MARK) < OURS) {
    snprintf(text, sizeof text, "modulux %d\n", OURS);
    if (write_text(MARK, text)) say("state: %s cannot be written: %s", MARK, strerror(errno));
    sync();
  }
  int top = open("/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (ioctl(top, FS_IOC_GETFSLABEL, label) || strcmp(label, MADE)) {
    strcpy(label, MADE);
    if (ioctl(top, FS_IOC_SETFSLABEL, label)) say("state: its label cannot be set: %s", strerror(errno));
    fsync(top);
  }
  close(top);
}

/* To the end of its disk, beside all else: it can take long. The kernel does it, while it is used. */
static void grow(const char *disk, uint64_t blocks, uint64_t block) {
  uint64_t bytes = 0;
  int file = open(disk, O_RDONLY | O_CLOEXEC);
  if (file < 0 || ioctl(file, BLKGETSIZE64, &bytes)) bytes = 0;
  if (file >= 0) close(file);
  uint64_t room = bytes / block;
  if (!blocks || room < blocks + 1024) return;
  grower = branch("grow");
  if (grower) return;
  int top = open("/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (ioctl(top, GROW, &room)) say("state: cannot grow to %llu MB: %s", (unsigned long long)(bytes >> 20), strerror(errno));
  else say("state: grown to %llu MB", (unsigned long long)(bytes >> 20));
  _exit(0);
}

void state_helper_ended(pid_t pid, int status) {
  (void)status;
  if (pid == grower) grower = 0;
}

static int mount_kept(const char *disk) {
  if (mount(disk, "/state", "ext4", FLAGS, "errors=remount-ro") == 0) return 0;
  say("state: %s cannot be mounted (%s), it is checked", disk, strerror(errno));
  check(disk, "-fy");
  return mount(disk, "/state", "ext4", FLAGS, "errors=remount-ro");
}

/* NULL once it is mounted, or why it is not. A state of a newer system is not even replayed: its journal may hold what this one does not
 * know. */
static const char *take_up(const char *disk, enum look look) {
  if (version_on(disk, "noload") > OURS) return NEWER;
  if (look == UNCLEAN) check(disk, "-p");
  if (mount_kept(disk)) return strerror(errno);
  if (version(MARK) <= OURS) return NULL;
  umount("/state"); /* only its journal said so */
  return NEWER;
}

void mount_state(void) {
  char wanted[128] = "/dev/vdc", disk[128], other[128];
  uint64_t blocks = 0, block = 1024;
  int named = argument("state", wanted, sizeof wanted);
  if (!strcmp(wanted, "none")) return in_memory("none was given", "");
  if (!find_disk(wanted, disk, sizeof disk, named ? DISK_TIME : 1)) return in_memory("the disk is not there", wanted);
  enum look look = look_at(disk, &blocks, &block);
  if (look == UNREADABLE) return in_memory("the disk cannot be read, or is too small", disk);
  if (look == FOREIGN) return in_memory("it holds something else, which is left alone", disk);
  if (look == HALF_MADE) say("state: the power went while %s was made; it is made anew", disk);
  int blank = look == BLANK || look == HALF_MADE;
  if (blank) grow_partition(disk);
  if (blank && make(disk)) return in_memory("it cannot be used", disk);
  if (blank) look = look_at(disk, &blocks, &block);
  const char *why = take_up(disk, look);
  if (why) return in_memory(why, disk);
  while (moved_elsewhere(disk, other, sizeof other)) { /* and from there, once more than once */
    umount("/state");
    if (!*other) return in_memory("what lay here was moved to a disk that is not there", disk);
    look = look_at(other, &blocks, &block);
    if ((why = take_up(other, look))) return in_memory(why, other);
    snprintf(disk, sizeof disk, "%s", other);
  }
  state_kept = 1;
  mark();
  if (take_laid()) say("state: what was restored is not in its place: %s", strerror(errno));
  if (place_laid()) say("state: what was restored of files is not in its place: %s", strerror(errno));
  grow_partition(disk);
  grow(disk, blocks, block);
}
